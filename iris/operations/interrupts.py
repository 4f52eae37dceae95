"""Ctrl-C, a polite end, and a terminal that was closed, for what must end in order."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """While the block runs, each is a KeyboardInterrupt; once it ends, none is."""

    def __init__(self) -> None:
        self._is_ending = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number in INTERRUPTS:
                # as by nohup, or a shell that puts us into the background
                if signal.getsignal(number) is not signal.SIG_IGN:
                    before = signal.signal(number, self._hear)
                    self._before[number] = before or signal.SIG_DFL
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    def hold_off(self) -> None:
        """From here on it ends: a second Ctrl-C must not leave half of it behind."""
        self._is_ending = True

    def _hear(self, _number: int, _frame: FrameType | None) -> None:
        if not self._is_ending:
            raise KeyboardInterrupt
