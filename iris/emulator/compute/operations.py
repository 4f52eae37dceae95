"""Operations of a zone: begun with a request, done when their effect is there."""

from __future__ import annotations

import secrets

from msgspec.structs import replace

from iris.emulator.compute.records import Json, OperationRecord
from iris.emulator.core import Core
from iris.emulator.errors import missing

KEPT = 3600.0  # seconds; then a finished one is not found any more
LONGEST_WAIT = 110.0  # seconds that `/wait` holds a call


class Operations:
    """All operations; use it under the core's lock, save `wait`."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._shelf = core.shelf("compute-operation", OperationRecord)

    def begin(  # noqa: PLR0913 - what an operation is about
        self,
        type_: str,
        project: str,
        zone: str,
        target: str,
        target_id: str,
        *,
        request_id: str = "",
    ) -> OperationRecord:
        """One that runs from now on."""
        now = self._core.clock.now()
        parts = "-".join(secrets.token_hex(4) for _ in range(3))
        kind = "systemevent" if type_.startswith("compute.") else "operation"
        operation = OperationRecord(
            id=str(self._core.next_number()),
            name=f"{kind}-{int(now * 1000)}-{parts}",
            project=project,
            zone=zone,
            type=type_,
            target=target,
            target_id=target_id,
            inserted_at=now,
            request_id=request_id,
            user="system" if kind == "systemevent" else "owner@example.com",
        )
        self._shelf.put(operation.name, operation)
        return operation

    def end(self, name: str, *errors: Json, status: int = 0) -> None:
        """It is done, well or with errors."""
        found = self._shelf.find(name)
        if found is None or found.ended_at:
            return
        now = self._core.clock.now()
        ended = replace(found, ended_at=now, error=errors, http_status=status)
        self._shelf.put(name, ended)
        self._core.changed.notify_all()

    def get(self, project: str, zone: str, name: str) -> OperationRecord:
        """The operation. Raises a 404, also long after its end."""
        found = self._shelf.find(name)
        if found is None or (found.project, found.zone) != (project, zone):
            raise missing(f"projects/{project}/zones/{zone}/operations/{name}")
        if found.ended_at and self._core.clock.now() - found.ended_at > KEPT:
            self._shelf.drop(name)
            raise missing(f"projects/{project}/zones/{zone}/operations/{name}")
        return found

    def of_request(self, request_id: str) -> OperationRecord | None:
        """The operation that a request with this id began."""
        if not request_id:
            return None
        return next((o for o in self._shelf if o.request_id == request_id), None)

    def listed(self, project: str, zone: str) -> list[OperationRecord]:
        """Those of a zone, by name."""
        found = [o for o in self._shelf if (o.project, o.zone) == (project, zone)]
        return sorted(found, key=lambda each: each.name)

    def wait(self, project: str, zone: str, name: str) -> OperationRecord:
        """The operation once it is done, or as it is after two minutes."""
        with self._core.changed:
            self._core.changed.wait_for(
                lambda: bool(self.get(project, zone, name).ended_at), LONGEST_WAIT
            )
            return self.get(project, zone, name)
