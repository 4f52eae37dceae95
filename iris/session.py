"""An opened cluster: its file, its record, its provider, its controller.

Which cluster is meant: `--cluster NAME`, else `--config FILE`, else the file named by
`IRIS_CONFIG`, else the cluster that was started last from this machine.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from iris.client import records
from iris.client.records import Record
from iris.clock import Clock, RealClock
from iris.config import ClusterConfig, find_config, parse_config, read_text
from iris.domain.endpoints import Endpoints
from iris.errors import CloudError, ClusterGone, NoCluster, Unreachable, UsageError
from iris.images.lock import find_lock, lock_file, pin
from iris.providers import load_provider
from iris.providers.contract import (
    ControllerMachine,
    Phase,
    Provider,
    Surroundings,
)
from iris.reaching import Reach

if TYPE_CHECKING:
    from iris.client import Client

PATIENCE = 300.0  # seconds that a client rides out a controller that is away
LOOK = 10.0  # seconds; whoever only looks wants to hear soon that nobody answers


class Session(msgspec.Struct, frozen=True):
    """One cluster, as the words of a command name it."""

    config: ClusterConfig
    config_text: str  # byte for byte, save that locked images are named by digest
    config_path: str  # for people; the record's copy where no file was named
    record: Record | None  # None before the first start from this machine
    clock: Clock
    provider: Provider
    surroundings: Surroundings = Surroundings()  # what the provider was handed

    @property
    def cluster(self) -> str:
        """The cluster's name."""
        return self.config.name

    @property
    def cluster_uid(self) -> str:
        """The uid that is remembered, empty without a record."""
        return self.record.cluster_uid if self.record else ""

    def controller(self, patience: float = PATIENCE) -> Client:
        """HTTP to the controller, wherever it is by then. Raises NoCluster."""
        from iris.client import Client

        if self.record is None:
            raise NoCluster(
                f"there is no record of cluster {self.cluster!r} on this machine",
                hint=f"`inv cluster.start --config {self.config_path}` starts it, "
                "or finds the one that runs.",
            )
        return Client(_Lookup(self), records.token(self.cluster), patience)

    @property
    def file_path(self) -> str:
        """The cluster file that a person edits, also where its copy was opened."""
        copy = records.record_folder(self.cluster) / "cluster.yaml"
        is_copy = self.record is not None and self.config_path == str(copy)
        return self.record.config_path if is_copy and self.record else self.config_path

    @property
    def is_rehearsal(self) -> bool:
        """Is it remembered as one of this machine's emulator?"""
        return self.record is not None and self.record.rehearsal

    @property
    def reach(self) -> Reach:
        """How SSH gets to the cluster's machines."""
        return Reach(self.config, self.record, self.clock)

    def close_tunnel(self) -> None:
        """End the tunnel that the cluster's commands share; absence is success."""
        if self.reach.has_ssh:
            self.reach.tunnel.stop()

    def prepared(self) -> Session:
        """The same with an SSH key that new VMs will let in."""
        if not self.reach.has_ssh:
            return self
        self.reach.ensure_key()
        keys = self.reach.authorized_keys()
        around = msgspec.structs.replace(self.surroundings, ssh_keys=keys)
        provider = load_provider(self.config, self.cluster_uid, self.clock, around)
        return msgspec.structs.replace(self, provider=provider, surroundings=around)

    def as_remembered(self) -> Session:
        """The same cluster under the uid that its record has by now."""
        record, text = records.load(self.cluster), self.config_text
        return _made(self.config, text, self.config_path, record, self.clock)

    def controller_url(self) -> str:
        """Where the controller answers now. Raises NoCluster, Unreachable.

        Through the tunnel where there is one that lives: that asks no cloud.
        """
        if self.reach.has_ssh and (url := self.reach.tunnel.url(self.cluster_uid)):
            return url
        machine = self.controller_machine()
        if machine is None:
            raise NoCluster(
                f"cluster {self.cluster!r} has no controller",
                hint="`inv cluster.start` starts it again on its state.",
            )
        if machine.phase is Phase.STOPPED:
            raise Unreachable(
                f"the controller of cluster {self.cluster!r} is dead",
                hint="`inv cluster.restart` starts it again; nothing is lost.",
            )
        if not machine.address:
            raise Unreachable(
                f"the controller of cluster {self.cluster!r} does not listen yet"
            )
        return self.reach.url(machine)

    def is_deleted(self) -> bool:
        """Is nothing left to start it on? False where that cannot be told."""
        try:
            left = self.provider.list_leftovers()
        except CloudError:
            return False
        return not {"controller", "disk"} & {each.kind for each in left}

    def controller_machine(self) -> ControllerMachine | None:
        """The controller's machine; a namesake's is none of ours."""
        for machine in self.provider.list_controllers():
            if self.cluster_uid in ("", machine.cluster_uid):
                return machine
        return None


class _Lookup:
    """Where the controller answers; where there is none, whether one may come back.

    Raises ClusterGone where its state is gone. That asks a cloud for all that it has:
    it is done now and then, and once the cluster is forgotten here.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._look_at = 0.0

    def __call__(self) -> str:
        try:
            return self._session.controller_url()
        except NoCluster as error:
            if not self._is_deleted():
                raise
            raise ClusterGone(
                f"cluster {self._session.cluster!r} is gone: it was deleted, "
                "and its state with it",
                hint="`inv cluster.start --config FILE` starts a new one; "
                "what ran on this one is lost.",
            ) from error

    def _is_deleted(self) -> bool:
        session, now = self._session, self._session.clock.now()
        record = records.find(session.cluster)
        is_known = record is not None and record.cluster_uid == session.cluster_uid
        if is_known and now < self._look_at:
            return False
        self._look_at = now + LOOK
        return session.is_deleted()


def open_session(
    config: str | None = None,
    cluster: str | None = None,
    clock: Clock | None = None,
) -> Session:
    """The cluster that is meant. Raises NoCluster, BadClusterFile, UsageError."""
    if config and cluster:
        raise UsageError(
            "--cluster and --config were both given",
            hint="One names a cluster of this machine, the other a file.",
        )
    named = config or os.environ.get("IRIS_CONFIG", "")
    clock = clock or RealClock()
    if cluster or not named:
        return _open_record(records.load(cluster) if cluster else records.last(), clock)
    return _open_file(find_config(named), clock)


def _open_record(record: Record, clock: Clock) -> Session:
    text = records.config_text(record.cluster)
    path = str(records.record_folder(record.cluster) / "cluster.yaml")
    return _made(parse_config(text, path), text, path, record, clock)


def _open_file(path: Path, clock: Clock) -> Session:
    text = read_text(path)
    config = parse_config(text, str(path))
    record = records.find(config.name)
    is_rehearsal = record is not None and record.rehearsal
    file = lock_file(str(path), config.name, is_rehearsal=is_rehearsal)
    pinned = pin(text, config, find_lock(file))
    if pinned != text:
        config = parse_config(pinned, str(path))
    return _made(config, pinned, str(path), record, clock)


def _made(
    config: ClusterConfig, text: str, path: str, record: Record | None, clock: Clock
) -> Session:
    uid = record.cluster_uid if record else ""
    _require_no_way_out(config, record)
    reach = Reach(config, record, clock)
    around = Surroundings(
        endpoints=record.endpoints if record else Endpoints(),
        ssh_keys=reach.authorized_keys(),
        read_over_ssh=reach.read if reach.has_ssh else None,
    )
    return Session(
        config=config,
        config_text=text,
        config_path=path,
        record=record,
        clock=clock,
        provider=load_provider(config, uid, clock, around),
        surroundings=around,
    )


def _require_no_way_out(config: ClusterConfig, record: Record | None) -> None:
    """A rehearsal of a cloud's file knows its emulator, or it goes nowhere."""
    if record is None or not record.rehearsal or config.provider.gcp is None:
        return
    if not record.endpoints.are_of_this_machine:
        raise NoCluster(
            f"the record of the rehearsal {record.cluster!r} names no emulator",
            hint=f"`inv cluster.start --rehearse --config {record.config_path}`",
        )
