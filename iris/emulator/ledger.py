"""Every resource that ever was: when, how often made, how long paid for."""

from __future__ import annotations

import msgspec

from iris.emulator.core import Core


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One resource; `billing_since` is 0 while nothing is paid for it."""

    kind: str  # vm | slice | queued-resource | disk
    id: str
    name: str
    project: str
    zone: str
    type: str  # of accelerator, machine or disk
    capacity: str = "on-demand"
    labels: dict[str, str] = {}
    state: str = ""
    created_at: float
    deleted_at: float = 0.0
    billing_since: float = 0.0
    billed: float = 0.0
    creates: int = 1  # of this name and kind there, this one too


class Ledger:
    """Written by the APIs as resources come, run, stop and go."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._entries = core.shelf("ledger", Entry)

    def opened(self, entry: Entry) -> None:
        """A create took effect."""
        asked = _place(entry)
        former = sum(_place(each) == asked for each in self._entries)
        entry = msgspec.structs.replace(entry, creates=former + 1)
        self._entries.put(f"{entry.kind}/{entry.id}", entry)

    def moved(self, kind: str, id_: str, state: str, *, is_billed: bool) -> None:
        """A resource changed its state; from now on it costs, or it does not."""
        entry = self._entries.find(f"{kind}/{id_}")
        if entry is None or entry.deleted_at:
            return
        now, since = self._core.clock.now(), entry.billing_since
        billed = entry.billed + (now - since if since else 0.0)
        self._entries.put(
            f"{kind}/{id_}",
            msgspec.structs.replace(
                entry,
                state=state,
                billed=billed,
                billing_since=now if is_billed else 0.0,
            ),
        )

    def closed(self, kind: str, id_: str) -> None:
        """It is gone."""
        self.moved(kind, id_, "deleted", is_billed=False)
        entry = self._entries.find(f"{kind}/{id_}")
        if entry is not None and not entry.deleted_at:
            now = self._core.clock.now()
            gone = msgspec.structs.replace(entry, deleted_at=now)
            self._entries.put(f"{kind}/{id_}", gone)

    def rows(self) -> list[dict[str, object]]:
        """All of it, oldest first."""
        with self._core.lock:
            now = self._core.clock.now()
            entries = sorted(self._entries, key=lambda e: (e.created_at, e.id))
            return [_row(entry, now) for entry in entries]


def _place(entry: Entry) -> tuple[str, str, str, str]:
    return entry.kind, entry.project, entry.zone, entry.name


def _row(entry: Entry, now: float) -> dict[str, object]:
    row: dict[str, object] = msgspec.structs.asdict(entry)
    since = entry.billing_since
    row["billed_seconds"] = entry.billed + (now - since if since else 0.0)
    for inner in ("billing_since", "billed"):
        del row[inner]
    return row
