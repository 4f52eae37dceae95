"""What an attempt waits for on its VM before it starts, and what helps."""

from __future__ import annotations

from iris.domain.jobs import JobSpec
from iris.domain.retention import words_of_size

SETUP_RUNS = "its set-up runs"
SETUP_RUNS_ELSEWHERE = "waits for its set-up, which another attempt runs"
_LACKS_DISK = "of its VM's disk are free of"
_PROMISED = "that are promised to others there"


def words_of_lack(free_bytes: int, wanted_bytes: int, promised_bytes: int) -> str:
    """Its VM has less free disk than the job asked for and others were promised."""
    free, wanted = words_of_size(free_bytes), words_of_size(wanted_bytes)
    words = f"{free} {_LACKS_DISK} {wanted}"
    if promised_bytes:
        words += f", beside {words_of_size(promised_bytes)} {_PROMISED}"
    return words


def is_held_up(detail: str) -> bool:
    """Does it wait for what its VM has not, rather than being prepared?"""
    return bool(detail) and detail not in (SETUP_RUNS, SETUP_RUNS_ELSEWHERE)


def way_out(spec: JobSpec, detail: str) -> str:
    """What ends the wait that an attempt tells of; empty where nobody can say."""
    if detail in (SETUP_RUNS, SETUP_RUNS_ELSEWHERE):
        return (
            f"the end of its set-up, which fails after {spec.setup_timeout:g} s; "
            f"`inv job.logs {spec.name} -f` shows what it does"
        )
    if _LACKS_DISK in detail:
        others = "the end of those others, " if _PROMISED in detail else ""
        return others + (
            "more free disk on its VM (the cluster file's worker: {boot_disk: "
            "{size: ...}}, for slices that are made then), or less for --disk"
        )
    return ""
