"""The provider `local`: the cloud is a folder, a VM a folder in it with a keeper.

$IRIS_HOME/local/NAME/
  controller/   machine.json, config.yaml, address.json, controller.log
  state/        the state disk: disk.json, iris.db, bundles/, logs/, operator.token
  slices/SLICE/ slice.json, vm-0/, vm-1/, ...
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from iris.clock import Clock
from iris.config import ClusterConfig
from iris.errors import CloudError, NotFound, Rejected, Unavailable
from iris.paths import iris_home
from iris.providers._local_controller import ZONE, LocalController
from iris.providers._local_slices import LocalSlices
from iris.providers.contract import (
    ControllerMachine,
    ControllerRequest,
    Leftover,
    Listing,
    SliceRequest,
    Surroundings,
)

BOOT_LOG_BYTES = 1_000_000  # as much as a cloud keeps of a console


@contextmanager
def _in_the_clouds_words() -> Iterator[None]:
    """What the system refuses, as the type that callers treat."""
    try:
        yield
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise Unavailable(f"{where}{error.strerror or error}") from error


class Provider:
    """Slices and controller of one cluster as processes of this machine."""

    def __init__(
        self,
        config: ClusterConfig,
        cluster_uid: str,
        clock: Clock,
        _surroundings: Surroundings = Surroundings(),
    ) -> None:
        folder = iris_home() / "local" / config.name
        self._cluster_uid = cluster_uid
        self._clock = clock
        self._slices = LocalSlices(config, folder, clock)
        self._controller = LocalController(config.name, folder, clock)

    # -- what the controller needs -------------------------------------------

    @_in_the_clouds_words()
    def create_slice(self, request: SliceRequest) -> str:
        self._slices.create(request, self._cluster_uid or self._controller.uid())
        return ""  # what can go wrong has gone wrong by now

    def creation_error(self, creation: str, zone: str) -> CloudError | None:
        return None

    @_in_the_clouds_words()
    def delete_slice(self, name: str, zone: str) -> None:
        self._slices.delete(name)

    @_in_the_clouds_words()
    def list_slices(self) -> Listing:
        began_at = self._clock.now()
        looks = (
            self._slices.look(name, labels)
            for name, labels in self._slices.labels()
            if labels is None or self._is_ours(labels.cluster_uid)
        )
        found = tuple(look for look in looks if look is not None)
        return Listing(began_at, found, lag=0.0)  # folders are there at once

    def announce_controller(self, name: str, zone: str, controller_url: str) -> None:
        """Nothing: the VMs read the controller's own file."""

    # -- what the laptop's side needs ----------------------------------------

    @_in_the_clouds_words()
    def create_controller(self, request: ControllerRequest) -> ControllerMachine:
        return self._controller.create(request)

    @_in_the_clouds_words()
    def delete_controller(self) -> None:
        if self._is_ours(self._controller.uid()):
            self._controller.delete()

    @_in_the_clouds_words()
    def list_controllers(self) -> tuple[ControllerMachine, ...]:
        machine = self._controller.look()
        return () if machine is None else (machine,)

    @_in_the_clouds_words()
    def list_leftovers(self) -> tuple[Leftover, ...]:
        found = (*self._controller_left(), *self._slices_left(), *self._disk_left())
        return tuple(each for each in found if self._is_ours(each.cluster_uid))

    @_in_the_clouds_words()
    def delete_leftover(self, leftover: Leftover) -> None:
        match leftover.kind:
            case "controller":
                self._controller.remove()
            case "slice":
                self._slices.delete(leftover.name)
            case "disk":
                self._controller.remove_disk()
            case other:
                raise Rejected(f"{leftover.name}: there is no kind {other!r} here")
        self._controller.tidy()

    def read_controller_file(self, name: str) -> bytes:
        return self._controller.read(name)

    def read_boot_log(self) -> str:
        # a process boots no machine: what it says first is in its log
        try:
            log = self._controller.read("controller.log")
        except NotFound:
            return ""
        return log[-BOOT_LOG_BYTES:].decode(errors="replace")

    def _is_ours(self, cluster_uid: str) -> bool:
        # the folder bears our name: what lost its label in it is nobody else's
        return not (self._cluster_uid and cluster_uid) or (
            cluster_uid == self._cluster_uid
        )

    def _controller_left(self) -> list[Leftover]:
        machine = self._controller.look()
        if machine is None and not self._controller.machine.is_dir():
            return []
        uid = self._controller.uid()
        created_at = machine.created_at if machine else 0.0
        words = f"{machine.phase} {machine.address}".strip() if machine else "stopped"
        return [
            Leftover("controller", self._controller.name, uid, ZONE, created_at, words)
        ]

    def _slices_left(self) -> list[Leftover]:
        left = [
            Leftover("slice", name, labels.cluster_uid, labels.zone, labels.created_at)
            if labels
            else Leftover("slice", name, "", ZONE, 0.0, "its labels cannot be read")
            for name, labels in self._slices.labels()
        ]
        return left + [
            Leftover("slice", name, "", ZONE, 0.0, "processes without a folder")
            for name in self._slices.unlisted()
        ]

    def _disk_left(self) -> list[Leftover]:
        disk = self._controller.disk()
        if disk is None:
            return []
        name = f"{self._controller.name.removesuffix('controller')}state"
        words = str(self._controller.state)
        uid = disk.cluster_uid
        return [Leftover("disk", name, uid, ZONE, disk.created_at, words)]
