"""What workers send: heartbeats and output. An end counts once its log is whole."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from msgspec.structs import replace

from iris.controller.logs import Piece
from iris.controller.parts import Parts
from iris.domain.jobs import Attempt
from iris.domain.protocol import (
    AttemptReport,
    Desired,
    Heartbeat,
    HeartbeatAnswer,
    LogBatch,
    LogBatchAnswer,
)
from iris.domain.states import ATTEMPT_ENDED
from iris.errors import StoreFailed


def take_heartbeat(parts: Parts, heartbeat: Heartbeat) -> HeartbeatAnswer:
    """Keep the output that rides along, then tell State what was observed."""
    parts.metrics.heartbeats.inc()
    uids = [report.uid for report in heartbeat.attempts]
    attempts = _own_attempts(parts, heartbeat.worker_uid, uids)
    have: dict[str, int] = {}
    reports = []
    for report in heartbeat.attempts:
        attempt = attempts.get(report.uid)
        if attempt is not None:
            kept = _keep_output(parts, attempt, report)
            if kept < report.log_bytes:
                have[report.uid] = kept  # it has to go on from there
            report = _without_an_early_end(attempt, report, kept)
            _note_what_is_missing(parts, attempt, report)
        reports.append(report)
    answer = parts.state.heartbeat(replace(heartbeat, attempts=tuple(reports)))
    return replace(answer, attempts=_with_log_have(answer.attempts, have))


def take_logs(parts: Parts, worker_uid: str, batch: LogBatch) -> LogBatchAnswer:
    """Keep output; what is of no live attempt here counts as had, and is dropped."""
    attempts = _own_attempts(parts, worker_uid, [c.attempt_uid for c in batch.chunks])
    have: dict[str, int] = {}
    for chunk in batch.chunks:
        attempt = attempts.get(chunk.attempt_uid)
        if attempt is None:
            have[chunk.attempt_uid] = chunk.offset + len(chunk.content)
        else:
            have[attempt.uid] = _append(parts, attempt, chunk.offset, chunk.content)
    return LogBatchAnswer(have)


def _own_attempts(
    parts: Parts, worker_uid: str, uids: Iterable[str]
) -> dict[str, Attempt]:
    with parts.state.reading() as tables:
        found = [tables.attempts.get(uid) for uid in uids]
    return {a.uid: a for a in found if a is not None and a.worker_uid == worker_uid}


def _keep_output(parts: Parts, attempt: Attempt, report: AttemptReport) -> int:
    if report.log:
        return _append(parts, attempt, report.log_offset, report.log)
    if report.log_bytes == 0:
        return 0
    return parts.logs.have(attempt.job_uid, attempt.task_index, attempt.number)


def _append(parts: Parts, attempt: Attempt, offset: int, content: bytes) -> int:
    parts.metrics.log_bytes.inc(len(content))
    piece = Piece(attempt.task_index, attempt.number, offset, content)
    return parts.logs.append(attempt.job_uid, piece, parts.clock.now())


def _without_an_early_end(
    attempt: Attempt, report: AttemptReport, have: int
) -> AttemptReport:
    """An end whose output is not all here is not an end yet."""
    if report.state in ATTEMPT_ENDED and have < report.log_bytes:
        report = replace(
            report, state=attempt.state, exit_code=None, cause=None, detail=""
        )
    return replace(report, log=b"")


def _note_what_is_missing(
    parts: Parts, attempt: Attempt, report: AttemptReport
) -> None:
    if report.state in ATTEMPT_ENDED and report.outputs_missing:
        with suppress(StoreFailed):  # the end and its detail say so too
            parts.outputs.note_missing(attempt, report.outputs_missing)


def _with_log_have(
    desired: tuple[Desired, ...], have: dict[str, int]
) -> tuple[Desired, ...]:
    return tuple(
        replace(item, log_have=have[item.uid]) if item.uid in have else item
        for item in desired
    )
