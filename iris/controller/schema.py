"""The database's tables: keys and what is asked for as columns, the rest packed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Float, Index, Integer, LargeBinary, MetaData, Table, Text

# The revision that `METADATA` is; migrations/versions has one file for each.
HEAD = "0003"
METADATA = MetaData()


def _table(name: str, *columns: Column[Any] | Index, rowid: bool = True) -> Table:
    body = Column("body", LargeBinary, nullable=False)
    return Table(name, METADATA, *columns, body, sqlite_with_rowid=rowid)


def _key(name: str, kind: type[Text | Integer] = Text) -> Column[Any]:
    return Column(name, kind, primary_key=True, nullable=False, autoincrement=False)


def _text(name: str) -> Column[Any]:
    return Column(name, Text, nullable=False)


def _maybe(name: str) -> Column[Any]:
    return Column(name, Text)


JOBS = _table(
    "jobs",
    _key("uid"),
    _text("name"),
    _text("user"),
    _text("client_id"),
    _text("state"),  # empty while it lives
    Column("place", Integer, nullable=False),  # in the line of submissions
    Column("submitted_at", Float, nullable=False),
    Column("ended_at", Float, nullable=False),  # 0 while it lives
    Index("jobs_by_name", "name"),
    Index("jobs_by_place", "place"),
)
TASKS = _table(
    "tasks", _key("job_uid"), _key("idx", Integer), _text("state"), rowid=False
)
ATTEMPTS = _table(
    "attempts",
    _key("job_uid"),
    _key("task_index", Integer),
    _key("number", Integer),
    _text("uid"),
    Column("ended", Integer, nullable=False),
    _maybe("gang_uid"),
    Index("attempts_by_uid", "uid", unique=True),
    rowid=False,
)
SLICES = _table(
    "slices",
    _key("name"),
    _text("uid"),
    _text("state"),
    Column("deleted_at", Float, nullable=False),  # 0 until then
)
WORKERS = _table(
    "workers",
    _key("uid"),
    _text("slice_name"),
    Index("workers_by_slice", "slice_name"),
)
PHASES = _table(
    "phases", _key("slice_name"), _key("idx", Integer), _key("n", Integer), rowid=False
)
# work of jobs that are kept no more; a day in UTC, counted since 1970
SPENT = _table(
    "spent", _key("slice_name"), _key("user"), _key("day", Integer), rowid=False
)
ANSWERED = _table("answered", _key("client_id"))
GRANTS = _table("grants", _key("token_hash"))
BACKOFFS = _table("backoffs", _key("group_name"), _key("zone"))
META = Table("meta", METADATA, _key("key"), _text("value"))
PROGRESS = Table(
    "progress",
    METADATA,
    _key("id", Integer),  # always 1
    Column("seq", Integer, nullable=False),
)
EVENTS = _table(
    "events",
    _key("seq", Integer),
    Column("at", Float, nullable=False),
    _text("kind"),
    _maybe("job_uid"),
    _maybe("slice_name"),
    _maybe("worker_uid"),
    _maybe("attempt_uid"),
)
for _subject in ("job_uid", "slice_name", "worker_uid"):
    _column = EVENTS.c[_subject]
    Index(f"events_by_{_subject}", _column, sqlite_where=_column.isnot(None))
