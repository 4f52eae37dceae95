"""What the threads of containers tell their keeper."""

from __future__ import annotations

import msgspec

from iris.worker.runtimes.engine import End


class Started(msgspec.Struct, frozen=True):
    """Its container runs."""

    uid: str
    pid: int


class NotStarted(msgspec.Struct, frozen=True):
    """There is no container of it, and will be none."""

    uid: str
    error: Exception


class Ended(msgspec.Struct, frozen=True):
    """Its container has ended."""

    uid: str
    end: End


class PlaceLost(msgspec.Struct, frozen=True):
    """It failed, and its visitors would find no container."""

    uid: str


News = Started | NotStarted | Ended | PlaceLost
