"""Opens the database file: one owner, the right settings, the newest schema."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from iris.controller.schema import HEAD, METADATA
from iris.errors import Held, StoreFailed

_BUSY_MS = 30_000  # a person who reads with another program is waited for
_CHECKPOINT_PAGES = 4000  # about 16 MB of log between checkpoints
_PAGES_WHEN_FULL = 64


class Lock:
    """Held by the one process that may write a database; ends with the process."""

    def __init__(self, database: Path, holder: str) -> None:
        path = database.with_name(database.name + ".lock")
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            named = os.read(self._fd, 1000).decode(errors="replace").strip()
            os.close(self._fd)
            raise Held(
                f"{database} is held by {named or 'another process'}",
                hint="One controller at a time: stop that one first.",
            ) from error
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{holder} (pid {os.getpid()})\n".encode(), 0)

    def release(self) -> None:
        """Let the next one in; the file stays, else two could hold two files."""
        if self._fd >= 0:
            os.ftruncate(self._fd, 0)
            os.close(self._fd)
            self._fd = -1


def open_for_writing(database: Path) -> Engine:
    """The database at its newest schema. Raises StoreFailed."""
    engine = _engine(database, query_only=False)
    try:
        with engine.begin() as connection:
            _bring_up_schema(connection, database)
    except SQLAlchemyError as error:
        engine.dispose()
        raise store_failed(database, error) from error
    return engine


def open_for_reading(database: Path) -> Engine:
    """Connections of their own, for any thread, that cannot write."""
    return _engine(database, query_only=True)


def store_failed(database: Path, error: Exception) -> StoreFailed:
    """What a person reads when the database did not do its work."""
    words = str(error.orig if isinstance(error, DBAPIError) else error)
    hint = f"Look at the disk under {database.parent}, then start the controller again."
    if "not a database" in words or "malformed" in words:
        hint = f"Put a good copy in place of {database}, or move it away."
    return StoreFailed(f"the database {database} failed: {words}", hint)


def is_full(error: sqlite3.Error) -> bool:
    """Did the disk have no room?"""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL


def fold_in(database: sqlite3.Connection) -> None:
    """Bring what the log has into the database, and begin the log anew.

    Its file stays as long as it is, and grows no more until the next start: what is
    free is for the database.
    """
    with suppress(sqlite3.Error):  # as it was then
        database.execute(f"PRAGMA wal_autocheckpoint = {_PAGES_WHEN_FULL}")
        database.execute("PRAGMA wal_checkpoint(RESTART)")


def _engine(database: Path, query_only: bool) -> Engine:
    url = URL.create("sqlite+pysqlite", database=str(database))
    engine = create_engine(url)

    @event.listens_for(engine, "connect")
    def _set_up(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # transactions begin where we say so
        for pragma in _pragmas(query_only):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN" if query_only else "BEGIN IMMEDIATE")

    return engine


def _pragmas(query_only: bool) -> tuple[str, ...]:
    both = (f"busy_timeout = {_BUSY_MS}",)
    if query_only:
        return (*both, "query_only = ON")
    return (
        *both,
        "journal_mode = WAL",
        "synchronous = FULL",  # a commit that was answered survives a power cut
        f"wal_autocheckpoint = {_CHECKPOINT_PAGES}",
    )


def _bring_up_schema(connection: Connection, database: Path) -> None:
    stored = _stored_revision(connection)
    if stored == HEAD:
        return
    if stored is None and not inspect(connection).get_table_names():
        # a new file is made whole; a test proves it equal to all migrations in a row
        METADATA.create_all(connection)
        connection.exec_driver_sql(
            "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
            "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
        )
        connection.exec_driver_sql("INSERT INTO alembic_version VALUES (?)", (HEAD,))
        return
    from iris.controller.migrations import migrate

    try:
        migrate(connection)
    except LookupError as error:
        raise StoreFailed(
            f"{database} has schema {stored}, which this version does not know",
            hint="It was written by a newer Iris: run that one, or a newer one still.",
        ) from error


def _stored_revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    query = "SELECT version_num FROM alembic_version"
    found = connection.exec_driver_sql(query).scalar_one_or_none()
    return None if found is None else str(found)
