"""Runs as a task and keeps a record of its own: that it began, lives, came to its end.

`python stayer.py FOLDER GATE`: one file for each run in FOLDER; where GATE is not `-`
the run stays until that file is there. Needs nothing but Python.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path

LONGEST = 1800.0  # seconds; nobody stays for ever
BEAT = 0.1  # seconds between signs of life
_NEVER = threading.Event()


def main(folder: str, gate: str) -> int:
    """Stay until the gate is there; 1 if it never came."""
    uid = os.environ["IRIS_ATTEMPT_UID"]
    record = Path(folder) / f"{uid}.{os.getpid()}.{time.time_ns()}"
    said = {
        "job": os.environ["IRIS_JOB"],
        "task": int(os.environ["IRIS_TASK_INDEX"]),
        "attempt_uid": uid,
        "pid": os.getpid(),
        "began": time.time(),
        "last": time.time(),
        "ended": False,
    }
    _write(record, said)
    until = time.monotonic() + LONGEST
    while gate != "-" and not Path(gate).exists():
        if time.monotonic() > until:
            return 1
        _NEVER.wait(BEAT)
        _write(record, said | {"last": time.time()})
    _write(record, said | {"last": time.time(), "ended": True})
    sys.stdout.write(f"{said['job']}/{said['task']} ran\n")
    return 0


def _write(record: Path, said: dict[str, object]) -> None:
    draft = record.with_name(f".{record.name}")
    draft.write_text(json.dumps(said))
    draft.replace(record)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
