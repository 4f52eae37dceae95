"""A controller whose slices are hollow: no VM, no keeper, no process for a task.

    python -m benchmarks.hollow --machine DIR --state DIR

Everything in it is the controller's own, save the cloud: a slice is a file in
`STATE/hollow`, which `benchmarks.hollow_agents` finds and plays the workers of.
"""

from __future__ import annotations

import sys
import time
from functools import partial
from pathlib import Path

from iris import wire
from iris.controller import main as program
from iris.controller.calls import Calls
from iris.controller.setting import read_setting
from iris.errors import CloudError
from iris.providers.contract import CloudSlice, Listing, Phase, SliceRequest

FOLDER = "hollow"


class HollowProvider:
    """Slices as files; each is up at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def create_slice(self, request: SliceRequest) -> str:
        draft = self._folder / f"{request.name}.new"
        draft.write_bytes(wire.encode(request))
        draft.replace(self._folder / f"{request.name}.json")
        return ""

    def creation_error(self, creation: str, zone: str) -> CloudError | None:
        return None

    def delete_slice(self, name: str, zone: str) -> None:
        (self._folder / f"{name}.json").unlink(missing_ok=True)

    def list_slices(self) -> Listing:
        began_at = time.time()
        requests = map(read_request, self._folder.glob("*.json"))
        return Listing(began_at, tuple(_shown(each) for each in requests))

    def announce_controller(self, name: str, zone: str, controller_url: str) -> None:
        return None


def read_request(file: Path) -> SliceRequest:
    """What the slice of a file was asked for with."""
    return wire.decode(file.read_bytes(), SliceRequest)


def _shown(request: SliceRequest) -> CloudSlice:
    return CloudSlice(
        name=request.name,
        uid=request.uid,
        group=request.group.name,
        zone=request.zone,
        phase=Phase.UP,
        created_at=0.0,
    )


def main() -> int:
    """The controller's program, with no cloud behind it and no budget of calls."""
    provider = HollowProvider(read_setting(None).state / FOLDER)
    program.load_provider = lambda *_: provider  # type: ignore[assignment]  # half of one
    program.Calls = partial(Calls, per_second=1e6, burst=10**6)  # type: ignore[misc,assignment]  # a class elsewhere
    return program.main()


if __name__ == "__main__":
    sys.exit(main())
