"""What State stands on: the lock, the tables, the journal, and who listens."""

from __future__ import annotations

import secrets
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice, takewhile
from operator import attrgetter
from typing import NamedTuple

import msgspec

from iris.clock import Clock
from iris.controller.change import Change, Changed
from iris.controller.journal import Journal
from iris.controller.tables import Tables
from iris.controller.tokens import derived
from iris.controller.transitions.settling import settle_jobs
from iris.domain.events import Event
from iris.domain.fleet import ScaleGroup, Worker
from iris.domain.jobs import Attempt
from iris.domain.machine import OUTPUT_BYTES
from iris.domain.resources import UserLimits
from iris.domain.states import ATTEMPT_ENDED
from iris.planning.snapshot import MOST_LATE, Gang, PendingJob, Snapshot, WorkerLoad

MOST_RECENT = 5_000  # events that readers find in memory
DEAF_AFTER = 3  # nudges of which none arrived


class Tuning(msgspec.Struct, frozen=True):
    """Who the cluster is, and how often its workers speak."""

    cluster: str
    cluster_uid: str
    shortest_interval: float = 1.0  # seconds between heartbeats
    longest_interval: float = 10.0
    heartbeats_per_second: float = 100.0  # of all workers; the interval follows
    user_limits: UserLimits = UserLimits()
    output_bytes: int = OUTPUT_BYTES  # that one attempt may leave


class _Line(NamedTuple):
    seq: int  # of the tables that it is of
    next_ready_at: float  # when time alone changes it, 0 if never
    pending: tuple[PendingJob, ...]


def new_id(prefix: str) -> str:
    """A fresh id: the prefix and 48 random bits."""
    return f"{prefix}-{secrets.token_hex(6)}"


class Kernel:
    """One lock around the tables; every change is whole, numbered and journalled."""

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
        self._seen = threading.local()  # by each thread: `seq` when it last looked
        self._listeners: list[Callable[[Changed], None]] = []
        restored = journal.load()
        self._seq = restored.seq
        self._tables = Tables(groups, restored)
        self.answering: set[str] = set()  # uids of workers whose answer is being made
        self._kept_line: _Line | None = None
        self._recent: deque[Event] = deque(maxlen=MOST_RECENT)
        self._recent_after = restored.seq  # newer ones than this are all in it
        self._stalled_until = clock.now()
        self._forgive(clock.now())
        if "join_key" not in self._tables.meta:
            with self._change() as change:
                change.put_meta("join_key", self._new_id("k") + secrets.token_hex(16))

    @property
    def seq(self) -> int:
        """The newest sequence number."""
        return self._seq

    def look_afresh(self) -> None:
        """This thread has seen nothing yet; to be called before a request."""
        self._seen.seq = None

    def seen_seq(self) -> int:
        """The newest number whose change this thread saw; of all, if it saw none.

        What happened since it looked is not in its answer, nor waited for.
        """
        seen: int | None = getattr(self._seen, "seq", None)
        return self._seq if seen is None else seen

    def wait_durable(
        self, seq: int | None = None, timeout: float | None = 30.0
    ) -> None:
        """Return once `seq` (all so far) survives a crash. Raises StoreFailed, Late."""
        self._journal.wait_durable(self._seq if seq is None else seq, timeout)

    def recent_events(self, after: int) -> list[Event] | None:
        """Every event above a number, None where memory does not reach back so far."""
        with self._lock:
            if after < self._recent_after:
                return None
            newer = takewhile(lambda e: e.seq > after, reversed(self._recent))
            return list(newer)[::-1]

    def _remember(self, events: Sequence[Event]) -> None:
        overflow = len(self._recent) + len(events) - MOST_RECENT
        if overflow > 0:
            dropped = chain(self._recent, events)
            self._recent_after = next(islice(dropped, overflow - 1, None)).seq
        self._recent.extend(events)

    def listen(self, listener: Callable[[Changed], None]) -> None:
        """Call `listener` after every change, without the lock; it must be quick."""
        self._listeners.append(listener)

    @contextmanager
    def reading(self) -> Iterator[Tables]:
        """The tables under the lock: read quickly, copy out."""
        with self._lock:
            self._seen.seq = self._seq
            yield self._tables

    def is_live(self, attempt_uid: str) -> bool:
        """Is the attempt known, and not seen to have ended?"""
        with self._lock:
            attempt = self._tables.attempts.get(attempt_uid)
            return attempt is not None and attempt.state not in ATTEMPT_ENDED

    def snapshot(self) -> Snapshot:
        """All that is known now, frozen."""
        with self._lock:
            self._seen.seq = self._seq
            tables, now = self._tables, self._clock.now()
            interval = self.interval()
            return Snapshot(
                groups=tuple(tables.groups.values()),
                slices=tuple(tables.slices.values()),
                workers=tuple(
                    self._load_of(worker, interval)
                    for worker in tables.workers.values()
                ),
                pending=self._line(now),
                unstarted=tuple(tables.unstarted.values()),
                unready=tuple(_unready(tables)),
                gangs=tuple(self._gang(uid) for uid in tables.gangs),
                starting=tuple(islice(tables.starting.values(), MOST_LATE)),
                stopping=tuple(islice(tables.stopping.values(), MOST_LATE)),
                backoffs=tuple(tables.backoffs.values()),
                user_limits=self.tuning.user_limits,
                held=tables.held() if self.tuning.user_limits != UserLimits() else (),
                draining=tables.meta.get("draining", ""),
                stalled_until=self._stalled_until,
            )

    def interval(self) -> float:
        """Seconds between heartbeats, growing with the number of workers."""
        tuning = self.tuning
        wanted = len(self._tables.workers) / tuning.heartbeats_per_second
        return min(max(wanted, tuning.shortest_interval), tuning.longest_interval)

    def interval_of(self, worker_uid: str) -> float:
        """The shortest for a worker whom no nudge reaches: UDP is blocked there."""
        tables = self._tables
        sent, arrived = tables.nudged.get(worker_uid, 0), tables.nudges.get(worker_uid)
        is_deaf = sent >= DEAF_AFTER and not arrived
        return self.tuning.shortest_interval if is_deaf else self.interval()

    def note_nudge(self, worker_uid: str) -> None:
        """A nudge left for a worker; its heartbeats say how many arrived."""
        with self._lock:
            if worker_uid in self._tables.workers:
                nudged = self._tables.nudged
                nudged[worker_uid] = nudged.get(worker_uid, 0) + 1

    def note_stall(self) -> None:
        """The controller itself stood still: silence until now means nothing."""
        with self._lock:
            self._stalled_until = self._clock.now()
            self._forgive(self._stalled_until)

    @contextmanager
    def _change(self) -> Iterator[Change]:
        """One transition: all of it or, on an exception, nothing."""
        with self._lock:
            change = Change(self._tables, self._seq, self._clock.now(), self._new_id)
            yield change
            settle_jobs(change)
            rows = change.rows()
            if rows or change.events:
                for row in rows:
                    self._tables.apply(row)
                self._seq = change.seq
                self._journal.append(change.seq, rows, change.events)
                self._remember(change.events)
            self._seen.seq = self._seq
        if rows or change.events:
            events, touched = tuple(change.events), frozenset(change.workers)
            changed = Changed(change.seq, events, touched)
            for listener in self._listeners:
                listener(changed)

    @contextmanager
    def trying(self) -> Iterator[Change]:
        """A transition of which nothing remains: what would be refused is."""
        with self._lock:
            yield Change(self._tables, self._seq, self._clock.now(), self._new_id)

    def _join_token(self, slice_uid: str, index: int) -> str:
        """Derived, so that a repeated create hands out the same one."""
        return self._derived(f"{slice_uid}/{index}")

    def _boot_token(self, slice_uid: str) -> str:
        """Of a VM that knows no index: it joins nothing."""
        return self._derived(f"{slice_uid}/boot")

    def _derived(self, words: str) -> str:
        return derived(self._tables.meta, words)

    def _line(self, now: float) -> tuple[PendingJob, ...]:
        """The jobs with tasks that wait; looked through anew after a change only."""
        kept = self._kept_line
        if kept is None or kept.seq != self._seq or 0 < kept.next_ready_at <= now:
            found = (tasks.pending(now) for tasks in self._tables.tasks.values())
            line = sorted(filter(None, found), key=attrgetter("order"))
            times = (each.next_ready_at for each in line if each.later_count)
            kept = _Line(self._seq, min(times, default=0.0), tuple(line))
            self._kept_line = kept
        return kept.pending

    def _load_of(self, worker: Worker, interval: float) -> WorkerLoad:
        tables = self._tables
        return WorkerLoad(
            worker=worker,
            free=tables.free_on(worker),
            live=len(tables.live_of_worker(worker.uid)),
            heard_at=tables.heard.get(worker.uid, 0.0),
            interval=interval,
        )

    def _gang(self, gang_uid: str) -> Gang:
        members = sorted(
            self._tables.gangs[gang_uid].values(), key=lambda a: a.task_index
        )
        first = members[0]
        return Gang(gang_uid, first.job_uid, first.slice_name, tuple(members))

    def _forgive(self, now: float) -> None:
        """After a stall or a restart silence counts from now."""
        for worker_uid in self._tables.workers:
            self._tables.heard[worker_uid] = now


def _unready(tables: Tables) -> Iterable[Attempt]:
    """Every one counts, however many start: one that is prepared saves its job."""
    unstarted = tables.unstarted
    if not unstarted:
        return ()
    return (each for each in tables.starting.values() if each.job_uid in unstarted)
