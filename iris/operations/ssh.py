"""SSH to a cluster's machines, for a person and for a person's own tools."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from iris.domain.views import WorkerView
from iris.errors import FellShort, IrisError, NoCluster, NotThere, UsageError
from iris.files import make_private, write_private
from iris.operations.output import Lines
from iris.remote.dialling import command_line
from iris.remote.target import Target
from iris.session import LOOK, Session

AT_ONCE = 32  # machines that are spoken to together
CONFIG_NAME = "ssh_config"
Write = Callable[[bytes], None]


class Ended(msgspec.Struct, frozen=True):
    """How a command ended on one worker."""

    worker: str
    exit_status: int
    problem: str = ""


def require_ssh(session: Session) -> None:
    """Raise UsageError where the machines are this one."""
    if not session.reach.has_ssh:
        raise UsageError(
            f"the machines of cluster {session.cluster!r} are folders of this one",
            hint="SSH is for clusters in a cloud.",
        )


def workers_of(session: Session, worker: str = "") -> tuple[WorkerView, ...]:
    """The worker SLICE/INDEX or with that uid; all where none is named."""
    require_ssh(session)
    with session.controller(LOOK) as client:
        found = tuple(each for each in client.workers() if _is_meant(each, worker))
    if found or not worker:
        return found
    raise NotThere(
        f"there is no worker {worker!r}", hint="See `inv probe.list-workers`."
    )


def run_on(session: Session, worker: WorkerView, command: str, write: Write) -> Ended:
    """Run a command on one worker's VM; its output goes on as it comes."""
    from iris.remote.shell import Shell

    name = f"{worker.slice_name}/{worker.index}"
    try:
        with Shell(session.reach.worker(worker)) as shell:
            return Ended(name, shell.stream(command, write))
    except IrisError as error:
        return Ended(name, 255, str(error))


def run_on_all(
    session: Session, workers: Sequence[WorkerView], command: str, write: Write
) -> tuple[Ended, ...]:
    """Run it on all of them at once; each line bears its worker's name."""
    if not workers:
        raise NoCluster(f"cluster {session.cluster!r} has no workers")
    lock = threading.Lock()

    def run(worker: WorkerView) -> Ended:
        lines = Lines(f"{worker.slice_name}/{worker.index}: ".encode(), write, lock)
        ended = run_on(session, worker, command, lines.add)
        lines.end()
        return ended

    with ThreadPoolExecutor(min(len(workers), AT_ONCE)) as pool:
        return tuple(pool.map(run, workers))


def require_all_well(ended: Sequence[Ended]) -> None:
    """Raise FellShort that names where it went wrong."""
    bad = [each for each in ended if each.exit_status != 0]
    if bad:
        words = "; ".join(
            f"{each.worker}: {each.problem or f'exit {each.exit_status}'}"
            for each in bad
        )
        raise FellShort(f"{len(bad)} of {len(ended)} went wrong: {words}")


def interactive_words(session: Session, worker: WorkerView) -> list[str]:
    """The system's ssh to a worker, on the cluster's own settings."""
    file = write_config(session, render_config(session))
    return ["ssh", "-F", str(file), f"{worker.slice_name}-{worker.index}"]


def write_config(session: Session, text: str) -> Path:
    """The settings as a file beside the key."""
    make_private(session.reach.folder)
    file = session.reach.folder / CONFIG_NAME
    write_private(file, text.encode())
    return file


def render_config(session: Session) -> str:
    """What OpenSSH needs to know of the controller and of every worker."""
    require_ssh(session)
    machine = session.controller_machine()
    if machine is None:
        raise NoCluster(f"cluster {session.cluster!r} has no controller")
    gate = session.reach.target(machine)
    blocks = [_block(machine.name, gate)]
    with session.controller(LOOK) as client:
        workers = client.workers()
    blocks += [_worker_block(session, each, machine.name) for each in workers]
    return "\n".join(blocks)


def _is_meant(each: WorkerView, worker: str) -> bool:
    return worker in ("", each.uid, f"{each.slice_name}/{each.index}")


def _worker_block(session: Session, worker: WorkerView, gate: str) -> str:
    target = session.reach.worker(worker)
    made = _block(f"{worker.slice_name}-{worker.index}", target)
    return made if target.proxy_command else f"{made}    ProxyJump {gate}\n"


def _block(name: str, target: Target) -> str:
    lines = [
        f"Host {name}",
        f"HostName {target.address}",
        f"Port {target.port}",
        f"User {target.user}",
        f"IdentityFile {_quoted(target.key)}",
        "IdentitiesOnly yes",
        f"HostKeyAlias {target.name}",
        f"UserKnownHostsFile {_quoted(target.pins)}",
        "StrictHostKeyChecking accept-new",
        "BatchMode yes",
        "ConnectTimeout 20",
        "ServerAliveInterval 15",
    ]
    if target.proxy_command:
        lines.append(f"ProxyCommand {command_line(target)}")
    return "\n    ".join(lines) + "\n"


def _quoted(path: str) -> str:
    return f'"{path}"' if set(path) & set(" \t") else path
