"""What a cluster costs by list prices: of each slice, job and user."""

from __future__ import annotations

import msgspec

from iris.domain.fleet import Slice
from iris.domain.jobs import Capacity
from iris.domain.resources import Resources
from iris.domain.states import SliceState


class Rented(msgspec.Struct, frozen=True):
    """A slice, what there is of it, and what an hour of it costs."""

    slice: Slice
    whole: Resources = Resources()  # of all its VMs together
    kind: str = ""  # accelerator or machine type
    price: float | None = None  # US dollars an hour, None where none is known


class Work(msgspec.Struct, frozen=True, gc=False):
    """The time that an attempt held a part of its slice.

    Or what a user's jobs that are kept no more held of it on one day: then chips and
    CPUs are those that they held on the average, and it is of no job.
    """

    user: str
    slice_name: str
    chips: float
    cpus: float
    began_at: float
    ended_at: float  # 0 while it lives
    job: str = ""
    job_uid: str = ""


class Standing(msgspec.Struct, frozen=True):
    """What a cluster has without any slice, and what an hour of it costs."""

    what: str
    kind: str  # machine type, or type and size of a disk
    price: float | None  # US dollars an hour, None where none is known
    is_kept: bool = False  # it is there, and costs, while the machine is not


class Life(msgspec.Struct, frozen=True):
    """From when to when one machine of the controller was there."""

    began_at: float
    ended_at: float = 0.0  # 0 while it is


class Upkeep(msgspec.Struct, frozen=True):
    """What it cost to have that."""

    what: str
    kind: str
    hours: float
    price_per_hour: float | None  # None where no price is known
    usd: float | None


class SliceCost(msgspec.Struct, frozen=True):
    """One slice, from the moment its VMs were up to the one its end was asked for."""

    name: str
    group: str
    kind: str
    zone: str
    capacity: Capacity
    state: SliceState
    began_at: float
    ended_at: float  # 0 while it costs
    hours: float
    idle_hours: float  # in which no attempt held it, parts counted as such
    price_per_hour: float | None  # None where no price is known
    usd: float | None
    idle_usd: float | None


class Share(msgspec.Struct, frozen=True):
    """What the attempts of a job, or of a user, had of their slices."""

    user: str
    job: str = ""  # empty: all jobs of the user, or all that are kept no more
    job_uid: str = ""
    chip_hours: float = 0.0
    cpu_hours: float = 0.0
    usd: float = 0.0
    unpriced_hours: float = 0.0  # hours of whole slices for which no price is known


class CostView(msgspec.Struct, frozen=True):
    """An estimate; the dearest come first, users whole, slices and jobs cut off."""

    since: float  # seconds since the epoch, 0: from the start
    until: float
    prices_of: str  # the day for which the prices are good
    usd: float  # of all with a price
    idle_usd: float  # the part of slices that was nobody's
    unpriced_hours: float  # of slices for which no price is known
    slices_in_all: int
    jobs_in_all: int
    users: tuple[Share, ...]
    jobs: tuple[Share, ...]
    slices: tuple[SliceCost, ...]
    upkeep: tuple[Upkeep, ...] = ()  # of the controller, which is nobody's
