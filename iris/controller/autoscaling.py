"""The autoscaler's turn: what the cloud said, what that means, what to ask next.

Intent comes before effect: no call starts before the row it rests on is durable.
Calls never block the turn; their outcomes are taken at the start of a later one.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import Protocol

from msgspec.structs import replace

from iris.clock import Clock
from iris.controller.announcing import Announcing
from iris.controller.around import commit_around, plan_around
from iris.controller.asking import (
    ANNOUNCE,
    CREATE,
    DELETE,
    PASSING,
    WATCH,
    Asking,
    Pace,
    words_of,
)
from iris.controller.calls import CallPort, Outcome
from iris.controller.scheduling import earliest
from iris.controller.sighting import sighted
from iris.controller.state import State
from iris.controller.watching import Watching
from iris.domain.fleet import Slice
from iris.domain.states import SliceState
from iris.errors import CloudError, NotFound, NotThere
from iris.planning.autoscaler import plan_capacity
from iris.planning.backoff import next_backoff
from iris.planning.lifecycle import plan_lifecycle
from iris.planning.liveness import plan_liveness
from iris.planning.orphans import Sighted
from iris.planning.plans import CapacityPlan, LifecyclePlan, LivenessPlan, Orphan
from iris.planning.snapshot import Snapshot
from iris.providers.contract import Listing, SliceRequest

log = logging.getLogger(__name__)

SETTLING = 0.01  # seconds until a change is planned for: those in haste go first
LISTING = "list"  # the key of the call that lists


class SliceProvider(Protocol):
    """The half of a provider that the controller needs."""

    def create_slice(self, request: SliceRequest) -> str: ...

    def creation_error(self, creation: str, zone: str) -> CloudError | None: ...

    def delete_slice(self, name: str, zone: str) -> None: ...

    def list_slices(self) -> Listing: ...

    def announce_controller(
        self, name: str, zone: str, controller_url: str
    ) -> None: ...


class Autoscaling:
    """Carries out what lifecycle, liveness and capacity plans ask for."""

    def __init__(  # noqa: PLR0913 - the parts that main puts together
        self,
        state: State,
        provider: SliceProvider,
        calls: CallPort,
        clock: Clock,
        *,
        controller_url: str,
        pace: Pace = Pace(),
    ) -> None:
        self.last_plan = CapacityPlan()
        self._state = state
        self._provider = provider
        self._calls = calls
        self._clock = clock
        self._controller_url = controller_url
        self._pace = pace
        self._asking = Asking(calls, clock, pace)
        self._announcing = Announcing(provider, self._asking, controller_url)
        self._watching = Watching(provider, self._asking, self._refuse)
        self._orphans: dict[str, Orphan] = {}  # those whose end was asked for
        self._sighted: Sighted | None = None  # the listing that this turn judges
        self._complaint = ""  # what was wrong with the last listing
        self._listed_at = 0.0  # when the last listing was asked for
        self._list_at = clock.now()
        self._plan_at = 0.0
        self._planned_seq = -1
        self._due_at = 0.0

    def autoscale_once(self) -> float:
        """One turn; returns when the next is due at the latest."""
        self._forgive_a_stall()
        for outcome in self._calls.take():
            self._take(outcome)
        lifecycle = self._move_slices(self._state.snapshot())
        liveness = self._move_workers(self._state.snapshot())
        if self._clock.now() >= self._plan_at or self._state.seq != self._planned_seq:
            self._planned_seq = self._state.seq
            self._change_capacity(self._state.snapshot())
        self._ask()
        self._due_at = earliest(
            lifecycle.next_at,
            liveness.next_at,
            self._plan_at,
            self._calls.next_deadline(),
            0.0 if self._calls.is_under_way(LISTING) else self._list_at,
            self._asking.next_at(),
        )
        return self._due_at

    def _forgive_a_stall(self) -> None:
        late = self._clock.now() - self._due_at
        if self._due_at and late > self._pace.stalled_after:
            log.warning("controller stalled seconds=%.0f", late)
            self._state.note_stall()

    # -- what the cloud said -----------------------------------------------------

    def _take(self, outcome: Outcome) -> None:
        verb, _, name = outcome.key.partition(" ")
        try:
            if verb == LISTING:
                self._take_listing(outcome)
            elif verb == CREATE:
                self._take_create(name, outcome)
            elif verb == WATCH:
                self._watching.take(name, outcome)
            elif verb == ANNOUNCE:
                self._announcing.take(name, outcome.error)
            else:
                self._take_delete(name, outcome.error)
        except NotThere:
            return  # the row went meanwhile, confirmed by a listing

    def _take_listing(self, outcome: Outcome) -> None:
        listing = outcome.answer
        if not isinstance(listing, Listing):
            self._complain(words_of(outcome.error))
            return
        unlisted = listing.unlisted_zones.items()
        self._complain("; ".join(f"{zone}: {why}" for zone, why in unlisted))
        self._sighted = sighted(listing)
        self._announcing.heed(listing)
        if not unlisted:
            listed = {each.name for each in listing.slices}
            self._orphans = {n: o for n, o in self._orphans.items() if n in listed}

    def _complain(self, complaint: str) -> None:
        if complaint and complaint != self._complaint:
            log.warning('listing is not whole because="%s"', complaint)
        self._complaint = complaint

    def _take_create(self, name: str, outcome: Outcome) -> None:
        error = outcome.error
        if error is None:
            self._state.slice_accepted(name, str(outcome.answer or ""))
            log.info("slice created slice=%s", name)
        elif isinstance(error, PASSING):
            self._asking.failed(CREATE, name, error)
        else:
            self._refuse(name, error)

    def _refuse(self, name: str, error: CloudError) -> None:
        with self._state.reading() as tables:
            slice_ = tables.slices.get(name)
            if slice_ is None:
                return
            previous = tables.backoffs.get((slice_.group, slice_.zone))
        place, now = (slice_.group, slice_.zone), self._clock.now()
        backoff = next_backoff(previous, *place, error.code(), str(error), now)
        self._state.slice_refused(name, error, backoff)
        log.warning('slice refused slice=%s because="%s"', name, words_of(error))

    def _take_delete(self, name: str, error: CloudError | None) -> None:
        if error is not None and not isinstance(error, NotFound):
            self._asking.failed(DELETE, name, error)
        elif self._asking.accepted(DELETE, name):
            log.info("slice deletion asked slice=%s", name)
            if name not in self._orphans:
                self._state.delete_asked(name)

    # -- what follows from it ----------------------------------------------------

    def _move_slices(self, snapshot: Snapshot) -> LifecyclePlan:
        sighted, self._sighted = self._sighted, None
        plan = plan_around(
            lambda each: plan_lifecycle(each, sighted, self._clock.now()),
            snapshot,
            "slices",
        )
        plan = replace(plan, orphans=self._new_orphans(plan))
        fields = ("moves", "sightings", "releases", "orphans")
        if any(getattr(plan, field) for field in fields):
            commit_around(self._state.commit_lifecycle, plan, fields)
        for move in plan.moves:
            name, because = move.slice_name, move.because
            log.info('slice %s slice=%s because="%s"', move.to, name, because)
        return plan

    def _new_orphans(self, plan: LifecyclePlan) -> tuple[Orphan, ...]:
        fresh = tuple(o for o in plan.orphans if o.slice_name not in self._orphans)
        for orphan in fresh:
            self._orphans[orphan.slice_name] = orphan
            name, because = orphan.slice_name, orphan.because
            log.warning('orphan found slice=%s because="%s"', name, because)
        return fresh

    def _move_workers(self, snapshot: Snapshot) -> LivenessPlan:
        pace = self._pace
        plan = plan_around(
            lambda each: plan_liveness(
                each, self._clock.now(), pace.suspect_after, pace.lost_after
            ),
            snapshot,
            "workers",
        )
        if plan.moves:
            commit_around(self._state.commit_liveness, plan, ("moves",))
        for move in plan.moves:
            uid, because = move.worker_uid, move.because
            log.info('worker %s worker=%s because="%s"', move.to, uid, because)
        return plan

    def _change_capacity(self, snapshot: Snapshot) -> None:
        """Plan anew; the same state at the same time needs no second plan."""
        plan = plan_around(self._plan_capacity, snapshot, "pending")
        self.last_plan = plan
        latest = self._clock.now() + self._pace.evaluation_interval
        self._plan_at = earliest(plan.next_at, latest)
        if plan.creates or plan.drains:
            commit_around(self._state.commit_capacity, plan, ("creates", "drains"))
        for create in plan.creates:
            where = (create.group, create.zone, create.because)
            log.info('slice wanted group=%s zone=%s because="%s"', *where)
        for drain in plan.drains:
            name, because = drain.slice_name, drain.because
            log.info('slice drained slice=%s because="%s"', name, because)

    def _plan_capacity(self, snapshot: Snapshot) -> CapacityPlan:
        return plan_capacity(snapshot, self._clock.now())

    # -- what is asked of the cloud ----------------------------------------------

    def _ask(self) -> None:
        with self._state.reading() as tables:
            slices = list(tables.slices.values())
        creates = [each for each in slices if self._is_due(each, CREATE)]
        deletes = [each for each in slices if self._is_due(each, DELETE)]
        if creates or deletes:
            self._state.wait_durable()
        for slice_ in creates:
            self._create(slice_)
        for slice_ in deletes:
            self._delete(slice_.name, slice_.zone)
        for orphan in self._orphans.values():
            if self._asking.may_ask(DELETE, orphan.slice_name):
                self._delete(orphan.slice_name, orphan.zone)
        self._announcing.ask()
        self._watching.ask(slices)
        self._asking.keep_only({each.name for each in slices} | set(self._orphans))
        self._list(slices)

    def _is_due(self, slice_: Slice, verb: str) -> bool:
        return slice_.state is _STATES[verb] and self._asking.may_ask(verb, slice_.name)

    def _create(self, slice_: Slice) -> None:
        try:
            request = self._state.create_request(slice_.name, self._controller_url)
        except NotThere:
            return  # its group left the cluster file; its row goes next turn
        call = partial(self._provider.create_slice, request)
        self._asking.ask(CREATE, slice_.name, call)

    def _delete(self, name: str, zone: str) -> None:
        call = partial(self._provider.delete_slice, name, zone)
        self._asking.ask(DELETE, name, call)

    def _list(self, slices: list[Slice]) -> None:
        now, pace = self._clock.now(), self._pace
        fresh = [s for s in slices if s.deleting_at > now - pace.eager_for]
        interval = pace.eager_interval if fresh else pace.listing_interval
        self._list_at = min(self._list_at, self._listed_at + interval)
        if now < self._list_at:
            return
        if self._calls.start(LISTING, self._provider.list_slices, pace.call_deadline):
            self._listed_at, self._list_at = now, now + interval


_STATES = {CREATE: SliceState.REQUESTED, DELETE: SliceState.DELETING}
