"""Events: one for every transition, numbered in sequence."""

from __future__ import annotations

import msgspec

# Stands where events were that are kept no more: its `seq` is the last one's of them.
EVENTS_GONE = "events gone"


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """What changed, on what, and why; an attempt's event stands for its task's."""

    seq: int
    at: float
    kind: str  # "job submitted", "attempt running", "slice ready", ...
    because: str = ""
    job_uid: str = ""
    job: str = ""  # its name
    task: int = -1  # the first of `count` tasks
    count: int = 1
    attempt_uid: str = ""
    slice_name: str = ""
    worker_uid: str = ""
    user: str = ""
    detail: dict[str, str | int | float] = {}
