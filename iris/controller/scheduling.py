"""The scheduler's turn: settle gangs, then start what fits."""

from __future__ import annotations

import logging

from iris.clock import Clock
from iris.controller.around import commit_around, plan_around
from iris.controller.state import State
from iris.planning.gangs import plan_verdicts
from iris.planning.plans import SchedulingPlan, VerdictPlan
from iris.planning.scheduler import plan_assignments
from iris.planning.snapshot import Snapshot

log = logging.getLogger(__name__)


class Scheduling:
    """Carries the scheduler's plans out."""

    def __init__(self, state: State, clock: Clock) -> None:
        self._state = state
        self._clock = clock

    def schedule_once(self) -> float:
        """One turn; returns when time alone asks for the next, 0 if never."""
        snapshot = self._state.snapshot()
        verdicts = self._settle_gangs(snapshot)
        if verdicts.verdicts or verdicts.stops:
            snapshot = self._state.snapshot()
        plan = plan_around(
            lambda each: plan_assignments(each, self._clock.now()),
            snapshot,
            "pending",
        )
        commit_around(self._state.commit_scheduling, plan, ("placements", "expired"))
        _log_placements(plan)
        return earliest(verdicts.next_at, plan.next_at)

    def _settle_gangs(self, snapshot: Snapshot) -> VerdictPlan:
        plan = plan_around(
            lambda each: plan_verdicts(each, self._clock.now()),
            snapshot,
            "gangs",
        )
        if plan.verdicts or plan.stops:
            commit_around(self._state.commit_verdicts, plan, ("verdicts", "stops"))
        for verdict in plan.verdicts:
            log.info(
                'gang %s gang=%s because="%s"',
                verdict.outcome,
                verdict.gang_uid,
                verdict.because,
            )
        return plan


def earliest(*times: float) -> float:
    """The first of some times of which 0 means never."""
    return min((at for at in times if at), default=0.0)


def _log_placements(plan: SchedulingPlan) -> None:
    for placement in plan.placements:
        kind = "gang" if placement.gang else "tasks"
        log.info(
            "%s assigned job=%s count=%d first_worker=%s",
            kind,
            placement.job_uid,
            len(placement.tasks),
            placement.tasks[0][1] if placement.tasks else "",
        )
