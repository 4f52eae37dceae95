"""What every API of the emulator stands on: shelves, time, faults, the driver.

One lock guards all resources. A shelf is a table in memory that is written through
to SQLite, so that the emulator's own state survives its restart.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from iris import wire
from iris.clock import Clock
from iris.emulator.fault_memory import FaultMemory
from iris.emulator.faults import Faults
from iris.emulator.machines import Driver

_LOG = logging.getLogger(__name__)

T = TypeVar("T", bound=msgspec.Struct)


class Delays(msgspec.Struct, frozen=True):
    """Seconds that the cloud takes; all zero unless Google-like ones are wanted."""

    vm_provisioning: float = 0.0  # insert to STAGING
    vm_staging: float = 0.0  # STAGING to RUNNING
    vm_stopping: float = 0.0
    vm_boot: float = 0.0  # RUNNING to the first line of the startup script
    tpu_create: float = 0.0  # create to the boot of its VMs
    tpu_ready: float = 0.0  # boot of its VMs to READY
    tpu_operation: float = 0.0  # READY to the end of the create operation
    tpu_delete: float = 0.0
    stockout: float = 0.0  # create to its refusal
    queue: float = 0.0  # a queued resource waits


GOOGLE = Delays(
    vm_provisioning=6.0,
    vm_staging=6.0,
    vm_stopping=20.0,
    vm_boot=12.0,
    tpu_create=75.0,
    tpu_ready=45.0,
    tpu_operation=15.0,
    tpu_delete=60.0,
    stockout=31.0,
    queue=60.0,
)


class Shelf(Generic[T]):
    """Resources of one kind by key, kept on disk; use it under the core's lock."""

    def __init__(self, database: sqlite3.Connection, kind: str, of: type[T]) -> None:
        self._database = database
        self._kind = kind
        rows = database.execute("SELECT key, body FROM resource WHERE kind = ?", [kind])
        self._held = {key: wire.decode(body, of) for key, body in rows}

    def __iter__(self) -> Iterator[T]:
        return iter(list(self._held.values()))

    def find(self, key: str) -> T | None:
        """The resource, None where there is none."""
        return self._held.get(key)

    def put(self, key: str, resource: T) -> T:
        """Keep it, in place of the former one."""
        self._held[key] = resource
        self._database.execute(
            "INSERT OR REPLACE INTO resource VALUES (?, ?, ?)",
            [self._kind, key, wire.encode(resource)],
        )
        return resource

    def drop(self, key: str) -> None:
        """Forget it; absence is success."""
        self._held.pop(key, None)
        self._database.execute(
            "DELETE FROM resource WHERE kind = ? AND key = ?", [self._kind, key]
        )


class Core:
    """The emulator's shared parts; `lock` guards every resource."""

    def __init__(
        self, folder: Path, clock: Clock, driver: Driver, delays: Delays = Delays()
    ) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder = folder
        self.clock = clock
        self.driver = driver
        self.delays = delays
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)  # notified after each change
        self.faults = Faults(clock, FaultMemory(folder))
        self.later = Later(clock, self.lock)
        self._database = sqlite3.connect(
            folder / "emulator.db", check_same_thread=False, isolation_level=None
        )
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=OFF")  # it outlives processes only
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS resource"
            " (kind TEXT, key TEXT, body BLOB, PRIMARY KEY (kind, key))"
        )

    def shelf(self, kind: str, of: type[T]) -> Shelf[T]:
        """The resources of one kind, as they were left."""
        return Shelf(self._database, kind, of)

    def next_number(self) -> int:
        """A number that no other resource ever had."""
        with self.lock:
            row = self._database.execute(
                "SELECT body FROM resource WHERE kind = 'meta' AND key = 'number'"
            ).fetchone()
            number = int(row[0]) + 1 if row else 1_000_000_001
            self._database.execute(
                "INSERT OR REPLACE INTO resource VALUES ('meta', 'number', ?)",
                [str(number)],
            )
            return number

    def close(self) -> None:
        """Stop what is due later, close the file."""
        self.later.close()
        with self.lock:
            self._database.close()


class Later:
    """Does things under the lock when their time has come, on one thread."""

    def __init__(self, clock: Clock, lock: threading.RLock) -> None:
        self._clock = clock
        self._lock = lock
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._guard = threading.Lock()
        self._woken = threading.Event()
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="later", daemon=True)
        self._thread.start()

    def after(self, delay: float, action: Callable[[], None]) -> None:
        """Do it `delay` seconds from now, in the order in which it is due."""
        with self._guard:
            due = (self._clock.now() + delay, next(self._order), action)
            heapq.heappush(self._due, due)
        self._woken.set()

    def close(self) -> None:
        """Nothing more is done."""
        self._is_closed = True
        self._woken.set()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        while not self._is_closed:
            self._woken.clear()
            action, wait = self._take()
            if action is not None:
                self._do(action)
            else:
                self._clock.wait(self._woken, wait)

    def _take(self) -> tuple[Callable[[], None] | None, float]:
        with self._guard:
            if not self._due:
                return None, 3600.0
            wait = self._due[0][0] - self._clock.now()
            return (None, wait) if wait > 0 else (heapq.heappop(self._due)[2], 0.0)

    def _do(self, action: Callable[[], None]) -> None:
        try:
            with self._lock:
                action()
        # one resource that cannot move on must not stop all others
        except Exception:
            _LOG.exception("a change that was due failed")
