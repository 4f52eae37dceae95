"""The calls of a first contact, in order: cheap reads, a disk, a small VM, a slice.

The same calls go to the cloud and to the emulator; each keeps its last answer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import msgspec
import requests

from iris.clock import Clock
from iris.domain.fleet import ScaleGroup
from iris.domain.jobs import Capacity
from iris.errors import Late, Unreachable
from iris.operations.contact_shapes import Exchange, redact

Say = Callable[[str], None]
Json = dict[str, Any]

ANSWER_WITHIN = 60.0  # seconds for one answer
LOOK = 2.0  # seconds between looks at an operation of the real cloud
QUICK_LOOK = 0.05  # and at the emulator's
GONE_WITHIN = 300.0  # seconds in which what was made is deleted, come what may
NOT_THERE = 404
_NEVER = threading.Event()


class Place(msgspec.Struct, frozen=True):
    """Where the calls go, and what they are about."""

    compute_url: str  # without a path
    tpu_url: str
    project: str
    zone: str
    name: str  # of all that is made; nobody else's
    slice_of: ScaleGroup | None  # the smallest of the file, None for plain VMs
    network: str
    image: str
    machine_type: str = "e2-small"


class Caller:
    """Asks one cloud, records what it says, and deletes what came of it."""

    def __init__(
        self, place: Place, http: requests.Session, clock: Clock, *, until: float
    ) -> None:
        self._place = place
        self._clock = clock
        self._until = until
        self._http = http
        self._recorded: dict[str, Exchange] = {}
        self._made: list[str] = []  # URLs, deleted in the other order
        self._private = {place.project: "PROJECT", place.name: "NAME"}
        is_far = not place.compute_url.startswith("http://127.")
        self._look = LOOK if is_far else QUICK_LOOK
        self._compute = f"{place.compute_url}/compute/v1/projects/{place.project}"
        tpu = f"{place.tpu_url}/v2/projects/{place.project}"
        self._in_zone = f"{self._compute}/zones/{place.zone}"
        self._location = f"{tpu}/locations/{place.zone}"

    @property
    def recorded(self) -> dict[str, Exchange]:
        """The last answer of every step."""
        return dict(self._recorded)

    def read_what_is_there(self) -> None:
        """Reads that cost nothing; those of what is not there too."""
        place = self._place
        self._ask("the project", "GET", self._compute)
        self._ask("the zone", "GET", self._in_zone)
        machine = f"{self._in_zone}/machineTypes/{place.machine_type}"
        self._ask("a machine type", "GET", machine)
        for step, kind in (("disks", "disks"), ("VMs", "instances")):
            one = {"filter": f"name={place.name}"}
            self._ask(f"an empty list of {step}", "GET", f"{self._in_zone}/{kind}", one)
        for step, kind in (("VM", "instances"), ("disk", "disks")):
            path = f"{self._in_zone}/{kind}/{place.name}"
            self._ask(f"a {step} that is not there", "GET", path)
        self._ask("a TPU that is not there", "GET", self._tpu())
        queued = f"{self._location}/queuedResources/{place.name}"
        self._ask("a queued resource that is not there", "GET", queued)
        self._ask("a location of TPUs", "GET", self._location)

    def make_a_disk(self) -> None:
        """A disk of 10 GB: made, made again, read."""
        place, disks = self._place, f"{self._in_zone}/disks"
        kind = f"zones/{place.zone}/diskTypes/pd-balanced"
        labels = {"iris-contact": "first"}
        wanted = {"name": place.name, "sizeGb": "10", "type": kind, "labels": labels}
        self._make("a disk", disks, wanted, f"{disks}/{place.name}")
        self._ask("a disk under a name that is taken", "POST", disks, body=wanted)

    def make_a_vm(self) -> None:
        """The smallest VM; nothing runs in it."""
        place, vms = self._place, f"{self._in_zone}/instances"
        boot = {
            "boot": True,
            "autoDelete": True,
            "initializeParams": {"sourceImage": place.image},
        }
        wanted = {
            "name": place.name,
            "machineType": f"zones/{place.zone}/machineTypes/{place.machine_type}",
            "labels": {"iris-contact": "first"},
            "disks": [boot],
            "networkInterfaces": [{"network": f"global/networks/{place.network}"}],
        }
        vm = f"{vms}/{place.name}"
        self._make("a VM", vms, wanted, vm)
        self._ask("a VM's serial port", "GET", f"{vm}/serialPort", {"port": "1"})
        attributes = f"{vm}/getGuestAttributes"
        query = {"queryPath": "hostkeys/"}
        self._ask("guest attributes that are not there", "GET", attributes, query)

    def make_a_slice(self) -> None:
        """The smallest slice of the file, for as long as it takes to read it."""
        group = self._place.slice_of
        if group is None:
            return
        wanted = {
            "acceleratorType": group.accelerator,
            "runtimeVersion": group.runtime_version,
            "labels": {"iris-contact": "first"},
            "networkConfig": {"enableExternalIps": False},
            "schedulingConfig": {"spot": group.capacity is Capacity.SPOT},
        }
        slices = f"{self._location}/nodes"
        url = f"{slices}?nodeId={self._place.name}"
        self._make("a TPU", url, wanted, self._tpu())
        self._ask("a TPU under a name that is taken", "POST", url, body=wanted)

    def delete_everything(self) -> None:
        """Whatever was made goes, and is seen to be gone. Raises Late."""
        until = self._clock.now() + GONE_WITHIN
        while self._made:
            url = self._made[-1]
            what = f"deleting {url.rsplit('/', 2)[-2]}"
            answer = self._ask(what, "DELETE", url)
            if answer.get("name"):
                self._wait(f"{what}, at its end", answer, until)
            if self._http.get(url, timeout=ANSWER_WITHIN).status_code == NOT_THERE:
                self._made.pop()
            elif self._clock.now() > until:
                raise Late(
                    f"still there: {', '.join(self._made)}",
                    hint="They cost money. Delete them by hand, now.",
                )

    def _tpu(self) -> str:
        return f"{self._location}/nodes/{self._place.name}"

    def _make(self, step: str, url: str, wanted: Json, made: str) -> None:
        self._made.append(made)  # before it is asked: an answer may be lost
        operation = self._ask(f"making {step}", "POST", url, body=wanted)
        if operation.get("name") and "error" not in operation:
            self._wait(f"making {step}, at its end", operation, self._until)
        self._ask(step, "GET", made)

    def _wait(self, step: str, operation: Json, until: float) -> None:
        """Until an operation is done. Raises Late."""
        name = str(operation["name"])
        is_tpu = name.startswith("projects/")
        url = f"{self._in_zone}/operations/{name}"
        url = f"{self._place.tpu_url}/v2/{name}" if is_tpu else url
        while True:
            answer = self._ask(step, "GET", url)
            if answer.get("done") or answer.get("status") == "DONE":
                return
            if "error" in answer or self._clock.now() > until:
                raise Late(f"{step} did not come in time")
            self._clock.wait(_NEVER, self._look)

    def _ask(
        self,
        step: str,
        verb: str,
        url: str,
        query: dict[str, str] | None = None,
        body: Json | None = None,
    ) -> Json:
        try:
            answer = self._http.request(
                verb, url, params=query, json=body, timeout=ANSWER_WITHIN
            )
        except requests.RequestException as error:
            raise Unreachable(f"{step}: {error}") from error
        said = _json_of(answer)
        path = redact(url.split("/", 3)[-1], self._private)
        told = redact(said, self._private)
        self._recorded[step] = Exchange(step, verb, path, answer.status_code, told)
        return said


def _json_of(answer: requests.Response) -> Json:
    try:
        said = answer.json()
    except ValueError:
        return {"text": answer.text[:200]}
    return said if isinstance(said, dict) else {"items": said}
