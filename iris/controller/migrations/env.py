"""Alembic's entry: runs the steps on the connection that it is handed."""

from __future__ import annotations

from alembic import context

from iris.controller.schema import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,  # SQLite changes a table by copying it
)
with context.begin_transaction():
    context.run_migrations()
