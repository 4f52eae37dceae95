"""The provider `gcp`: Cloud TPU and Compute Engine, behind the contract.

What exists is what the cloud's lists say by our labels; nothing is kept here.
"""

from __future__ import annotations

from iris.clock import Clock
from iris.config import ClusterConfig
from iris.errors import BadClusterFile, CloudError
from iris.providers.contract import (
    ControllerMachine,
    ControllerRequest,
    Leftover,
    Listing,
    SliceRequest,
    Surroundings,
)
from iris.providers.gcp.compute import Compute
from iris.providers.gcp.controllers import Controllers
from iris.providers.gcp.leftovers import Leftovers
from iris.providers.gcp.slices import Slices
from iris.providers.gcp.tpu import Tpu


class Provider:
    """Slices and controller of one cluster in one project."""

    def __init__(
        self,
        config: ClusterConfig,
        cluster_uid: str,
        clock: Clock,
        surroundings: Surroundings = Surroundings(),
    ) -> None:
        gcp = config.provider.gcp
        if gcp is None:
            raise BadClusterFile("provider: this one needs the key gcp")
        self._clock = clock
        self._surroundings = surroundings
        endpoints = surroundings.endpoints
        compute = Compute(gcp.project, endpoints, clock)
        zones = {gcp.zone, *(z for group in config.groups() for z in group.zones)}
        tpu = Tpu(gcp.project, tuple(sorted(zones)), endpoints, clock)
        self._slices = Slices(config, cluster_uid, tpu, compute)
        self._controllers = Controllers(config, cluster_uid, gcp.zone, compute)
        self._leftovers = Leftovers(self._slices, self._controllers, tpu, clock)

    # -- what the controller needs -------------------------------------------

    def create_slice(self, request: SliceRequest) -> str:
        return self._slices.create(request, self._surroundings)

    def creation_error(self, creation: str, zone: str) -> CloudError | None:
        return self._slices.creation_error(creation, zone)

    def delete_slice(self, name: str, zone: str) -> None:
        self._slices.delete(name, zone)

    def list_slices(self) -> Listing:
        return self._slices.look(self._clock)

    def announce_controller(self, name: str, zone: str, controller_url: str) -> None:
        self._slices.announce(name, zone, controller_url)

    # -- what the laptop's side needs ----------------------------------------

    def create_controller(self, request: ControllerRequest) -> ControllerMachine:
        return self._controllers.create(request, self._surroundings)

    def delete_controller(self) -> None:
        self._controllers.delete()

    def list_controllers(self) -> tuple[ControllerMachine, ...]:
        return self._controllers.machines()

    def list_leftovers(self) -> tuple[Leftover, ...]:
        return self._leftovers.look()

    def delete_leftover(self, leftover: Leftover) -> None:
        self._leftovers.delete(leftover)

    def read_controller_file(self, name: str) -> bytes:
        return self._controllers.read(name, self._surroundings)

    def read_boot_log(self) -> str:
        return self._controllers.boot_log()
