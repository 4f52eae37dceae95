"""Scripts of a VM as Google's script runner runs them, and the console they fill."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

MOST_CONSOLE = 1_000_000  # bytes of the console that are shown
_RUNNER = b"google_metadata_script_runner[1]: "
_OWN = (b"startup-script exit", b"shutdown-script", b"Finished running")
# $0 the script, $1 the console; what the script leaves running goes on writing there
_AT_BOOT = (
    '"$0" >>"$1" 2>&1 </dev/null; echo "startup-script exit status $?" >>"$1"; '
    'echo "Finished running startup scripts." >>"$1"'
)
_AT_POWER_OFF = (
    'set -o pipefail; "$0" 2>&1 </dev/null | sed -u "s/^/shutdown-script: /" >>"$1"; '
    'echo "shutdown-script exit status $?" >>"$1"; '
    'echo "Finished running shutdown scripts." >>"$1"'
)

_started: list[subprocess.Popen[bytes]] = []  # taken leave of at the next start


def run_at_boot(folder: Path, text: str, environment: Mapping[str, str]) -> None:
    """Start the startup script; nobody waits for it."""
    _shorten(_console(folder))
    if text:
        _run(folder, "startup-script", (text, _AT_BOOT), environment)


def run_at_power_off(folder: Path, text: str, environment: Mapping[str, str]) -> None:
    """Start the shutdown script; it has until the power is off."""
    if text:
        _run(folder, "shutdown-script", (text, _AT_POWER_OFF), environment)


def console_of(folder: Path) -> bytes:
    """The last MB of it, as the script runner writes it."""
    shown = b"".join(_line(line) for line in _tail(_console(folder)).splitlines())
    return shown[-MOST_CONSOLE:]


def _run(
    folder: Path, name: str, what: tuple[str, str], environment: Mapping[str, str]
) -> None:
    text, around = what
    script = folder / name
    script.unlink(missing_ok=True)  # one of before may still be running
    script.write_text(text)
    script.chmod(0o700)
    _started[:] = [each for each in _started if each.poll() is None]
    process = subprocess.Popen(
        ["bash", "-c", around, str(script), str(_console(folder))],
        # the runner has no HOME
        env={k: v for k, v in environment.items() if k != "HOME"},
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    _started.append(process)


def _console(folder: Path) -> Path:
    return folder / "startup.log"


def _shorten(console: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        if console.stat().st_size > MOST_CONSOLE:
            console.write_bytes(_tail(console))


def _tail(console: Path) -> bytes:
    try:
        with console.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - MOST_CONSOLE))
            return file.read()
    except FileNotFoundError:
        return b""


def _line(line: bytes) -> bytes:
    who = b"" if line.startswith(_OWN) else b"startup-script: "
    return _RUNNER + who + line + b"\n"
