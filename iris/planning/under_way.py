"""What a job's tasks wait for that have a place, or had one: in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from iris.domain.jobs import Attempt, Job
from iris.domain.preparing import way_out
from iris.domain.states import ATTEMPT_STARTING, AttemptState
from iris.planning.snapshot import PendingJob, Snapshot


def what_goes_on(snapshot: Snapshot, job_uid: str) -> str:
    """What attempts of a job wait for on their VMs before they start, or end for."""
    said = [(each, each.detail) for each in _preparing(snapshot, job_uid)]
    said += [
        (each, f"asked to end: {each.stop_because}")
        for each in snapshot.stopping
        if each.job_uid == job_uid
    ]
    places_by_words: dict[str, list[str]] = {}
    for each, words in said:
        if words:
            place = f"{each.slice_name}/{each.worker_index}"
            places_by_words.setdefault(words, []).append(place)
    return "; ".join(
        f"on {_first_of(places)}: {words}"
        for words, places in sorted(places_by_words.items())
    )


def ways_out(snapshot: Snapshot, job: Job) -> str:
    """What unblocks the attempts of a job that are being prepared."""
    details = {each.detail for each in _preparing(snapshot, job.uid)}
    found = {way_out(job.spec, detail) for detail in details}
    return "; ".join(sorted(found - {""}))


def words_of_backoff(pending: PendingJob, moment: Callable[[float], str]) -> str:
    """How long tasks wait that ended too soon, and how; empty where none does."""
    if not pending.later_count:
        return ""
    count, until = pending.later_count, moment(pending.next_ready_at)
    tasks = "1 task backs off" if count == 1 else f"{count} tasks back off, the first"
    because = f": {pending.later_because}" if pending.later_because else ""
    return f"{tasks} until {until}{because}"


def not_running(snapshot: Snapshot) -> Iterator[Attempt]:
    """Attempts that have a place and have not begun to run."""
    members = (member for gang in snapshot.gangs for member in gang.attempts)
    for each in (*snapshot.starting, *members):
        if each.state in ATTEMPT_STARTING:
            yield each


def _preparing(snapshot: Snapshot, job_uid: str) -> Iterator[Attempt]:
    for each in not_running(snapshot):
        if each.job_uid == job_uid and each.state is AttemptState.PREPARING:
            yield each


def _first_of(places: Sequence[str]) -> str:
    more = len(places) - 1
    return min(places) + (f" and {more} more" if more else "")
