"""Adds up what slices cost, and whose attempts held them meanwhile.

Computed from slices and attempts with their times, never counted along the way. An
attempt has the part of its slice that its chips are of all the slice's chips, its CPUs
of all the CPUs where there are no chips. What is left of the slice's time is idle.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from iris.domain.costs import CostView, Rented, Share, SliceCost, Work
from iris.domain.prices import LISTED_ON

HOUR = 3600.0  # seconds
Key = tuple[str, str, str]  # user, job's uid, job


def add_up(
    rented: Sequence[Rented], work: Iterable[Work], since: float, now: float
) -> CostView:
    """All of it between `since` and `now`; work on slices not named is left out."""
    known = {each.slice.name: _Open(each, since, now) for each in rented}
    by_job: defaultdict[Key, _Sum] = defaultdict(_Sum)
    for each in work:
        on = known.get(each.slice_name)
        if on is not None:
            on.take(each, by_job[each.user, each.job_uid, each.job])
    by_user: defaultdict[str, _Sum] = defaultdict(_Sum)
    for (user, *_), one in by_job.items():
        by_user[user].add(one)
    costs = [each.cost() for each in known.values()]
    slices = [cost for cost in costs if cost.hours > 0]
    jobs = [
        one.share(u, uid, job) for (u, uid, job), one in by_job.items() if one.is_any
    ]
    return CostView(
        since=since,
        until=now,
        prices_of=LISTED_ON,
        usd=sum(each.usd or 0.0 for each in slices),
        idle_usd=sum(each.idle_usd or 0.0 for each in slices),
        unpriced_hours=sum(each.hours for each in slices if each.usd is None),
        slices_in_all=len(slices),
        jobs_in_all=len(jobs),
        users=_dearest(one.share(user) for user, one in by_user.items() if one.is_any),
        jobs=_dearest(jobs),
        slices=tuple(sorted(slices, key=lambda s: (-(s.usd or 0.0), -s.hours, s.name))),
    )


def cut_to(view: CostView, most: int, user: str = "") -> CostView:
    """The dearest slices and jobs, and of people `user` alone if one is named."""
    users = [each for each in view.users if user in ("", each.user)]
    jobs = [each for each in view.jobs if user in ("", each.user)]
    return replace(
        view,
        jobs_in_all=len(jobs),
        users=tuple(users),
        jobs=tuple(jobs[:most]),
        slices=view.slices[:most],
    )


class _Sum:
    """What one job or user had so far."""

    def __init__(self) -> None:
        self.chip_hours = self.cpu_hours = self.usd = self.unpriced_hours = 0.0

    @property
    def is_any(self) -> bool:
        return self.chip_hours + self.cpu_hours + self.usd + self.unpriced_hours > 0

    def add(self, other: _Sum) -> None:
        self.chip_hours += other.chip_hours
        self.cpu_hours += other.cpu_hours
        self.usd += other.usd
        self.unpriced_hours += other.unpriced_hours

    def share(self, user: str, uid: str = "", job: str = "") -> Share:
        return Share(
            user=user,
            job=job,
            job_uid=uid,
            chip_hours=self.chip_hours,
            cpu_hours=self.cpu_hours,
            usd=self.usd,
            unpriced_hours=self.unpriced_hours,
        )


class _Open:
    """One slice while its time is shared out."""

    def __init__(self, rented: Rented, since: float, now: float) -> None:
        self._rented = rented
        row = rented.slice
        self._ended_at = row.deleting_at or row.deleted_at
        # a cloud bills from the moment on that the VMs are there
        up_at = row.booting_at or row.ready_at
        self._from = max(up_at, since)
        until = min(self._ended_at or now, now)
        self._until = max(until, self._from) if up_at else self._from
        self._held = 0.0  # hours of the whole slice

    def take(self, work: Work, by: _Sum) -> None:
        """One attempt's part of the slice's time."""
        began = max(work.assigned_at, self._from)
        ended = min(work.ended_at or self._until, self._until)
        hours = max(ended - began, 0.0) / HOUR
        held = hours * self._part(work)
        self._held += held
        by.chip_hours += hours * work.resources.chips
        by.cpu_hours += hours * work.resources.cpus
        if self._rented.price is None:
            by.unpriced_hours += held
        else:
            by.usd += held * self._rented.price

    def cost(self) -> SliceCost:
        row, price = self._rented.slice, self._rented.price
        hours = (self._until - self._from) / HOUR
        idle = max(hours - self._held, 0.0)
        return SliceCost(
            name=row.name,
            group=row.group,
            kind=self._rented.kind,
            zone=row.zone,
            capacity=row.capacity,
            state=row.state,
            began_at=row.booting_at or row.ready_at,
            ended_at=self._ended_at,
            hours=hours,
            idle_hours=idle,
            price_per_hour=price,
            usd=None if price is None else hours * price,
            idle_usd=None if price is None else idle * price,
        )

    def _part(self, work: Work) -> float:
        has, whole = work.resources, self._rented.whole
        if whole.chips:
            return has.chips / whole.chips
        return has.cpus / whole.cpus if whole.cpus else 0.0


def _dearest(shares: Iterable[Share]) -> tuple[Share, ...]:
    return tuple(
        sorted(shares, key=lambda s: (-s.usd, -s.unpriced_hours, s.user, s.job))
    )
