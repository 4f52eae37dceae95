"""What the heartbeat says of each attempt. An end waits for all that it left."""

from __future__ import annotations

import msgspec

from iris.domain.protocol import AttemptReport
from iris.domain.states import AttemptState
from iris.worker.agent.collecting import Collector
from iris.worker.agent.desk import Desk, Held
from iris.worker.agent.shipping import MOST_IN_REPORT, Shipper

COLLECTING = "it has ended, and its outputs are being collected"
MOST_RIDING = 1 << 20  # bytes of outputs in one heartbeat


class Reporter:
    """Makes the reports of one heartbeat after the other."""

    def __init__(self, desk: Desk, shipper: Shipper, collector: Collector) -> None:
        self._desk = desk
        self._shipper = shipper
        self._collector = collector
        self._held_back: set[str] = set()  # ends that wait for their output

    def reports(self) -> tuple[AttemptReport, ...]:
        """Every attempt, live or ended and not acknowledged."""
        room, held_back, reports = MOST_RIDING, set(), []
        with self._desk.lock:
            attempts = [msgspec.structs.replace(held) for held in self._desk.all()]
            collecting = {a.uid for a in attempts if self._collector.is_pending(a.uid)}
        for held in attempts:
            size = self._shipper.size(held.uid)
            if held.uid in collecting:
                held.state = AttemptState.RUNNING
                reports.append(self._report(held, size, detail=COLLECTING))
                continue
            left, detail = self._shipper.left(held.uid, size), ""
            if held.has_ended and left > min(MOST_IN_REPORT, room):
                held_back.add(held.uid)
                self._shipper.finish(held.uid, rides=False)
                held.state = AttemptState.RUNNING
                if because := self._shipper.why_held(held.uid):
                    detail = f"it has ended, and its log waits: {because}"
            report = self._report(held, size, detail=detail, has_rest=left > 0)
            room -= len(report.log)
            reports.append(report)
        self._held_back = held_back
        return tuple(reports)

    def has_complete_end(self) -> bool:
        """Was an end held back whose output is nearly all there by now?"""
        return any(self._shipper.left(uid) <= 0 for uid in self._held_back)

    def _report(
        self, held: Held, size: int, *, detail: str = "", has_rest: bool = False
    ) -> AttemptReport:
        known = held.known
        report = AttemptReport(
            uid=held.uid,
            state=held.state,
            coordinator_port=held.coordinator_port,
            log_bytes=size,
            started_at=known.started_at if known else 0.0,
            detail=held.detail if _has_words(held) else detail,
            kept_until=known.kept_until if known else 0.0,
        )
        if not held.has_ended:
            return report
        offset, rest = self._shipper.tail(held.uid) if has_rest else (size, b"")
        return msgspec.structs.replace(
            report,
            exit_code=known.exit_code if known else None,
            cause=held.cause,
            detail=held.detail,
            ended_at=known.ended_at if known else 0.0,
            log=rest,
            log_offset=offset,
            outputs_missing=held.outputs_missing,
        )


def _has_words(held: Held) -> bool:
    """Is there more to say of a live one than its state?"""
    is_kept = held.known is not None and bool(held.known.kept_until)
    return is_kept or held.state is AttemptState.PREPARING
