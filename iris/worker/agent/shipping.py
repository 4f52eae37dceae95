"""Outputs on their way to the controller: bounded batches, from where it stands."""

from __future__ import annotations

import contextlib
import os
import threading

import msgspec

from iris.domain.protocol import LogBatch, LogBatchAnswer, LogChunk
from iris.worker.agent.link import Link
from iris.worker.folders import VmFolder

MOST_IN_CHUNK = 1 << 20
MOST_IN_BATCH = 4 << 20
MOST_IN_REPORT = 16 << 10  # bytes of an ended output that ride in the heartbeat


class Output(msgspec.Struct):
    """How far one attempt's output has come."""

    uid: str
    sent: int = 0  # bytes that the controller has


class Shipper:
    """Sends what is new; knows what the controller has."""

    def __init__(self, folder: VmFolder, link: Link) -> None:
        self._folder = folder
        self._link = link
        self._outputs: dict[str, Output] = {}
        self.news = threading.Event()  # there may be something to send

    def add(self, uid: str) -> None:
        self._outputs.setdefault(uid, Output(uid))
        self.news.set()

    def drop(self, uid: str) -> None:
        self._outputs.pop(uid, None)

    def rewind(self, uid: str, have: int) -> None:
        """The controller has just so much; go on from there."""
        if uid in self._outputs:
            self._outputs[uid].sent = have

    def size(self, uid: str) -> int:
        """Bytes of the whole output so far."""
        with contextlib.suppress(OSError):
            return self._folder.output(uid).stat().st_size
        return 0

    def left(self, uid: str) -> int:
        """Bytes that the controller does not have yet."""
        output = self._outputs.get(uid)
        return self.size(uid) - output.sent if output else 0

    def tail(self, uid: str) -> tuple[int, bytes]:
        """Where the rest begins, and the rest."""
        output = self._outputs.get(uid)
        if output is None:
            return 0, b""
        return output.sent, self._read(output, MOST_IN_REPORT)

    def ship(self, worker_uid: str) -> bool:
        """One batch of what is new; is there more? Raises what the link raises."""
        chunks, room = [], MOST_IN_BATCH
        for output in list(self._outputs.values()):
            content = self._read(output, min(MOST_IN_CHUNK, room))
            if content:
                chunks.append(LogChunk(output.uid, output.sent, content))
                room -= len(content)
        if not chunks:
            return False
        answer = self._link.post(
            f"/v1/workers/{worker_uid}/logs", LogBatch(tuple(chunks)), LogBatchAnswer
        )
        for uid, have in answer.have.items():
            self.rewind(uid, have)
        return any(self.left(chunk.attempt_uid) for chunk in chunks)

    def _read(self, output: Output, most: int) -> bytes:
        if most <= 0:
            return b""
        try:
            handle = os.open(self._folder.output(output.uid), os.O_RDONLY)
        except OSError:
            return b""
        try:
            return os.pread(handle, most, output.sent)
        finally:
            os.close(handle)
