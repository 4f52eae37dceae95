"""The phases of a validation: which jobs each runs, and what they have to answer.

Pure: a cluster's groups in, jobs out; lines of output in, a finding out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

import msgspec

from iris import wire
from iris.domain.fleet import ScaleGroup
from iris.domain.jobs import Constraints, JobSpec
from iris.domain.resources import Resources
from iris.domain.views import LogLine
from iris.errors import JobRefused, UsageError

RUN_DEADLINE = 60.0  # seconds that a phase may run, once its tasks have a worker
JAX_DEADLINE = 180.0  # all members import JAX at once, on a laptop with few cores
COUNT, FACTOR = 200_000, 7
STAY = 1.0  # seconds that each of the jobs holds a slice
FEW_SLICES = 2  # all of so many are cheap enough to be filled
# what a shell, a split or a wrong encoding would change
WORDS = ("two words", "", "--flag", "it's", '"quoted"', "$HOME", "naïve", "*")
Lines = Sequence[str]  # one line of JSON of each task, in order of index


class Shape(msgspec.Struct, frozen=True):
    """What a validation asks a cluster for."""

    whole: ScaleGroup  # one slice of it, all VMs
    single: ScaleGroup  # one VM of it where that can be had


class Finding(msgspec.Struct, frozen=True):
    """What the output of a phase's jobs says."""

    detail: str
    fell_short: bool = False
    is_skipped: bool = False


class Phase(msgspec.Struct, frozen=True):
    """One claim about the cluster; `judge` gets the lines of each of its jobs."""

    name: str
    claim: str
    specs: tuple[JobSpec, ...]
    judge: Callable[[Sequence[Lines]], Finding]
    deadline: float = RUN_DEADLINE


def choose_shape(groups: Sequence[ScaleGroup], tpu_type: str) -> Shape:
    """The groups to validate on. Raises JobRefused for a type that none has."""
    types = sorted({group.accelerator for group in groups} - {""})
    if tpu_type and tpu_type not in types:
        raise JobRefused(
            f"no scale group has {tpu_type}",
            hint=f"There is: {', '.join(types) or 'none; leave --tpu-type out'}.",
        )
    suited = [g for g in groups if not tpu_type or g.accelerator == tpu_type]
    whole = max(suited, key=lambda g: (g.vms, bool(g.accelerator), g.priority, g.name))
    single = min([*groups], key=lambda g: (g.vms, bool(g.accelerator), -g.priority))
    return Shape(whole, single)


def list_phases(shape: Shape, bundle: str = "") -> tuple[Phase, ...]:
    """All phases, in their order."""
    one = _on_one_vm(shape.single, bundle)
    whole = _on_all_vms(shape.whole, bundle)
    return (*_phases_of_one(one), *_phases_of_all(whole, _rivals(shape.whole)))


def _phases_of_one(spec: JobSpec) -> tuple[Phase, ...]:
    words = (str(COUNT), str(FACTOR), *WORDS)
    return (
        Phase(
            "one-vm",
            "a job runs on one VM",
            (_running(spec, "one-vm", "place"),),
            judge_place,
        ),
        Phase(
            "computation",
            "a computation with arguments gives the right result",
            (_running(spec, "computation", "compute", *words),),
            judge_computation,
        ),
    )


def _phases_of_all(spec: JobSpec, rivals: int) -> tuple[Phase, ...]:
    stays = tuple(
        _running(spec, f"same-slice-{number}", "stay", str(STAY))
        for number in range(1, rivals + 1)
    )
    return (
        Phase(
            "gang",
            f"{_members(spec.tasks)} on all VMs of a slice meet",
            (_running(spec, "gang", "meet"),),
            judge_meeting,
        ),
        Phase(
            "psum",
            "JAX adds up over all members",
            (_running(spec, "psum", "psum"),),
            judge_psum,
            JAX_DEADLINE,
        ),
        Phase(
            "same-slice",
            f"{rivals} jobs that want the same slice all finish",
            stays,
            judge_stays,
        ),
    )


# -- what is run ---------------------------------------------------------------------


def _on_one_vm(group: ScaleGroup, bundle: str) -> JobSpec:
    """One task on one VM; where slices have several, they are had only whole."""
    if group.vms > 1:
        return _on_all_vms(group, bundle)
    need = Resources(cpus=min(1.0, group.resources.cpus), chips=group.resources.chips)
    return _spec(group, need, bundle)


def _on_all_vms(group: ScaleGroup, bundle: str) -> JobSpec:
    # all CPUs of a plain VM, all chips of a TPU's: two of these never share a slice
    cpus = 0.0 if group.accelerator else group.resources.cpus
    need = Resources(cpus=cpus, chips=group.resources.chips)
    spec = _spec(group, need, bundle)
    return msgspec.structs.replace(spec, tasks=group.vms, gang=True)


def _spec(group: ScaleGroup, need: Resources, bundle: str) -> JobSpec:
    return JobSpec(
        command=("python", "member.py"),
        resources=need,
        constraints=Constraints(accelerator=group.accelerator),
        bundle=bundle,
        stop_grace=1.0,
    )


def _running(spec: JobSpec, name: str, *words: str) -> JobSpec:
    """The spec, doing one thing; it ends by itself if nobody waits for it any more."""
    deadline = JAX_DEADLINE if name == "psum" else RUN_DEADLINE
    return msgspec.structs.replace(
        spec,
        name=f"validate-{name}",
        command=(*spec.command, *words),
        run_timeout=deadline,
    )


def _rivals(group: ScaleGroup) -> int:
    """Enough that two must share a slice, unless that would fill a large group."""
    return group.max_slices + 1 if group.max_slices <= FEW_SLICES else 2


# -- what it has to say --------------------------------------------------------------


class _Placed(msgspec.Struct):
    task: int
    slice: str
    worker: int
    python: str


class _Computed(msgspec.Struct):
    total: int
    words: list[str]


class _Met(msgspec.Struct):
    task: int
    members: int
    word: str
    digest: str


class _Summed(msgspec.Struct):
    jax: str
    total: int = 0
    local_devices: int = 0


class _Stayed(msgspec.Struct):
    slice: str
    began: float
    ended: float


def judge_place(outputs: Sequence[Lines]) -> Finding:
    """Every task says where it is, each on a VM of its own."""
    placed = [wire.decode(line, _Placed) for line in outputs[0]]
    if [each.worker for each in placed] != list(range(len(placed))):
        return Finding(f"tasks and workers differ: {outputs[0]}", fell_short=True)
    return Finding(f"on {placed[0].slice}, Python {placed[0].python}")


def judge_computation(outputs: Sequence[Lines]) -> Finding:
    """Each result is what arithmetic says, each word what was sent."""
    # the sum of squares below n, by its formula
    expected = FACTOR * (COUNT - 1) * COUNT * (2 * COUNT - 1) // 6
    for line in outputs[0]:
        found = wire.decode(line, _Computed)
        if found.total != expected:
            words = f"expected {expected}, got {found.total}"
            return Finding(words, fell_short=True)
        if tuple(found.words) != WORDS:
            words = f"sent the words {list(WORDS)}, {found.words} arrived"
            return Finding(words, fell_short=True)
    return Finding(f"{expected}, as it has to be; {len(WORDS)} odd words arrived whole")


def judge_meeting(outputs: Sequence[Lines]) -> Finding:
    """All hold the same words: each one's own, told to all while all were there."""
    met = [wire.decode(line, _Met) for line in outputs[0]]
    words = json.dumps({str(m.task): m.word for m in met}, sort_keys=True)
    expected = hashlib.sha256(words.encode()).hexdigest()
    strangers = [m.task for m in met if (m.members, m.digest) != (len(met), expected)]
    if strangers:
        words = f"tasks {strangers} did not hold the words of all {len(met)} members"
        return Finding(words, fell_short=True)
    return Finding(f"{_members(len(met))} exchanged words, all there at once")


def _members(count: int) -> str:
    return "1 member" if count == 1 else f"{count} members"


def judge_psum(outputs: Sequence[Lines]) -> Finding:
    """Every member has the sum over all; skipped where no member has JAX."""
    summed = [wire.decode(line, _Summed) for line in outputs[0]]
    versions = sorted({each.jax for each in summed})
    if versions == [""]:
        return Finding("JAX cannot be imported in the task", is_skipped=True)
    if len(versions) > 1:
        words = f"members differ in their JAX: {versions}"
        return Finding(words, fell_short=True)
    expected = sum(n * each.local_devices for n, each in enumerate(summed, start=1))
    totals = [each.total for each in summed]
    if totals != [expected] * len(summed):
        words = f"expected {expected} everywhere, got {totals}"
        return Finding(words, fell_short=True)
    return Finding(f"{expected} everywhere, JAX {versions[0]}")


def judge_stays(outputs: Sequence[Lines]) -> Finding:
    """All held their slice, and never two the same one at the same time."""
    stays = [[wire.decode(line, _Stayed) for line in lines] for lines in outputs]
    stays.sort(key=lambda stay: (stay[0].slice, stay[0].began))
    for earlier, later in pairwise(stays):
        is_same = earlier[0].slice == later[0].slice
        if is_same and min(s.began for s in later) < max(s.ended for s in earlier):
            words = f"two jobs held {later[0].slice} at the same time"
            return Finding(words, fell_short=True)
    slices = len({stay[0].slice for stay in stays})
    shared = "one slice" if slices == 1 else f"{slices} slices"
    return Finding(f"{len(stays)} jobs finished on {shared}, never two on one at once")


def join_output(pieces: Iterable[LogLine]) -> dict[int, str]:
    """What the last attempt of each task said, of those that said anything."""
    last: dict[int, int] = {}
    whole: dict[int, bytes] = {}
    for piece in pieces:
        if piece.attempt > last.get(piece.task, -1):
            last[piece.task], whole[piece.task] = piece.attempt, b""
        if piece.attempt == last[piece.task]:
            whole[piece.task] += piece.content
    said = {task: content.decode(errors="replace") for task, content in whole.items()}
    return {task: words for task, words in said.items() if words.strip()}


def judge(phase: Phase, outputs: Sequence[Lines]) -> Finding:
    """What the phase's jobs said; output that cannot be read falls short."""
    for spec, lines in zip(phase.specs, outputs, strict=True):
        if len(lines) != spec.tasks:
            words = f"{spec.tasks} answers were expected, got {list(lines)}"
            return Finding(words, fell_short=True)
    try:
        return phase.judge(outputs)
    except UsageError as error:
        return Finding(f"the answer cannot be read: {error}", fell_short=True)
