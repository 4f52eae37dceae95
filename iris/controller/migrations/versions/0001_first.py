"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make every table."""
    _make_work()
    _make_fleet()
    _make_the_rest()
    _make_events()


def _make_work() -> None:
    op.create_table(
        "jobs",
        _key("uid"),
        _text("name"),
        _text("user"),
        _text("client_id"),
        _text("state"),
        _number("place"),
        _time("submitted_at"),
        _time("ended_at"),
        _body(),
    )
    op.create_index("jobs_by_name", "jobs", ["name"])
    op.create_index("jobs_by_place", "jobs", ["place"])
    op.create_table(
        "tasks",
        _key("job_uid"),
        _number_key("idx"),
        _text("state"),
        _body(),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "attempts",
        _key("job_uid"),
        _number_key("task_index"),
        _number_key("number"),
        _text("uid"),
        _number("ended"),
        sa.Column("gang_uid", sa.Text),
        _body(),
        sqlite_with_rowid=False,
    )
    op.create_index("attempts_by_uid", "attempts", ["uid"], unique=True)


def _make_fleet() -> None:
    op.create_table(
        "slices",
        _key("name"),
        _text("uid"),
        _text("state"),
        _time("deleted_at"),
        _body(),
    )
    op.create_table("workers", _key("uid"), _text("slice_name"), _body())
    op.create_index("workers_by_slice", "workers", ["slice_name"])
    op.create_table(
        "phases",
        _key("slice_name"),
        _number_key("idx"),
        _number_key("n"),
        _body(),
        sqlite_with_rowid=False,
    )
    op.create_table("backoffs", _key("group_name"), _key("zone"), _body())


def _make_the_rest() -> None:
    op.create_table("grants", _key("token_hash"), _body())
    op.create_table("meta", _key("key"), _text("value"))
    op.create_table("progress", _number_key("id"), _number("seq"))


def _make_events() -> None:
    op.create_table(
        "events",
        _number_key("seq"),
        _time("at"),
        _text("kind"),
        sa.Column("job_uid", sa.Text),
        sa.Column("slice_name", sa.Text),
        sa.Column("worker_uid", sa.Text),
        sa.Column("attempt_uid", sa.Text),
        _body(),
    )
    for column in ("job_uid", "slice_name", "worker_uid"):
        is_there = sa.text(f"{column} IS NOT NULL")
        op.create_index(
            f"events_by_{column}", "events", [column], sqlite_where=is_there
        )


def _key(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, primary_key=True, nullable=False)


def _number_key(name: str) -> sa.Column[int]:
    return sa.Column(
        name, sa.Integer, primary_key=True, nullable=False, autoincrement=False
    )


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False)


def _time(name: str) -> sa.Column[float]:
    return sa.Column(name, sa.Float, nullable=False)


def _body() -> sa.Column[bytes]:
    return sa.Column("body", sa.LargeBinary, nullable=False)
