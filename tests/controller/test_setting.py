"""The words of the controller's program, and the disk that its state lies on."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from iris.controller.setting import Setting, read_setting, require_own_state
from iris.errors import StoreFailed


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    for each in set(root.handlers) - set(handlers):
        each.close()
    root.handlers[:], root.level = handlers, level


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    words = ["--machine", str(tmp_path), "--state", str(tmp_path / "state"), "--marked"]
    (tmp_path / "state").mkdir()
    return read_setting(words)


def test_a_state_that_is_not_mounted_is_no_empty_cluster(setting: Setting):
    with pytest.raises(StoreFailed, match="the state disk is not mounted"):
        require_own_state(setting, "c1")


def test_a_state_of_another_cluster_is_not_touched(setting: Setting):
    (setting.state / "iris-uid").write_text("c2\n")

    with pytest.raises(StoreFailed, match="the state is of cluster uid 'c2'"):
        require_own_state(setting, "c1")


def test_our_own_state_is_taken(setting: Setting):
    (setting.state / "iris-uid").write_text("c1\n")

    require_own_state(setting, "c1")


def test_a_local_state_needs_no_mark(setting: Setting):
    require_own_state(replace(setting, marked=False), "c1")


def test_it_listens_at_home_and_keeps_its_log_beside_the_machine(tmp_path: Path):
    setting = read_setting(["--machine", str(tmp_path), "--state", "/state"])

    assert setting == Setting(
        machine=tmp_path,
        state=Path("/state"),
        config=tmp_path / "config.yaml",
        log=tmp_path / "controller.log",
        listen="127.0.0.1",
    )
