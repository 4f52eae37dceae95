"""An installed Iris has all that a checkout has: examples, scripts, migrations."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.machine import processes_in

ROOT = Path(__file__).parents[1]
FOLDERS = ("iris", "examples", "bootstrap")
BUILD = "import setuptools.build_meta as b; b.build_wheel('wheel')"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel built from a copy, so that no build folder stays in the checkout."""
    copy = tmp_path_factory.mktemp("copy")
    for name in (f for f in FOLDERS if (ROOT / f).is_dir()):
        skip = shutil.ignore_patterns("__pycache__", "*.py[co]")
        shutil.copytree(ROOT / name, copy / name, ignore=skip)
    for file in ROOT.iterdir():
        if file.is_file():
            shutil.copy(file, copy)
    (copy / "wheel").mkdir()
    subprocess.run(
        [sys.executable, "-c", BUILD], cwd=copy, check=True, capture_output=True
    )
    return next((copy / "wheel").glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The folder that the wheel was unpacked to."""
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(folder)
    return folder


def test_every_file_that_belongs_to_iris_is_in_the_wheel(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    shipped = [f for f in FOLDERS[1:] for f in _files(ROOT / f)]
    wanted = {str(f) for f in _files(ROOT / "iris") if f.suffix == ".py"}
    wanted |= {f"iris/shipped/{file}" for file in shipped}

    assert sorted(wanted - names) == []
    assert "iris/shipped/examples/local.yaml" in names
    assert "iris/controller/migrations/versions/0001_first.py" in names
    assert not [n for n in names if n.startswith(("tests", "benchmarks", "examples"))]


def _files(folder):
    found = [path for path in folder.rglob("*") if path.is_file()]
    return [p.relative_to(ROOT) for p in found if "__pycache__" not in p.parts]


def test_an_installed_iris_finds_its_examples_away_from_any_checkout(installed):
    words = "from iris.config import find_config as f; print(f('local.yaml'))"

    said = _run(installed, "-c", words)

    assert said == str(installed / "iris/shipped/examples/local.yaml")


def test_the_installed_program_lists_the_commands(installed):
    said = _run(installed, "-m", "iris", "--list")

    assert "cluster.start" in said
    assert "probe.why" in said


@pytest.mark.heavy
@pytest.mark.timeout(600)
def test_an_installed_iris_runs_a_job_from_its_examples(wheel, tmp_path):
    venv, folder = tmp_path / "venv", tmp_path / "project"
    folder.mkdir()
    (folder / "train.py").write_text("print('trained')\n")
    environment = os.environ | {
        "PATH": f"{venv / 'bin'}:{os.environ['PATH']}",
        "IRIS_HOME": str(tmp_path / "home"),
    }

    def run(*words):
        said = subprocess.run(
            words,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return said.stdout

    run(sys.executable, "-m", "venv", str(venv))
    run("pip", "install", "--quiet", str(wheel))
    run("iris", "cluster.start", "--config", "local.yaml")
    try:
        trained = run("iris", "job.run", "--follow", "--", "python", "train.py")
    finally:
        run("iris", "cleanup", "--no-dry-run")

    assert trained == "trained\n"
    assert processes_in(tmp_path) == []


def _run(installed, *words):
    environ = {**os.environ, "PYTHONPATH": str(installed)}
    ran = subprocess.run(
        [sys.executable, *words],
        cwd=installed.parent,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return ran.stdout.strip()
