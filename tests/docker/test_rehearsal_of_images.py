"""A production cluster file lives its whole life on the real images."""

from __future__ import annotations

import subprocess

import pytest

from iris.images.engine import Engine
from tests.support.rehearsals import rehearse
from tests.support.terminal import Terminal

pytestmark = [pytest.mark.docker, pytest.mark.heavy, pytest.mark.timeout(600)]


def test_the_production_file_rehearses_on_the_images_that_it_names(
    engine: Engine, tmp_path
):
    terminal = Terminal(tmp_path)

    report = rehearse(terminal, "eu-west4.yaml", "--vms", "docker")

    kept = {each["name"] for each in report["promises"] if each["is_kept"]}
    assert {"jobs succeeded", "nothing is left", "no run was doubled"} <= kept
    shown = engine.run("ps", "-aq", "--filter", "ancestor=iris-vm:bookworm", about="")
    assert shown == ""
    loops = subprocess.run(
        ["losetup", "-a"], capture_output=True, text=True, check=True
    )
    assert str(tmp_path) not in loops.stdout
