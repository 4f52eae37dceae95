"""Cloud calls that happen when a test says so, and a cloud that does as told."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from iris.controller.calls import Outcome
from iris.errors import CloudError
from iris.providers.contract import CloudSlice, Listing, Phase, SliceRequest


class FakeCalls:
    """Keeps calls until `run`, which makes all of them."""

    def __init__(self) -> None:
        self.waiting: dict[str, Callable[[], object]] = {}
        self._ended: list[Outcome] = []

    def start(self, key: str, call: Callable[[], object], deadline: float) -> bool:
        if key in self.waiting:
            return False
        self.waiting[key] = call
        return True

    def run(self) -> list[str]:
        """Make all calls that wait; returns their keys."""
        made, self.waiting = self.waiting, {}
        for key, call in made.items():
            try:
                self._ended.append(Outcome(key, call()))
            except CloudError as error:
                self._ended.append(Outcome(key, error=error))
        return list(made)

    def take(self) -> list[Outcome]:
        ended, self._ended = self._ended, []
        return ended

    def is_under_way(self, key: str) -> bool:
        return key in self.waiting

    def next_deadline(self) -> float:
        return 0.0


class FakeCloud:
    """Keeps slices by name; `errors` are raised first, one for each call."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.slices: dict[str, CloudSlice] = {}
        self.errors: list[CloudError] = []
        self.failed_creations: dict[str, CloudError] = {}
        self.ignores_deletions = False
        self.phase = Phase.UP  # of what is created
        self._now = now

    def create_slice(self, request: SliceRequest) -> str:
        self._complain()
        self.add(request.name, request.uid, request.group.name, request.zone)
        return f"creation-of-{request.name}"

    def creation_error(self, creation: str, zone: str) -> CloudError | None:
        self._complain()
        return self.failed_creations.get(creation)

    def delete_slice(self, name: str, zone: str) -> None:
        self._complain()
        if not self.ignores_deletions:
            self.slices.pop(name, None)

    def announce_controller(self, name: str, zone: str, controller_url: str) -> None:
        self._complain()
        told = replace(self.slices[name], controller_url=controller_url)
        self.slices[name] = told

    def list_slices(self) -> Listing:
        self._complain()
        return Listing(self._now(), tuple(self.slices.values()))

    def add(self, name: str, uid: str, group: str, zone: str) -> None:
        """A resource of this cluster, whoever asked for it."""
        self.slices[name] = CloudSlice(name, uid, group, zone, self.phase, self._now())

    def _complain(self) -> None:
        if self.errors:
            raise self.errors.pop(0)
