"""The parts of Cloud TPU together, and what every answer of it goes through."""

from __future__ import annotations

import itertools
from typing import Any, Protocol, TypeVar

from flask import g, jsonify, request

from iris.emulator.asked import denied_words
from iris.emulator.errors import Json
from iris.emulator.faults import FaultKind
from iris.emulator.paging import page_of, size_from
from iris.emulator.parts import Parts
from iris.emulator.past import Past
from iris.emulator.tpu import catalogue
from iris.emulator.tpu.changes import Changes
from iris.emulator.tpu.enums import with_numbers
from iris.emulator.tpu.fates import Fates
from iris.emulator.tpu.operations import Operations
from iris.emulator.tpu.queue import Queue
from iris.emulator.tpu.records import State, TpuSlice
from iris.emulator.tpu.slices import Slices
from iris.emulator.tpu.views import without_endpoints
from iris.emulator.tpu.wishes import require_zone

MOST = 1000  # entries of one page


class Named(Protocol):
    """A resource that has its place."""

    @property
    def project(self) -> str: ...
    @property
    def zone(self) -> str: ...
    @property
    def name(self) -> str: ...


T = TypeVar("T", bound=Named)


class Tpus:
    """The parts of Cloud TPU, and the checks of each request."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.lock = parts.core.lock
        self.operations = Operations(parts.core)
        self.slices = Slices(parts, self.operations)
        self.fates = Fates(parts.core, self.slices, self.operations)
        self.changes = Changes(parts.core, self.slices, self.operations)
        self.queue = Queue(parts, self.operations, self.slices, self.fates)
        self._ways = itertools.count()

    def check(self, project: str, zone: str, permission: str) -> None:
        """Raises a 403 for a permission, and for a zone."""
        words = denied_words(f"tpu.{permission}")
        access = self.parts.access
        access.require(g.caller, project, f"tpu.{permission}", words)
        require_zone(self.parts, project, zone)

    def check_account(self, project: str, wanted: Json) -> None:
        """Raises a 403 for an account that VMs would run as."""
        asked = wanted.get("serviceAccount")
        email = asked.get("email") if isinstance(asked, dict) else None
        account = email or self.parts.projects.default_account(project)
        words = (
            f"The user does not have access to service account '{account}'. Ask a "
            "project owner to grant you the iam.serviceAccountUser role on it."
        )
        access = self.parts.access
        access.require(g.caller, project, "iam.serviceAccounts.actAs", words)

    def now(self, past: Past[T], project: str, zone: str) -> list[T]:
        """What a list of a zone shows, in its order."""
        found = past.listed(self.parts.core.faults, "tpu", zone)
        ours = [each for each in found if each.project == project]
        return sorted(ours, key=lambda each: (each.zone, each.name))

    def shown(self, tpu: TpuSlice) -> Json:
        """A slice as a reader meets it: faults may have their hand in it."""
        view, take = self.slices.view(tpu), self.slices.take
        is_coming = tpu.state == State.CREATING and "networkEndpoints" in view
        if is_coming and take(tpu, "get", FaultKind.BARE_ENDPOINTS):
            view = without_endpoints(view, next(self._ways))
        if take(tpu, "get", FaultKind.UNKNOWN_STATE):
            view["state"] = "FROBNICATING"
        return view

    def answer(self, body: Json) -> Any:
        """With enums as the caller wants them."""
        wanted = request.args.get("$alt", "")
        return jsonify(with_numbers(body) if "enum-encoding=int" in wanted else body)

    def page(self, items: list[Json], key: str) -> Any:
        """One page of a list; an empty one is `{}`."""
        faults = self.parts.core.faults
        asked = size_from(request.args.get("pageSize", ""), MOST, 2**31 - 1)
        size = min(asked, MOST)  # more may be asked for, and is not given
        if faults.take(FaultKind.SMALL_PAGES, api="tpu"):
            size = 1
        silent = self._silent(key)
        items = [item for item in items if not item["name"].startswith(silent)]
        found, token = page_of(items, size, request.args.get("pageToken", ""))
        body: Json = {key: list(found)} if found else {}
        if token:
            body["nextPageToken"] = token
        if silent:
            body["unreachable"] = [each.rstrip("/") for each in silent]
        return self.answer(body)

    def _silent(self, key: str) -> tuple[str, ...]:
        """The locations that a list of all of them lacks just now."""
        asked = request.view_args or {}
        if key not in ("nodes", "queuedResources") or asked.get("zone") != "-":
            return ()
        take, kind = self.parts.core.faults.take, FaultKind.UNREACHABLE_ZONE
        zones = [z for z in catalogue.ZONES if take(kind, api="tpu", zone=z)]
        return tuple(f"projects/{asked['project']}/locations/{z}/" for z in zones)
