"""When the controller's machine was there: it costs, too.

A machine that is made anew, after `cluster.stop` for instance, is another one. When
the one before it went nobody could say; the last thing that happened there is near.
"""

from __future__ import annotations

from collections.abc import Mapping

from iris.controller.change import Change
from iris.domain.costs import Life

_MARK = "machine/"


def note_machine(change: Change, uid: str, last_seen_at: float) -> None:
    """The controller is on this machine now, and on no other any more."""
    meta = change.tables.meta
    if f"{_MARK}{uid}" in meta:
        return
    for key in [key for key in meta if key.startswith(_MARK)]:
        life = _read(meta[key])
        if not life.ended_at:
            ended_at = max(last_seen_at, life.began_at)
            change.put_meta(key, f"{life.began_at} {ended_at}")
    change.put_meta(f"{_MARK}{uid}", f"{change.now} 0")


def lives_of_machines(meta: Mapping[str, str]) -> list[Life]:
    """The first one first."""
    lives = [_read(words) for key, words in meta.items() if key.startswith(_MARK)]
    return sorted(lives, key=lambda life: life.began_at)


def _read(words: str) -> Life:
    return Life(*map(float, words.split()))
