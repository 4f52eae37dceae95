"""How a controller comes up, as seen from a person's machine, or why it did not."""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Callable

from msgspec.structs import replace

from iris.client import Client, records
from iris.client.records import Record
from iris.domain.views import Health
from iris.errors import (
    FellShort,
    IrisError,
    Late,
    NotAllowed,
    NotFound,
    Unreachable,
)
from iris.operations.booting import Boot
from iris.providers.contract import ControllerRequest, Phase
from iris.session import Session
from iris.wire import error_class_by_code

Say = Callable[[str], None]

LOCAL_WAIT, CLOUD_WAIT = 60.0, 900.0  # seconds
PATIENCE = 10.0  # seconds for one answer of a controller that should be there
LOOK_INTERVAL = 0.02  # seconds between looks at a controller that comes up
SHOW_UP_PATIENCE = 5.0  # seconds in which another terminal's controller shows up
LAST_LINES = 5  # of controller.log, where it died without a word for us
_ENDED = re.compile(
    r'controller ended code=(?P<code>\S+) because="(?P<because>.*?)"'
    r'(?: hint="(?P<hint>.*)")?\s*$'
)
_NEVER = threading.Event()


def remember_intent(session: Session, adopt: str = "") -> None:
    """Write the record before there is a cluster: `cleanup` then finds what comes."""
    before = records.find(session.cluster)
    fresh = Record(session.cluster, f"c{secrets.token_hex(6)}", session.config_path)
    record = replace(  # what is known of a rehearsal stays known
        before or fresh,
        cluster_uid=adopt or (before or fresh).cluster_uid,
        config_path=session.config_path,
        url="",
        started_at=session.clock.now(),
    )
    records.save(record, config_text=session.config_text)


def create_controller(session: Session, adopt: str = "") -> None:
    """Ask for the controller of the record. Raises AlreadyExists."""
    uid = records.load(session.cluster).cluster_uid
    request = ControllerRequest(uid, session.config_text, adopt)
    session.prepared().provider.create_controller(request)


def default_wait(session: Session) -> float:
    """Seconds that a controller takes to come up, with room for a slow day."""
    return CLOUD_WAIT if session.reach.has_ssh else LOCAL_WAIT


def wait_for_controller(
    session: Session,
    until: float,
    *,
    log_from: int,
    patience: float = 0.0,
    say: Say = lambda words: None,
) -> tuple[str, Health]:
    """Its address and health, once it answers under the cluster's name and uid.

    Raises Late, or what the controller died of after byte `log_from` of its log;
    for `patience` seconds it may not be there yet.
    """
    shown_by = session.clock.now() + patience
    boot = Boot(session, say)
    while True:
        machine = boot.look()
        now = session.clock.now()
        if machine is None or machine.phase is Phase.STOPPED:
            if now >= shown_by:
                raise why_it_ended(session, log_from)
        elif machine.address and (found := boot.reach(machine)) is not None:
            return found
        if now >= until:
            raise boot.late()
        session.clock.wait(_NEVER, LOOK_INTERVAL)


def answering(session: Session) -> Client:
    """A client of a controller that is there now. Raises NoCluster, Unreachable."""
    session.controller_url()  # a dead one is said at once, not after all patience
    return session.controller(PATIENCE)


def log_length(session: Session) -> int:
    """How long the controller's log is by now; a machine made anew has a new one."""
    if session.reach.has_ssh:
        return 0
    return len(_log(session))


def why_it_ended(session: Session, log_from: int = 0) -> IrisError:
    """The error that a dead controller's log ends with."""
    text = _log(session)[log_from:].decode(errors="replace")
    lines = [line for line in text.splitlines() if line.strip()]
    for line in reversed(lines):
        said = _ENDED.search(line)
        if said is not None:
            kind = error_class_by_code().get(said["code"], FellShort)
            return kind(f"the controller ended: {said['because']}", said["hint"] or "")
    words = " | ".join(lines[-LAST_LINES:]) or "its log is empty"
    return FellShort(
        f"the controller of cluster {session.cluster!r} ended: {words}",
        hint="Mend what it says, then `inv cluster.start` again.",
    )


def operator_token(session: Session) -> str:
    """The operator's token, from the controller's machine."""
    return session.provider.read_controller_file("operator.token").decode().strip()


def _log(session: Session) -> bytes:
    try:
        return session.provider.read_controller_file("controller.log")
    except (NotFound, Unreachable, NotAllowed, Late):
        return b""  # no machine, or one that does not let us look
