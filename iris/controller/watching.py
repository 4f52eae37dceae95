"""Creations that the cloud accepted and that may fail later: they are asked after.

Of success the listing and the workers tell. Of failure only the creation itself does,
with the cloud's words and the kind that the group's back-off depends on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Protocol

from iris.controller.asking import WATCH, Asking
from iris.controller.calls import Outcome
from iris.domain.fleet import Slice
from iris.domain.states import SliceState
from iris.errors import CloudError

INTERVAL = 2.0  # seconds between two questions about one creation
SHARE = 5.0  # questions a second at most; the budget of calls has other users


class Creator(Protocol):
    """The part of a provider that knows how a creation goes."""

    def creation_error(self, creation: str, zone: str) -> CloudError | None: ...


class Watching:
    """Asks after creations, and hands on what they failed with."""

    def __init__(
        self,
        provider: Creator,
        asking: Asking,
        refuse: Callable[[str, CloudError], None],
    ) -> None:
        self._provider = provider
        self._asking = asking
        self._refuse = refuse
        self._interval = INTERVAL

    def ask(self, slices: Iterable[Slice]) -> None:
        """Ask after those that may still fail."""
        watched = [s for s in slices if s.creation and s.state is SliceState.CREATING]
        self._interval = max(INTERVAL, len(watched) / SHARE)
        for slice_ in watched:
            if self._asking.may_ask(WATCH, slice_.name):
                look = self._provider.creation_error
                call = partial(look, slice_.creation, slice_.zone)
                self._asking.ask(WATCH, slice_.name, call)

    def take(self, name: str, outcome: Outcome) -> None:
        """An answer; a question that failed says nothing of the creation."""
        if outcome.error is not None:
            self._asking.failed(WATCH, name, outcome.error)
        elif isinstance(outcome.answer, CloudError):
            self._refuse(name, outcome.answer)
        else:
            self._asking.again_in(WATCH, name, self._interval)
