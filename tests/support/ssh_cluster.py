"""A real cluster of this machine, seen as a cloud's: its controller is behind SSH."""

from __future__ import annotations

from typing import Any

import msgspec

from iris.client import records
from iris.config import parse_config
from iris.providers.contract import ControllerMachine
from iris.session import Session

FAR = """
name: {name}
provider: {{gcp: {{project: my-lab-1, zone: europe-west4-b}}}}
controller: {{image: controller}}
worker: {{image: worker}}
ssh: {{port: {port}}}
scale_groups: {{v5e: {{accelerator: v5litepod-16}}}}
"""


class BehindSsh:
    """A provider whose controllers answer SSH on loopback; counts what it is asked."""

    def __init__(self, near: Any, surroundings: Any = None) -> None:
        self.near = near
        self.lists = 0
        self.console = ""
        self.surroundings = surroundings

    def list_controllers(self) -> tuple[ControllerMachine, ...]:
        self.lists += 1
        return tuple(
            msgspec.structs.replace(each, ssh_address="127.0.0.1")
            for each in self.near.list_controllers()
        )

    def read_boot_log(self) -> str:
        return self.console

    def __getattr__(self, name: str) -> Any:
        return getattr(self.near, name)


def behind_ssh(session: Session, port: int) -> Session:
    """The same cluster by another way: `session` knows its controller directly."""
    text = FAR.format(name=session.cluster, port=port)
    record = msgspec.structs.replace(
        records.load(session.cluster), proxy_command="", rehearsal=True
    )
    return msgspec.structs.replace(
        session,
        config=parse_config(text),
        config_text=text,
        record=record,
        provider=BehindSsh(session.provider),
    )
