"""What a task asks of the worker that runs it, as one ordered table of rules.

The scheduler obeys the table, the autoscaler asks it about slices that are yet
to come, and `why` quotes it: there is no second evaluation anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import msgspec

from iris.domain.fleet import ScaleGroup, Slice
from iris.domain.jobs import Capacity, JobSpec
from iris.domain.resources import Resources
from iris.domain.states import SliceState, WorkerState
from iris.planning.snapshot import WorkerLoad


class Candidate(msgspec.Struct, frozen=True):
    """A worker that could run a task; one yet to come has neither load nor slice."""

    uid: str
    slice_name: str
    index: int
    group: ScaleGroup
    zone: str
    capacity: Capacity
    free: Resources
    whole: Resources  # what is free on it when it is empty
    slice: Slice | None = None
    load: WorkerLoad | None = None
    kept_for: str = ""  # job that waits too long already, and has it next
    is_settling: bool = False  # a gang on it has ended and has no verdict yet


class Objection(msgspec.Struct, frozen=True):
    """The first rule that a candidate breaks, and how."""

    rule: str
    words: str


Rule = Callable[[JobSpec, Candidate], str | None]


def objection(
    spec: JobSpec, candidate: Candidate, rules: Sequence[Rule] | None = None
) -> Objection | None:
    """The first objection against the candidate, None if it will do."""
    for rule in RULES if rules is None else rules:
        words = rule(spec, candidate)
        if words is not None:
            return Objection(rule_name(rule), words)
    return None


def objection_of_group(spec: JobSpec, group: ScaleGroup) -> Objection | None:
    """Why no slice that the group could ever have will do, None if one would."""
    found: Objection | None = None
    for zone in group.zones:
        objected = objection(spec, imagined_vm(group, zone))
        if objected is None:
            return None
        found = found or objected
    return found or Objection("zone matches", f"group {group.name} has no zones")


def imagined_vm(group: ScaleGroup, zone: str, *, index: int = 0) -> Candidate:
    """An empty VM of a slice that the group could have in the zone."""
    return Candidate(
        uid=f"a VM of group {group.name} in {zone}",
        slice_name="",
        index=index,
        group=group,
        zone=zone,
        capacity=group.capacity,
        free=group.resources,
        whole=group.resources,
    )


@cache
def rule_name(rule: Rule) -> str:
    """The rule's name as people read it."""
    return rule.__name__.replace("_", " ")


def region_of(zone: str) -> str:
    """europe-west4 of europe-west4-b; a zone without a letter is its own region."""
    region, _, letter = zone.rpartition("-")
    return region if region and len(letter) == 1 else zone


# -- what group and zone decide ----------------------------------------------


def accelerator_matches(spec: JobSpec, candidate: Candidate) -> str | None:
    wanted, has = spec.constraints.accelerator, candidate.group.accelerator
    if wanted == has:
        return None
    if not wanted:
        return f"{candidate.uid} has {has}, and the task asks for no accelerator"
    return f"{candidate.uid} has {has or 'no accelerator'}, {wanted} is asked"


def slice_size_matches(spec: JobSpec, candidate: Candidate) -> str | None:
    vms = candidate.group.vms
    if spec.gang:
        if vms == spec.tasks:
            return None
        return f"{candidate.uid} is one of {vms}, the gang has {spec.tasks} tasks"
    if vms == 1 or not candidate.group.accelerator:
        return None
    return f"{candidate.uid} is one of {vms}, whose tasks start together as a gang"


def zone_matches(spec: JobSpec, candidate: Candidate) -> str | None:
    zones = spec.constraints.zones
    if not zones or candidate.zone in zones:
        return None
    return f"{candidate.uid} is in {candidate.zone}, not in {' or '.join(zones)}"


def region_matches(spec: JobSpec, candidate: Candidate) -> str | None:
    regions = spec.constraints.regions
    region = region_of(candidate.zone)
    if not regions or region in regions:
        return None
    return f"{candidate.uid} is in {region}, not in {' or '.join(regions)}"


def capacity_matches(spec: JobSpec, candidate: Candidate) -> str | None:
    wanted = spec.constraints.capacity
    if wanted is None or wanted == candidate.capacity:
        return None
    return f"{candidate.uid} is {candidate.capacity}, {wanted} is asked"


def labels_match(spec: JobSpec, candidate: Candidate) -> str | None:
    has = candidate.group.labels
    for label, wanted in spec.constraints.labels.items():
        if has.get(label) != wanted:
            mine = f"{label}={has[label]}" if label in has else f"no label {label}"
            return f"{candidate.uid} has {mine}, {label}={wanted} is asked"
    return None


def is_big_enough(spec: JobSpec, candidate: Candidate) -> str | None:
    for words, need in _parts(spec.resources):
        if not need.is_within(candidate.whole):
            has = _amount(words, candidate.whole)
            return f"{candidate.uid} has {has} in all of {_amount(words, need)} needed"
    return None


# -- what slice and worker are in the midst of -------------------------------


def slice_is_ready(spec: JobSpec, candidate: Candidate) -> str | None:
    home = candidate.slice
    if home is None or home.state is SliceState.READY:
        return None
    return f"slice {home.name} is {home.state}"


def worker_answers(spec: JobSpec, candidate: Candidate) -> str | None:
    load = candidate.load
    if load is None or load.worker.state is WorkerState.HEALTHY:
        return None
    return f"{candidate.uid} is {load.worker.state}: its heartbeats are missing"


def worker_is_not_draining(spec: JobSpec, candidate: Candidate) -> str | None:
    load = candidate.load
    if load is None or not load.worker.draining:
        return None
    return f"{candidate.uid} drains: {load.worker.draining}"


def gang_has_settled(spec: JobSpec, candidate: Candidate) -> str | None:
    if not candidate.is_settling:
        return None
    return f"slice {candidate.slice_name} may be its last gang's again in a moment"


# -- what is left of it ------------------------------------------------------


def place_is_not_kept(spec: JobSpec, candidate: Candidate) -> str | None:
    if not candidate.kept_for:
        return None
    return f"{candidate.uid} is kept for job {candidate.kept_for}, which waits longer"


def worker_is_empty(spec: JobSpec, candidate: Candidate) -> str | None:
    if not spec.constraints.alone or candidate.whole.is_within(candidate.free):
        return None
    return f"{candidate.uid} has other work, and the task's machines died early"


def chips_are_free(spec: JobSpec, candidate: Candidate) -> str | None:
    return _is_free("chips", Resources(chips=spec.resources.chips), candidate)


def cpus_are_free(spec: JobSpec, candidate: Candidate) -> str | None:
    return _is_free("CPUs", Resources(cpus=spec.resources.cpus), candidate)


def memory_is_free(spec: JobSpec, candidate: Candidate) -> str | None:
    need = Resources(memory_bytes=spec.resources.memory_bytes)
    return _is_free("memory", need, candidate)


PLACE_RULES: tuple[Rule, ...] = (
    accelerator_matches,
    slice_size_matches,
    zone_matches,
    region_matches,
    capacity_matches,
    labels_match,
    is_big_enough,
)
STATE_RULES: tuple[Rule, ...] = (
    slice_is_ready,
    worker_answers,
    worker_is_not_draining,
    gang_has_settled,
)
FREE_RULES: tuple[Rule, ...] = (
    place_is_not_kept,
    worker_is_empty,
    chips_are_free,
    cpus_are_free,
    memory_is_free,
)
RULES = PLACE_RULES + STATE_RULES + FREE_RULES


def _is_free(words: str, need: Resources, candidate: Candidate) -> str | None:
    if need.is_within(candidate.free):
        return None
    has, wants = _amount(words, candidate.free), _amount(words, need)
    return f"{candidate.uid} has {has} free of {wants} needed"


def _parts(need: Resources) -> tuple[tuple[str, Resources], ...]:
    return (
        ("chips", Resources(chips=need.chips)),
        ("CPUs", Resources(cpus=need.cpus)),
        ("memory", Resources(memory_bytes=need.memory_bytes)),
    )


def _amount(words: str, resources: Resources) -> str:
    if words == "chips":
        return f"{resources.chips} chips"
    if words == "CPUs":
        return f"{resources.cpus:g} CPUs"
    return f"{resources.memory_bytes / 2**30:.4g} GiB of memory"
