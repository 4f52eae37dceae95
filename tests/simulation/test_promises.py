"""Each promise is looked after: break it on purpose, and the simulation says so."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from iris.controller.tables import Tables
from iris.domain.fleet import Slice
from iris.domain.jobs import EndCause
from iris.domain.protocol import AttemptSpec
from iris.domain.resources import Resources
from iris.domain.states import AttemptState, SliceState
from iris.errors import Unreachable
from iris.simulation.fleet import CPU
from iris.simulation.run import Simulation, simulate
from iris.simulation.truth import BrokenPromise, Truth
from iris.simulation.world import HOUR, MINUTE

WHOLE = Resources(cpus=8, memory_bytes=8, chips=4)


def at_work(act: Callable[[Simulation, Tables], bool]) -> Callable[[Simulation], None]:
    """Tries `act` on the tables every minute until it did its worst."""

    def sabotage(simulation: Simulation) -> None:
        def attempt() -> None:
            state = simulation.controller.state
            is_done = False
            if state is not None and simulation.world.elapsed > HOUR:
                with state.reading() as tables:
                    is_done = act(simulation, tables)
            if not is_done:
                simulation.world.after(MINUTE, attempt)

        simulation.world.after(HOUR, attempt)

    return sabotage


def lose_a_job(simulation: Simulation, tables: Tables) -> bool:
    is_idle = {uid: not tasks.touched for uid, tasks in tables.tasks.items()}
    uids = [uid for uid in tables.jobs if uid in simulation.truth.open and is_idle[uid]]
    for uid in uids[:1]:
        del tables.jobs[uid], tables.tasks[uid]
    return bool(uids)


def hide_a_slice(simulation: Simulation, tables: Tables) -> bool:
    """Its row is gone, and no listing shows it."""
    ready = [s for s in tables.slices.values() if s.state is SliceState.READY]
    # of plain VMs so many come instead that they are beyond their bound first
    names = [s.name for s in ready if s.group != CPU.name]
    for name in names[:1]:
        del tables.slices[name]
        for worker in tables.slice_workers.pop(name, {}).values():
            del tables.workers[worker.uid]
        resource = simulation.cloud.resources[name]
        resource.history = [(simulation.world.now, None)]
    return bool(names)


def take_the_reasons(simulation: Simulation, tables: Tables) -> bool:
    for name, row in tables.slices.items():
        tables.slices[name] = replace(row, because="")
    return False  # again and again: each move brings a new reason


def exceed_the_bounds(simulation: Simulation, tables: Tables) -> bool:
    rows = [row for row in tables.slices.values() if row.group == CPU.name]
    for number in range(CPU.max_slices * bool(rows)):
        row = replace(rows[0], name=f"extra-{number}", state=SliceState.REQUESTED)
        tables.slices[row.name] = row
    return bool(rows)


def tell_to_leave(simulation: Simulation, tables: Tables) -> Slice | None:
    """Something that runs is told to leave a minute later than last time."""
    cause, until = EndCause.DRAINED, simulation.world.now + HOUR
    for uid, attempt in tables.attempts.items():
        if attempt.state is AttemptState.RUNNING and not attempt.gang_uid:
            told = replace(attempt, stop_because="ops", stop_by=until, stop_cause=cause)
            tables.attempts[uid] = tables.stopping[uid] = told
            return tables.slices[attempt.slice_name]
    return None


def keep_the_slice(simulation: Simulation, tables: Tables) -> bool:
    return tell_to_leave(simulation, tables) is not None


def grant_more_time(simulation: Simulation, tables: Tables) -> bool:
    row = tell_to_leave(simulation, tables)
    if row is not None:
        tables.slices[row.name] = replace(row, state=SliceState.DRAINING)
    return False  # again and again


def forget_that_places_are_taken(simulation: Simulation, tables: Tables) -> bool:
    for worker in tables.workers.values():
        tables._free[worker.uid] = worker.resources
    return False  # again: a change of its attempts mends it


def forget_what_is_held(simulation: Simulation, tables: Tables) -> bool:
    tables.held = tuple  # type: ignore[method-assign]  # on purpose
    return False  # again after each crash


def forget_the_children(simulation: Simulation, tables: Tables) -> bool:
    tables.children.clear()
    return False


def forget_who_follows(simulation: Simulation, tables: Tables) -> bool:
    tables.followers.clear()
    return False


def let_all_begin_early(simulation: Simulation, tables: Tables) -> bool:
    for job in [job for job in tables.jobs.values() if job.waits_for]:
        tables.jobs[job.uid] = free = replace(job, waits_for=())
        tables.tasks[job.uid].take_job(free)
    return False


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (forget_what_is_held, "tasks and"),
        (forget_that_places_are_taken, "free, unnoticed"),
        (forget_the_children, "outlives its parent"),
        (forget_who_follows, "which ended"),
        (let_all_begin_early, "starts w"),
        (lose_a_job, "is not live any more"),
        (hide_a_slice, "nobody owns"),
        (take_the_reasons, "without a reason"),
        (exceed_the_bounds, "cpu has"),
        (grant_more_time, "may stay longer"),
        (keep_the_slice, "which stays"),
    ],
)
def test_a_broken_promise_is_noticed(
    act: Callable[[Simulation, Tables], bool], words: str
):
    # not every day gives the occasion
    days = (simulate(seed, 0.25, sabotage=at_work(act)) for seed in range(5, 10))

    assert any(words in day.broken for day in days)


def test_work_that_never_ends_is_noticed():
    def drain_for_good(simulation: Simulation) -> None:
        def drain() -> None:
            try:
                simulation.controller.drain_cluster("nobody")
            except Unreachable:
                simulation.world.after(1.0, drain)

        simulation.world.after(0.1 * 24 * HOUR - 1.0, drain)

    result = simulate(4, 0.1, sabotage=drain_for_good)

    assert "never ends" in result.broken


def a_spec(uid: str, **changes: object) -> AttemptSpec:
    ordinary: dict[str, object] = {
        "job": "train",
        "job_uid": "j",
        "task_index": 0,
        "num_tasks": 1,
        "number": 0,
        "command": ("true",),
        "resources": Resources(cpus=4, chips=4),
        "slice_name": "s",
        "worker_index": 0,
        "hostnames": ("10.0.0.0",),
    }
    return AttemptSpec(uid=uid, **(ordinary | changes))  # type: ignore[arg-type]  # a builder


def test_a_task_that_runs_twice_at_once_is_noticed():
    truth = Truth()
    truth.start(a_spec("a-1"))

    with pytest.raises(BrokenPromise, match="task 0 of train runs twice"):
        truth.start(a_spec("a-2", number=1, slice_name="other"))


def test_the_next_attempt_may_start_once_the_former_ended():
    truth = Truth()
    truth.start(a_spec("a-1"))
    truth.end(a_spec("a-1"))

    truth.start(a_spec("a-2", number=1, slice_name="other"))

    assert [spec.uid for spec in truth.running_of("j")] == ["a-2"]


def test_two_jobs_that_share_four_chips_are_noticed():
    truth = Truth()
    truth.take(a_spec("a-1"), WHOLE)

    with pytest.raises(BrokenPromise, match="s/0 holds"):
        truth.take(a_spec("a-2", job_uid="other"), WHOLE)


def test_a_member_that_starts_before_its_siblings_are_prepared_is_noticed():
    truth = Truth()
    member = a_spec("a-1", gang=True, num_tasks=2)
    truth.prepared(member)

    with pytest.raises(BrokenPromise, match=r"only \[0\] of 2 are prepared"):
        truth.start(member)


def test_a_gang_split_over_two_slices_is_noticed():
    truth = Truth()
    gang = {"gang": True, "num_tasks": 2}
    first = a_spec("a-1", **gang)
    elsewhere = a_spec("a-2", **gang, task_index=1, worker_index=1, slice_name="t")
    for spec in (first, elsewhere):
        for index in range(2):
            truth.prepared(replace(spec, task_index=index))
    truth.start(first)

    with pytest.raises(BrokenPromise, match="gang train is split"):
        truth.start(elsewhere)
