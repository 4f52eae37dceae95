"""Outputs on their way to the controller: bounded batches, from where it stands.

The output file is the buffer: while the controller is away nothing is lost.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable

import msgspec

from iris.domain.protocol import LogBatch, LogBatchAnswer, LogChunk
from iris.errors import Conflict, IrisError, StoreFailed, UsageError
from iris.worker.agent.link import Link
from iris.worker.agent.patience import AWAY, Patience
from iris.worker.folders import VmFolder

log = logging.getLogger(__name__)

MOST_IN_CHUNK = 1 << 20
MOST_IN_BATCH = 4 << 20
MOST_IN_REPORT = 16 << 10  # bytes of an ended output that ride in the heartbeat
SHIP_INTERVAL = 0.2  # seconds between looks at the outputs of live attempts
REST = 3.0  # of the time that a look took which found nothing more, until the next
REFUSED_PAUSE = 60.0  # seconds at most between tries of what is not taken


class Output(msgspec.Struct):
    """How far one attempt's output has come."""

    uid: str
    path: str
    patience: Patience  # with a controller that does not take it
    sent: int = 0  # bytes that the controller has
    rides: bool = False  # its last bytes go with the heartbeat
    held_until: float = 0.0  # it is not sent before, in monotonic time
    held_because: str = ""


class Shipper:
    """Sends what is new; knows what the controller has."""

    def __init__(self, folder: VmFolder, link: Link) -> None:
        self._folder = folder
        self._link = link
        self._lock = threading.Lock()
        self._outputs: dict[str, Output] = {}
        self._news = threading.Event()  # there may be something to send

    def add(self, uid: str) -> None:
        """Ship what this attempt prints."""
        with self._lock:
            if uid not in self._outputs:
                path = str(self._folder.output(uid))
                patience = Patience(f"output of {uid}", REFUSED_PAUSE)
                self._outputs[uid] = Output(uid, path, patience)
        self._news.set()

    def drop(self, uid: str) -> None:
        """Nothing more of it is wanted."""
        with self._lock:
            self._outputs.pop(uid, None)

    def finish(self, uid: str, rides: bool) -> None:
        """It ended: its last bytes ride with the heartbeat, or are to go at once."""
        output = self._outputs.get(uid)
        if output is not None:
            output.rides = rides
        self._news.set()

    def rewind(self, uid: str, have: int) -> bool:
        """The controller has just so much; go on from there. Is that another place?"""
        output = self._outputs.get(uid)
        if output is None or output.sent == have:
            return False
        output.sent = have
        self._news.set()
        return True

    def size(self, uid: str) -> int:
        """Bytes of the whole output so far."""
        output = self._outputs.get(uid)
        try:
            return os.stat(output.path if output else self._folder.output(uid)).st_size
        except OSError:
            return 0

    def sent(self, uid: str) -> int:
        """Bytes that the controller has, as far as we know."""
        output = self._outputs.get(uid)
        return output.sent if output else 0

    def left(self, uid: str, size: int | None = None) -> int:
        """Bytes that the controller does not have yet, of `size` if that is known."""
        if uid not in self._outputs:
            return 0
        return (self.size(uid) if size is None else size) - self.sent(uid)

    def why_held(self, uid: str) -> str:
        """Why the controller took nothing of it; empty where it goes on."""
        output = self._outputs.get(uid)
        return output.held_because if output else ""

    def tail(self, uid: str) -> tuple[int, bytes]:
        """Where the rest begins, and the rest."""
        output = self._outputs.get(uid)
        if output is None:
            return 0, b""
        offset = output.sent  # another thread may move it
        return offset, _read(output.path, offset, MOST_IN_REPORT)

    def run(self, worker_uid: str, shipped: Callable[[], None]) -> None:
        """Ship for ever; calls `shipped` after each batch."""
        patience = Patience("output")
        while True:
            self._news.wait(SHIP_INTERVAL if self._outputs else None)
            self._news.clear()
            began = time.monotonic()
            try:
                has_more = self.ship(worker_uid)
                patience.over()
            except IrisError as error:
                threading.Event().wait(patience.after(error))
                has_more = True
            if has_more:
                self._news.set()
            shipped()
            # many outputs end at once: they are looked through once, not for each
            rest = min((time.monotonic() - began) * REST, SHIP_INTERVAL)
            if not has_more:
                threading.Event().wait(rest)

    def ship(self, worker_uid: str) -> bool:
        """One batch of what is new; is there more?

        Raises what the link raises where the controller is away.
        """
        chunks = self._batch()
        if not chunks:
            return False
        moved = self._send(f"/v1/workers/{worker_uid}/logs", chunks)
        return any(self.left(uid) > 0 for uid in moved)

    def _send(self, path: str, chunks: list[LogChunk]) -> list[str]:
        """Of which attempts something was taken; a batch that is refused goes singly.

        So one attempt's output does not hold up the others'.
        """
        try:
            answer = self._link.post(path, LogBatch(tuple(chunks)), LogBatchAnswer)
        except AWAY:
            raise
        except IrisError as error:
            if len(chunks) == 1:
                return self._send_that_it_is_refused(path, chunks[0], error)
            return [uid for chunk in chunks for uid in self._send(path, [chunk])]
        return [each.attempt_uid for each in chunks if self._has_moved(each, answer)]

    def _send_that_it_is_refused(
        self, path: str, chunk: LogChunk, error: IrisError
    ) -> list[str]:
        """What is wrong with the output itself would be wrong again."""
        uid, length = chunk.attempt_uid, len(chunk.content)
        if not isinstance(error, UsageError) or chunk.refused:
            self._hold(uid, error)
            return []
        log.warning(
            'output refused attempt=%s bytes=%d because="%s"', uid, length, error
        )
        return self._send(path, [LogChunk(uid, chunk.offset, b"", refused=length)])

    def _has_moved(self, chunk: LogChunk, answer: LogBatchAnswer) -> bool:
        """What the controller does not take is not sent again in a hurry."""
        uid = chunk.attempt_uid
        have = answer.have.get(uid, chunk.offset)
        if have == chunk.offset:
            refused = answer.refused.get(uid)  # its disk, as a rule
            because = "the controller takes nothing of it"
            self._hold(uid, StoreFailed(refused) if refused else Conflict(because))
            return False
        self.rewind(uid, have)
        if output := self._outputs.get(uid):
            output.patience.over()
            output.held_because = ""
        return True

    def _hold(self, uid: str, error: IrisError) -> None:
        output = self._outputs.get(uid)
        if output is not None:
            output.held_because = str(error)
            output.held_until = time.monotonic() + output.patience.after(error)

    def _batch(self) -> list[LogChunk]:
        chunks, room = [], MOST_IN_BATCH
        now = time.monotonic()
        for output in self._in_turn():
            if now < output.held_until:
                continue
            offset = output.sent
            if output.rides and self.left(output.uid) <= MOST_IN_REPORT:
                continue
            content = _read(output.path, offset, min(MOST_IN_CHUNK, room))
            if not content:
                continue
            chunks.append(LogChunk(output.uid, offset, content))
            room -= len(content)
            self._to_the_end_of_the_line(output)
            if not room:
                break
        return chunks

    def _in_turn(self) -> list[Output]:
        with self._lock:
            return list(self._outputs.values())

    def _to_the_end_of_the_line(self, output: Output) -> None:
        """Attempts that print without end do not keep the others waiting."""
        with self._lock:
            if self._outputs.pop(output.uid, None) is not None:
                self._outputs[output.uid] = output


def _read(path: str, offset: int, most: int) -> bytes:
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return b""
    try:
        return os.pread(handle, most, offset)
    finally:
        os.close(handle)
