"""What a rehearsal came to: facts in, report out; nothing is asked here."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import msgspec

from iris.client.admin import Resource, Strike
from iris.domain.events import Event
from iris.domain.fleet import BootPhase
from iris.domain.states import JobState
from iris.domain.views import JobView, TaskView
from iris.operations.rehearsal_timeline import Track, tracks_of


class Run(msgspec.Struct, frozen=True):
    """One run of a task by its own record: the file that it wrote while it lived."""

    job: str
    task: int
    attempt_uid: str
    pid: int
    began: float
    last: float  # its last sign of life
    ended: bool  # it came to its own end


class Price(msgspec.Struct, frozen=True):
    """What a resource costs an hour, where that is known."""

    usd_per_hour: float | None
    said: str = ""  # whose price, and of when


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known once a rehearsal is over."""

    cluster: str
    config_path: str
    seed: int
    began: float
    ended: float
    resources: tuple[Resource, ...] = ()
    strikes: tuple[Strike, ...] = ()
    events: tuple[Event, ...] = ()
    phases: tuple[BootPhase, ...] = ()
    jobs: tuple[JobView, ...] = ()
    tasks: tuple[TaskView, ...] = ()
    runs: tuple[Run, ...] = ()
    prices: dict[str, Price] = {}  # by the resource's kind and name, as `key_of` says
    troubles: tuple[str, ...] = ()  # steps that failed, in their own words
    wants_loss: bool = True  # something was to be taken while it worked


class Injected(msgspec.Struct, frozen=True):
    """A fault that struck, and how the cluster took it."""

    at: float  # the first time, in seconds from the beginning
    kind: str
    what: str
    times: int
    taken: str


class Promise(msgspec.Struct, frozen=True):
    """One promise, and whether it was kept."""

    name: str
    is_kept: bool
    words: str


class Cost(msgspec.Struct, frozen=True):
    """What one resource would have cost."""

    kind: str
    name: str
    type: str
    capacity: str
    billed_seconds: float
    usd_per_hour: float | None
    usd: float | None


class Report(msgspec.Struct, frozen=True):
    """The whole life of a cluster file, as it was rehearsed."""

    cluster: str
    config_path: str
    seed: int
    began: float
    seconds: float
    is_kept: bool
    promises: tuple[Promise, ...]
    injected: tuple[Injected, ...]
    tracks: tuple[Track, ...]
    costs: tuple[Cost, ...]
    usd: float
    prices_said: str


def report_of(facts: Facts) -> Report:
    """The report."""
    promises = tuple(_promises(facts))
    costs = tuple(_cost(each, facts) for each in facts.resources)
    said = sorted({price.said for price in facts.prices.values() if price.said})
    return Report(
        cluster=facts.cluster,
        config_path=facts.config_path,
        seed=facts.seed,
        began=facts.began,
        seconds=facts.ended - facts.began,
        is_kept=all(promise.is_kept for promise in promises),
        promises=promises,
        injected=tuple(_injected(facts)),
        tracks=tracks_of(facts),
        costs=costs,
        usd=sum(cost.usd or 0.0 for cost in costs),
        prices_said="; ".join(said) or "no price is known",
    )


def key_of(resource: Resource) -> str:
    """What tells a resource from all others of one rehearsal."""
    return f"{resource.kind} {resource.zone} {resource.name}"


# -- promises ------------------------------------------------------------------------


def _promises(facts: Facts) -> Iterator[Promise]:
    yield _promise("every step came to its end", facts.troubles, "boot to cleanup")
    short = [
        f"{job.name} {job.state}: {job.because}"
        for job in facts.jobs
        if job.state is not JobState.SUCCEEDED
    ]
    if not facts.jobs:
        short = ["none was accepted"]
    yield _promise("jobs succeeded", short, _count(facts.jobs, "job"))
    charged = [f"{t.job}/{t.index}: {t.failures}" for t in facts.tasks if t.failures]
    losses = sum(task.losses for task in facts.tasks)
    yield _promise("no loss was charged to a user", charged, f"{losses} lost runs")
    if facts.wants_loss:
        missing = [] if losses else ["no work was running when it was taken"]
        yield _promise("work survived a loss", missing, f"{losses} runs began again")
    left = [f"{each.kind} {each.name}" for each in facts.resources if _is_left(each)]
    yield _promise("nothing is left", left, _count(facts.resources, "resource"))
    yield _promise("nothing was created twice", created_twice(facts.resources), "")
    doubled = doubled_runs(facts.runs)
    yield _promise("no run was doubled", doubled, _count(facts.runs, "run"))


def _promise(name: str, faults: Sequence[str], words: str) -> Promise:
    return Promise(name, not faults, "; ".join(faults) or words)


def _is_left(resource: Resource) -> bool:
    return not resource.deleted_at


def created_twice(resources: Sequence[Resource]) -> list[str]:
    """Resources that one intent made more than once."""
    twice = [
        f"{each.kind} {each.name} {each.creates} times"
        for each in resources
        if each.creates > 1
    ]
    intents: dict[tuple[str, str], int] = {}
    for each in resources:
        uid = each.labels.get("iris-slice", "")
        if uid:
            intents[each.kind, uid] = intents.get((each.kind, uid), 0) + 1
    twice += [f"{n} of {kind} {uid}" for (kind, uid), n in intents.items() if n > 1]
    return twice


def doubled_runs(runs: Sequence[Run]) -> list[str]:
    """Runs of one task at the same time, and attempts that ran more than once."""
    doubled = []
    in_order = sorted(runs, key=lambda run: (run.job, run.task, run.began))
    for before, after in itertools.pairwise(in_order):
        if (before.job, before.task) != (after.job, after.task):
            continue
        if before.attempt_uid == after.attempt_uid:
            doubled.append(f"attempt {after.attempt_uid} ran twice")
        elif after.began < before.last:
            doubled.append(f"two runs of {after.job}/{after.task} at once")
        elif before.ended:
            doubled.append(f"{after.job}/{after.task} ran again after its end")
    return doubled


def _count(things: Sequence[object], name: str) -> str:
    return f"{len(things)} {name}{'' if len(things) == 1 else 's'}"


# -- what was injected ---------------------------------------------------------------


def _injected(facts: Facts) -> Iterator[Injected]:
    """Strikes of one kind on one thing together, by the first of them."""
    alike: dict[tuple[str, str], list[Strike]] = {}
    for strike in facts.strikes:
        alike.setdefault((strike.kind, strike.what), []).append(strike)
    for (kind, what), strikes in alike.items():
        taken = how_taken(strikes[0], facts.events)
        yield Injected(strikes[0].at - facts.began, kind, what, len(strikes), taken)


TELLING = (
    "slice preempted",
    "slice failed",
    "slice deleting",
    "slice requested",
    "slice ready",
    "attempt running",
)


def how_taken(strike: Strike, events: Sequence[Event]) -> str:
    """What followed, each kind of event once, with the seconds it took."""
    told: dict[str, str] = {}
    for event in sorted(events, key=lambda e: e.seq):
        kind = next((k for k in TELLING if event.kind == k), "")
        if event.at < strike.at or not kind or kind in told:
            continue
        about = event.slice_name if kind.startswith("slice") else event.job
        told[kind] = f"{kind} {about} after {event.at - strike.at:.1f} s"
        if kind == "attempt running":
            break
    return ", ".join(told.values()) or "nothing changed for it"


# -- cost ----------------------------------------------------------------------------


def _cost(resource: Resource, facts: Facts) -> Cost:
    price = facts.prices.get(key_of(resource), Price(None)).usd_per_hour
    hours = resource.billed_seconds / 3600.0
    return Cost(
        kind=resource.kind,
        name=resource.name,
        type=resource.type,
        capacity=resource.capacity,
        billed_seconds=resource.billed_seconds,
        usd_per_hour=price,
        usd=None if price is None else price * hours,
    )
