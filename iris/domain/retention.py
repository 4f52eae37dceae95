"""Why something of the past is not kept, and the words for it."""

from __future__ import annotations

from enum import IntEnum

_UNITS = ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB"))


class WhyGone(IntEnum):
    """Why output is not kept any more, or never was; the numbers are on disk."""

    TASK_BOUND = 1
    JOB_BOUND = 2
    TOTAL_BOUND = 3
    DISK_PRESSED = 4
    DISK_FULL = 5
    REFUSED = 6


_BECAUSE = {
    WhyGone.TASK_BOUND: "above the bound of {size} per task (retention/logs_per_task)",
    WhyGone.JOB_BOUND: "above the bound of {size} per job (retention/logs_per_job)",
    WhyGone.TOTAL_BOUND: "above the bound of {size} for all {all} (retention/{all})",
    WhyGone.DISK_PRESSED: "the state disk was over 90% full",
    WhyGone.DISK_FULL: "the state disk was full when it came",
    WhyGone.REFUSED: "the controller refused it when it came",
}


def words_of_gone(length: int, why: int, bound: int) -> str:
    """What is said where output would have been."""
    because = _because(why, bound, "logs")
    return f"iris: {words_of_size(length)} of this log are gone: {because}"


def words_of_removal(kind: str, length: int, why: int, bound: int) -> str:
    """Why a job's `log` or `outputs` went, all of it."""
    because = _because(why, bound, "outputs" if kind == "outputs" else "logs")
    return f"{words_of_size(length)} are gone: {because}"


def words_of_size(size_bytes: int) -> str:
    """`3.2 GB`; at most one digit after the point."""
    for length, unit in _UNITS:
        if size_bytes >= length:
            return f"{size_bytes / length:.1f}".removesuffix(".0") + f" {unit}"
    return f"{size_bytes} bytes"


def _because(why: int, bound: int, all_of_it: str) -> str:
    return _BECAUSE[WhyGone(why)].format(size=words_of_size(bound), all=all_of_it)
