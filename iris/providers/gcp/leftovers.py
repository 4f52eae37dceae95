"""Everything of a cluster that exists on Google Cloud, and its end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from iris.clock import Clock
from iris.domain.jobs import Capacity
from iris.domain.prices import slice_price, vm_price
from iris.errors import CloudError, Rejected, Unavailable
from iris.providers.contract import HalfListed, Leftover, Phase
from iris.providers.gcp import listed, vms
from iris.providers.gcp.compute import Json, last
from iris.providers.gcp.controllers import Controllers
from iris.providers.gcp.labels import UID, seconds_of
from iris.providers.gcp.slices import Slices
from iris.providers.gcp.tpu import Tpu

GONE = 600.0  # seconds in which what was asked to go must be gone
LOOK = 0.5, 5.0  # seconds between looks at first, and at most
_UNPAID = (Phase.STOPPED, Phase.PREEMPTED)  # their disks are, for little
_NEVER = threading.Event()
_Look = Callable[[], tuple[list[Leftover], dict[str, str]]]


class Leftovers:
    """What cleanup shows and deletes."""

    def __init__(
        self, slices: Slices, controllers: Controllers, tpu: Tpu, clock: Clock
    ) -> None:
        self._slices = slices
        self._controllers = controllers
        self._tpu = tpu
        self._clock = clock

    def look(self) -> tuple[Leftover, ...]:
        """All of it. Raises HalfListed where a zone or a kind is missing."""
        looks: dict[str, _Look] = {
            "controllers": self._controllers_left,
            "queued resources": self._queued_left,
            "slices": self._slices_left,
            "plain VMs": self._plain_left,
            "disks": self._disks_left,
        }
        found: list[Leftover] = []
        unlisted: dict[str, str] = {}
        with ThreadPoolExecutor(len(looks)) as pool:
            for kind, asked in [(k, pool.submit(look)) for k, look in looks.items()]:
                try:
                    some, closed = asked.result()
                except CloudError as error:
                    unlisted[kind] = str(error)
                    continue
                found += some
                unlisted |= closed
        if unlisted:
            raise HalfListed.of(tuple(found), unlisted)
        return tuple(found)

    def delete(self, each: Leftover) -> None:
        """Delete one and return once it is gone. Raises Unavailable when late."""
        match each.kind:
            case "controller":
                path = f"/zones/{each.zone}/instances/{each.name}"
                self._controllers.delete_one(path)
            case "disk":
                self._controllers.delete_one(f"/zones/{each.zone}/disks/{each.name}")
            case "queued-resource" | "slice":
                self._slices.delete(each.name, each.zone)
                self._wait_until_gone(each)
            case other:
                raise Rejected(f"{each.name}: there is no kind {other!r} here")

    def _wait_until_gone(self, each: Leftover) -> None:
        until, (pause, longest) = self._clock.now() + GONE, LOOK
        while self._slices.exists(each.name, each.zone):
            if self._clock.now() >= until:
                raise Unavailable(f"{each.name} is still there after {GONE:.0f} s")
            self._clock.wait(_NEVER, pause)
            pause = min(pause * 1.5, longest)

    # -- one kind each -------------------------------------------------------

    def _controllers_left(self) -> tuple[list[Leftover], dict[str, str]]:
        found, unlisted = self._controllers.listed()
        return [_of_vm("controller", vm) for vm in found], unlisted

    def _plain_left(self) -> tuple[list[Leftover], dict[str, str]]:
        found, unlisted = self._slices.plain()
        return [_of_vm("slice", vm) for vm in found], unlisted

    def _disks_left(self) -> tuple[list[Leftover], dict[str, str]]:
        found, unlisted = self._controllers.disks()
        return [_of_disk(disk) for disk in found], unlisted

    def _slices_left(self) -> tuple[list[Leftover], dict[str, str]]:
        found = self._tpu.slices()
        types = self._tpu.types
        ours = [_of_slice(types, each) for each in self._slices.own_slices(found)]
        return ours, found.unlisted_zones

    def _queued_left(self) -> tuple[list[Leftover], dict[str, str]]:
        found = self._tpu.queued()
        ours = self._slices.own_queued(found)
        return list(self._of_queued(ours)), found.unlisted_zones

    def _of_queued(self, queued: list[Any]) -> Iterator[Leftover]:
        for each in queued:
            labels = listed.queued_labels(each)
            yield Leftover(
                kind="queued-resource",
                name=last(each.name),
                cluster_uid=labels.get(UID, ""),
                zone=each.name.split("/")[3],
                created_at=seconds_of(each.create_time),
                words=listed.standing(self._tpu.types, each)[1],
                price=0.0,  # its slice is listed by itself
            )


def _of_vm(kind: str, vm: Json) -> Leftover:
    zone = last(vm["zone"])
    capacity = Capacity.SPOT if vms.is_spot(vm) else Capacity.ON_DEMAND
    price = vm_price(last(vm.get("machineType", "")), capacity, zone)
    return Leftover(
        kind=kind,
        name=vm["name"],
        cluster_uid=vm["labels"].get(UID, ""),
        zone=zone,
        created_at=seconds_of(vm.get("creationTimestamp")),
        words=str(vm.get("status", "")),
        price=0.0 if vms.phase_of(vm) in _UNPAID else price,
    )


def _of_disk(disk: Json) -> Leftover:
    return Leftover(
        kind="disk",
        name=disk["name"],
        cluster_uid=disk["labels"].get(UID, ""),
        zone=last(disk["zone"]),
        created_at=seconds_of(disk.get("creationTimestamp")),
        words=f"{disk.get('sizeGb', '?')} GB",
    )


def _of_slice(types: Any, each: Any) -> Leftover:
    spot = each.scheduling_config.spot or each.scheduling_config.preemptible
    capacity = Capacity.SPOT if spot else Capacity.ON_DEMAND
    zone = each.name.split("/")[3]
    price = slice_price(each.accelerator_type, capacity, zone)
    return Leftover(
        kind="slice",
        name=last(each.name),
        cluster_uid=each.labels.get(UID, ""),
        zone=zone,
        created_at=seconds_of(each.create_time),
        words=f"{each.accelerator_type} {listed.state_of(types, each)}",
        price=0.0 if listed.of_tpu(types, each, None).phase in _UNPAID else price,
    )
