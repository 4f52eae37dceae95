"""Cloud TPU v2 through Google's client, over REST: it is the one that can be emulated.

The client has no deadlines of its own and fails on answers that the service did act
on: every call here has a deadline, and what cannot be read is Unknown.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import cached_property
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

import msgspec

from iris.clock import Clock
from iris.domain.endpoints import Endpoints
from iris.errors import (
    CloudError,
    NotFound,
    NotPermitted,
    Rejected,
    Unavailable,
    Unknown,
)
from iris.providers.gcp.compute import last
from iris.providers.gcp.refusals import (
    is_closed_zone,
    refusal_of_client,
    refusal_of_code,
)
from iris.providers.gcp.sessions import find_credentials, keep_at_home

GOOGLE = "https://tpu.googleapis.com"
TIMEOUT = 30.0  # seconds for one answer
READS, PAUSE = 4, 0.25  # tries of a read, seconds before the second; doubled each time
_NEVER = threading.Event()


class Found(msgspec.Struct):
    """What is in all zones, and which zones did not answer."""

    items: list[Any]
    unlisted_zones: dict[str, str]
    closed_zones: dict[str, str]  # which the project may not use, and the words


class Tpu:
    """Calls of one project; every method raises CloudError and nothing else."""

    def __init__(
        self, project: str, zones: tuple[str, ...], endpoints: Endpoints, clock: Clock
    ) -> None:
        self._project = project
        self._zones = zones  # asked one by one where all at once are refused
        self._endpoints = endpoints
        self._clock = clock
        self._lock = threading.Lock()

    @cached_property
    def types(self) -> Any:
        """The module of the API's messages; it is slow to import."""
        # registers the message that the live service labels operations with
        import_module("google.cloud.common")
        return import_module("google.cloud.tpu_v2")

    def location(self, zone: str) -> str:
        """The path of a zone; `-` is all of them."""
        return f"projects/{self._project}/locations/{zone}"

    def slices(self) -> Found:
        """Every slice of the project, whoever has it."""
        return self._all("list_nodes", "nodes")

    def queued(self) -> Found:
        """Every queued resource of the project."""
        return self._all("list_queued_resources", "queued_resources")

    def find_slice(self, zone: str, name: str) -> Any:
        """One slice, None where there is none."""
        return self._find("get_node", f"{self.location(zone)}/nodes/{name}")

    def find_queued(self, zone: str, name: str) -> Any:
        """One queued resource, None where there is none."""
        path = f"{self.location(zone)}/queuedResources/{name}"
        return self._find("get_queued_resource", path)

    def create_slice(self, zone: str, name: str, body: Any) -> str:
        """Ask for a slice; the name of the operation. Raises AlreadyExists."""
        request = {"parent": self.location(zone), "node_id": name, "node": body}
        return self._start("create_node", request)

    def create_queued(self, zone: str, name: str, body: Any) -> str:
        """Ask for a place in the queue. Raises AlreadyExists."""
        request = {
            "parent": self.location(zone),
            "queued_resource_id": name,
            "queued_resource": body,
        }
        return self._start("create_queued_resource", request)

    def delete_slice(self, zone: str, name: str) -> None:
        """Ask for its end; absence is success."""
        self._end("delete_node", {"name": f"{self.location(zone)}/nodes/{name}"})

    def delete_queued(self, zone: str, name: str) -> None:
        """Ask for its end and that of its slice; absence is success."""
        path = f"{self.location(zone)}/queuedResources/{name}"
        self._end("delete_queued_resource", {"name": path, "force": True})

    def set_metadata(self, tpu_slice: Any, metadata: dict[str, str]) -> None:
        """Put another map in place of its metadata."""
        body = self.types.Node(name=tpu_slice.name, metadata=metadata)
        mask = {"paths": ["metadata"]}
        self._start("update_node", {"node": body, "update_mask": mask})

    def error_of(self, operation: str) -> CloudError | None:
        """What an operation ended with, None if it goes on or did not end badly."""
        from google.longrunning.operations_pb2 import GetOperationRequest

        try:
            said = self._call("get_operation", GetOperationRequest(name=operation))
        except NotFound:
            return None  # it ended long ago: the listing tells
        if not said.HasField("error"):
            return None
        return refusal_of_code(said.error.code, said.error.message)

    def _all(self, method: str, field: str) -> Found:
        found = Found([], {}, {})
        try:
            self._add(found, "-", method, field)
        except (NotPermitted, NotFound, Rejected):
            # all at once is not for everyone: one zone after the other then
            listed = [z for z in self._zones if self._add_one(found, z, method, field)]
            if not listed:
                raise
        return found

    def _add_one(self, found: Found, zone: str, method: str, field: str) -> bool:
        """Has the zone told what it has?"""
        try:
            self._add(found, zone, method, field)
        except CloudError as error:
            silent = found.unlisted_zones
            if is_closed_zone(error):
                silent = found.closed_zones
            silent[zone] = str(error)
            return False
        return True

    def _add(self, found: Found, zone: str, method: str, field: str) -> None:
        for page in self._again(lambda: self._pages(zone, method)):
            found.items += getattr(page, field)
            for location in getattr(page, "unreachable", ()):
                closed = last(location)
                found.unlisted_zones[closed] = "Cloud TPU does not reach it"

    def _pages(self, zone: str, method: str) -> list[Any]:
        pager = self._call(method, {"parent": self.location(zone)})
        return list(_read(iter(pager.pages)))

    def _find(self, method: str, path: str) -> Any:
        try:
            return self._again(lambda: self._call(method, {"name": path}))
        except NotFound:
            return None
        except NotPermitted as error:
            if is_closed_zone(error):
                return None  # plain VMs lie in zones without TPUs too
            raise

    def _start(self, method: str, request: Any) -> str:
        return str(self._call(method, request).operation.name)

    def _end(self, method: str, request: Any) -> None:
        try:
            self._call(method, request)
        except NotFound:
            return

    def _again(self, read: Callable[[], Any]) -> Any:
        pause = PAUSE
        for _ in range(READS - 1):
            try:
                return read()
            except (Unavailable, Unknown):
                self._clock.wait(_NEVER, pause)
                pause *= 2
        return read()

    def _call(self, method: str, request: Any) -> Any:
        try:
            call = getattr(self._client, method)
            return call(request=request, timeout=TIMEOUT, retry=None)
        except CloudError:
            raise
        except Exception as error:  # also of an answer after the effect: look again
            raise refusal_of_client(error) from error

    @property
    def _client(self) -> Any:
        with self._lock:
            return self._opened

    @cached_property
    def _opened(self) -> Any:
        from google.cloud.tpu_v2.services.tpu.transports.rest import TpuRestTransport

        at = urlsplit(self._endpoints.tpu_url or GOOGLE)
        transport = TpuRestTransport(
            host=at.netloc,
            url_scheme=at.scheme,
            credentials=find_credentials(self._endpoints),
        )
        # no public way leads to its session, and a rehearsal's must not go abroad
        keep_at_home(transport._session, self._endpoints)
        return self.types.TpuClient(transport=transport)


def _read(pages: Iterator[Any]) -> Iterator[Any]:
    while True:
        try:
            page = next(pages, None)
        except Exception as error:
            raise refusal_of_client(error) from error
        if page is None:
            return
        yield page
