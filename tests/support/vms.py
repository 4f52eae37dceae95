"""VMs and disks of an emulated Compute Engine, asked for by HTTP."""

from __future__ import annotations

from typing import Any

from tests.emulator.conftest import ZONE, Cloud
from tests.support.eventually import eventually

NEW: dict[str, Any] = {
    "boot": True,
    "autoDelete": True,
    "initializeParams": {"sourceImage": "debian"},
}
BODY: dict[str, Any] = {
    "name": "vm-1",
    "machineType": f"zones/{ZONE}/machineTypes/n2-standard-4",
    "disks": [NEW],
    "networkInterfaces": [{"accessConfigs": [{"name": "nat"}]}],
}


def ask_for(cloud: Cloud, query: str = "", **changes: object) -> Any:
    """The answer to an insert, whatever it is."""
    return cloud.ask("POST", f"{cloud.zone}/instances{query}", BODY | changes)


def accepted(answer: Any) -> dict[str, Any]:
    """What an answer says that is no refusal."""
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    return said


def get(cloud: Cloud, path: str = "instances/vm-1") -> dict[str, Any]:
    """What is found there, or the refusal."""
    found: dict[str, Any] = cloud.ask("GET", f"{cloud.zone}/{path}").json()
    return found


def names_in(cloud: Cloud, kind: str) -> list[str]:
    """The names in a list."""
    return [each["name"] for each in get(cloud, kind).get("items", [])]


def done(cloud: Cloud, operation: dict[str, Any]) -> dict[str, Any]:
    """The operation, once it is done."""
    path = f"operations/{operation['name']}"
    eventually(lambda: get(cloud, path)["status"] == "DONE")
    return get(cloud, path)


def running(cloud: Cloud, **changes: object) -> dict[str, Any]:
    """A VM that is RUNNING."""
    accepted(ask_for(cloud, **changes))
    name = str(changes.get("name", "vm-1"))
    eventually(lambda: get(cloud, f"instances/{name}").get("status") == "RUNNING")
    return get(cloud, f"instances/{name}")


def act(cloud: Cloud, verb: str) -> dict[str, Any]:
    """Stop it, start it, and their kin."""
    return accepted(cloud.ask("POST", f"{cloud.zone}/instances/vm-1/{verb}"))


def ask_delete(cloud: Cloud) -> dict[str, Any]:
    """The operation that deletes the VM."""
    return accepted(cloud.ask("DELETE", f"{cloud.zone}/instances/vm-1"))


def state_disk(cloud: Cloud, name: str = "state") -> dict[str, Any]:
    """A new disk, as an insert names it."""
    accepted(cloud.ask("POST", f"{cloud.zone}/disks", {"name": name, "sizeGb": "50"}))
    return {"source": f"zones/{ZONE}/disks/{name}"}
