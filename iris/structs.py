"""Makes Structs known to msgspec before threads use them.

What msgspec (0.22) learns of a Struct at its first use it keeps with the class, and
shows to other threads before it is whole: one that decodes meanwhile ends its process
(SIGSEGV).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import TypeVar

import msgspec

T = TypeVar("T")

_LEARNING = threading.Lock()


def learn(kind: type[T]) -> msgspec.json.Decoder[T]:
    """A decoder, made while no other thread makes one."""
    with _LEARNING:
        return msgspec.json.Decoder(kind)


def convert(values: object, kind: type[T]) -> T:
    """A struct from what Python holds, learnt first."""
    learn(kind)
    return msgspec.convert(values, kind)


def learn_all() -> None:
    """Every Struct that there is by now: for programs, once all is imported."""
    for kind in _below(msgspec.Struct):
        # a name or a type that msgspec does not know: such a Struct is never decoded
        with suppress(TypeError, NameError, AttributeError):
            learn(kind)


def _below(root: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    for child in root.__subclasses__():
        yield child
        yield from _below(child)
