"""Says in the controller's log what people and workers did; loops say what they do."""

from __future__ import annotations

import logging

from iris.controller.change import Changed
from iris.domain.events import Event

_LOG = logging.getLogger(__name__)
_TOLD = frozenset(
    {
        "job submitted",
        "job cancelled",
        "job succeeded",
        "job failed",
        "worker registered",
        "worker heard again",
        "slice ready",
        "slice confirmed gone",
        "cluster draining",
        "cluster resumed",
        "operator granted",
        "user granted",
        "viewer granted",
    }
)


def tell(changed: Changed) -> None:
    """A listener for State: one line for each event that nobody else tells."""
    for event in changed.events:
        if event.kind in _TOLD:
            _LOG.info("%s", _line(event))


def _line(event: Event) -> str:
    words = {
        "job": event.job,
        "tasks": event.count if event.kind == "job submitted" else "",
        "slice": event.slice_name,
        "worker": event.worker_uid,
        "user": event.user,
    }
    named = "".join(f" {name}={word}" for name, word in words.items() if word != "")
    because = event.because.replace('"', "'")
    return f"{event.kind}{named}" + (f' because="{because}"' if because else "")
