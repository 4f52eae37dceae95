"""Makes State durable: transitions of many requests share one database commit."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy.exc import SQLAlchemyError

from iris.controller.database import (
    Lock,
    fold_in,
    is_full,
    open_for_writing,
    store_failed,
)
from iris.controller.journal import Key, Restored, Row
from iris.controller.restoring import load_restored
from iris.controller.rows import (
    DROP_RANGE,
    KEPT,
    NOTE_GONE,
    PRUNE_EVENTS,
    PUT_EVENT,
    PUT_PROGRESS,
    TASK_RANGES,
    event_values,
)
from iris.domain.events import Event
from iris.errors import Late, StoreFailed

_MOST_BATCHES = 4  # of one commit
_PRUNE_STEP = 500  # events dropped in one commit beyond as many as it adds
Latest = dict[str, dict[Key, msgspec.Struct | str | None]]


class _Pending:
    """What waits for the next commit; the last write to a key is the one that stays."""

    def __init__(self) -> None:
        self.seq = 0
        self.rows: Latest = {}
        self.events: list[Event] = []

    def add(self, seq: int, rows: Sequence[Row], events: Sequence[Event]) -> None:
        self.seq = seq
        for table, key, entity in rows:
            self.rows.setdefault(table, {})[key] = entity
        self.events += events


class Store:
    """The journal on SQLite; the only owner of its file while it is open."""

    def __init__(
        self,
        database: Path,
        holder: str,
        *,
        keep_events: int = 200_000,
        on_failure: Callable[[StoreFailed], None] | None = None,
        make_room: Callable[[], object] = lambda: None,
    ) -> None:
        """Open or make the database; `make_room` is called where the disk is full.

        Raises Held or StoreFailed.
        """
        self._database = database
        self._keep_events = keep_events
        self._on_failure = on_failure
        self._make_room = make_room
        self._lock = _take_lock(database, holder)
        try:
            self._engine = open_for_writing(database)
        except BaseException:
            self._lock.release()
            raise
        guard = threading.Lock()
        self._asked = threading.Condition(guard)  # wakes the one that commits
        self._done = threading.Condition(guard)  # wakes those that wait for a commit
        self._pending = _Pending()
        self._durable_seq = 0
        self._event_count = 0
        self._failure: StoreFailed | None = None
        self._closing = False
        self._thread = threading.Thread(
            target=self._commit_until_closed, name="store", daemon=True
        )

    def load(self) -> Restored:
        """All that lives; commits are made from now on. Raises StoreFailed."""
        try:
            with self._engine.begin() as connection:
                restored = load_restored(connection)
                query = "SELECT count(*) FROM events"
                self._event_count = connection.exec_driver_sql(query).scalar_one()
        except (SQLAlchemyError, msgspec.MsgspecError) as error:
            raise store_failed(self._database, error) from error
        self._durable_seq = self._pending.seq = restored.seq
        self._thread.start()
        return restored

    def append(self, seq: int, rows: Sequence[Row], events: Sequence[Event]) -> None:
        """Take one transition for the next commit."""
        with self._asked:
            self._pending.add(seq, rows, events)
            self._asked.notify()

    @property
    def durable_seq(self) -> int:
        """The newest sequence number that survives a crash."""
        return self._durable_seq

    def wait_durable(self, seq: int, timeout: float | None = None) -> None:
        """Return once `seq` is durable. Raises StoreFailed or Late."""
        if self._durable_seq >= seq:
            return
        with self._done:
            self._done.wait_for(
                lambda: self._durable_seq >= seq or self._failure is not None, timeout
            )
            if self._durable_seq >= seq:
                return
            if self._failure is not None:
                raise self._failure
        raise Late(
            f"change {seq} is not durable after {timeout} s; "
            f"the newest that is: {self._durable_seq}"
        )

    def close(self) -> None:
        """Commit what is pending and let go of the file."""
        with self._asked:
            self._closing = True
            self._asked.notify()
        if self._thread.ident is not None:
            self._thread.join()
        with self._done:
            self._failure = self._failure or StoreFailed("the database is closed")
            self._done.notify_all()
        self._engine.dispose()
        self._lock.release()

    def _commit_until_closed(self) -> None:
        try:
            with closing(self._engine.raw_connection()) as connection:
                database: Any = connection.driver_connection
                while (batch := self._next_batch()) is not None:
                    self._commit_somehow(database, batch)
        except Exception as error:  # any fault must end the process
            self._fail(store_failed(self._database, error))

    def _next_batch(self) -> _Pending | None:
        with self._asked:
            self._asked.wait_for(
                lambda: self._pending.seq > self._durable_seq or self._closing
            )
            return self._take_after(self._durable_seq)

    def _take_after(self, seq: int) -> _Pending | None:
        if self._pending.seq <= seq:
            return None
        batch, self._pending = self._pending, _Pending()
        self._pending.seq = batch.seq
        return batch

    def _commit_somehow(self, database: sqlite3.Connection, batch: _Pending) -> None:
        """On a full disk with the space that is ours already, then with the reserve."""
        batches = [batch]
        for make_room in (lambda: None, self._make_room):
            try:
                self._commit(database, batches)
            except sqlite3.OperationalError as error:
                if not is_full(error):
                    raise
                make_room()
                fold_in(database)
            else:
                return
        self._commit(database, batches)

    def _commit(self, database: sqlite3.Connection, batches: list[_Pending]) -> None:
        # every statement changes threads, which a library around it makes no better
        database.execute("BEGIN IMMEDIATE")
        with database:
            for batch in batches:  # they become more while the first is written
                _write_batch(database, batch)
                if len(batches) < _MOST_BATCHES:
                    batches += self._take_riders(batch.seq)
            added = sum(len(batch.events) for batch in batches)
            count = self._event_count + added
            count -= self._prune(database, count, added)
            database.execute(PUT_PROGRESS, (1, batches[-1].seq))
        self._event_count = count
        with self._done:
            self._durable_seq = batches[-1].seq
            self._done.notify_all()

    def _take_riders(self, seq: int) -> list[_Pending]:
        """What came meanwhile: a task is placed just after its job was accepted."""
        with self._asked:
            rider = self._take_after(seq)
        return [rider] if rider is not None else []

    def _prune(self, database: sqlite3.Connection, count: int, added: int) -> int:
        surplus = min(count - self._keep_events, added + _PRUNE_STEP)
        if surplus <= 0:
            return 0
        database.execute(PRUNE_EVENTS, (surplus,))
        database.execute(NOTE_GONE)
        return surplus

    def _fail(self, failure: StoreFailed) -> None:
        with self._done:
            self._failure = failure
            self._done.notify_all()
        if self._on_failure is not None:
            self._on_failure(failure)


def _take_lock(database: Path, holder: str) -> Lock:
    try:
        return Lock(database, holder)
    except OSError as error:
        raise store_failed(database, error) from error


def _write_batch(database: sqlite3.Connection, batch: _Pending) -> None:
    for table, entities in batch.rows.items():
        _write_rows(database, table, entities)
    if batch.events:
        database.executemany(PUT_EVENT, map(event_values, batch.events))


def _write_rows(
    database: sqlite3.Connection,
    table: str,
    entities: dict[Key, msgspec.Struct | str | None],
) -> None:
    if table == TASK_RANGES:
        for statement in DROP_RANGE:
            database.executemany(statement, entities)
        return
    kept = KEPT[table]
    puts = [kept.values(k, e) for k, e in entities.items() if e is not None]
    drops = [key for key, entity in entities.items() if entity is None]
    if puts:
        database.executemany(kept.put, puts)
    if drops:
        database.executemany(kept.drop, drops)
