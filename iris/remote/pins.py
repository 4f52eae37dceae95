"""The keys of machines met before: one that changed is never taken silently."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from iris.errors import KeyChanged


def check_pin(file: Path, name: str, key: str, told: str = "") -> None:
    """Let the key `TYPE KEY` of a machine pass, or raise KeyChanged.

    What the cloud `told` of it goes before first sight. The format is that of
    OpenSSH's known_hosts, so that `ssh` shares the file.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    with os.fdopen(os.open(file, flags, 0o600), "r+") as opened:
        fcntl.flock(opened, fcntl.LOCK_EX)
        pinned = _pinned(opened.read(), name)
        if not pinned:
            pinned = [_plain(told or key)]
            opened.write(f"{name} {pinned[0]}\n")
    if _plain(key) not in pinned:
        raise KeyChanged(
            f"the SSH key of {name} is another than the one that is pinned in {file}",
            hint="Somebody may sit in between. If the machine was made anew on "
            f"purpose: `ssh-keygen -f {file} -R {name}`.",
        )


def _pinned(text: str, name: str) -> list[str]:
    lines = (line.split() for line in text.splitlines())
    return [" ".join(words[1:3]) for words in lines if words[:1] == [name]]


def _plain(key: str) -> str:
    return " ".join(key.split()[:2])
