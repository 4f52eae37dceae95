"""Client ids whose answer was a job that had come under another one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make their table."""
    op.create_table(
        "answered",
        sa.Column("client_id", sa.Text, primary_key=True, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
