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
    LogChunk,
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
            report = _take_output(parts, attempt, report, have)
            _note_what_is_missing(parts, attempt, report)
        reports.append(report)
    state, has_room = parts.state, any(r.state in ATTEMPT_ENDED for r in reports)

    def settle() -> None:
        # what ended leaves room, which may have new work once the end is durable
        if has_room:
            state.wait_durable(state.seen_seq())

    answer = state.heartbeat(replace(heartbeat, attempts=tuple(reports)), settle)
    return replace(answer, attempts=_with_log_have(answer.attempts, have))


def take_logs(parts: Parts, worker_uid: str, batch: LogBatch) -> LogBatchAnswer:
    """Keep output; what is of no live attempt here counts as had, and is dropped.

    A job whose log cannot be kept holds no other's back.
    """
    attempts = _own_attempts(parts, worker_uid, [c.attempt_uid for c in batch.chunks])
    have: dict[str, int] = {}
    refused: dict[str, str] = {}
    for chunk in batch.chunks:
        attempt = attempts.get(chunk.attempt_uid)
        if attempt is None:
            length = len(chunk.content) or chunk.refused
            have[chunk.attempt_uid] = chunk.offset + length
            continue
        try:
            have[attempt.uid] = _append(parts, attempt, chunk)
        except StoreFailed as error:
            refused[attempt.uid] = str(error)
    return LogBatchAnswer(have, refused)


def _own_attempts(
    parts: Parts, worker_uid: str, uids: Iterable[str]
) -> dict[str, Attempt]:
    with parts.state.reading() as tables:
        found = [tables.attempts.get(uid) for uid in uids]
    return {a.uid: a for a in found if a is not None and a.worker_uid == worker_uid}


def _take_output(
    parts: Parts, attempt: Attempt, report: AttemptReport, have: dict[str, int]
) -> AttemptReport:
    """Keep what rides along; says from where on the worker has to send the rest."""
    try:
        kept = _keep_output(parts, attempt, report)
    except StoreFailed as error:  # the others' heartbeat is as good as ever
        return _without_its_end(attempt, report, f"its log is not kept: {error}")
    if kept < report.log_bytes:
        have[report.uid] = kept
        return _without_its_end(attempt, report, "")
    return replace(report, log=b"")


def _keep_output(parts: Parts, attempt: Attempt, report: AttemptReport) -> int:
    if report.log:
        rest = LogChunk(attempt.uid, report.log_offset, report.log)
        return _append(parts, attempt, rest)
    if report.log_bytes == 0:
        return 0
    return parts.logs.have(attempt.job_uid, attempt.task_index, attempt.number)


def _append(parts: Parts, attempt: Attempt, chunk: LogChunk) -> int:
    parts.metrics.log_bytes.inc(len(chunk.content))
    piece = Piece(
        task=attempt.task_index,
        number=attempt.number,
        offset=chunk.offset,
        content=chunk.content,
        refused=chunk.refused,
    )
    return parts.logs.append(attempt.job_uid, piece, parts.clock.now())


def _without_its_end(
    attempt: Attempt, report: AttemptReport, because: str
) -> AttemptReport:
    """An end whose output is not all here is not an end yet."""
    if report.state in ATTEMPT_ENDED:
        report = replace(
            report, state=attempt.state, exit_code=None, cause=None, detail=because
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
