"""A small Debian in a folder: debootstrap, from the machine's own package sources."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from iris.errors import EngineFailed, NotFound
from iris.images.engine import stream

Say = Callable[[str], None]

SUITE = "bookworm"
DEADLINE = 900.0  # seconds; 40 from a mirror nearby
PACK_DEADLINE = 300.0  # seconds
_HINT = "As root of a Debian: apt-get install debootstrap. Else name one: --base IMAGE."
_SOURCES = (
    "apt-get",
    "indextargets",
    "--format",
    "$(REPO_URI) $(RELEASE) $(COMPONENT)",
)


# of each package, some two hundred lines
_DETAILS = ("Retrieving", "Validating", "Extracting", "Unpacking", "Configuring")


def install(folder: Path, packages: tuple[str, ...], say: Say) -> None:
    """Debian with these packages. Raises NotFound where this machine cannot."""
    if os.geteuid() != 0:
        raise NotFound("making a base image needs root", hint=_HINT)
    program = shutil.which("debootstrap", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if program is None:
        raise NotFound("there is no debootstrap here", hint=_HINT)
    words = [f"--include={','.join(packages)}", SUITE, str(folder), mirror()]
    command = [program, "--variant=minbase", *words]
    said = stream(command, os.environ, _phases(say), DEADLINE)
    if said.status != 0:
        raise NotFound(f"debootstrap failed: {said.words}", hint=_HINT)


def mirror() -> str:
    """Where this machine gets its Debian packages. Raises NotFound."""
    try:
        words = [*_SOURCES, "Created-By: Packages"]
        asked = subprocess.run(
            words, capture_output=True, text=True, timeout=60, check=False
        )
    except FileNotFoundError:
        raise NotFound("this machine has no apt", hint=_HINT) from None
    for line in asked.stdout.splitlines():
        url, _, rest = line.partition(" ")
        if rest == f"{SUITE} main":
            return url
    raise NotFound(f"apt knows no source of Debian {SUITE} here", hint=_HINT)


def pack(folder: Path, tarball: Path, leave_out: tuple[str, ...]) -> None:
    """All of the folder as a tarball, without the content of what is left out."""
    skipped = [f"--exclude=./{name}/*" for name in leave_out]
    words = ["tar", "--numeric-owner", *skipped, "-C", str(folder), "-cf", str(tarball)]
    packed = subprocess.run(
        [*words, "."],
        capture_output=True,
        text=True,
        timeout=PACK_DEADLINE,
        check=False,
    )
    if packed.returncode != 0:
        raise EngineFailed(f"the base cannot be packed: {packed.stderr.strip()}")


def unmount_below(folder: Path) -> None:
    """What an interrupted debootstrap left mounted; raises rather than go on."""
    for place in reversed(_mounts_below(folder)):
        subprocess.run(["umount", place], timeout=30, check=False)
    left = _mounts_below(folder)
    if left:  # removing the folder would remove what is mounted there
        raise EngineFailed(f"{left[0]} stays mounted", hint=f"umount {left[0]}")


def checksum(content: bytes) -> str:
    """SHA-256, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def _mounts_below(folder: Path) -> list[str]:
    try:
        lines = Path("/proc/self/mounts").read_text().splitlines()
    except OSError:
        return []
    places = [line.split(" ")[1] for line in lines]
    return [place for place in places if place.startswith(f"{folder}/")]


def _phases(say: Say) -> Callable[[str], None]:
    def hear(line: str) -> None:
        said = line.removeprefix("I: ")
        if said.endswith("...") and not said.startswith(_DETAILS):
            say(f"debootstrap: {said.rstrip('.').lower()}")

    return hear
