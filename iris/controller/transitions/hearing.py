"""A worker is heard: what it reports is taken once, and what it says of itself."""

from __future__ import annotations

from iris.controller.change import Change
from iris.controller.transitions import doubts, reports, slices, workers
from iris.domain.protocol import Heartbeat


def hear(change: Change, heartbeat: Heartbeat) -> None:
    """Take a heartbeat, unless a later one was taken. Raises NotThere."""
    worker, tables = change.worker(heartbeat.worker_uid), change.tables
    is_stale = (
        heartbeat.boot_id == worker.boot_id
        and heartbeat.seq <= tables.heartbeat_seqs.get(worker.uid, -1)
    )
    if not is_stale:
        reports.take_heartbeat(change, heartbeat)
        doubts.note_ends(change, worker.uid)
        if heartbeat.notice:
            slices.take_notice(change, worker, heartbeat)
        tables.heard[worker.uid] = change.now
        tables.heartbeat_seqs[worker.uid] = heartbeat.seq
        tables.nudges[worker.uid] = heartbeat.nudges
        workers.note_ending(change, worker, is_ending=heartbeat.is_ending)
    change.workers.discard(worker.uid)  # it hears of it by the answer
