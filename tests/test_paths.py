"""Records lie where a person says; what is shipped lies where Iris does."""

from __future__ import annotations

from pathlib import Path

from iris.paths import examples_folder, iris_home, shipped_folder


def test_records_lie_in_the_home_folder_unless_said_otherwise():
    assert iris_home({}) == Path.home() / ".iris"
    assert iris_home({"IRIS_HOME": ""}) == Path.home() / ".iris"
    assert iris_home({"IRIS_HOME": "/records"}) == Path("/records")
    assert iris_home({"IRIS_HOME": "~/mine"}) == Path.home() / "mine"
    assert iris_home({"IRIS_HOME": "here"}) == Path.cwd() / "here"


def test_shipped_folders_lie_beside_the_package_in_a_checkout():
    assert (examples_folder() / "minimal.yaml").is_file()
    assert shipped_folder("bootstrap").parent == examples_folder().parent
