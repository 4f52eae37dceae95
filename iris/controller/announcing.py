"""Slices whose VMs were told of a controller elsewhere are told where it is now."""

from __future__ import annotations

import logging
from functools import partial
from typing import Protocol

from iris.controller.asking import ANNOUNCE, Asking
from iris.errors import CloudError
from iris.providers.contract import Listing, Phase

log = logging.getLogger(__name__)

# What goes, or went, takes no change: to ask would be to fail again and again.
_GOING = frozenset({Phase.STOPPED, Phase.PREEMPTED, Phase.DELETING})


class Announcer(Protocol):
    """The part of a provider that tells a slice's VMs."""

    def announce_controller(
        self, name: str, zone: str, controller_url: str
    ) -> None: ...


class Announcing:
    """What the last listing showed of addresses, and the calls that mend them."""

    def __init__(self, provider: Announcer, asking: Asking, url: str) -> None:
        self._provider = provider
        self._asking = asking
        self._url = url
        self._misled: dict[str, str] = {}  # slice told of another address -> its zone

    def heed(self, listing: Listing) -> None:
        """Which slices look elsewhere for the controller?"""
        self._misled = {
            each.name: each.zone
            for each in listing.slices
            if each.controller_url not in ("", self._url) and each.phase not in _GOING
        }

    def ask(self) -> None:
        """Tell those that may be told now."""
        for name, zone in self._misled.items():
            if self._asking.may_ask(ANNOUNCE, name):
                tell = self._provider.announce_controller
                self._asking.ask(ANNOUNCE, name, partial(tell, name, zone, self._url))

    def take(self, name: str, error: CloudError | None) -> None:
        """An answer; a slice that comes up refuses, and is told again later."""
        if error is not None:
            self._asking.failed(ANNOUNCE, name, error)
            return
        self._asking.accepted(ANNOUNCE, name)
        self._misled.pop(name, None)
        log.info("slice told where the controller is slice=%s", name)
