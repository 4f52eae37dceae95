"""What the first owner of an account runs: is the emulator like the cloud?

The same few calls go to both; what differs in shape is listed, what was made is
deleted. At most 15 minutes, and a sum that is worked out before.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import requests

from iris.clock import Clock, RealClock
from iris.config import ClusterConfig
from iris.domain.accelerators import CATALOGUE
from iris.domain.endpoints import Endpoints
from iris.domain.fleet import ScaleGroup
from iris.domain.jobs import Capacity
from iris.errors import FellShort, IrisError, UsageError
from iris.operations import rehearsal_home, rehearsing
from iris.operations.contact_calls import Caller, Place, Say
from iris.operations.contact_shapes import Difference, Exchange, differences
from iris.session import open_session

LONGEST = 900.0  # seconds for all that is made
MOST_USD = 5.0
DEAREST_CHIP = 4.5  # USD an hour on demand, above every price that is listed
PLAIN_USD = 0.1  # a small VM and a disk for a quarter of an hour, rounded up
GOOGLE = Endpoints("https://compute.googleapis.com", "https://tpu.googleapis.com")
TOKEN = "rehearsal"  # what an emulator takes for its owner's; no secret


class Contact(msgspec.Struct, frozen=True):
    """What came of it."""

    cloud: str
    seconds: float
    calls: int
    differences: tuple[Difference, ...]
    troubles: tuple[str, ...]
    recording: tuple[Exchange, ...]


def plan_contact(config: str | None) -> tuple[str, ...]:
    """What `first_contact` would do, and what it can cost at most."""
    file = open_session(config).config
    place = _place(file, _cloud())
    kind = place.slice_of.accelerator if place.slice_of else "no slice"
    return (
        f"read project {place.project} and zone {place.zone}",
        f"make and delete a disk, a {place.machine_type} and {kind}",
        f"spend at most {_most_usd(place.slice_of):.2f} USD in {LONGEST / 60:.0f} min",
        "ask an emulator the same, and list what differs",
    )


def first_contact(config: str | None, say: Say, clock: Clock | None = None) -> Contact:
    """Ask both, compare, delete. Raises UsageError where it could cost too much."""
    clock = clock or RealClock()
    file = open_session(config).config
    began = clock.now()
    place = _place(file, _cloud())
    if _most_usd(place.slice_of) > MOST_USD:
        raise UsageError(
            f"the smallest slice of the file could cost more than {MOST_USD:.0f} USD",
            hint="Give a file with a smaller accelerator, such as v5litepod-1.",
        )
    say(f"asking {place.compute_url}")
    cloud, troubles = _asked(place, _session_for(place), clock, say)
    say("asking an emulator the same")
    emulated, ours = _asked_of_an_emulator(place, clock, say)
    return Contact(
        cloud=place.compute_url,
        seconds=clock.now() - began,
        calls=len(cloud),
        differences=differences(cloud, emulated),
        troubles=(*troubles, *(f"the emulator: {each}" for each in ours)),
        recording=tuple(cloud.values()),
    )


def write_recording(contact: Contact, path: str) -> Path:
    """Keep what the cloud said, redacted; where it lies."""
    file = Path(path or rehearsal_home.reports_folder() / "first-contact.json")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(msgspec.json.format(msgspec.json.encode(contact), indent=2))
    return file.absolute()


def require_alike(contact: Contact) -> None:
    """Raise FellShort where something differs or went wrong."""
    if contact.differences or contact.troubles:
        count = len(contact.differences)
        raise FellShort(
            f"{count} differences between the cloud and the emulator"
            + "".join(f"; {each}" for each in contact.troubles),
            hint="The recording is redacted: send it to whoever keeps the emulator.",
        )


def _asked(
    place: Place, http: requests.Session, clock: Clock, say: Say
) -> tuple[dict[str, Exchange], list[str]]:
    """Every step that the cloud allows; what was made is deleted, come what may."""
    caller = Caller(place, http, clock, until=clock.now() + LONGEST)
    steps: tuple[Callable[[], None], ...] = (
        caller.read_what_is_there,
        caller.make_a_disk,
        caller.make_a_vm,
        caller.make_a_slice,
    )
    troubles: list[str] = []
    try:
        for step in steps:
            say(step.__name__.replace("_", " "))
            try:
                step()
            except IrisError as error:
                troubles.append(str(error))
    finally:
        say("deleting what was made")
        try:
            caller.delete_everything()
        except IrisError as error:
            troubles.append(str(error))
            say(f"NOT DELETED: {error}")
    return caller.recorded, troubles


def _asked_of_an_emulator(
    place: Place, clock: Clock, say: Say
) -> tuple[dict[str, Exchange], list[str]]:
    with rehearsal_home.private_home():
        wanted = rehearsing.Wanted(place.project, place.zone)
        emulator = rehearsing.start(wanted, say, clock)
        base = emulator.base_url.rstrip("/")
        there = msgspec.structs.replace(place, compute_url=base, tpu_url=base)
        try:
            return _asked(there, _session_for(there), clock, say)
        finally:
            rehearsing.stop(say, clock)


def _place(file: ClusterConfig, cloud: Endpoints) -> Place:
    if file.provider.gcp is None:
        raise UsageError("expected a cluster file of Google Cloud")
    group = _smallest(file)
    zone = group.zones[0] if group else file.provider.gcp.zone
    return Place(
        compute_url=cloud.compute_url,
        tpu_url=cloud.tpu_url,
        project=file.provider.gcp.project,
        zone=zone,
        name=f"iris-contact-{secrets.token_hex(3)}",
        slice_of=group,
        network=file.provider.gcp.network,
        image=file.worker.boot_disk.image,
    )


def _smallest(file: ClusterConfig) -> ScaleGroup | None:
    """The smallest slice of a family that the file has and that comes unasked."""
    groups = [group for group in file.groups() if group.accelerator]
    asked = [g for g in groups if g.capacity in (Capacity.SPOT, Capacity.ON_DEMAND)]
    group = min(asked, key=_chips, default=None)
    if group is None:
        return None
    family = CATALOGUE[group.accelerator].family
    alike = [each for each in CATALOGUE.values() if each.family == family]
    least = min(alike, key=lambda each: each.chips)
    return msgspec.structs.replace(
        group, accelerator=least.type, vms=least.vms, resources=least.vm
    )


def _chips(group: ScaleGroup) -> int:
    return group.vms * group.resources.chips


def _most_usd(group: ScaleGroup | None) -> float:
    chips = _chips(group) if group else 0
    return PLAIN_USD + chips * DEAREST_CHIP * LONGEST / 3600


def _cloud() -> Endpoints:
    """Google's own, or what the environment names."""
    named = Endpoints.from_environment(os.environ)
    return Endpoints(
        compute_url=(named.compute_url or GOOGLE.compute_url).rstrip("/"),
        tpu_url=(named.tpu_url or GOOGLE.tpu_url).rstrip("/"),
    )


def _session_for(place: Place) -> requests.Session:
    """Authorized as the person is; an emulator takes any word."""
    if Endpoints(place.compute_url, place.tpu_url).are_of_this_machine:
        http = requests.Session()
        http.trust_env = False
        http.headers["Authorization"] = f"Bearer {TOKEN}"
        return http
    import google.auth
    from google.auth.transport.requests import AuthorizedSession

    scopes = ["https://www.googleapis.com/auth/cloud-platform"]
    credentials, _ = google.auth.default(scopes=scopes)
    make: Any = AuthorizedSession  # it carries no types
    session: requests.Session = make(credentials)
    return session
