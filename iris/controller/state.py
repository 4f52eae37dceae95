"""All live state behind one lock: transitions in, snapshots out.

Nothing waits for a network, a disk or another lock while the lock is held.
"""

from __future__ import annotations

import hmac
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256

import msgspec
from msgspec.structs import replace

from iris.clock import Clock
from iris.controller.change import Change, Changed, hash_token
from iris.controller.journal import Journal
from iris.controller.tables import Tables
from iris.controller.transitions import (
    jobs,
    placing,
    reports,
    slices,
    verdicts,
    workers,
)
from iris.domain.access import Grant
from iris.domain.fleet import Backoff, ScaleGroup, Slice
from iris.domain.protocol import (
    Heartbeat,
    HeartbeatAnswer,
    PhaseReport,
    Registered,
    Registration,
)
from iris.domain.views import Submission
from iris.errors import CloudError, NotAuthenticated, NotThere
from iris.planning.plans import (
    CapacityPlan,
    LifecyclePlan,
    LivenessPlan,
    SchedulingPlan,
    VerdictPlan,
)
from iris.planning.snapshot import Gang, Snapshot, WorkerLoad
from iris.providers.contract import SliceRequest


class Tuning(msgspec.Struct, frozen=True):
    """Who the cluster is, and how often its workers speak."""

    cluster: str
    cluster_uid: str
    shortest_interval: float = 1.0  # seconds between heartbeats
    longest_interval: float = 10.0
    heartbeats_per_second: float = 100.0  # of all workers; the interval follows


def new_id(prefix: str) -> str:
    """A fresh id: the prefix and 48 random bits."""
    return f"{prefix}-{secrets.token_hex(6)}"


class State:
    """The live state of one cluster; restores itself from its journal."""

    def __init__(
        self,
        groups: tuple[ScaleGroup, ...],
        journal: Journal,
        clock: Clock,
        tuning: Tuning,
        *,
        new_id: Callable[[str], str] = new_id,
    ) -> None:
        self.tuning = tuning
        self._journal = journal
        self._clock = clock
        self._new_id = new_id
        self._lock = threading.RLock()
        self._listeners: list[Callable[[Changed], None]] = []
        restored = journal.load()
        self._seq = restored.seq
        self._tables = Tables(groups, restored)
        self._stalled_until = clock.now()
        self._forgive(clock.now())
        if "join_key" not in self._tables.meta:
            with self._change() as change:
                change.put_meta("join_key", self._new_id("k") + secrets.token_hex(16))

    # -- what is true, and how far it is durable ------------------------------

    @property
    def seq(self) -> int:
        """The newest sequence number."""
        return self._seq

    def wait_durable(
        self, seq: int | None = None, timeout: float | None = 30.0
    ) -> None:
        """Return once `seq` (all so far) survives a crash. Raises StoreFailed, Late."""
        self._journal.wait_durable(self._seq if seq is None else seq, timeout)

    def listen(self, listener: Callable[[Changed], None]) -> None:
        """Call `listener` after every change, without the lock; it must be quick."""
        self._listeners.append(listener)

    @contextmanager
    def reading(self) -> Iterator[Tables]:
        """The tables under the lock: read quickly, copy out."""
        with self._lock:
            yield self._tables

    def snapshot(self) -> Snapshot:
        """All that is known now, frozen."""
        with self._lock:
            tables, now = self._tables, self._clock.now()
            pending = [tasks.pending(now) for tasks in tables.tasks.values()]
            return Snapshot(
                groups=tuple(tables.groups.values()),
                slices=tuple(tables.slices.values()),
                workers=tuple(self._load_of(w.uid) for w in tables.workers.values()),
                pending=tuple(sorted(filter(None, pending), key=lambda p: p.order)),
                gangs=tuple(self._gang(uid) for uid in tables.gangs),
                backoffs=tuple(tables.backoffs.values()),
                draining=tables.meta.get("draining", ""),
                stalled_until=self._stalled_until,
            )

    def note_stall(self) -> None:
        """The controller itself stood still: silence until now means nothing."""
        with self._lock:
            self._stalled_until = self._clock.now()
            self._forgive(self._stalled_until)

    # -- people ----------------------------------------------------------------

    def submit(self, submissions: Sequence[Submission], user: str) -> tuple[str, ...]:
        """Accept jobs; returns their uids. A known client id gives the same job."""
        with self._change() as change:
            return jobs.submit(change, submissions, user)

    def cancel_job(self, job_uid: str, by: str, because: str = "") -> None:
        """Ask for a job's end. Raises NotThere once it has ended."""
        with self._change() as change:
            jobs.cancel(change, job_uid, by, because)

    def drain_worker(self, worker_uid: str, by: str) -> None:
        """No new work for the worker's slice; it goes when what runs has ended."""
        with self._change() as change:
            slices.drain_slice(change, change.worker(worker_uid).slice_name, by)

    def drain_cluster(self, by: str) -> None:
        """Give every slice back and make no new ones."""
        with self._change() as change:
            slices.drain_cluster(change, by)

    def resume_cluster(self, by: str) -> None:
        """Undo `drain_cluster`."""
        with self._change() as change:
            slices.resume_cluster(change, by)

    def confirm_gone(self, slice_name: str, by: str) -> None:
        """Release the tasks of a slice whose deletion is stuck."""
        with self._change() as change:
            slices.confirm_gone(change, slice_name, by)

    def grant(self, grant: Grant) -> None:
        """Let a token in, by its hash."""
        with self._change() as change:
            change.put_grant(grant)
            change.event(f"{grant.role} granted", user=grant.user)

    def revoke(self, token_hash: str) -> None:
        """Let a token in no longer."""
        with self._change() as change:
            change.drop("grants", token_hash)

    def grant_of(self, token_hash: str) -> Grant | None:
        """Whom a token speaks for."""
        return self._tables.grants.get(token_hash)

    # -- workers -----------------------------------------------------------------

    def register(self, registration: Registration, join_token_hash: str) -> Registered:
        """Take a worker in. Raises NotAuthenticated or Conflict."""
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

    def may_join(self, slice_name: str, index: int, token_hash: str) -> bool:
        """Is it the join token of that VM?"""
        with self._lock:
            slice_ = self._tables.slices.get(slice_name)
            if slice_ is None:
                return False
            expected = hash_token(self._join_token(slice_.uid, index))
            return hmac.compare_digest(expected, token_hash)

    def heartbeat(self, heartbeat: Heartbeat) -> HeartbeatAnswer:
        """Take what a worker observed; say what it should do. Raises NotThere."""
        with self._change() as change:
            worker = change.worker(heartbeat.worker_uid)
            tables = self._tables
            is_stale = (
                heartbeat.boot_id == worker.boot_id
                and heartbeat.seq <= tables.heartbeat_seqs.get(worker.uid, -1)
            )
            if not is_stale:
                reports.take_heartbeat(change, heartbeat)
                tables.heard[worker.uid] = change.now
                tables.heartbeat_seqs[worker.uid] = heartbeat.seq
                tables.nudges[worker.uid] = heartbeat.nudges
        with self._lock:
            if heartbeat.worker_uid not in self._tables.workers:
                raise NotThere(f"worker {heartbeat.worker_uid} is gone")
            return HeartbeatAnswer(
                seq=self._seq,
                interval=self.interval(),
                attempts=reports.desired_attempts(self._tables, heartbeat),
            )

    def interval(self) -> float:
        """Seconds between heartbeats, growing with the number of workers."""
        tuning = self.tuning
        wanted = len(self._tables.workers) / tuning.heartbeats_per_second
        return min(max(wanted, tuning.shortest_interval), tuning.longest_interval)

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
            )

    def slice_accepted(self, name: str) -> None:
        """The create call succeeded."""
        with self._change() as change:
            slices.accept_slice(change, name)

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

    # -- inside --------------------------------------------------------------------

    @contextmanager
    def _change(self) -> Iterator[Change]:
        """One transition: all of it or, on an exception, nothing."""
        with self._lock:
            change = Change(self._tables, self._seq, self._clock.now(), self._new_id)
            yield change
            jobs.settle_jobs(change)
            rows = change.rows()
            if rows or change.events:
                for row in rows:
                    self._tables.apply(row)
                self._seq = change.seq
                self._journal.append(change.seq, rows, change.events)
        if rows or change.events:
            events, touched = tuple(change.events), frozenset(change.workers)
            changed = Changed(change.seq, events, touched)
            for listener in self._listeners:
                listener(changed)

    def _join_token(self, slice_uid: str, index: int) -> str:
        """Derived, so that a repeated create hands out the same one."""
        key = self._tables.meta["join_key"].encode()
        return hmac.new(key, f"{slice_uid}/{index}".encode(), sha256).hexdigest()

    def _load_of(self, worker_uid: str) -> WorkerLoad:
        tables = self._tables
        worker = tables.workers[worker_uid]
        return WorkerLoad(
            worker=worker,
            free=tables.free_on(worker),
            live=len(tables.live_of_worker(worker_uid)),
            heard_at=tables.heard.get(worker_uid, 0.0),
            interval=self.interval(),
        )

    def _gang(self, gang_uid: str) -> Gang:
        members = sorted(
            self._tables.gangs[gang_uid].values(), key=lambda a: a.task_index
        )
        first = members[0]
        return Gang(gang_uid, first.job_uid, first.slice_name, tuple(members))

    def _forgive(self, now: float) -> None:
        """After a stall or a restart silence and idleness count from now."""
        for worker_uid in self._tables.workers:
            self._tables.heard[worker_uid] = now
        for slice_name in self._tables.slices:
            self._tables.note_busy(slice_name, now)
