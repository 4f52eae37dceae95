"""Gets a person into an attempt: a command, or a shell, where it runs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

import msgspec

from iris.domain.views import AttemptView, JobView, WorkerView
from iris.errors import NotThere
from iris.operations.jobs import find, job_and_task
from iris.reaching import as_root
from iris.session import Session

CONTAINER = "iris-worker"  # of a cloud's VM; bootstrap/worker.sh names it so
PROGRAM = "iris.worker.entering"
Say = Callable[[str], None]
Write = Callable[[bytes], None]


class Entrance(msgspec.Struct, frozen=True):
    """A live attempt, and the VM that it runs on."""

    job: JobView
    attempt: AttemptView
    worker: WorkerView

    @property
    def words(self) -> str:
        """Where one gets in, for a person."""
        place = f"{self.worker.slice_name}/{self.worker.index}"
        name = f"attempt {self.attempt.number} of task {self.attempt.task}"
        return f"{name} of job {self.job.name} on {place}"


class Line(Protocol):
    """To the program that lets us in."""

    def send(self, content: bytes) -> None: ...
    def wait(self) -> int: ...
    def close(self) -> None: ...


def find_entrance(session: Session, named: str, say: Say) -> Entrance:
    """The live attempt of JOB or JOB/INDEX; task 0 where several are not told apart.

    Raises NotThere, NotAllowed, and Conflict while it does not run.
    """
    name, asked = job_and_task(named)
    job, task = find(session, name), asked or 0
    if asked is None and job.spec.tasks > 1:
        say(f"this is task 0 of {job.spec.tasks}; {job.name}/1 is the next")
    with session.controller() as client:
        attempt = client.entrance(job.uid, task)
        workers = [w for w in client.workers() if w.uid == attempt.worker_uid]
    if not workers:
        raise NotThere(f"the worker of {job.name}/{task} is gone")
    return Entrance(job, attempt, workers[0])


@contextmanager
def open_line(
    session: Session, entrance: Entrance, out: Write, err: Write
) -> Iterator[Line]:
    """A line to its VM; what runs at the other end ends with it."""
    uid = entrance.attempt.uid
    if not session.reach.has_ssh:
        line: Line = _Here([sys.executable, "-m", PROGRAM, uid])
        try:
            yield line
        finally:
            line.close()
        return
    from iris.remote.attaching import Attached
    from iris.remote.shell import Shell

    inside = ("docker", "exec", "-i", CONTAINER, "python", "-m", PROGRAM, uid)
    with Shell(session.reach.worker(entrance.worker)) as shell:
        line = Attached(shell, as_root(*inside), out, err)
        try:
            yield line
        finally:
            line.close()


class _Here:
    """On this machine: what it prints needs nobody to carry it."""

    def __init__(self, words: list[str]) -> None:
        self._process = subprocess.Popen(
            words, stdin=subprocess.PIPE, bufsize=0, start_new_session=True
        )

    def send(self, content: bytes) -> None:
        left = memoryview(content)
        with suppress(OSError):  # it has ended
            while left and self._process.stdin is not None:
                left = left[self._process.stdin.write(left) :]

    def wait(self) -> int:
        return self._process.wait()

    def close(self) -> None:
        """It hears that nobody is there, and ends what it started."""
        self._process.terminate()
        self._process.wait()
