"""Fetched files go to their place whole and together, and to nobody else's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from iris.errors import Conflict, FellShort, UsageError
from iris.operations.fetch_folder import STAGE, move_all, opened


def put(folder: Path, force: bool = False, **files: str) -> None:
    """Fetch files; `__` in a name stands for a slash."""
    with opened(folder) as stage:
        for name, content in files.items():
            path = stage / "tree" / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        move_all(stage / "tree", folder, force=force)


def there(folder: Path) -> dict[str, str]:
    found = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_text() for path in found}


def test_the_same_may_be_fetched_again_beside_what_is_there(tmp_path):
    folder = tmp_path / "new" / "folder"
    put(folder, model="weights", deep__log="lines")
    (folder / "mine").write_text("notes")

    put(folder, model="weights", deep__log="lines", more="x")

    found = {"model": "weights", "deep/log": "lines", "mine": "notes", "more": "x"}
    assert there(folder) == found


def test_what_differs_is_replaced_only_by_force_and_then_all_of_it(tmp_path):
    put(tmp_path, model="old", a="1")

    with pytest.raises(Conflict, match="in the place of 'model': nothing was written"):
        put(tmp_path, model="new", b="2")
    assert there(tmp_path) == {"model": "old", "a": "1"}

    put(tmp_path, force=True, model="new", b="2")
    assert there(tmp_path) == {"model": "new", "a": "1", "b": "2"}


def test_nothing_is_written_through_a_link_or_over_a_folder(tmp_path):
    outside, folder = tmp_path / "outside", tmp_path / "folder"
    outside.mkdir()
    (folder / "model").mkdir(parents=True)
    (folder / "deep").symlink_to(outside)

    for files in ({"deep__log": "lines"}, {"model": "weights"}):
        with pytest.raises(Conflict):
            put(folder, **files)
    with pytest.raises(Conflict):
        put(folder, force=True, model="weights")
    put(folder, force=True, deep__log="lines")

    assert os.listdir(outside) == []
    assert there(folder) == {"deep/log": "lines"}


def test_a_fetch_that_fails_leaves_nothing(tmp_path):
    folder = tmp_path / "new" / "folder"

    with pytest.raises(FellShort, match="No such file"), opened(folder) as stage:
        (stage / "gone" / "file").write_text("x")

    assert os.listdir(tmp_path) == []


def test_what_a_killed_one_left_goes_and_what_another_holds_stays(tmp_path):
    (tmp_path / f"{STAGE}killed").mkdir()

    with opened(tmp_path) as other, opened(tmp_path) as stage:
        found = set(tmp_path.iterdir())
        assert found == {other, stage}

    assert os.listdir(tmp_path) == []


def test_a_place_that_cannot_be_one_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")

    with pytest.raises(UsageError, match=r"-o .*/file: file exists"):
        put(tmp_path / "file", model="weights")
