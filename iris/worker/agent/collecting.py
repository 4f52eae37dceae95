"""What ended attempts left, on its way to the controller: packed, then in pieces.

An attempt that left nothing costs one call. The others have not ended for anybody
until the controller has it all, or until it is too late for that.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import queue
import threading
from collections.abc import Callable

import msgspec

from iris import wire
from iris.bundles import pack_outputs
from iris.clock import Clock
from iris.domain.jobs import DEPARTURES, EndCause
from iris.domain.protocol import MOST_IN_PIECE, OutputsHad, OutputsOffer
from iris.errors import (
    Busy,
    FellShort,
    IrisError,
    Late,
    NotThere,
    StoreFailed,
    Unreachable,
)
from iris.worker.agent.caches import Caches
from iris.worker.agent.link import Link
from iris.worker.agent.patience import Patience
from iris.worker.folders import VmFolder, write_private
from iris.worker.messages import Known

log = logging.getLogger(__name__)

AT_ONCE = 4  # attempts whose outputs are collected
DEADLINE = 600.0  # seconds after the end, and more for what is large
SLOWEST = 10e6  # bytes a second that packing and sending are given
# Seconds for an attempt whose end was wanted: its slice is replaced after 300.
STOPPED_DEADLINE = 120.0
_STOPPED = (EndCause.STOPPED, *DEPARTURES)
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
_TRY_LATER = (Busy, StoreFailed, Unreachable)


class Collection(msgspec.Struct):
    """One attempt whose outputs are not collected yet."""

    uid: str
    most_bytes: int
    ended_at: float
    until: float
    is_dropped: bool = False


class Collector:
    """Collects outputs, a few at a time."""

    def __init__(
        self,
        folder: VmFolder,
        connect: Callable[[], Link],
        clock: Clock,
        caches: Caches,
        collected: Callable[[], None],
    ) -> None:
        self._folder = folder
        self._connect = connect
        self._clock = clock
        self._desk = caches.desk
        self._caches = caches
        self._collected = collected
        self._pending: dict[str, Collection] = {}
        self._line: queue.SimpleQueue[Collection] = queue.SimpleQueue()
        self._threads = 0

    def begin(self, known: Known) -> None:
        """An attempt may have ended: what it left is to be collected.

        The caller holds the desk's lock until the desk knows of the end.
        """
        uid, spec = known.spec.uid, known.spec
        is_over = known.ended_at and known.started_at
        if not is_over or uid in self._pending or self._left_nothing(uid):
            return
        deadline = DEADLINE + spec.output_bytes / SLOWEST
        if known.cause in _STOPPED:
            deadline = STOPPED_DEADLINE
        until = known.ended_at + deadline
        collection = Collection(uid, spec.output_bytes, known.ended_at, until)
        self._pending[uid] = collection
        self._line.put(collection)
        if self._threads < AT_ONCE:
            self._threads += 1
            threading.Thread(target=self._run, name="outputs", daemon=True).start()

    def is_pending(self, uid: str) -> bool:
        """Is something of it still on its way?"""
        return uid in self._pending

    def hurry(self, uid: str) -> None:
        """Its end is wanted: it cannot wait long."""
        collection = self._pending.get(uid)
        if collection is not None:
            soon = self._clock.now() + STOPPED_DEADLINE
            collection.until = min(collection.until, soon)

    def drop(self, uid: str) -> None:
        """Nobody asks for it any more."""
        collection = self._pending.pop(uid, None)
        if collection is not None:
            collection.is_dropped = True

    def sweep(self) -> None:
        """What an agent before us packed of attempts that are gone goes too."""
        with contextlib.suppress(OSError):
            for path in self._folder.collected.iterdir():
                if path.name.partition(".")[0] not in self._pending:
                    path.unlink()

    def _left_nothing(self, uid: str) -> bool:
        """An empty folder stays as it is; one that says no more goes if it is empty."""
        with contextlib.suppress(OSError):
            folder = self._folder.outputs(uid)
            if not folder.is_symlink() and not os.listdir(folder):
                return True
        try:
            os.rmdir(self._folder.outputs(uid))
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True

    # -- one after another -----------------------------------------------------------

    def _run(self) -> None:
        link = self._connect()
        while True:
            collection = self._line.get()
            self._collect(link, collection)
            self._clean(collection.uid)
            with self._desk.lock:
                self._pending.pop(collection.uid, None)
            self._collected()

    def _collect(self, link: Link, collection: Collection) -> None:
        uid = collection.uid
        try:
            offer = self._packed_with_room(collection)
            if offer is not None:
                self._send(link, collection, offer)
                self._say_what_is_missing(uid, offer)
        except FellShort as error:
            self._miss(uid, EndCause.OUTPUTS_REFUSED, str(error))
        except NotThere:
            log.info("outputs not wanted attempt=%s", uid)
        except (IrisError, OSError) as error:
            words = f"its outputs could not be collected: {error}"
            self._miss(uid, EndCause.OUTPUTS_LOST, words)

    def _packed_with_room(self, collection: Collection) -> OutputsOffer | None:
        """Caches that are not in use make room; what still finds none is too much."""
        try:
            return self._packed(collection)
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
        self._caches.prune(less_bytes=collection.most_bytes)
        try:
            return self._packed(collection)
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            words = f"its VM has no room to pack what it left: {error.strerror}"
            raise FellShort(words) from error

    def _packed(self, collection: Collection) -> OutputsOffer | None:
        """What there is to send; an agent before us may have packed it."""
        uid = collection.uid
        packed = self._folder.packed(uid)
        note = packed.with_name(f"{uid}.json")
        if note.exists():
            return wire.decode(note.read_bytes(), OutputsOffer)
        packed.parent.mkdir(mode=0o700, exist_ok=True)
        result = pack_outputs(
            self._folder.outputs(uid),
            packed,
            collection.most_bytes,
            lambda: self._require_worth(collection),
        )
        if result is None:
            return None
        offer = OutputsOffer(
            size_bytes=result.size_bytes,
            sha256=result.sha256,
            files=result.files,
            content_bytes=result.content_bytes,
            left_out=result.left_out,
        )
        write_private(note, wire.encode(offer))
        return offer

    def _send(self, link: Link, collection: Collection, offer: OutputsOffer) -> None:
        """Until the controller has all of it, whole."""
        patience = Patience(f"outputs of attempt {collection.uid}")
        because = ""
        while True:
            self._require_worth(collection, because)
            try:
                if self._has_sent(link, collection, offer):
                    return
                patience.over()
            except _TRY_LATER as error:
                because = str(error)
                threading.Event().wait(patience.after(error))

    def _has_sent(
        self, link: Link, collection: Collection, offer: OutputsOffer
    ) -> bool:
        path = f"/v1/attempts/{collection.uid}/outputs"
        had = link.post(path, offer, OutputsHad)
        with self._folder.packed(collection.uid).open("rb") as file:
            while had.have < offer.size_bytes:
                self._require_worth(collection)
                file.seek(had.have)
                piece = file.read(MOST_IN_PIECE)
                had = link.put(f"{path}?offset={had.have}", piece, OutputsHad)
        return had.kept or link.post(path, offer, OutputsHad).kept

    def _require_worth(self, collection: Collection, because: str = "") -> None:
        if collection.is_dropped:
            raise NotThere(f"attempt {collection.uid} is not asked for any more")
        now = self._clock.now()
        if now > collection.until:
            words = f"not done {now - collection.ended_at:.0f} s after the end"
            raise Late(f"{words}: {because}" if because else words)

    # -- what is said ----------------------------------------------------------------

    def _say_what_is_missing(self, uid: str, offer: OutputsOffer) -> None:
        for line in offer.left_out:
            self._say(uid, f"not among the outputs: {line}")

    def _miss(self, uid: str, cause: EndCause, because: str) -> None:
        log.warning('outputs not collected attempt=%s because="%s"', uid, because)
        self._say(uid, because)
        self._desk.miss_outputs(uid, cause, because)

    def _say(self, uid: str, words: str) -> None:
        """In the log of the attempt, which is sent after this."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        with contextlib.suppress(OSError):
            handle = os.open(self._folder.output(uid), flags)
            with os.fdopen(handle, "ab") as output:
                output.write(f"iris: {words}\n".encode())

    def _clean(self, uid: str) -> None:
        packed = self._folder.packed(uid)
        for path in (packed, packed.with_name(f"{uid}.json")):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
