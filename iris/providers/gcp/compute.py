"""Compute Engine v1 over HTTP: JSON in, JSON out, errors as types.

Google's own client for it costs 1.7 s and 150 MB to import, and builds pollers that
go past the endpoint it was given; this needs neither.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

from iris.clock import Clock
from iris.domain.endpoints import Endpoints
from iris.errors import CloudError, NotFound, Unavailable, Unknown
from iris.providers.gcp.refusals import (
    refusal_of_body,
    refusal_of_client,
    refusal_of_operation,
)
from iris.providers.gcp.sessions import find_credentials, open_session

if TYPE_CHECKING:
    from requests import Response, Session

Json = dict[str, Any]

GOOGLE = "https://compute.googleapis.com"
TIMEOUT = 30.0  # seconds for one answer
HELD = 150.0  # seconds for which `wait` may hold an answer: two minutes, and some
READS, PAUSE = 4, 0.25  # tries of a read, seconds before the second; doubled each time
_NEVER = threading.Event()


class Compute:
    """Calls of one project; every method raises CloudError and nothing else."""

    def __init__(self, project: str, endpoints: Endpoints, clock: Clock) -> None:
        base = (endpoints.compute_url or GOOGLE).rstrip("/")
        self.project_url = f"{base}/compute/v1/projects/{project}"
        self._endpoints = endpoints
        self._clock = clock
        self._lock = threading.Lock()

    def get(self, path: str, **query: str) -> Json:
        """What lies at a path below the project. Raises NotFound."""
        pause = PAUSE
        for _ in range(READS - 1):
            try:
                return self._call("GET", path, query=query)
            except (Unavailable, Unknown):
                self._clock.wait(_NEVER, pause)
                pause *= 2
        return self._call("GET", path, query=query)

    def find(self, path: str, **query: str) -> Json | None:
        """The same, None where there is nothing."""
        try:
            return self.get(path, **query)
        except NotFound:
            return None

    def everywhere(self, kind: str, filter_: str) -> tuple[list[Json], dict[str, str]]:
        """All of a kind in all zones, and why which zones could not be listed."""
        found: list[Json] = []
        unlisted: dict[str, str] = {}
        for page in self._pages(f"/aggregated/{kind}", filter_):
            for scope, part in page.get("items", {}).items():
                found += part.get(kind, [])
                warning = part.get("warning", {})
                if warning.get("code") not in (None, "NO_RESULTS_ON_PAGE"):
                    unlisted[last(scope)] = str(warning.get("message", warning))
            for scope in page.get("unreachables", []):
                unlisted[last(scope)] = "Compute Engine does not reach it"
        return found, unlisted

    def post(self, path: str, body: Json | None = None) -> Json:
        """An operation that was started."""
        return self._call("POST", path, body=body or {})

    def insert(self, path: str, body: Json) -> Json:
        """The operation that makes something; a lost answer is asked for once more."""
        unique = str(uuid.uuid4())  # the service does the same request once
        try:
            return self._call("POST", path, body=body, query={"requestId": unique})
        except (Unavailable, Unknown):
            self._clock.wait(_NEVER, PAUSE)
            return self._call("POST", path, body=body, query={"requestId": unique})

    def delete(self, path: str) -> Json | None:
        """The operation, None where there is nothing to delete."""
        try:
            return self._call("DELETE", path)
        except NotFound:
            return None

    def wait(self, zone: str, operation: Json | None, within: float) -> None:
        """Return once it is done. Raises what it ended with, or Unavailable."""
        until = self._clock.now() + within
        while operation is not None and operation.get("status") != "DONE":
            if self._clock.now() >= until:
                words = operation.get("operationType", "operation")
                raise Unavailable(f"{words} is not done after {within:.0f} s")
            left = until - self._clock.now()
            operation = self._held(zone, str(operation["name"]), left)
        if operation is not None and (error := refusal_of_operation(operation)):
            raise error

    def error_of(self, zone: str, operation: str) -> CloudError | None:
        """What an operation ended with, None if it goes on or did not end badly."""
        said = self.find(f"/zones/{zone}/operations/{operation}")
        return refusal_of_operation(said) if said is not None else None

    def _held(self, zone: str, name: str, left: float) -> Json | None:
        path = f"/zones/{zone}/operations/{name}/wait"
        try:
            return self._call("POST", path, timeout=min(HELD, max(left, 1.0)))
        except NotFound:
            return None  # done long ago
        except (Unavailable, Unknown):
            self._clock.wait(_NEVER, PAUSE)
            return {"name": name}

    def _pages(self, path: str, filter_: str) -> Iterator[Json]:
        query = {"filter": filter_, "returnPartialSuccess": "true"}
        while True:
            page = self.get(path, **query)
            yield page
            if not (token := page.get("nextPageToken")):
                return
            query["pageToken"] = token

    def _call(
        self,
        verb: str,
        path: str,
        *,
        body: Json | None = None,
        query: dict[str, str] | None = None,
        timeout: float = TIMEOUT,
    ) -> Json:
        url = f"{self.project_url}{path}"
        try:
            answer = self._session.request(
                verb, url, json=body, params=query or None, timeout=timeout
            )
            return _read(answer)
        except CloudError:
            raise
        except Exception as error:  # whatever the library lets through
            raise refusal_of_client(error) from error

    @property
    def _session(self) -> Session:
        with self._lock:
            return self._opened

    @cached_property
    def _opened(self) -> Session:
        return open_session(find_credentials(self._endpoints), self._endpoints)


def _read(answer: Response) -> Json:
    try:
        body = answer.json()
    except ValueError as error:
        if answer.ok:
            words = f"an answer that is no JSON: {answer.text[:200]!r}"
            raise Unknown(words) from error
        body = None
    if not answer.ok:
        raise refusal_of_body(answer.status_code, body, answer.text)
    if not isinstance(body, dict):
        raise Unknown(f"an answer that is no object: {answer.text[:200]!r}")
    return body


def last(url: str) -> str:
    """The last part of a path or URL: `zones/europe-west4-b` is `europe-west4-b`."""
    return url.rpartition("/")[2]
