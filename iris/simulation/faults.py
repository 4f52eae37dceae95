"""How often each thing goes wrong. Shares are of calls or boots; gaps are seconds."""

from __future__ import annotations

from random import Random

import msgspec

from iris.simulation.world import HOUR, World


class Faults(msgspec.Struct, frozen=True):
    """One climate; everything in it was met in the field (see traps)."""

    # the cloud's answers
    refused: float = 0.06  # creations, for one of the reasons below
    passing: float = 0.03  # calls, Unavailable or RateLimited, without effect
    answer_lost: float = 0.04  # calls, done and yet Unavailable or Unknown
    answer_late: float = 0.01  # calls, past any deadline
    list_stale: float = 0.2  # listings that show the past
    list_lag: float = 8.0  # seconds into the past, at most
    zone_silent: float = 0.03  # zones of a listing
    unclear: float = 0.01  # resources of a listing
    list_gap: float = 0.003  # resources left out of a listing, never twice in a row
    stockout_gap: float = 6 * HOUR  # between two of a zone
    stockout_length: float = 1 * HOUR
    # slices
    create_fails: float = 0.03  # creations that stop on their way
    create_queued: float = 0.03  # creations that fail, and happen much later
    create_slow: float = 0.03  # creations that take half an hour
    boot_fails: float = 0.02  # VMs that never register
    delete_ignored: float = 0.05  # deletions accepted without effect
    delete_stuck: float = 0.04  # deletions that take an hour or two
    preemption_gap: float = 4 * HOUR  # of one spot slice
    # machines
    trouble_gap: float = 12 * HOUR  # of one VM, for one of several reasons
    message_lost: float = 0.01  # heartbeats or their answers
    message_slow: float = 0.01
    message_repeated: float = 0.01
    prepare_hangs: float = 0.001
    stop_ignored: float = 0.005  # stops of a program that nothing can kill
    # the controller
    crash_gap: float = 2 * HOUR
    stall_gap: float = 8 * HOUR


CLIMATES = (
    Faults(),
    # the network is bad
    Faults(
        message_lost=0.05,
        message_slow=0.05,
        message_repeated=0.2,
        answer_lost=0.15,
        answer_late=0.05,
        list_stale=0.6,
        zone_silent=0.15,
        unclear=0.05,
    ),
    # the controller hardly stays up
    Faults(crash_gap=0.2 * HOUR, stall_gap=2 * HOUR, message_repeated=0.1),
    # slices and machines come and go
    Faults(
        create_fails=0.1,
        boot_fails=0.05,
        delete_stuck=0.15,
        delete_ignored=0.2,
        preemption_gap=1 * HOUR,
        trouble_gap=2 * HOUR,
        create_queued=0.1,
        prepare_hangs=0.005,
        stop_ignored=0.03,
    ),
)


def climate_of(seed: int) -> Faults:
    """Every seed has one of the climates."""
    return CLIMATES[seed % len(CLIMATES)]


class Weather:
    """Asks chance whether a fault strikes; never once the world is quiet."""

    def __init__(self, world: World, faults: Faults, name: str) -> None:
        self._world = world
        self.faults = faults
        self.chance: Random = world.chance(name)

    def strikes(self, share: float) -> bool:
        """Does something of this likelihood happen here and now?"""
        return self.chance.random() < share and not self._world.is_quiet

    def gap(self, mean: float) -> float:
        """Seconds until something that happens once in `mean` seconds."""
        return self.chance.expovariate(1.0 / mean)

    def between(self, least: float, most: float) -> float:
        return self.chance.uniform(least, most)
