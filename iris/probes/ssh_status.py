"""How far does SSH get to the controller's machine, and as whom?"""

from __future__ import annotations

from pathlib import Path

import msgspec

from iris.errors import IrisError, NoCluster
from iris.remote.messages import State
from iris.remote.target import Destination
from iris.session import LOOK, Session


class SshStatus(msgspec.Struct, frozen=True):
    """What is tried, and how far it gets."""

    cluster: str
    needs_ssh: bool
    is_well: bool
    machine: str = ""
    address: str = ""
    user: str = ""
    key: str = ""
    proxy_command: str = ""
    is_pinned: bool = False  # is its key one that was met before
    tunnel_pid: int = 0
    handshakes: int = 0  # that the tunnel needed so far
    answer_seconds: float = 0.0  # for the smallest command there
    problem: str = ""
    hint: str = ""


def ask(session: Session) -> SshStatus:
    """Runs the smallest command there, over the tunnel's SSH."""
    if not session.reach.has_ssh:
        return SshStatus(session.cluster, needs_ssh=False, is_well=True)
    tunnel = session.reach.tunnel
    try:
        to = _destination(session, tunnel.state())
    except IrisError as error:
        return SshStatus(
            session.cluster, True, False, problem=error.message, hint=error.hint
        )
    problem: IrisError | None = None
    began = session.clock.now()
    try:
        tunnel.run(to, "true", LOOK)
    except IrisError as error:
        problem = error
    took = session.clock.now() - began
    return _status(session, to, problem, took)


def _destination(session: Session, state: State | None) -> Destination:
    if state is not None and state.has_ssh:
        return state.destination
    machine = session.controller_machine()
    if machine is None or not machine.ssh_address:
        raise NoCluster(
            f"cluster {session.cluster!r} has no controller's machine with an address",
            hint="`inv probe.discover` says what there is.",
        )
    return session.reach.destination(machine)


def _status(
    session: Session, to: Destination, problem: IrisError | None, took: float
) -> SshStatus:
    target, state = to.target, session.reach.tunnel.state()
    pins = Path(target.pins)
    pinned = pins.read_text().splitlines() if pins.exists() else []
    return SshStatus(
        cluster=session.cluster,
        needs_ssh=True,
        is_well=problem is None,
        machine=target.name,
        address=f"{target.address}:{target.port}",
        user=target.user,
        key=target.key,
        proxy_command=target.proxy_command,
        is_pinned=any(line.split()[:1] == [target.name] for line in pinned),
        tunnel_pid=state.pid if state else 0,
        handshakes=state.handshakes if state else 0,
        answer_seconds=round(took, 3),
        problem=problem.message if problem else "",
        hint=problem.hint if problem else "",
    )
