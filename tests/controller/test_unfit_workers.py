"""A worker that can run nothing any more: its slice goes, its work goes elsewhere."""

from __future__ import annotations

from msgspec.structs import replace

from iris.controller.asking import Pace
from iris.controller.scheduling import Scheduling
from iris.domain.jobs import Constraints, EndCause
from iris.domain.protocol import AttemptReport, Heartbeat
from iris.domain.resources import Resources
from iris.domain.states import AttemptState, SliceState, TaskState
from tests.support.autoscaled import Cluster
from tests.support.fleet import TPU

HELD = "/dev/accel0 is held by python (pid 4711)"
ON_CHIPS = {
    "constraints": Constraints(accelerator=TPU.accelerator),
    "resources": Resources(cpus=1, memory_bytes=1_000, chips=4),
}


def test_chips_that_a_stranger_keeps_cost_the_slice_and_the_gang_a_loss():
    cluster = Cluster()
    fleet = cluster.fleet
    workers = fleet.boot(TPU)
    job = fleet.submit(tasks=4, gang=True, **ON_CHIPS)
    uids = fleet.place(job, *workers)
    for worker, uid in zip(workers[1:], uids[1:], strict=True):
        fleet.beat(worker, [AttemptReport(uid, AttemptState.PREPARED)])

    unfit = Heartbeat(workers[0].uid, workers[0].boot_id, 10**9, notice=HELD)
    given_up = AttemptReport(
        uids[0], AttemptState.LOST, cause=EndCause.PREPARE_FAILED, detail=HELD
    )
    fleet.state.heartbeat(replace(unfit, attempts=(given_up,)))
    former = cluster.slice()
    for worker, uid in zip(workers[1:], uids[1:], strict=True):
        fleet.beat(worker, [AttemptReport(uid, AttemptState.CANCELLED)])
    scheduling = Scheduling(fleet.state, fleet.clock)
    for _ in range(4):
        cluster.turn_and_answer(after=Pace().listing_interval)
        scheduling.schedule_once()

    assert (former.state, former.because) == (SliceState.DRAINING, f"worker 0: {HELD}")
    assert cluster.slice().name != former.name
    assert cluster.slice().state is SliceState.BOOTING
    with fleet.state.reading() as tables:
        touched = tables.tasks[job.uid].touched.values()
        assert {t.state for t in touched} == {TaskState.PENDING}
        assert [(t.failures, t.losses) for t in touched] == [(0, 1)] * 4
