"""Which files of a working folder travel: what git does not ignore."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from iris.errors import BadBundle

_LEFT_OUT = {".git", ".venv", "__pycache__"}
_MOST_FILES = 100_000
_GIT_DEADLINE = 60.0  # seconds
# Set inside git's hooks; they would point our git at another folder.
_OF_HOOKS = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"}


def list_files(folder: Path) -> list[str]:
    """Paths of files and links below the folder, sorted. Raises BadBundle."""
    if not folder.is_dir():
        raise BadBundle(f"{folder} is not a folder")
    names = sorted(_bounded(folder, _in_folder(folder)))
    if not names:
        raise BadBundle(f"{folder} has no files", "Run the job with --no-bundle.")
    return names


def _bounded(folder: Path, names: Iterator[str]) -> Iterator[str]:
    for count, name in enumerate(names):
        if count >= _MOST_FILES:
            raise BadBundle(
                f"{folder} has more than {_MOST_FILES} files",
                hint="Start the job from a project's folder, or with --no-bundle.",
            )
        yield name


def _in_folder(folder: Path) -> Iterator[str]:
    listed = _listed_by_git(folder)
    # git lists nothing in a folder that an outer checkout ignores as a whole
    return _walk(folder) if not listed else _with_checkouts_below(folder, listed)


def _listed_by_git(folder: Path) -> list[str] | None:
    """None outside of any checkout."""
    words = ["git", "ls-files", "-co", "--exclude-standard", "-z"]
    env = {k: v for k, v in os.environ.items() if k not in _OF_HOOKS}
    try:
        asked = subprocess.run(
            words,
            cwd=folder,
            env=env | {"LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_GIT_DEADLINE,
            check=False,
        )
    except FileNotFoundError:
        return None  # no git on this machine
    except subprocess.TimeoutExpired as error:
        raise BadBundle(f"git did not list {folder} in {_GIT_DEADLINE} s") from error
    if asked.returncode == 0:
        return [os.fsdecode(name) for name in asked.stdout.split(b"\0") if name]
    fault = asked.stderr.decode(errors="replace").strip().splitlines() or ["no reason"]
    if "not a git repository" in fault[0]:
        return None
    raise BadBundle(f"git cannot list {folder}: {fault[0]}")


def _with_checkouts_below(folder: Path, listed: list[str]) -> Iterator[str]:
    for name in dict.fromkeys(listed):  # a conflict lists a file up to three times
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            # a submodule, or a checkout that lies inside this one
            is_checkout = (path / ".git").exists()
            below = _in_folder(path) if is_checkout else _walk(path)
            yield from (os.path.join(name, inner) for inner in below)
        elif path.is_symlink() or path.exists():  # else deleted, and not yet committed
            yield name


def _walk(folder: Path) -> Iterator[str]:
    for here, folders, files in os.walk(folder, onerror=_refuse):
        links = [f for f in folders if os.path.islink(os.path.join(here, f))]
        folders[:] = [f for f in folders if f not in _LEFT_OUT and f not in links]
        for name in files + links:
            if name not in _LEFT_OUT:
                yield os.path.relpath(os.path.join(here, name), folder)


def _refuse(error: OSError) -> None:
    raise BadBundle(f"{error.filename} cannot be read: {error.strerror}") from error
