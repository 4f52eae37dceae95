"""Secrets on the state disk: files of their owner's alone, beside the database.

A cluster's stay until they are deleted; those that came with a job go when it has
ended. Names may be told to anybody, values only to the worker of an attempt.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec.structs import replace

from iris.config.job_rules import MOST_SECRET_BYTES, SECRET_NAME
from iris.controller.change import Changed
from iris.controller.state import State
from iris.domain.jobs import Job
from iris.domain.pages import SecretView
from iris.domain.states import JOB_ENDED
from iris.domain.views import Submission
from iris.errors import Conflict, JobRefused, NotThere, StoreFailed, UsageError
from iris.files import make_private, write_private

_JOB_ENDS = frozenset(f"job {state}" for state in JOB_ENDED)


class SecretStore:
    """Keeps values, each under a name, and the values of a job under its key."""

    def __init__(self, folder: Path, state: State) -> None:
        self._of_cluster = folder / "cluster"
        self._of_jobs = folder / "jobs"
        self._state = state
        self._lock = threading.Lock()
        self._key_by_job: dict[str, str] = {}
        for each in (folder, self._of_cluster, self._of_jobs):
            make_private(each)
            each.chmod(0o700)
        self._sweep()

    # -- the cluster's ---------------------------------------------------------------

    def put(self, name: str, value: str) -> SecretView:
        """Keep a value for all jobs. Raises UsageError, StoreFailed."""
        if not SECRET_NAME.fullmatch(name):
            raise UsageError(f"{name[:80]!r} cannot be the name of a secret")
        if "\0" in value or not 0 < len(value.encode()) <= MOST_SECRET_BYTES:
            words = f"expected 1 to {MOST_SECRET_BYTES} bytes, no NUL"
            raise UsageError(f"secret {name}: {words}")
        self._write(self._of_cluster / name, value.encode())
        return self._view(name)

    def all(self) -> tuple[SecretView, ...]:
        """The names of the cluster's, and when each was put."""
        found = sorted(path.name for path in self._of_cluster.iterdir())
        return tuple(self._view(name) for name in found if SECRET_NAME.fullmatch(name))

    def delete(self, name: str) -> None:
        """Forget one of the cluster's. Raises NotThere."""
        if not self._has(name):
            raise NotThere(
                f"there is no secret {name[:80]!r}", hint="See `inv secret.list`."
            )
        (self._of_cluster / name).unlink(missing_ok=True)

    def require(self, submission: Submission, parent: str = "") -> dict[str, str]:
        """Refuse what names a secret that is neither there nor brought along.

        Returns those that a `parent` passes on. Raises JobRefused, Conflict.
        """
        if self._is_known(submission):  # State answers with the job that is there
            return {}
        spec, brought = submission.spec, submission.secrets
        asked = set(spec.secrets) - set(brought)
        passed = self._passed_on(spec.name, asked, parent) if parent and asked else {}
        for name in sorted(asked - set(passed)):
            if not self._has(name):
                raise JobRefused(
                    f"the cluster has no secret {name}",
                    hint=f"`inv secret.put {name}` puts one; `--secret "
                    f"{name}=env:{name}` takes this terminal's variable.",
                )
        return passed

    # -- jobs' -----------------------------------------------------------------------

    @contextmanager
    def keeping(
        self, submissions: Sequence[Submission], parent: str = ""
    ) -> Iterator[tuple[Submission, ...]]:
        """The submissions without values, which are on disk before State accepts.

        Those of a `parent`, a job that submits others, have no more than that job has,
        and what they bring. What belongs to no accepted job afterwards is gone. Raises
        JobRefused, Conflict.
        """
        kept: list[Submission] = []
        try:
            for each in submissions:
                kept.append(self._without_values(each, parent))
            yield tuple(kept)
        finally:
            keys = {each.spec.secrets_key for each in kept} - {""}
            if keys:
                self._settle(keys)

    def values_for(self, attempt_uid: str, worker_uid: str) -> dict[str, str]:
        """What a live attempt was promised. Raises NotThere, JobRefused."""
        with self._state.reading() as tables:
            attempt = tables.attempts.get(attempt_uid)
            if attempt is None or attempt.worker_uid != worker_uid:
                raise NotThere(f"there is no attempt {attempt_uid[:80]!r} of yours")
            job = tables.jobs.get(attempt.job_uid)
        if job is None:
            raise NotThere(f"the job of attempt {attempt_uid} has ended")
        spec = job.spec
        values = self._read_job(spec.secrets_key) if spec.secrets_key else {}
        for name in spec.secrets:
            if name not in values:
                values[name] = self._read(name)
        return values

    def drop_ended(self, changed: Changed) -> None:
        """A job that has ended needs its values no more; a listener of State."""
        for event in changed.events:
            if event.kind in _JOB_ENDS and event.job_uid in self._key_by_job:
                self._drop_if_ended(event.job_uid)

    def _without_values(self, submission: Submission, parent: str) -> Submission:
        spec = submission.spec
        values = submission.secrets | self.require(submission, parent)
        if not values or self._is_known(submission):
            return replace(submission, secrets={})
        key = secrets.token_hex(16)
        self._write(self._of_jobs / key, msgspec.json.encode(values))
        return replace(submission, spec=replace(spec, secrets_key=key), secrets={})

    def _is_known(self, submission: Submission) -> bool:
        with self._state.reading() as tables:
            return submission.client_id in tables.client_ids

    def _passed_on(self, child: str, asked: set[str], parent: str) -> dict[str, str]:
        """Of those asked for the values that came with the parent.

        The cluster's are there without one. Raises JobRefused, Conflict.
        """
        with self._state.reading() as tables:
            job = tables.jobs.get(parent)
        if job is None:
            raise Conflict(f"job {parent}, which submits job {child}, has ended")
        if missing := sorted(asked - set(job.spec.secrets)):
            flags = " ".join(f"--secret {name}" for name in missing)
            raise JobRefused(
                f"job {child} asks for what job {job.name}, which submits it, was not "
                f"given: {flags}",
                hint=f"Submit job {job.name} with `{flags}` too, or send the values "
                "along with the child.",
            )
        key = job.spec.secrets_key
        values = self._read_job(key) if key else {}
        return {name: values[name] for name in asked & set(values)}

    def _settle(self, keys: set[str]) -> None:
        job_by_key = {job.spec.secrets_key: job.uid for job in self._live_jobs()}
        for key in keys:
            uid = job_by_key.get(key)
            if uid is None:  # refused, or a job that was there already
                (self._of_jobs / key).unlink(missing_ok=True)
                continue
            with self._lock:
                self._key_by_job[uid] = key
            self._drop_if_ended(uid)

    def _drop_if_ended(self, uid: str) -> None:
        with self._state.reading() as tables:
            is_live = uid in tables.jobs
        if is_live:
            return
        with self._lock:
            key = self._key_by_job.pop(uid, "")
        if key:
            (self._of_jobs / key).unlink(missing_ok=True)

    def _sweep(self) -> None:
        """What a crash left of jobs that are not live goes."""
        self._key_by_job = {
            job.uid: job.spec.secrets_key
            for job in self._live_jobs()
            if job.spec.secrets_key
        }
        for path in self._of_jobs.iterdir():
            if path.name not in self._key_by_job.values():
                path.unlink(missing_ok=True)

    def _live_jobs(self) -> list[Job]:
        with self._state.reading() as tables:
            return list(tables.jobs.values())

    # -- files -----------------------------------------------------------------------

    def _has(self, name: str) -> bool:
        return bool(SECRET_NAME.fullmatch(name)) and (self._of_cluster / name).exists()

    def _view(self, name: str) -> SecretView:
        return SecretView(name, (self._of_cluster / name).stat().st_mtime)

    def _read(self, name: str) -> str:
        try:
            return (self._of_cluster / name).read_text()
        except OSError as error:
            raise JobRefused(f"the cluster has no secret {name} any more") from error

    def _read_job(self, key: str) -> dict[str, str]:
        try:
            content = (self._of_jobs / key).read_bytes()
        except OSError as error:
            raise JobRefused("the secrets of the job are not there any more") from error
        return msgspec.json.decode(content, type=dict[str, str])

    def _write(self, path: Path, content: bytes) -> None:
        try:
            write_private(path, content)
            handle = os.open(path.parent, os.O_RDONLY)  # its name is durable too
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as error:
            raise StoreFailed(f"cannot keep a secret: {error.strerror}") from error
