"""Sweeps a cluster's resources away, kind by kind, until a whole list is empty.

The controller goes first, and nothing else while it is there: it would fill the gap.
The disk goes last: it carries the uid by which the rest is found.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import msgspec
from msgspec.structs import replace

from iris.clock import Clock
from iris.errors import CloudError, RateLimited, Unavailable, Unknown
from iris.providers.contract import HalfListed, Leftover, Provider

Say = Callable[[str], None]

# what creates goes before what is created
ORDER = ("controller", "queued-resource", "slice", "disk")
AT_ONCE = 32  # deletions of one kind under way together; each may take minutes
AGAIN = 5.0  # seconds between one sweep and the next
LONGEST_LAG = 10.0  # seconds; of a list that does not say its own
_PASSING = (Unavailable, RateLimited, Unknown)
_NEVER = threading.Event()


class Left(msgspec.Struct, frozen=True):
    """What a look found, and what spoke against its end."""

    leftovers: tuple[Leftover, ...]
    unlisted: str = ""  # why the list is not whole; empty: it is
    faults: tuple[str, ...] = ()  # of deletions
    may_pass: bool = True  # is it worth another try?

    @property
    def is_nothing(self) -> bool:
        """Is all of it gone, for sure?"""
        return not self.leftovers and not self.unlisted and not self.faults


def look(provider: Provider) -> Left:
    """What is there, as far as the cloud says it."""
    try:
        return Left(provider.list_leftovers())
    except HalfListed as error:
        return Left(error.found, str(error))
    except CloudError as error:
        return Left((), str(error), may_pass=isinstance(error, _PASSING))


def by_order(found: Iterable[Leftover]) -> tuple[Leftover, ...]:
    """In the order in which it goes."""
    return tuple(sorted(found, key=lambda each: (_place(each.kind), each.name)))


class Sweep:
    """One cleanup of one uid; `deleted` grows as resources go."""

    def __init__(self, provider: Provider, clock: Clock, say: Say) -> None:
        self.deleted: list[Leftover] = []
        self._provider = provider
        self._clock = clock
        self._say = say
        self._settled_at = 0.0  # when the last deed of the controller can be seen

    def until_clean(self, wait: float) -> Left:
        """Sweep until nothing is left, or the rest will not go within `wait`."""
        until, told = self._clock.now() + wait, ""
        while True:
            left = self.once()
            if left.is_nothing or not left.may_pass or self._clock.now() >= until:
                return left
            words = _words(left)
            if words != told:
                self._say(f"trying again: {words}")
                told = words
            self._clock.wait(_NEVER, AGAIN)

    def once(self) -> Left:
        """Delete each kind in its order, and look again."""
        faults: list[_Fault] = []
        for kind in ORDER:
            # listed anew for each kind: until it was gone, the controller could create
            found = look(self._provider)
            these = [each for each in found.leftovers if each.kind == kind]
            if kind == "controller" and found.unlisted and not these:
                return found  # it may be where nobody answered
            if kind == "disk" and (found.unlisted or faults):
                break
            faults += self._delete(these)
            if kind == "controller" and faults:
                break
        return self._what_is_left(faults)

    def _delete(self, these: list[Leftover]) -> list[_Fault]:
        faults = []
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for each, fault in zip(these, pool.map(self._try, these), strict=True):
                self._say(fault.words if fault else f"deleted {each.kind} {each.name}")
                if fault:
                    faults.append(fault)
                else:
                    self.deleted.append(each)
        if any(each.kind == "controller" for each in these):
            self._settled_at = self._clock.now() + self._lag()
        return faults

    def _try(self, leftover: Leftover) -> _Fault | None:
        try:
            self._provider.delete_leftover(leftover)
        except CloudError as error:
            words = f"{leftover.kind} {leftover.name}: {error}"
            return _Fault(words, isinstance(error, _PASSING))
        return None

    def _lag(self) -> float:
        """Seconds for which the list may lack what the controller made last."""
        try:
            return self._provider.list_slices().lag
        except CloudError:
            return LONGEST_LAG

    def _what_is_left(self, faults: list[_Fault]) -> Left:
        settles_in = self._settled_at - self._clock.now()
        if settles_in > 0 and not faults:
            self._clock.wait(_NEVER, settles_in)
        found = look(self._provider)
        may_pass = found.may_pass and all(fault.may_pass for fault in faults)
        words = tuple(fault.words for fault in faults)
        return replace(found, faults=words, may_pass=may_pass)


class _Fault(msgspec.Struct, frozen=True):
    """Why one resource could not be deleted."""

    words: str
    may_pass: bool


def _place(kind: str) -> int:
    return ORDER.index(kind) if kind in ORDER else len(ORDER)


def _words(left: Left) -> str:
    named = [f"{each.kind} {each.name} is left" for each in left.leftovers]
    return "; ".join(filter(None, (left.unlisted, *left.faults))) or "; ".join(named)
