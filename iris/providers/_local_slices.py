"""Slices of this machine: a folder for each, a folder and a keeper for each VM.

A VM is gone when its keeper and all that ran under it are dead.
"""

from __future__ import annotations

import sys
import threading
from collections import defaultdict
from pathlib import Path

import msgspec
import psutil

from iris import wire
from iris.clock import Clock
from iris.config import ClusterConfig
from iris.config.model import Runtime
from iris.domain.machine import VmMetadata
from iris.errors import AlreadyExists, Unavailable, UsageError
from iris.providers import _containers as containers
from iris.providers import _folders as folders
from iris.providers import _processes as processes
from iris.providers._vms import Vm
from iris.providers.contract import CloudSlice, Phase, SliceRequest

ADDRESS = "127.0.0.1"  # of every VM, and of the controller
KEEPER_PATIENCE = 30.0  # seconds until a keeper that never showed counts as dead
END_PATIENCE = 15.0  # seconds for a killed process to be gone


class SliceFile(msgspec.Struct, frozen=True):
    """The labels of a slice, in its folder."""

    cluster: str
    cluster_uid: str
    uid: str
    group: str
    zone: str
    created_at: float
    vms: int


class LocalSlices:
    """The folder `slices/` of one cluster."""

    def __init__(self, config: ClusterConfig, folder: Path, clock: Clock) -> None:
        self._config = config
        self._folder = folder / "slices"
        self._address_file = folder / "controller" / "address.json"
        self._clock = clock
        self._locks: dict[str, threading.Lock] = defaultdict(threading.Lock)

    def create(self, request: SliceRequest, cluster_uid: str) -> None:
        """Make the folder whole, then start each keeper that never was."""
        path = self._folder / request.name
        with self._locks[request.name]:
            folders.make_folder(path, self._files_of(request, cluster_uid))
            held = _read(path)
            if held is None or held.uid != request.uid:
                raise AlreadyExists(
                    f"slice {request.name} is there with uid {held and held.uid}, "
                    f"not {request.uid}"
                )
            for vm in _vms(path, held):
                if not vm.has_started():
                    vm.start_keeper()

    def delete(self, name: str) -> None:
        """End all that runs in it, then take the folder away."""
        with self._locks[name]:
            path = self._folder / name
            if path.is_dir():
                self._end(path)
            self.end_unlisted(name)
            folders.remove_folder(path)

    def labels(self) -> list[tuple[str, SliceFile | None]]:
        """Every slice by name; None where its labels cannot be read."""
        return [(path.name, _read(path)) for path in folders.subfolders(self._folder)]

    def look(self, name: str, labels: SliceFile | None) -> CloudSlice | None:
        """A slice as it stands; a VM whose keeper died is ended first."""
        processes.reap()
        path = self._folder / name
        if labels is None:
            if not path.is_dir():
                return None  # deleted since it was listed
            words = f"{path / 'slice.json'} cannot be read"
            return CloudSlice(name, "", "", "", Phase.UNCLEAR, 0.0, words)
        try:
            phase, words = self._phase_of(path, labels)
        except Unavailable as error:
            # one that does not end is no reason to know nothing of the others
            phase, words = Phase.UNCLEAR, str(error)
        return CloudSlice(
            name=name,
            uid=labels.uid,
            group=labels.group,
            zone=labels.zone,
            phase=phase,
            created_at=labels.created_at,
            words=words,
        )

    def unlisted(self) -> dict[str, list[psutil.Process]]:
        """Processes of slices whose folder is gone, by the slice's name."""
        found: dict[str, list[psutil.Process]] = defaultdict(list)
        for process in psutil.process_iter():
            vm = processes.vm_of(process)
            slice_ = Path(vm).parent
            if vm and slice_.parent == self._folder and not slice_.is_dir():
                found[slice_.name].append(process)
        return dict(found)

    def end_unlisted(self, name: str) -> None:
        """End what carries the slice's name and has no folder any more."""
        if not (self._folder / name).is_dir():
            processes.end_all(
                lambda: self.unlisted().get(name, []), self._clock, END_PATIENCE
            )
            self._end_containers(self._folder / name)

    def _files_of(self, request: SliceRequest, cluster_uid: str) -> dict[str, bytes]:
        labels = SliceFile(
            cluster=self._config.name,
            cluster_uid=cluster_uid,
            uid=request.uid,
            group=request.group.name,
            zone=request.zone,
            created_at=self._clock.now(),
            vms=request.group.vms,
        )
        files = {"slice.json": wire.encode(labels)}
        for index in range(request.group.vms):
            metadata = self._metadata_of(request, cluster_uid, index)
            files[f"vm-{index}/metadata.json"] = wire.encode(metadata)
        return files

    def _metadata_of(
        self, request: SliceRequest, cluster_uid: str, index: int
    ) -> VmMetadata:
        return VmMetadata(
            cluster=self._config.name,
            cluster_uid=cluster_uid,
            slice_name=request.name,
            slice_uid=request.uid,
            index=index,
            vms=request.group.vms,
            address=ADDRESS,
            resources=request.group.resources,
            runtime=self._config.worker.runtime.value,
            image=self._config.worker.image,
            cache_bytes=self._config.worker.cache,
            chips_timeout=self._config.worker.chips_timeout,
            controller_url=request.controller_url,
            join_token=request.join_tokens[index],
            controller_file=str(self._address_file),
            # of the venv as it was named: its link leads to another's packages
            path_prefix=str(Path(sys.executable).parent),
        )

    def _phase_of(self, path: Path, labels: SliceFile) -> tuple[Phase, str]:
        vms = _vms(path, labels)
        is_old = self._clock.now() > labels.created_at + KEEPER_PATIENCE
        coming = [vm for vm in vms if not vm.has_started()]
        dead = [vm for vm in vms if vm.has_started() and not vm.is_alive()]
        dead += coming if is_old else []
        if dead:
            if path.is_dir():
                self._end(path)
            words = "; ".join(vm.last_words() for vm in dead)
            return Phase.STOPPED, words
        return (Phase.CREATING, "") if coming else (Phase.UP, "")

    def _end(self, path: Path) -> None:
        # the slice is the unit of failure: its other VMs do no work any more either
        vms = [Vm(folder) for folder in folders.subfolders(path)]
        groups = {group for vm in vms for group in vm.groups()}
        processes.end_all(
            lambda: processes.all_of_vms([vm.folder for vm in vms], groups),
            self._clock,
            END_PATIENCE,
        )
        self._end_containers(path)

    def _end_containers(self, path: Path) -> None:
        if self._config.worker.runtime is not Runtime.DOCKER:
            return
        try:
            containers.end_all(lambda vm: vm.parent == path)
        except Unavailable:
            # a VM that never joined for want of an engine has started nothing
            vms = [Vm(folder) for folder in folders.subfolders(path)]
            if not vms or any(vm.has_joined() for vm in vms):
                raise


def _vms(path: Path, labels: SliceFile) -> list[Vm]:
    return [Vm(path / f"vm-{index}") for index in range(labels.vms)]


def _read(path: Path) -> SliceFile | None:
    try:
        return wire.decode((path / "slice.json").read_bytes(), SliceFile)
    except (OSError, UsageError):
        return None
