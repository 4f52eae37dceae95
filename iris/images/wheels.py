"""The wheels that both images are made of, fetched once with this machine's own pip.

The build itself then needs no package index: neither its address nor its credentials
ever come near an image.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from iris.errors import FellShort
from iris.images.base import Base
from iris.images.engine import Engine
from iris.paths import cache_folder

DEADLINE = 900.0  # seconds
_PLATFORMS = (
    "manylinux_2_28",
    "manylinux2014",
    "manylinux_2_17",
)  # Debian 12 runs them
_VERSION = "import sys; print('%d.%d' % sys.version_info[:2])"
_PYTHONS = ("3.11", "3.12")  # what requirements.lock was made for


def fetch_wheels(
    engine: Engine, lock: Path, base: Base, say: Callable[[str], None]
) -> Path:
    """A folder with all that the lock names, for the Python of a base."""
    python = python_of(engine, base)
    key = hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    folder = cache_folder() / "wheels" / f"{key}-{python}"
    if folder.is_dir():
        return folder
    say(f"fetching the wheels of {lock.name} for Python {python}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".new-"))
    try:
        _download(lock, python, draft)
        draft.chmod(0o755)
        if not folder.is_dir():
            draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder


def python_of(engine: Engine, base: Base) -> str:
    """Which Python a base has. Raises FellShort for one that the lock is not for."""
    words = ("run", "--rm", "--network=none", "--entrypoint", "python3", base.id)
    about = f"the base {base.name} runs no python3"
    said = engine.run(*words, "-c", _VERSION, about=about, deadline=60.0).strip()
    if said not in _PYTHONS:
        raise FellShort(
            f"the base {base.name} has Python {said}, the locked wheels are for "
            f"{' and '.join(_PYTHONS)}",
            hint="Name another base: `inv build --base python:3.12-slim-bookworm`.",
        )
    return said


def _download(lock: Path, python: str, folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--disable-pip-version-check", "--no-input", "--require-hashes"]
    command += ["--only-binary", ":all:", "--implementation", "cp"]
    command += ["--python-version", python, "--dest", str(folder)]
    for name in _PLATFORMS:
        command += ["--platform", f"{name}_x86_64"]
    for abi in (f"cp{python.replace('.', '')}", "abi3", "none"):
        command += ["--abi", abi]
    try:
        ran = subprocess.run(
            [*command, "--requirement", str(lock)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise FellShort(f"pip fetched no wheels within {DEADLINE:g} s") from error
    if ran.returncode != 0:
        errors = [li for li in ran.stdout.splitlines() if li.startswith("ERROR")]
        words = (errors or ran.stdout.splitlines() or ["no word"])[-1]
        raise FellShort(
            f"the wheels cannot be fetched: {words.removeprefix('ERROR: ')}",
            hint="`pip download` of this machine must reach a package index "
            "(`pip config list`).",
        )
