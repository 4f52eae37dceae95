"""Long-running operations of Cloud TPU, and the Any types that they come in."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

from msgspec.structs import replace

from iris.emulator.core import Core
from iris.emulator.errors import missing
from iris.emulator.faults import FaultKind
from iris.emulator.tpu.records import Json, Operation

# What the live service sends, and what the client's own definitions say.
COMMON = "type.googleapis.com/google.cloud.common.OperationMetadata"
OWN = "type.googleapis.com/google.cloud.tpu.v2.OperationMetadata"
RETENTION = 86_400.0  # seconds that one is kept after its end
EMPTY: Json = {"@type": "type.googleapis.com/google.protobuf.Empty"}


class Operations:
    """All operations; use it under the core's lock."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._shelf = core.shelf("tpu-operation", Operation)

    def begin(
        self, verb: str, project: str, zone: str, target: str, *, request_id: str = ""
    ) -> Operation:
        """One that runs from now on."""
        now = self._core.clock.now()
        for old in self._shelf:
            if self._is_over(old):
                self._shelf.drop(old.id)
        parts = "-".join(secrets.token_hex(4) for _ in range(3))
        operation = Operation(
            id=f"operation-{int(now * 1000)}-{parts}",
            project=project,
            zone=zone,
            target=target,
            verb=verb,
            version="v2",
            created_at=now,
            request_id=request_id,
        )
        return self._shelf.put(operation.id, operation)

    def end(
        self, id_: str, *, response: Json | None = None, error: Json | None = None
    ) -> None:
        """It is done, well or with a Status."""
        found = self._shelf.find(id_)
        if found is not None and not found.ended_at:
            ended = replace(
                found,
                ended_at=self._core.clock.now(),
                response=response or ({} if error else EMPTY),
                error=error or {},
            )
            self._shelf.put(id_, ended)
            self._core.changed.notify_all()

    def get(self, project: str, zone: str, id_: str) -> Operation:
        """The operation. Raises a 404."""
        found = self._shelf.find(id_)
        is_here = found is not None and (found.project, found.zone) == (project, zone)
        if found is None or not is_here or self._is_over(found):
            raise missing(f"projects/{project}/locations/{zone}/operations/{id_}")
        return found

    def cancel(self, operation: Operation) -> None:
        """Asked for; advisory, as the API says."""
        self._shelf.put(operation.id, replace(operation, cancel_requested=True))

    def of_request(self, request_id: str, verb: str, target: str) -> Operation | None:
        """The one that this very request with this id began before."""
        same = (request_id, verb, target)
        found = (o for o in self._shelf if (o.request_id, o.verb, o.target) == same)
        return next(found, None) if request_id else None

    def listed(self, project: str, zone: str) -> list[Operation]:
        """Those of a zone."""
        found = [
            o
            for o in self._shelf
            if o.project == project and zone in ("-", o.zone) and not self._is_over(o)
        ]
        return sorted(found, key=lambda each: each.id)

    def _is_over(self, operation: Operation) -> bool:
        """Has it ended so long ago that nobody knows it any more?"""
        kept_since = self._core.clock.now() - RETENTION
        return 0 < operation.ended_at < kept_since

    def view(self, operation: Operation) -> Json:
        """As the API writes it."""
        own = self._core.faults.take(FaultKind.OWN_METADATA_TYPE, api="tpu")
        metadata: Json = {
            "@type": OWN if own else COMMON,
            "createTime": when(operation.created_at),
            "target": operation.target,
            "verb": operation.verb,
            "cancelRequested": operation.cancel_requested,
            "apiVersion": operation.version,
        }
        body: Json = {"name": operation.path, "metadata": metadata, "done": False}
        if operation.ended_at:
            metadata["endTime"] = when(operation.ended_at)
            body["done"] = True
            if operation.error:
                body["error"] = operation.error
            else:
                body["response"] = operation.response
        return body


def when(at: float) -> str:
    """RFC 3339 in UTC with nine digits of a second."""
    moment = datetime.fromtimestamp(at, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond * 1000:09d}Z"
