"""Which files of a working folder travel: what git does not ignore."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain
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
    if not listed:
        return _walk(folder)
    return chain(_with_checkouts_below(folder, listed), _passed_over(folder, listed))


def _listed_by_git(folder: Path) -> list[str] | None:
    """None outside of any checkout."""
    try:
        asked = _git(folder, "ls-files", "-co", "--exclude-standard", "-z")
    except FileNotFoundError:
        return None  # no git on this machine
    if asked.returncode == 0:
        return _names_in(asked.stdout)
    fault = _fault_of(asked)
    if "not a git repository" in fault:
        return None
    raise BadBundle(f"git cannot list {folder}: {fault}")


def _git(
    folder: Path, *words: str, sent: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    env = {k: v for k, v in os.environ.items() if k not in _OF_HOOKS}
    try:
        return subprocess.run(
            ["git", *words],
            cwd=folder,
            env=env | {"LC_ALL": "C"},
            input=sent,
            capture_output=True,
            timeout=_GIT_DEADLINE,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BadBundle(f"git did not list {folder} in {_GIT_DEADLINE} s") from error


def _names_in(listed: bytes) -> list[str]:
    return [os.fsdecode(name) for name in listed.split(b"\0") if name]


def _fault_of(asked: subprocess.CompletedProcess[bytes]) -> str:
    lines = asked.stderr.decode(errors="replace").strip().splitlines()
    return lines[0] if lines else "no reason"


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


def _passed_over(folder: Path, listed: list[str]) -> Iterator[str]:
    """Sockets, FIFOs and devices, which git neither lists nor ignores.

    Only folders with something listed are looked through, and those that git does
    not ignore: what it ignores may be larger than all the rest.
    """
    known = {parent for name in listed for parent in _parents(name)}
    there = {name.rstrip("/") for name in listed}  # checkouts below among them
    folders = [""]
    while folders:
        odd: dict[str, bool] = {}  # name -> is it a folder?
        while folders:
            for name, entry in _entries(folder, folders.pop()):
                if name in known:
                    folders.append(name)
                elif name not in there and not _may_be_listed(entry):
                    odd[name] = entry.is_dir(follow_symlinks=False)
        for name in odd.keys() - _ignored(folder, odd):
            if odd[name]:
                folders.append(name)
            else:
                yield name


def _parents(name: str) -> Iterator[str]:
    while name := os.path.dirname(name):
        yield name


def _entries(folder: Path, below: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    # git passes over what cannot be read
    with suppress(PermissionError), os.scandir(folder / below) as entries:
        for entry in entries:
            if entry.name != ".git":
                yield os.path.join(below, entry.name), entry


def _may_be_listed(entry: os.DirEntry[str]) -> bool:
    return entry.is_symlink() or entry.is_file(follow_symlinks=False)


def _ignored(folder: Path, names: Iterable[str]) -> set[str]:
    sent = b"".join(os.fsencode(name) + b"\0" for name in names)
    if not sent:
        return set()
    asked = _git(folder, "check-ignore", "-z", "--stdin", sent=sent)
    if asked.returncode not in (0, 1):  # 1: none of them
        words = f"git cannot tell what it ignores in {folder}: {_fault_of(asked)}"
        raise BadBundle(words)
    return set(_names_in(asked.stdout))


def _walk(folder: Path) -> Iterator[str]:
    for here, folders, files in os.walk(folder, onerror=_refuse):
        links = [f for f in folders if os.path.islink(os.path.join(here, f))]
        folders[:] = [f for f in folders if f not in _LEFT_OUT and f not in links]
        for name in files + links:
            if name not in _LEFT_OUT:
                yield os.path.relpath(os.path.join(here, name), folder)


def _refuse(error: OSError) -> None:
    raise BadBundle(f"{error.filename} cannot be read: {error.strerror}") from error
