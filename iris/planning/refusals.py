"""Why a job cannot be accepted: what no slice of the cluster could ever give it."""

from __future__ import annotations

from collections.abc import Sequence

from iris.domain.fleet import ScaleGroup
from iris.domain.jobs import JobSpec
from iris.errors import JobRefused
from iris.planning import rules

MOST_NAMED = 6  # groups, in one hint


def require_place(spec: JobSpec, groups: Sequence[ScaleGroup]) -> None:
    """Raises JobRefused, with what the cluster has, for a job that could never run."""
    because = refusal(spec, groups)
    if because is not None:
        raise JobRefused(because, hint=what_there_is(groups))


def refusal(spec: JobSpec, groups: Sequence[ScaleGroup]) -> str | None:
    """Why no slice that the cluster could ever have will run the job.

    Names the nearest thing that would fit; None if the job can run.
    """
    if not groups:
        return "the cluster file has no scale groups"
    if spec.tasks < 1:
        return f"a job has at least 1 task, {spec.tasks} were asked for"
    if any(_objection(spec, group) is None for group in groups):
        return None
    wanted = spec.constraints.accelerator
    alike = [group for group in groups if group.accelerator == wanted]
    if not alike:
        return _no_such_accelerator(wanted, groups)
    return _closest_refusal(spec, alike)


def what_there_is(groups: Sequence[ScaleGroup]) -> str:
    """What a job may ask for, group by group."""
    has = [_words_of(group) for group in groups if group.max_slices]
    if not has:
        return "Add a scale group to the cluster file, or raise a max_slices above 0."
    more = f", and {len(has) - MOST_NAMED} more" * (len(has) > MOST_NAMED)
    return f"The cluster has {'; '.join(has[:MOST_NAMED])}{more}."


def _words_of(group: ScaleGroup) -> str:
    whole = group.resources
    vm = f"{whole.cpus:g} CPUs, {whole.memory_bytes / 2**30:.4g} GiB a VM"
    kind = f"{group.accelerator}, {vm}" if group.accelerator else vm
    return f"{group.name} ({kind}, {group.capacity}, in {' or '.join(group.zones)})"


def _objection(spec: JobSpec, group: ScaleGroup) -> str | None:
    if group.max_slices < 1:
        return f"group {group.name} has max_slices 0"
    if spec.constraints.accelerator and not spec.resources.chips:
        chips = group.resources.chips
        return f"a task on {group.accelerator} asks for 1 to {chips} chips, not for 0"
    objected = rules.objection_of_group(spec, group)
    return objected.words if objected else None


def _no_such_accelerator(wanted: str, groups: Sequence[ScaleGroup]) -> str:
    if not wanted:
        names = ", ".join(sorted({group.accelerator for group in groups}))
        return f"every scale group has an accelerator ({names}): ask for one of them"
    others = [group for group in groups if group.accelerator]
    if not others:
        return f"no scale group has {wanted}, nor any other accelerator"
    nearest = min(others, key=lambda group: (*_distance(wanted, group), group.name))
    return (
        f"no scale group has {wanted}; "
        f"nearest: {nearest.accelerator} in group {nearest.name}"
    )


def _distance(wanted: str, group: ScaleGroup) -> tuple[bool, float]:
    """Another family is further away than any size; sizes compare as ratios."""
    family, _, size = wanted.rpartition("-")
    other_family, _, other_size = group.accelerator.rpartition("-")
    if not (size.isdigit() and other_size.isdigit() and int(size) and int(other_size)):
        return family != other_family, 0.0
    ratio = int(size) / int(other_size)
    return family != other_family, max(ratio, 1 / ratio)


def _closest_refusal(spec: JobSpec, alike: Sequence[ScaleGroup]) -> str:
    """Against the group that comes furthest down the table of rules."""
    misfit = _wrong_number_of_tasks(spec, alike)
    if misfit:
        return misfit
    order = [rules.rule_name(rule) for rule in rules.RULES]
    reasons: list[tuple[int, str, str]] = []
    for group in alike:
        objected = rules.objection_of_group(spec, group)
        rank = order.index(objected.rule) if objected else len(order)
        reasons.append((-rank, group.name, _objection(spec, group) or ""))
    _, name, words = min(reasons)
    return f"no scale group will do; nearest: group {name}, but {words}"


def _wrong_number_of_tasks(spec: JobSpec, alike: Sequence[ScaleGroup]) -> str:
    sizes = {group.vms for group in alike}
    is_gang = spec.gang or min(sizes) > 1
    if not spec.constraints.accelerator or not is_gang:
        return ""
    if spec.gang and spec.tasks in sizes:
        return ""
    wanted = spec.constraints.accelerator
    vms = " or ".join(map(str, sorted(sizes)))
    if spec.tasks in sizes:
        return f"a slice of {wanted} has {vms} VMs, whose tasks start as a gang"
    return (
        f"a slice of {wanted} has {vms} VMs: "
        f"it runs {vms} tasks, one on each, not {spec.tasks}"
    )
