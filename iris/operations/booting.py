"""A controller's machine while it boots: how far it came, and when it answers."""

from __future__ import annotations

import re
from collections.abc import Callable

from iris.client import Client
from iris.domain.views import Health
from iris.errors import (
    CloudError,
    FellShort,
    Late,
    NotAllowed,
    RateLimited,
    Unavailable,
    Unknown,
    Unreachable,
)
from iris.providers.contract import ControllerMachine
from iris.session import Session

Say = Callable[[str], None]

LIST_INTERVAL = 1.0  # seconds between lists of a cloud; this machine is asked each turn
BOOT_LOG_INTERVAL = 2.0  # seconds between looks at a machine's console
_PASSING = (Unavailable, RateLimited, Unknown)
_PHASE = re.compile(
    r"iris-phase: (?P<name>.+?)(?: because (?P<because>.*?))?[ \t\r]*$", re.MULTILINE
)


class Boot:
    """What is seen of one boot, from the cloud, from its console and through SSH."""

    def __init__(self, session: Session, say: Say) -> None:
        self._session = session
        self._say = say
        self._machine: ControllerMachine | None = None
        self._listed_at = 0.0
        self._console_at = 0.0
        self._phase = ""
        self._seen = "it does not answer yet"

    def look(self) -> ControllerMachine | None:
        """The machine as it was listed last; a passing fault changes nothing."""
        now = self._session.clock.now()
        is_known = self._machine is not None and self._machine.address
        interval = LIST_INTERVAL if is_known and self._is_remote() else 0.0
        if now >= self._listed_at + interval:
            self._listed_at = now
            try:
                self._machine = only_controller(self._session)
            except _PASSING as error:
                self._seen = str(error)
        return self._machine

    def reach(self, machine: ControllerMachine) -> tuple[str, Health] | None:
        """Its address and health; None while it does not answer. Raises FellShort."""
        try:
            url = self._session.reach.url(machine)
            with Client(url, "", patience=0.0) as client:
                health = client.health()
        except (Unreachable, NotAllowed, Late) as error:
            # a young machine may not know its keys yet
            self._seen = str(error)
            self._read_console()
            return None
        ours = (self._session.cluster, machine.cluster_uid)
        # else somebody else listens where ours did
        return (url, health) if (health.cluster, health.cluster_uid) == ours else None

    def late(self) -> Late:
        """What was seen last."""
        phase = f"; its boot came to {self._phase!r}" if self._phase else ""
        cluster = self._session.cluster
        return Late(
            f"the controller of cluster {cluster!r} does not answer yet: "
            f"{self._seen}{phase}",
            hint="Its log: `inv probe.logs`; its boot: `inv probe.bootstrap-logs`. "
            "Wait longer with `--wait-timeout`.",
        )

    def _is_remote(self) -> bool:
        return self._machine is not None and bool(self._machine.ssh_address)

    def _read_console(self) -> None:
        now = self._session.clock.now()
        if not self._is_remote() or now < self._console_at + BOOT_LOG_INTERVAL:
            return
        self._console_at = now
        try:
            name, because = last_phase(self._session.provider.read_boot_log())
        except CloudError as error:
            self._seen = f"{self._seen}; its console cannot be read: {error}"
            return
        if name == "failed":
            raise FellShort(
                f"the controller's machine did not boot: {because or 'it says no why'}",
                hint="All of it: `inv probe.bootstrap-logs`. Mend what it says, then "
                "`inv cluster.restart`.",
            )
        if name != self._phase:
            self._phase = name
            self._say(f"the controller's machine boots: {name}")


def last_phase(console: str) -> tuple[str, str]:
    """The name of the phase that a console told last, and its reason."""
    found = ("", "")
    for line in _PHASE.finditer(console):
        found = (line["name"], line["because"] or "")
    return found


def only_controller(session: Session) -> ControllerMachine | None:
    """The controller of the cluster's name, whatever its uid."""
    return next(iter(session.provider.list_controllers()), None)
