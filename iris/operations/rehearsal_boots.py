"""Watches every boot while it lasts: a slice that went takes its phases with it."""

from __future__ import annotations

import threading

from iris.domain.fleet import BootPhase
from iris.errors import IrisError
from iris.session import Session

LOOK = 0.3  # seconds between looks
PATIENCE = 2.0  # seconds for one answer


class BootWatcher:
    """One thread that keeps what it saw."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, int, str, float], BootPhase] = {}
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, session: Session) -> None:
        """Look, again and again."""
        self._thread = threading.Thread(target=self._watch, args=(session,))
        self._thread.name = "boots"
        self._thread.start()

    def end(self) -> None:
        """Look no more; safe to call again."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def seen(self) -> tuple[BootPhase, ...]:
        """Every phase that was seen, the oldest first."""
        return tuple(sorted(self._seen.values(), key=lambda phase: phase.at))

    def _watch(self, session: Session) -> None:
        while True:
            last = self._over.wait(LOOK)
            try:
                self._look(session)
            except IrisError:
                if last:
                    return  # the controller is away; what was seen is kept
            if last:
                return

    def _look(self, session: Session) -> None:
        with session.controller(patience=PATIENCE) as client:
            for each in client.slices():
                for phase in client.slice_boot(each.name).phases:
                    key = (phase.slice_name, phase.index, phase.phase, phase.at)
                    self._seen[key] = phase
