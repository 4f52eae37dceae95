"""Speaks to the emulator's own side: its ledger, its faults, its end.

The laptop's side knows the emulator by HTTP only, like any other program.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
import requests

from iris import wire
from iris.errors import FellShort, Unreachable, UsageError

T = TypeVar("T")

PATIENCE = 10.0  # seconds for one answer
ENDING = 60.0  # seconds in which every VM has ended
HEADER = {"X-Iris-Admin": "1"}  # what no page of a browser can send


class Resource(msgspec.Struct, frozen=True):
    """One line of the ledger: something that was created, live or gone."""

    kind: str  # vm, slice, queued-resource, disk
    name: str
    zone: str = ""
    type: str = ""  # accelerator, machine type or disk type
    capacity: str = ""
    labels: dict[str, str] = {}
    created_at: float = 0.0
    deleted_at: float = 0.0  # 0 while it is there
    billed_seconds: float = 0.0
    state: str = ""
    creates: int = 1  # of this name and kind there, this one too


class Strike(msgspec.Struct, frozen=True):
    """A fault that struck."""

    at: float
    kind: str
    what: str = ""


class _Ledger(msgspec.Struct):
    resources: tuple[Resource, ...] = ()


class _Struck(msgspec.Struct):
    struck: tuple[Strike, ...] = ()


class _Injected(msgspec.Struct):
    id: int


class Admin:
    """One emulator's own side, at its `admin_url`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._http = requests.Session()
        self._http.trust_env = False  # no proxy stands before this machine
        self._http.headers.update(HEADER)

    def ledger(self) -> tuple[Resource, ...]:
        """Everything that ever was, and what it was billed."""
        return self._ask("GET", "ledger", _Ledger).resources

    def struck(self) -> tuple[Strike, ...]:
        """The faults that struck so far."""
        return self._ask("GET", "struck", _Struck).struck

    def inject(self, fault: dict[str, Any]) -> int:
        """Plan one fault. Raises UsageError in the emulator's words."""
        return self._ask("POST", "faults", _Injected, fault).id

    def open_project(self, project: str, zone: str) -> None:
        """Make room for a project with ample quotas."""
        self._ask("POST", "projects", dict, {"project": project, "zone": zone})

    def stop(self) -> None:
        """End every VM and stop serving."""
        self._ask("POST", "stop?end_all=true", dict, patience=ENDING)

    def answers(self) -> bool:
        """Is somebody there?"""
        try:
            self._ask("GET", "faults", dict)
        except (Unreachable, FellShort, UsageError):
            return False
        return True

    def _ask(
        self,
        verb: str,
        path: str,
        kind: type[T],
        body: dict[str, Any] | None = None,
        patience: float = PATIENCE,
    ) -> T:
        url = self._url + path
        try:
            answer = self._http.request(verb, url, json=body, timeout=patience)
        except requests.RequestException as error:
            raise Unreachable(
                f"no emulator answers at {self._url}: {error}",
                hint="`inv rehearse.start` starts one.",
            ) from error
        if answer.status_code >= 400:
            raise _refusal(answer)
        return wire.decode(answer.content or b"{}", kind)


def _refusal(answer: requests.Response) -> FellShort | UsageError:
    words = _words(answer)
    if answer.status_code < 500:
        return UsageError(words)
    return FellShort(f"the emulator failed: {words}")


def _words(answer: requests.Response) -> str:
    """What it refused with, whatever the shape of it."""
    try:
        body = answer.json()
    except ValueError:
        return " ".join(answer.text.split()) or f"HTTP {answer.status_code}"
    error = body.get("error", body) if isinstance(body, dict) else body
    if isinstance(error, dict):
        error = error.get("message") or error.get("detail") or error
    return str(error)
