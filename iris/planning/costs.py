"""Adds up what slices cost, and whose attempts held them meanwhile.

Computed from slices and attempts with their times, never counted along the way. An
attempt has the part of its slice that its chips are of all the slice's chips, its CPUs
of all the CPUs where there are no chips. What is left of the slice's time is idle.
Of jobs that are kept no more there is a sum for each slice, user and day.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

from msgspec.structs import replace

from iris.domain.costs import (
    CostView,
    Life,
    Rented,
    Share,
    SliceCost,
    Standing,
    Upkeep,
    Work,
)
from iris.domain.fleet import Slice
from iris.domain.prices import LISTED_ON

HOUR = 3600.0  # seconds
DAY = 86400.0
Key = tuple[str, str, str]  # user, job's uid, job
DayKey = tuple[str, str, int]  # slice, user, day


def add_up(
    rented: Sequence[Rented],
    work: Iterable[Work],
    since: float,
    now: float,
    upkeep: Sequence[Upkeep] = (),
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
        usd=_usd_of(slices) + _usd_of(upkeep),
        idle_usd=sum(each.idle_usd or 0.0 for each in slices),
        unpriced_hours=sum(each.hours for each in slices if each.usd is None),
        slices_in_all=len(slices),
        jobs_in_all=len(jobs),
        users=_dearest(one.share(user) for user, one in by_user.items() if one.is_any),
        jobs=_dearest(jobs),
        slices=tuple(sorted(slices, key=lambda s: (-(s.usd or 0.0), -s.hours, s.name))),
        upkeep=tuple(upkeep),
    )


def _usd_of(parts: Iterable[SliceCost | Upkeep]) -> float:
    return sum(each.usd or 0.0 for each in parts)


def upkeep_of(
    standing: Iterable[Standing], lives: Sequence[Life], since: float, now: float
) -> Iterator[Upkeep]:
    """What stood between `since` and `now`; what is kept did from the first life on."""
    for each in standing:
        spans = [Life(lives[0].began_at)] if each.is_kept and lives else lives
        ends = [(span.began_at, span.ended_at or now) for span in spans]
        hours = sum(max(ended - max(began, since), 0.0) for began, ended in ends) / HOUR
        usd = None if each.price is None else hours * each.price
        yield Upkeep(each.what, each.kind, hours, each.price, usd)


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


def end_of(row: Slice) -> float:
    """When its end was asked for: it costs no more from then on. 0: not yet."""
    return row.deleting_at or row.deleted_at


def day_of(at: float) -> int:
    """Which day since 1970 a moment is of, in UTC."""
    return int(at // DAY)


def key_of(total: Work) -> DayKey:
    """What there is one sum for."""
    return total.slice_name, total.user, day_of(total.began_at)


def sum_by_day(
    work: Iterable[Work], end_of_slice: Callable[[str], float]
) -> tuple[Work, ...]:
    """One sum for each slice, user and day; other sums may be among the work.

    What went on when the end of its slice was asked for (0: not yet) counts up to that.
    """
    days: dict[DayKey, _Day] = {}
    for each in work:
        end = end_of_slice(each.slice_name) or each.ended_at
        began_at, ended_at = each.began_at, min(each.ended_at, end)
        while began_at < ended_at:
            day = day_of(began_at)
            until = min(ended_at, (day + 1) * DAY)
            key = each.slice_name, each.user, day
            if key not in days:
                days[key] = _Day(began_at, until)
            days[key].take(each, began_at, until)
            began_at = until
    return tuple(day.total(name, user) for (name, user, _), day in days.items())


class _Day:
    """What one user held of one slice on one day; there may be a million attempts."""

    __slots__ = ("began_at", "chip_seconds", "cpu_seconds", "ended_at")

    def __init__(self, began_at: float, ended_at: float) -> None:
        self.chip_seconds = self.cpu_seconds = 0.0
        self.began_at, self.ended_at = began_at, ended_at

    def take(self, work: Work, began_at: float, ended_at: float) -> None:
        seconds = ended_at - began_at
        self.chip_seconds += work.chips * seconds
        self.cpu_seconds += work.cpus * seconds
        self.began_at = min(self.began_at, began_at)
        self.ended_at = max(self.ended_at, ended_at)

    def total(self, slice_name: str, user: str) -> Work:
        seconds = self.ended_at - self.began_at
        return Work(
            user=user,
            slice_name=slice_name,
            chips=self.chip_seconds / seconds,
            cpus=self.cpu_seconds / seconds,
            began_at=self.began_at,
            ended_at=self.ended_at,
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
        self._ended_at = end_of(row)
        # a cloud bills from the moment on that the VMs are there
        up_at = row.booting_at or row.ready_at
        self._from = max(up_at, since)
        until = min(self._ended_at or now, now)
        self._until = max(until, self._from) if up_at else self._from
        self._held = 0.0  # hours of the whole slice

    def take(self, work: Work, by: _Sum) -> None:
        """One attempt's part of the slice's time."""
        began = max(work.began_at, self._from)
        ended = min(work.ended_at or self._until, self._until)
        hours = max(ended - began, 0.0) / HOUR
        held = hours * self._part(work)
        self._held += held
        by.chip_hours += hours * work.chips
        by.cpu_hours += hours * work.cpus
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
        whole = self._rented.whole
        if whole.chips:
            return work.chips / whole.chips
        return work.cpus / whole.cpus if whole.cpus else 0.0


def _dearest(shares: Iterable[Share]) -> tuple[Share, ...]:
    return tuple(
        sorted(shares, key=lambda s: (-s.usd, -s.unpriced_hours, s.user, s.job))
    )
