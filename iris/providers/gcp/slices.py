"""Slices: TPU slices, those from a queue, and plain VMs, under one name each."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from iris.bootstrapping import slice_attributes
from iris.clock import Clock
from iris.config import ClusterConfig
from iris.domain.jobs import Capacity
from iris.errors import AlreadyExists, CloudError, Unavailable
from iris.providers.contract import Listing, Phase, SliceRequest, Surroundings
from iris.providers.gcp import listed
from iris.providers.gcp.asked import Asked, plain_vm, queued, tpu_slice
from iris.providers.gcp.compute import Compute, Json, last
from iris.providers.gcp.labels import (
    CLUSTER,
    ROLE,
    SLICE,
    SLICE_ROLE,
    UID,
    is_of,
)
from iris.providers.gcp.tpu import Found, Tpu

LAG = 10.0  # seconds for which a new resource may be missing from a list


class Slices:
    """The slices of one cluster, or of all clusters of its name."""

    def __init__(
        self, config: ClusterConfig, uid: str, tpu: Tpu, compute: Compute
    ) -> None:
        self._config = config
        self._uid = uid
        self._tpu = tpu
        self._compute = compute

    def create(self, request: SliceRequest, surroundings: Surroundings) -> str:
        """Ask for it; the name of the operation. Raises what the cloud says."""
        ssh_keys = surroundings.ssh_keys
        attributes = slice_attributes(self._config, self._uid, request, ssh_keys)
        asked = Asked(self._config, self._uid, request, attributes)
        try:
            return self._ask(asked)
        except AlreadyExists as error:
            self._require_own(request, error)
        return ""

    def creation_error(self, creation: str, zone: str) -> CloudError | None:
        """What an operation of `create` ended with, None if it did not end badly."""
        if "/" in creation:  # Cloud TPU names operations by their whole path
            return self._tpu.error_of(creation)
        return self._compute.error_of(zone, creation)

    def delete(self, name: str, zone: str) -> None:
        """Ask for the end of whatever has the name; absence is success."""
        path = f"/zones/{zone}/instances/{name}"
        vm = self._compute.find(path)
        if vm is not None and self._is_ours(vm.get("labels", {})):
            self._compute.delete(path)
            return  # its zone need not have TPUs, and may refuse to be asked
        in_queue, types = self._tpu.find_queued(zone, name), self._tpu.types
        if in_queue is not None:
            is_going = listed.standing(types, in_queue)[0] is Phase.DELETING
            if self._is_ours(listed.queued_labels(in_queue)) and not is_going:
                self._tpu.delete_queued(zone, name)
            return
        # what is on its way out refuses a second deletion, for minutes
        found = self._tpu.find_slice(zone, name)
        is_going = found is not None and listed.state_of(types, found) == "DELETING"
        if found is not None and self._is_ours(dict(found.labels)) and not is_going:
            self._tpu.delete_slice(zone, name)

    def exists(self, name: str, zone: str) -> bool:
        """Does anything have the name?"""
        return (
            self._tpu.find_queued(zone, name) is not None
            or self._tpu.find_slice(zone, name) is not None
            or self._compute.find(f"/zones/{zone}/instances/{name}") is not None
        )

    def look(self, clock: Clock) -> Listing:
        """All slices in all zones; a zone that did not answer is named."""
        began_at, types = clock.now(), self._tpu.types
        with ThreadPoolExecutor(3) as pool:
            asked = pool.submit(self._tpu.slices), pool.submit(self._tpu.queued)
            vms_asked = pool.submit(self.plain)
            tpu_slices, queued = (each.result() for each in asked)
            plain, unlisted = vms_asked.result()
        by_name = {last(each.name): each for each in self.own_queued(queued)}
        found = [
            listed.of_tpu(types, each, by_name.pop(last(each.name), None))
            for each in self.own_slices(tpu_slices)
        ]
        found += [listed.of_queued(types, each) for each in by_name.values()]
        found += [listed.of_vm(vm) for vm in plain]
        for each in (tpu_slices, queued):
            # nobody has seen that what we had in a closed zone is gone
            unlisted |= each.unlisted_zones | each.closed_zones
        return Listing(began_at, tuple(found), unlisted, LAG)

    def own_slices(self, found: Found) -> list[Any]:
        """The TPU slices among them that are ours."""
        return [each for each in found.items if self._is_ours(dict(each.labels))]

    def own_queued(self, found: Found) -> list[Any]:
        """The queued resources among them that are ours."""
        return [
            each for each in found.items if self._is_ours(listed.queued_labels(each))
        ]

    def announce(self, name: str, zone: str, controller_url: str) -> None:
        """Put the controller's address into the metadata of its VMs."""
        tpu_slice = self._tpu.find_slice(zone, name)
        if tpu_slice is not None:
            if listed.state_of(self._tpu.types, tpu_slice) == "CREATING":
                raise Unavailable(f"{name} is still being created")
            metadata = dict(tpu_slice.metadata) | {
                listed.CONTROLLER_URL: controller_url
            }
            return self._tpu.set_metadata(tpu_slice, metadata)
        path = f"/zones/{zone}/instances/{name}"
        metadata = self._compute.get(path).get("metadata", {})
        items = {i["key"]: i.get("value", "") for i in metadata.get("items", [])}
        items[listed.CONTROLLER_URL] = controller_url
        body = {
            "fingerprint": metadata.get("fingerprint", ""),
            "items": [{"key": k, "value": v} for k, v in items.items()],
        }
        self._compute.post(f"{path}/setMetadata", body)

    def _ask(self, asked: Asked) -> str:
        request, types = asked.request, self._tpu.types
        zone, name = request.zone, request.name
        if not request.group.accelerator:
            made = self._compute.insert(f"/zones/{zone}/instances", plain_vm(asked))
            return str((made or {}).get("name", ""))
        if request.group.capacity is Capacity.QUEUED:
            body = queued(types, asked, self._tpu.location(zone))
            self._tpu.create_queued(zone, name, body)
            return ""  # the queue's listing says what becomes of it
        return self._tpu.create_slice(zone, name, tpu_slice(types, asked))

    def _require_own(self, request: SliceRequest, error: AlreadyExists) -> None:
        """Raise unless the name is taken by what was asked for."""
        labels = self._labels_of_taken(request)
        theirs = labels.get(SLICE, ""), labels.get(UID, "")
        if theirs == (request.uid, self._uid):
            return
        raise AlreadyExists(
            f"{request.name} is taken by slice {theirs[0] or 'unknown'} of cluster "
            f"{labels.get(CLUSTER, 'unknown')} ({theirs[1] or 'no uid'}): {error}"
        ) from error

    def _labels_of_taken(self, request: SliceRequest) -> dict[str, str]:
        zone, name = request.zone, request.name
        if not request.group.accelerator:
            vm = self._compute.find(f"/zones/{zone}/instances/{name}") or {}
            return dict(vm.get("labels", {}))
        queued = self._tpu.find_queued(zone, name)
        if queued is not None:
            return listed.queued_labels(queued)
        tpu_slice = self._tpu.find_slice(zone, name)
        return dict(tpu_slice.labels) if tpu_slice is not None else {}

    def plain(self) -> tuple[list[Json], dict[str, str]]:
        """Our plain VMs that are slices, and zones that could not be listed."""
        wanted = f"(labels.{CLUSTER}={self._config.name}) (labels.{ROLE}={SLICE_ROLE})"
        found, unlisted = self._compute.everywhere("instances", wanted)
        # filters are the server's; whose it is, is decided here
        ours = [vm for vm in found if self._is_ours(vm.get("labels", {}))]
        return [v for v in ours if v["labels"].get(ROLE) == SLICE_ROLE], unlisted

    def _is_ours(self, labels: dict[str, str]) -> bool:
        return is_of(labels, self._config.name, self._uid)
