"""What the work of jobs that are kept no more held, by slice, user and day."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the table of the sums."""
    op.create_table(
        "spent",
        sa.Column("slice_name", sa.Text, primary_key=True, nullable=False),
        sa.Column("user", sa.Text, primary_key=True, nullable=False),
        sa.Column(
            "day", sa.Integer, primary_key=True, nullable=False, autoincrement=False
        ),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )
