"""Slices and queued resources of an emulated Cloud TPU, asked for by HTTP."""

from __future__ import annotations

from typing import Any

from tests.emulator.conftest import Cloud
from tests.support.eventually import eventually

BODY: dict[str, Any] = {
    "acceleratorType": "v5litepod-16",
    "runtimeVersion": "v2-alpha-tpuv5-lite",
    "schedulingConfig": {"spot": True},
    "networkConfig": {"enableExternalIps": True},
    "labels": {"iris-cluster": "eu"},
    "metadata": {"iris-slice": "s-1"},
}


def ask_for(cloud: Cloud, name: str = "s-1", **changes: object) -> Any:
    """The answer to a create, whatever it is."""
    return cloud.ask("POST", f"{cloud.tpus}/nodes?nodeId={name}", BODY | changes)


def create(cloud: Cloud, name: str = "s-1", **changes: object) -> dict[str, Any]:
    """The operation that makes a slice."""
    return accepted(ask_for(cloud, name, **changes))


def accepted(answer: Any) -> dict[str, Any]:
    """What an answer says that is no refusal."""
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    return said


def refusal_of(answer: Any) -> tuple[int, str, str]:
    """Status, name and words of a refusal."""
    error = answer.json()["error"]
    return answer.status_code, error["status"], error["message"]


def get(cloud: Cloud, path: str = "nodes/s-1") -> dict[str, Any]:
    """What is found there, or the refusal."""
    found: dict[str, Any] = cloud.ask("GET", f"{cloud.tpus}/{path}").json()
    return found


def names_in(cloud: Cloud, kind: str = "nodes") -> list[str]:
    """The last parts of the names in a list."""
    return [each["name"].rpartition("/")[2] for each in get(cloud, kind).get(kind, [])]


def ended(cloud: Cloud, operation: dict[str, Any]) -> dict[str, Any]:
    """The operation, once it is done."""

    def if_done() -> dict[str, Any] | None:
        found = cloud.ask("GET", f"{cloud.url}/v2/{operation['name']}").json()
        return found if found["done"] else None

    return eventually(if_done)


def ready(cloud: Cloud, name: str = "s-1", **changes: object) -> dict[str, Any]:
    """A slice that is READY, and whose creation is over."""
    ended(cloud, create(cloud, name, **changes))
    return get(cloud, f"nodes/{name}")


def delete(cloud: Cloud, path: str = "nodes/s-1") -> None:
    """It is gone."""
    ended(cloud, accepted(cloud.ask("DELETE", f"{cloud.tpus}/{path}")))


def ask_queue(cloud: Cloud, name: str = "q-1", query: str = "", **words: Any) -> Any:
    """The answer to a create of a queued resource, spot of one slice as it comes."""
    spec = words.pop("spec", {"nodeId": name, "node": BODY})
    body = {"tpu": {"nodeSpec": [spec]}, "spot": {}} | words
    url = f"{cloud.tpus}/queuedResources?queuedResourceId={name}{query}"
    return cloud.ask("POST", url, body)


def queue(cloud: Cloud, name: str = "q-1", **words: Any) -> dict[str, Any]:
    """The operation that makes one."""
    return accepted(ask_queue(cloud, name, **words))


def queued_state(cloud: Cloud, name: str = "q-1") -> str:
    """What it does now, empty once it is gone."""
    state = get(cloud, f"queuedResources/{name}").get("state", {})
    return str(state.get("state", ""))


def active(cloud: Cloud, name: str = "q-1", **words: Any) -> None:
    """One that has been served."""
    queue(cloud, name, **words)
    eventually(lambda: queued_state(cloud, name) == "ACTIVE")
