"""A process that writes to a store until it is stopped; says what is durable.

python -m tests.support.store_writer DATABASE [MOST_BYTES_OF_A_FILE]
"""

from __future__ import annotations

import os
import resource
import sys
import threading
from contextlib import suppress
from pathlib import Path

from iris.controller.store import Store
from iris.domain.events import Event
from iris.domain.jobs import Job, JobSpec
from iris.errors import StoreFailed

_NEVER = threading.Event()


def main(database: Path, most_bytes: int) -> None:
    """Submit jobs for ever, one commit each."""
    store = Store(database, "writer", on_failure=_say_and_end)
    seq = store.load().seq
    if most_bytes:
        # from now on the disk is as good as full
        resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
    while True:
        seq += 1
        uid = f"j-{seq}"
        spec = JobSpec(command=("x" * 1000,), name=uid)
        job = Job(uid, spec, "me", f"c-{seq}", submitted_at=1.0, order=seq)
        store.append(seq, [("jobs", (uid,), job)], [Event(seq, 1.0, "job submitted")])
        with suppress(StoreFailed):
            store.wait_durable(seq, 30.0)
        if store.durable_seq < seq:
            break
        sys.stdout.write(f"{seq}\n")
        sys.stdout.flush()

    _NEVER.wait(30.0)  # the store's own thread ends the process


def _say_and_end(failure: StoreFailed) -> None:
    sys.stderr.write(f"{failure}\n")
    sys.stderr.flush()
    os._exit(3)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
