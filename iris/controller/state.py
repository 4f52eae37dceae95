"""All live state behind one lock: transitions in, snapshots out.

Nothing waits for a network, a disk or another lock while the lock is held.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Mapping, Sequence

from msgspec.structs import replace

from iris.controller.change import hash_token
from iris.controller.history import PastJob
from iris.controller.kernel import Kernel, Tuning, new_id
from iris.controller.tokens import job_of_token
from iris.controller.transitions import (
    forgetting,
    jobs,
    machines,
    placing,
    reports,
    slices,
    submitting,
    verdicts,
    workers,
)
from iris.controller.transitions.departures import Departure
from iris.controller.transitions.hearing import hear
from iris.domain.access import Grant
from iris.domain.costs import Work
from iris.domain.fleet import Backoff, Slice
from iris.domain.jobs import EndCause, Job, Owner
from iris.domain.protocol import (
    Heartbeat,
    HeartbeatAnswer,
    PhaseReport,
    Registered,
    Registration,
)
from iris.domain.views import Submission
from iris.errors import CloudError, Conflict, NotAuthenticated, NotThere
from iris.planning.plans import (
    CapacityPlan,
    LifecyclePlan,
    LivenessPlan,
    SchedulingPlan,
    VerdictPlan,
)
from iris.providers.contract import SliceRequest

__all__ = ["State", "Tuning", "new_id"]


class State(Kernel):
    """The live state of one cluster; restores itself from its journal."""

    # -- people ----------------------------------------------------------------

    def submit(
        self, submissions: Sequence[Submission], user: str, parent: str = ""
    ) -> tuple[str, ...]:
        """Accept jobs; returns their uids. A known client id gives the same job.

        Those of a `parent`, a job that submits others, end with it.
        """
        limits = self.tuning.user_limits
        with self._change() as change:
            return submitting.submit(change, submissions, Owner(user, parent), limits)

    def cancel_job(self, job_uid: str, by: str, because: str = "") -> None:
        """Ask for a job's end. Raises NotThere once it has ended."""
        with self._change() as change:
            jobs.cancel(change, job_uid, by, because)

    def drain_worker(
        self, worker_uid: str, by: str, seconds: float | None = None
    ) -> None:
        """No new work for the worker's slice; it goes when what runs has ended.

        With `seconds` that has its signal at once, and so long.
        """
        departure = None
        if seconds is not None:
            departure = Departure(EndCause.DRAINED, seconds)
        with self._change() as change:
            name = change.worker(worker_uid).slice_name
            slices.drain_slice(change, name, by, departure)

    def drain_cluster(self, by: str, seconds: float | None = None) -> None:
        """Give every slice back and make no new ones.

        What runs has its signal at once, and so long, or else its job's own grace.
        """
        with self._change() as change:
            slices.drain_cluster(change, by, seconds)

    def resume_cluster(self, by: str) -> None:
        """Undo `drain_cluster`."""
        with self._change() as change:
            slices.resume_cluster(change, by)

    def confirm_gone(self, slice_name: str, by: str) -> None:
        """Release the tasks of a slice whose deletion is stuck."""
        with self._change() as change:
            slices.confirm_gone(change, slice_name, by)

    def note_machine(self, uid: str, last_seen_at: float) -> None:
        """The controller is on this machine; the one before was seen until then."""
        with self._change() as change:
            machines.note_machine(change, uid, last_seen_at)

    def grant(self, grant: Grant) -> None:
        """Let a token in, by its hash."""
        with self._change() as change:
            change.put_grant(grant)
            change.event(f"{grant.role} granted", user=grant.user)

    def revoke(self, token_hash: str) -> None:
        """Let a token in no longer."""
        with self._change() as change:
            change.drop("grants", token_hash)

    def job_of_token(self, token: str) -> Job | None:
        """The live job whose tasks speak with a token."""
        with self._lock:
            return job_of_token(self._tables, token)

    def grant_of(self, token_hash: str) -> Grant | None:
        """Whom a token speaks for."""
        return self._tables.grants.get(token_hash)

    # -- workers -----------------------------------------------------------------

    def register(self, registration: Registration, join_token_hash: str) -> Registered:
        """Take a worker in. Raises NotAuthenticated or Conflict."""
        try:
            return self._take_in(registration, join_token_hash)
        except Conflict:
            with self._change() as change:
                workers.note_double(change, registration)
            raise

    def _take_in(self, registration: Registration, join_token_hash: str) -> Registered:
        name, index = registration.slice_name, registration.index
        with self._change() as change:
            expected = hash_token(self._join_token(registration.slice_uid, index))
            if not hmac.compare_digest(expected, join_token_hash):
                raise NotAuthenticated(f"the join token is not that of {name}/{index}")
            token = self._new_id("t") + secrets.token_urlsafe(24)
            worker = workers.register(change, registration, token)
            self._tables.heard[worker.uid] = change.now
        return Registered(
            worker_uid=worker.uid,
            token=token,
            cluster=self.tuning.cluster,
            cluster_uid=self.tuning.cluster_uid,
            interval=self.interval(),
        )

    def report_phase(self, report: PhaseReport) -> None:
        """Keep one step of a slice's boot."""
        with self._change() as change:
            workers.report_phase(change, report)

    def heartbeat(
        self, heartbeat: Heartbeat, settle: Callable[[], object] = int
    ) -> HeartbeatAnswer:
        """Take what a worker observed; say what it should do. Raises NotThere.

        `settle` is called in between: what happens until it returns is in the answer,
        and nudges nobody.
        """
        try:
            with self._change() as change:
                hear(change, heartbeat)
                self.answering.add(heartbeat.worker_uid)
            settle()
        finally:
            with self._lock:
                self.answering.discard(heartbeat.worker_uid)
        with self.reading():
            if heartbeat.worker_uid not in self._tables.workers:
                raise NotThere(f"worker {heartbeat.worker_uid} is gone")
            return HeartbeatAnswer(
                seq=self._seq,
                interval=self.interval_of(heartbeat.worker_uid),
                attempts=reports.desired_attempts(
                    self._tables, heartbeat, self.tuning.output_bytes, change.now
                ),
            )

    # -- loops -------------------------------------------------------------------

    def commit_scheduling(self, plan: SchedulingPlan) -> SchedulingPlan:
        """Assign what still holds; returns that."""
        with self._change() as change:
            held = placing.commit_scheduling(change, plan)
            self._tables.waiting = {w.job_uid: w.because for w in plan.waiting}
        return held

    def commit_capacity(self, plan: CapacityPlan) -> tuple[Slice, ...]:
        """Write intents down; returns the rows of the new slices."""
        with self._change() as change:
            return slices.commit_capacity(change, plan, self.tuning.cluster)

    def commit_lifecycle(self, plan: LifecyclePlan) -> None:
        """Move slices; what listings showed is kept in memory only."""
        with self._change() as change:
            for sighting in plan.sightings:
                slice_ = self._tables.slices.get(sighting.slice_name)
                if slice_ is not None:
                    seen_at = change.now if sighting.seen else slice_.seen_at
                    missed = 0 if sighting.seen else slice_.missed + 1
                    self._tables.slices[slice_.name] = replace(
                        slice_, seen_at=seen_at, missed=missed
                    )
            slices.commit_lifecycle(change, plan)

    def commit_liveness(self, plan: LivenessPlan) -> None:
        """Move workers between healthy, suspect and lost."""
        with self._change() as change:
            workers.commit_liveness(change, plan)

    def commit_verdicts(self, plan: VerdictPlan) -> None:
        """Stop siblings and settle gangs."""
        with self._change() as change:
            settled = verdicts.commit_verdicts(change, plan)
        with self._lock:
            for gang_uid in settled:
                self._tables.settle_gang(gang_uid)

    def forget_jobs(
        self, jobs: Sequence[PastJob], spent: Sequence[Work], because: str
    ) -> bool:
        """Let ended jobs go, of which sums remain; may they all, and did they?"""
        with self._change() as change:
            may_go = forgetting.forget(change, jobs, spent, because)
        if may_go:
            with self._lock:
                self._tables.forget_names(jobs)
        return may_go

    def forgetting(self) -> dict[str, int]:
        """Jobs that are being forgotten: their rows of tasks up to an index remain."""
        with self._lock:
            return forgetting.under_way(self._tables)

    def forget_tasks(self, remaining: Mapping[str, int], most: int) -> None:
        """Drop at most so many rows of tasks; a job without any is forgotten."""
        with self._change() as change:
            forgetting.forget_tasks(change, remaining, most)

    def note_dropped(self, kind: str, job: PastJob, because: str) -> None:
        """What an ended job left is about to go."""
        with self._change() as change:
            forgetting.note_dropped(change, kind, job, because)

    def create_request(self, slice_name: str, controller_url: str) -> SliceRequest:
        """What the provider is asked; the same every time. Raises NotThere."""
        with self._lock:
            slice_ = self._tables.slices.get(slice_name)
            if slice_ is None or slice_.group not in self._tables.groups:
                raise NotThere(f"there is no slice {slice_name!r} to create")
            return SliceRequest(
                name=slice_.name,
                uid=slice_.uid,
                group=self._tables.groups[slice_.group],
                zone=slice_.zone,
                controller_url=controller_url,
                join_tokens=tuple(
                    self._join_token(slice_.uid, i) for i in range(slice_.vms)
                ),
                boot_token=self._boot_token(slice_.uid),
            )

    def slice_accepted(self, name: str, creation: str = "") -> None:
        """The create call succeeded; what it began may fail later."""
        with self._change() as change:
            slices.accept_slice(change, name, creation)

    def slice_refused(
        self, name: str, error: CloudError, backoff: Backoff | None
    ) -> None:
        """The create call was refused for good."""
        with self._change() as change:
            slices.refuse_slice(change, name, error, backoff)

    def delete_asked(self, name: str) -> None:
        """The delete call was accepted; its absence is still to be confirmed."""
        with self._change() as change:
            change.event("slice deletion asked", slice_name=name)
