"""What every provider keeps; tests/contracts runs the whole suite on each.

A provider's effects are safe to call twice. It raises the types under
`CloudError` and nothing else, keeps no state of its own, and never decides.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

import msgspec

from iris.domain.endpoints import Endpoints
from iris.domain.fleet import ScaleGroup
from iris.errors import CloudError, Unavailable


class Surroundings(msgspec.Struct, frozen=True):
    """What a provider is handed beside the cluster file."""

    endpoints: Endpoints = Endpoints()
    ssh_keys: str = ""  # "USER:TYPE KEY" lines that new VMs let in; no secret
    # A file of a controller's machine, by its name: only the laptop's side has SSH.
    read_over_ssh: Callable[[ControllerMachine, str], bytes] | None = None


class Phase(StrEnum):
    """What the cloud says of a slice, in Iris's terms."""

    CREATING = "creating"
    UP = "up"
    STOPPED = "stopped"  # does no work, does not come back, holds name and quota
    PREEMPTED = "preempted"  # the same, taken by the cloud
    DELETING = "deleting"
    UNCLEAR = "unclear"  # a state that we do not know: look again


class SliceRequest(msgspec.Struct, frozen=True):
    """One slice to create; its row with this name is durable already."""

    name: str
    uid: str
    group: ScaleGroup
    zone: str
    controller_url: str
    join_tokens: tuple[str, ...]  # one for each VM, good once
    boot_token: str = ""  # of a VM that knows no index: reports its boot, no more


class CloudSlice(msgspec.Struct, frozen=True):
    """One resource of this cluster as the cloud lists it."""

    name: str
    uid: str  # label iris-slice
    group: str  # label iris-group
    zone: str
    phase: Phase
    created_at: float  # seconds since the epoch, 0 where the cloud does not say
    words: str = ""  # the cloud's own, where something is wrong
    controller_url: str = ""  # as its VMs are told; empty: they find it themselves
    is_over: bool = False  # all that ran on its VMs has ended, by the cloud's word
    # where each VM answers inside, by its index; empty while it has no address
    addresses: tuple[str, ...] = ()


class Listing(msgspec.Struct, frozen=True):
    """The whole list, all zones and states, by the cluster's name and uid."""

    began_at: float  # when the question was asked
    slices: tuple[CloudSlice, ...]
    unlisted_zones: dict[str, str] = {}  # zone -> why it could not be listed
    lag: float = 10.0  # seconds for which a new resource may be missing from it


class ControllerRequest(msgspec.Struct, frozen=True):
    """The controller's machine; its name follows from the cluster's."""

    cluster_uid: str  # ignored where the state disk already carries one
    config_text: str  # the cluster file, byte for byte
    adopt: str = ""  # the uid of a state disk to be taken over, where it is another's


class ControllerMachine(msgspec.Struct, frozen=True):
    """A controller's machine as the cloud lists it."""

    name: str
    cluster_uid: str
    zone: str
    phase: Phase
    created_at: float
    address: str = ""  # host:port of its API, empty while it is not known
    ssh_address: str = ""  # where it answers SSH; empty: its API needs no tunnel
    ssh_identity: str = ""  # "TYPE KEY" as the machine itself told the cloud, if so


class Leftover(msgspec.Struct, frozen=True):
    """Anything of this cluster that exists; what `cleanup` shows and deletes."""

    kind: str  # "controller", "queued-resource", "slice", "disk"
    name: str
    cluster_uid: str
    zone: str
    created_at: float
    words: str = ""
    price: float | None = None  # USD an hour as listed, None where it is not known


class HalfListed(Unavailable):
    """Some zones did not answer: `found` is what the others said.

    Whoever knows nothing of it takes it for a list that failed, and is right.
    """

    found: tuple[Leftover, ...] = ()

    @classmethod
    def of(
        cls, found: tuple[Leftover, ...], unlisted_zones: dict[str, str]
    ) -> HalfListed:
        """What was found, and why each other zone is not known."""
        words = "; ".join(f"{zone}: {why}" for zone, why in unlisted_zones.items())
        made = cls(f"not every zone could be listed: {words}")
        made.found = found
        return made


class Provider(Protocol):
    """Made as `Provider(config, cluster_uid, clock, surroundings)`.

    With an empty `cluster_uid` it answers for every uid of the cluster's name.
    """

    # -- what the controller needs -------------------------------------------

    def create_slice(self, request: SliceRequest) -> str:
        """Ask for a slice; done already under the same uid is success.

        Returns the creation's own name where it may still fail, empty otherwise.
        """

    def creation_error(self, creation: str, zone: str) -> CloudError | None:
        """What a creation ended with, None while it goes on or if it went well.

        Raises CloudError where the question itself fails.
        """

    def delete_slice(self, name: str, zone: str) -> None:
        """Ask for its end; absence is success. The listing confirms it."""

    def list_slices(self) -> Listing:
        """Every slice of this cluster; a zone that did not answer is named."""

    def announce_controller(self, name: str, zone: str, controller_url: str) -> None:
        """Tell the VMs of a slice where the controller is now.

        Raises Unavailable while the cloud takes no change of the slice.
        """

    # -- what the laptop's side needs ----------------------------------------

    def create_controller(self, request: ControllerRequest) -> ControllerMachine:
        """Make the controller's machine on its state disk.

        Raises AlreadyExists if there is one (its message says who holds it), and
        Rejected where the state disk carries another uid than `adopt` allows.
        """

    def delete_controller(self) -> None:
        """End the controller's machine, never its state disk; absence is success."""

    def list_controllers(self) -> tuple[ControllerMachine, ...]:
        """The controllers of the cluster's name, whatever their uid."""

    def list_leftovers(self) -> tuple[Leftover, ...]:
        """Everything that carries the cluster's name (and uid, where given).

        Raises HalfListed where a zone or a kind could not be listed.
        """

    def delete_leftover(self, leftover: Leftover) -> None:
        """Delete one of them and return once its absence is confirmed."""

    def read_controller_file(self, name: str) -> bytes:
        """A file of the state disk ("operator.token", "controller.log").

        Over SSH in the cloud. Raises NotFound.
        """

    def read_boot_log(self) -> str:
        """What the controller's machine said while it booted; empty without one.

        Lines `iris-phase: NAME` tell how far it came, `iris-phase: failed because`
        why it went no further.
        """
