"""What is said of a job that could never run."""

from __future__ import annotations

from typing import Any

import pytest

from iris.domain.jobs import Capacity, Constraints
from iris.errors import JobRefused
from iris.planning.refusals import refusal, require_place, what_there_is
from tests.support.builders import (
    a_gang_job,
    a_group,
    a_job,
    a_tpu_group,
    resources,
)

CPU = a_group()
SMALL, BIG = a_tpu_group(1), a_tpu_group(4)
GROUPS = (CPU, SMALL, BIG)


def asking(accelerator: str, **changes: Any) -> Any:
    return a_gang_job(4, accelerator=accelerator, **changes).spec


@pytest.mark.parametrize(
    "spec",
    [
        a_job().spec,
        a_job(tasks=100_000).spec,
        a_job(resources=resources(8, 32)).spec,
        a_gang_job(4).spec,
        a_gang_job(1, gang=False, tasks=9).spec,
        a_gang_job(1).spec,
    ],
)
def test_a_job_that_can_run_is_not_refused(spec: Any) -> None:
    assert refusal(spec, GROUPS) is None


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (
            asking("v5litepod-64", tasks=16),
            "no scale group has v5litepod-64; "
            "nearest: v5litepod-16 in group tpu_v5e_16",
        ),
        (
            asking("v5litepod-8", tasks=2),
            "no scale group has v5litepod-8; nearest: v5litepod-16 in group tpu_v5e_16",
        ),
        (
            asking("v5litepod-5"),
            "no scale group has v5litepod-5; nearest: v5litepod-4 in group tpu_v5e_4",
        ),
        (
            asking("v5litepod-16", tasks=1, gang=False),
            "a slice of v5litepod-16 has 4 VMs: it runs 4 tasks, one on each, not 1",
        ),
        (
            asking("v5litepod-16", tasks=8),
            "a slice of v5litepod-16 has 4 VMs: it runs 4 tasks, one on each, not 8",
        ),
        (
            asking("v5litepod-16", gang=False),
            "a slice of v5litepod-16 has 4 VMs, whose tasks start as a gang",
        ),
        (
            a_job(resources=resources(9)).spec,
            "no scale group will do; nearest: group cpu, but a VM of group cpu in "
            "europe-west4-a has 8 CPUs in all of 9 CPUs needed",
        ),
        (
            a_job(constraints=Constraints(zones=("us-east1-c",))).spec,
            "no scale group will do; nearest: group cpu, but a VM of group cpu in "
            "europe-west4-a is in europe-west4-a, not in us-east1-c",
        ),
        (
            a_job(constraints=Constraints(capacity=Capacity.RESERVED)).spec,
            "no scale group will do; nearest: group cpu, but a VM of group cpu in "
            "europe-west4-a is spot, reserved is asked",
        ),
        (
            asking("v5litepod-16", resources=resources(1, 1)),
            "no scale group will do; nearest: group tpu_v5e_16, but "
            "a task on v5litepod-16 asks for 1 to 4 chips, not for 0",
        ),
        (a_job(tasks=0).spec, "a job has at least 1 task, 0 were asked for"),
    ],
)
def test_a_job_that_can_never_run_is_told_the_nearest_that_can(
    spec: Any, words: str
) -> None:
    assert refusal(spec, GROUPS) == words


def test_refusals_where_there_is_little_to_offer() -> None:
    plain, tpu = a_job().spec, a_gang_job(4).spec
    closed = a_group(max_slices=0)

    assert refusal(plain, ()) == "the cluster file has no scale groups"
    assert refusal(plain, (BIG,)) == (
        "every scale group has an accelerator (v5litepod-16): ask for one of them"
    )
    assert refusal(tpu, (CPU,)) == (
        "no scale group has v5litepod-16, nor any other accelerator"
    )
    assert (refusal(plain, (closed,)) or "").endswith("group cpu has max_slices 0")


def test_who_asks_for_what_is_not_there_is_told_what_is() -> None:
    spec = a_job(constraints=Constraints(capacity=Capacity.RESERVED)).spec
    closed = a_group("shut", max_slices=0)

    with pytest.raises(JobRefused, match="spot, reserved is asked") as refused:
        require_place(spec, (CPU, closed, SMALL))

    assert refused.value.hint == (
        "The cluster has cpu (8 CPUs, 32 GiB a VM, spot, in europe-west4-a); "
        f"tpu_v5e_4 (v5litepod-4, {SMALL.resources.cpus:g} CPUs, "
        f"{SMALL.resources.memory_bytes / 2**30:.4g} GiB a VM, spot, in "
        "europe-west4-a)."
    )
    assert what_there_is((closed,)).startswith("Add a scale group")
    many = what_there_is([a_group(f"g{number}") for number in range(8)])
    assert "g5 (" in many
    assert many.endswith(", and 2 more.")
