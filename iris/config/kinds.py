"""The kinds of value that a cluster file holds: how each is read and written."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol

import msgspec

from iris.domain.accelerators import CATALOGUE, nearest_accelerator


class Refused(Exception):
    """A value is not of its kind; `keys` lead to it from where the kind stands."""

    def __init__(self, expected: str, got: object, keys: tuple[str, ...] = ()) -> None:
        super().__init__(expected)
        self.expected = expected
        self.got = got
        self.keys = keys


class Kind(Protocol):
    """What may stand at a place of the cluster file."""

    @property
    def expected(self) -> str:
        """What is allowed, in words that follow 'expected'."""

    def read(self, raw: object) -> object:
        """The value for a struct. Raises Refused."""

    def write(self, value: object) -> object:
        """The value as a cluster file has it; `read` of it gives it back."""


class Text(msgspec.Struct, frozen=True):
    """Words that match a pattern."""

    pattern: str
    expected: str

    def read(self, raw: object) -> str:
        if not isinstance(raw, str) or not re.fullmatch(self.pattern, raw):
            raise Refused(self.expected, raw)
        return raw

    def write(self, value: object) -> object:
        return value


class Whole(msgspec.Struct, frozen=True):
    """A whole number between bounds."""

    least: int
    most: int
    expected: str

    def read(self, raw: object) -> int:
        # YAML's true and false are whole numbers to Python
        if isinstance(raw, bool) or not isinstance(raw, int):
            raise Refused(self.expected, raw)
        if not self.least <= raw <= self.most:
            raise Refused(self.expected, raw)
        return raw

    def write(self, value: object) -> object:
        return value


class Amount(msgspec.Struct, frozen=True):
    """A number above 0 that may have a fraction."""

    expected: str = "a number above 0"

    def read(self, raw: object) -> float:
        if isinstance(raw, bool) or not isinstance(raw, int | float):
            raise Refused(self.expected, raw)
        if not (0 < raw < 1e9 and math.isfinite(raw)):
            raise Refused(self.expected, raw)
        return float(raw)

    def write(self, value: object) -> object:
        return value


class OneOf(msgspec.Struct, frozen=True):
    """One of a few words."""

    choices: type[StrEnum]

    @property
    def expected(self) -> str:
        return "one of " + ", ".join(self.choices)

    def read(self, raw: object) -> StrEnum:
        if not isinstance(raw, str) or raw not in list(self.choices):
            raise Refused(self.expected, raw)
        return self.choices(raw)

    def write(self, value: object) -> object:
        return str(value)


class AcceleratorType(msgspec.Struct, frozen=True):
    """A type of the catalogue."""

    expected: str = "an accelerator type such as v5litepod-16"

    def read(self, raw: object) -> str:
        if not isinstance(raw, str) or not raw:
            raise Refused(self.expected, raw)
        if raw not in CATALOGUE:
            nearest = nearest_accelerator(raw)
            raise Refused(f"{self.expected} (the nearest is {nearest})", raw)
        return raw

    def write(self, value: object) -> object:
        return value


class Many(msgspec.Struct, frozen=True):
    """A list of different things of one kind, at least one."""

    each: Kind

    @property
    def expected(self) -> str:
        return f"a list, each item {self.each.expected}"

    def read(self, raw: object) -> tuple[object, ...]:
        if not isinstance(raw, list) or not raw:
            raise Refused(self.expected, raw)
        items: list[object] = []
        for place, item in enumerate(raw):
            items.append(_read_at(str(place), self.each, item))
            if items[-1] in items[:-1]:
                raise Refused("each item once", item, (str(place),))
        return tuple(items)

    def write(self, value: object) -> object:
        return list(value) if isinstance(value, tuple) else value


class Named(msgspec.Struct, frozen=True):
    """A mapping of names to words."""

    name: Kind
    each: Kind

    @property
    def expected(self) -> str:
        return f"a mapping of names to {self.each.expected}"

    def read(self, raw: object) -> dict[object, object]:
        if not isinstance(raw, Mapping):
            raise Refused(self.expected, raw)
        return {
            self.name.read(name): _read_at(str(name), self.each, item)
            for name, item in raw.items()
        }

    def write(self, value: object) -> object:
        return dict(value) if isinstance(value, dict) else value


def _read_at(key: str, kind: Kind, raw: object) -> object:
    try:
        return kind.read(raw)
    except Refused as fault:
        raise Refused(fault.expected, fault.got, (key, *fault.keys)) from None
