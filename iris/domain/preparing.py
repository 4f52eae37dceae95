"""What an attempt waits for on its VM before it starts, and what helps."""

from __future__ import annotations

from iris.domain.jobs import JobSpec

SETUP_RUNS = "its set-up runs"
SETUP_RUNS_ELSEWHERE = "waits for its set-up, which another attempt runs"
_LACKS_DISK = "of its VM's disk are free of"


def words_of_lack(free_bytes: int, wanted_bytes: int) -> str:
    """Its VM has less free disk than the job asked for."""
    return f"{free_bytes / 1e9:.1f} GB {_LACKS_DISK} {wanted_bytes / 1e9:.1f} GB"


def way_out(spec: JobSpec, detail: str) -> str:
    """What ends the wait that an attempt tells of; empty where nobody can say."""
    if detail in (SETUP_RUNS, SETUP_RUNS_ELSEWHERE):
        return (
            f"the end of its set-up, which fails after {spec.setup_timeout:g} s; "
            f"`inv job.logs {spec.name} -f` shows what it does"
        )
    if _LACKS_DISK in detail:
        return (
            "more free disk on its VM (the cluster file's worker: {boot_disk: "
            "{size: ...}}, for slices that are made then), or less for --disk"
        )
    return ""
