"""What the cloud tells a VM about itself, over its metadata server.

The keeper imports this and stays small: http.client, no library.
"""

from __future__ import annotations

import http.client
import os
import threading
import time
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

import msgspec

from iris.domain.machine import CACHE_BYTES, CHIPS_TIMEOUT, VmMetadata
from iris.domain.resources import Resources
from iris.errors import Unreachable, UsageError

BASE = "/computeMetadata/v1/instance/"
DEFAULT = "metadata.google.internal"
PATIENCE = 120.0  # seconds; a VM that just boots may have no network yet
ANSWER = 10.0  # seconds for one answer
HOLD = 60  # seconds that a question for a change is held
PAUSE = 0.5  # seconds between tries: a 503 lasts less than one
PREEMPTED = "the cloud preempts this VM"


class Told(msgspec.Struct, frozen=True):
    """One value, and the mark by which its next change is asked for."""

    value: str
    etag: str


class MetadataServer:
    """The metadata server of this VM; None stands for what it has not."""

    def __init__(
        self, address: str, patience: float = PATIENCE, answer: float = ANSWER
    ) -> None:
        self.address = address
        self._patience = patience
        self._answer = answer

    def get(self, path: str, query: str = "", held: float = 0.0) -> Told | None:
        """One value below `instance/`. Raises Unreachable once patience is over."""
        until = time.monotonic() + self._patience
        while True:
            try:
                return self._ask(f"{BASE}{path}{query}", held)
            except (OSError, http.client.HTTPException) as error:
                if time.monotonic() >= until:
                    raise Unreachable(
                        f"the metadata server {self.address}: {error}"
                    ) from error
            threading.Event().wait(PAUSE)

    def next(self, path: str, after: Told) -> Told | None:
        """The value once it is another one, or as it is after a while."""
        query = f"?wait_for_change=true&timeout_sec={HOLD}&last_etag={after.etag}"
        return self.get(path, query, HOLD)

    def _ask(self, path: str, held: float) -> Told | None:
        parts = urlsplit(f"//{self.address}")
        connection = http.client.HTTPConnection(
            parts.hostname or "", parts.port, timeout=self._answer + held
        )
        try:
            connection.request("GET", path, headers={"Metadata-Flavor": "Google"})
            answer = connection.getresponse()
            value = answer.read().decode(errors="replace")
        finally:
            connection.close()
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise http.client.HTTPException(f"{path}: status {answer.status}")
        return Told(value, answer.headers.get("ETag", ""))


def metadata_address(environment: Mapping[str, str] = os.environ) -> str:
    """Where the metadata server of this machine answers, if it has one."""
    return environment.get("GCE_METADATA_HOST", "") or DEFAULT


def read_surroundings(server: MetadataServer) -> VmMetadata:
    """Who this VM is. Raises Unreachable, or UsageError where it is not told whole."""

    def attribute(name: str) -> str:
        return _required(server, f"attributes/{name}")

    index = _index(server)
    # a slice of an earlier controller is not told these
    cache = server.get("attributes/iris-cache-bytes")
    wait = server.get("attributes/iris-chips-timeout")
    return VmMetadata(
        cluster=attribute("iris-cluster"),
        cluster_uid=attribute("iris-uid"),
        slice_name=attribute("iris-slice"),
        slice_uid=attribute("iris-slice-uid"),
        index=index,
        vms=_number(attribute("iris-vms"), "iris-vms"),
        address=_required(server, "network-interfaces/0/ip"),
        resources=_resources(attribute("iris-resources")),
        runtime=attribute("iris-runtime"),
        image=attribute("iris-image"),
        cache_bytes=_number(cache.value, "iris-cache-bytes") if cache else CACHE_BYTES,
        chips_timeout=_seconds(wait.value, "iris-chips-timeout")
        if wait
        else CHIPS_TIMEOUT,
        controller_url=attribute("iris-controller"),
        join_token=attribute(f"iris-join-token-{index}"),
        metadata_address=server.address,
    )


def is_preempted(address: str) -> bool:
    """Does the cloud take this VM away? Asked once; silence is no yes."""
    if not address:
        return False
    try:
        told = MetadataServer(address, patience=0.0, answer=1.0).get("preempted")
    except Unreachable:
        return False
    return told is not None and told.value.strip().upper() == "TRUE"


def watch(
    server: MetadataServer, path: str, tell: Callable[[str], None]
) -> threading.Thread:
    """Tell each new value, from a thread of its own, for ever."""

    def look() -> None:
        seen: Told | None = None
        while True:
            asked_at = time.monotonic()
            try:
                told = server.get(path) if seen is None else server.next(path, seen)
            except Unreachable:
                continue  # it has waited long enough already
            if told is None:
                threading.Event().wait(HOLD)
                continue
            if seen is None or told.value != seen.value:
                tell(told.value)
            elif time.monotonic() < asked_at + PAUSE:
                threading.Event().wait(PAUSE)  # it holds nothing: no reason to spin
            seen = told

    thread = threading.Thread(target=look, name=f"watch {path}", daemon=True)
    thread.start()
    return thread


def _index(server: MetadataServer) -> int:
    """Ours where we set one, else the TPU's; a blank one is no index 0."""
    for name in ("iris-index", "agent-worker-number"):
        told = server.get(f"attributes/{name}")
        if told is not None and told.value.strip():
            return _number(told.value, name)
    raise UsageError("this VM was not told its index")


def _required(server: MetadataServer, path: str) -> str:
    told = server.get(path)
    if told is None or not told.value.strip():
        raise UsageError(f"the metadata server {server.address} has no {path}")
    return told.value.strip()


def _number(words: str, name: str) -> int:
    if not words.strip().isdecimal():
        raise UsageError(f"{name}: expected a whole number, got {words!r}")
    return int(words)


def _seconds(words: str, name: str) -> float:
    try:
        return float(words)
    except ValueError as error:
        raise UsageError(f"{name}: expected seconds, got {words!r}") from error


def _resources(words: str) -> Resources:
    try:
        return msgspec.json.decode(words, type=Resources)
    except msgspec.MsgspecError as error:
        raise UsageError(f"iris-resources: {error}") from error
