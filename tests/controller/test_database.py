"""One owner, the right settings, the newest schema."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect

from iris.controller.database import open_for_writing
from iris.controller.migrations import migrate
from iris.controller.schema import HEAD, METADATA
from iris.controller.store import Store
from iris.errors import Held, StoreFailed
from tests.controller.conftest import Open


def test_a_second_owner_is_refused_and_told_who_holds_it(database, opened: Open):
    opened()

    with pytest.raises(Held, match=r"is held by controller mine \(pid \d+\)"):
        Store(database, "controller other")


def test_the_file_is_free_again_once_its_owner_is_gone(database, opened: Open):
    store, _ = opened()
    store.close()

    Store(database, "controller other").close()


def test_commits_reach_the_disk_itself(database):
    engine = open_for_writing(database)
    with engine.connect() as connection:
        ask = connection.exec_driver_sql
        assert ask("PRAGMA journal_mode").scalar_one() == "wal"
        assert ask("PRAGMA synchronous").scalar_one() == 2  # full
    engine.dispose()


def test_a_file_that_is_no_database_is_refused(database):
    database.write_bytes(b"words " * 1000)

    with pytest.raises(StoreFailed, match="not a database") as caught:
        Store(database, "controller mine")

    assert "good copy" in caught.value.hint


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(StoreFailed, match="No such file"):
        Store(tmp_path / "missing" / "iris.db", "controller mine")


def test_a_database_of_a_newer_version_is_refused(database, opened: Open):
    opened()[0].close()
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()

    with pytest.raises(StoreFailed, match="has schema 9999, which this version"):
        Store(database, "controller mine")


def test_migrations_in_a_row_give_the_schema_of_a_new_database(database, tmp_path):
    open_for_writing(database).dispose()
    engine = create_engine(f"sqlite:///{tmp_path / 'migrated.db'}")
    with engine.begin() as connection:
        migrate(connection)
    engine.dispose()

    assert _schema(tmp_path / "migrated.db") == _schema(database)
    assert _schema(database)["alembic_version"]


def test_the_newest_migration_is_the_one_that_the_schema_names(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path / 'migrated.db'}")
    with engine.begin() as connection:
        migrate(connection)
        query = "SELECT version_num FROM alembic_version"
        assert connection.exec_driver_sql(query).scalar_one() == HEAD
        assert set(inspect(connection).get_table_names()) == {
            *METADATA.tables,
            "alembic_version",
        }
    engine.dispose()


def test_opening_a_database_of_this_version_does_not_import_alembic(database):
    Store(database, "controller mine").close()
    program = (
        "import sys, pathlib; from iris.controller.store import Store; "
        "Store(pathlib.Path(sys.argv[1]), 'x').close(); "
        "sys.exit('alembic' in sys.modules)"
    )

    subprocess.run((sys.executable, "-c", program, str(database)), check=True)


def _schema(database: Path) -> dict[str, str]:
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_master").fetchall()
    return {name: "".join((sql or "").split()) for name, sql in rows}
