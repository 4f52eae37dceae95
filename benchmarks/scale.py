"""How large each measure is: whole, or a small share that shows that it works."""

from __future__ import annotations

import msgspec


class Scale(msgspec.Struct, frozen=True):
    """The sizes of the whole; a number in a name is what the measure is known by."""

    turns: int = 3  # of which the median counts
    tasks: int = 10_000  # of one job, each a process
    submissions: int = 300
    pause: float = 0.05  # seconds between submissions, so that the cluster is idle
    tasks_of_one_job: int = 100_000
    jobs: int = 10_000
    questions: int = 1_000
    workers: int = 50
    hollow_workers: int = 1_000
    few_hollow_workers: int = 50
    printing: int = 50  # tasks that print at once
    lines: int = 40_000  # that each prints
    seconds_of_printing: int = 10
    running: int = 64  # when the controller is killed
    starts: int = 21  # of the command line
    peer_submissions: int = 100
    has_peers: bool = True


FULL = Scale()
QUICK = Scale(
    turns=1,
    tasks=100,
    submissions=5,
    pause=0.0,
    tasks_of_one_job=1_000,
    jobs=100,
    questions=10,
    workers=2,
    hollow_workers=20,
    few_hollow_workers=5,
    printing=4,
    lines=1_000,
    seconds_of_printing=1,
    running=4,
    starts=1,
    has_peers=False,
)
