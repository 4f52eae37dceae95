"""How far this VM's boot has come, told beside everything else.

Best effort: nothing waits for it, and it ends with the first success of the last
phase, or when the controller will not hear of it.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from iris.domain.machine import VmMetadata
from iris.domain.protocol import PhaseReport
from iris.errors import Busy, IrisError, Unreachable
from iris.worker.agent.link import Link
from iris.worker.agent.patience import Patience

LAST_PHASE = "registered"


class Boot:
    """Tells the controller of each phase, in order, from a thread of its own."""

    def __init__(self, metadata: VmMetadata, token: Callable[[], str]) -> None:
        self._metadata = metadata
        self._token = token
        self._reports: queue.SimpleQueue[PhaseReport] = queue.SimpleQueue()
        threading.Thread(target=self._tell, name="boot", daemon=True).start()

    def reached(self, phase: str, at: float, detail: str = "") -> None:
        """A phase was reached; returns at once."""
        name, index = self._metadata.slice_name, self._metadata.index
        self._reports.put(PhaseReport(name, index, phase, at, detail))

    def _tell(self) -> None:
        link = Link(self._metadata, self._token)
        path = f"/v1/slices/{self._metadata.slice_name}:phase"
        patience, phase = Patience("the report of the boot"), ""
        while phase != LAST_PHASE:
            report = self._reports.get()
            phase = report.phase
            while not self._is_told(link, path, report, patience):
                pass
        link.close()

    def _is_told(
        self, link: Link, path: str, report: PhaseReport, patience: Patience
    ) -> bool:
        try:
            link.post(path, report, object)
        except (Unreachable, Busy) as error:
            threading.Event().wait(patience.after(error))
            return False
        except IrisError as error:
            patience.after(error)
            return True
        patience.over()
        return True
