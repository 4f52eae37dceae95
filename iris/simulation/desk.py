"""What people's programs can ask of the controller."""

from __future__ import annotations

from random import Random
from typing import Protocol

from iris.domain.views import Submission


class Desk(Protocol):
    """Raises Unreachable while nobody answers."""

    def submit(self, submission: Submission, user: str, parent: str = "") -> str:
        """The job's uid; of a `parent` where a task of that submits it."""

    def cancel(self, job_uid: str, by: str) -> None: ...

    def drain_some_worker(self, chance: Random) -> str: ...

    def drain_cluster(self, by: str) -> None: ...

    def resume_cluster(self, by: str) -> None: ...

    def stuck_slices(self) -> list[str]:
        """Those whose deletion takes too long."""

    def confirm_gone(self, slice_name: str, by: str) -> None: ...

    def live_jobs(self) -> int: ...
