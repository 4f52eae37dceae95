"""The shape of a cloud's answers, without what is private; where two differ.

Pure: answers in, differences out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

Json = Any  # what JSON decodes to


class Exchange(msgspec.Struct, frozen=True):
    """One call, and what was answered."""

    step: str
    verb: str
    path: str
    status: int
    answer: Json


class Difference(msgspec.Struct, frozen=True):
    """Where the cloud answers otherwise than the emulator."""

    step: str
    where: str  # the path into the answer
    cloud: str
    emulator: str


_REDACTIONS = (
    (re.compile(r"ya29\.[\w.-]+|Bearer \S+"), "TOKEN"),
    (re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+"), "EMAIL"),
    (re.compile(r"\b\d{1,3}(\.\d{1,3}){3}\b"), "ADDRESS"),
    (re.compile(r"\b(?:[0-9a-fA-F]{1,4}:){3,7}[0-9a-fA-F]{1,4}\b"), "ADDRESS"),
    (re.compile(r"(ssh-\w+|ecdsa-[\w-]+) [A-Za-z0-9+/=]+"), "SSH-KEY"),
    (re.compile(r"(?<=projects/)[\w:.-]+"), "PROJECT"),
)
_KINDS = (
    ("time", re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)")),
    ("url", re.compile(r"https?://.*")),
    ("number", re.compile(r"-?\d+")),
    ("operation", re.compile(r"(.*/)?operation-[\w-]+")),
)
_WORD = re.compile(r"[A-Z][A-Z0-9_]+|[a-z]+#[A-Za-z#]+")  # READY, compute#disk
MOST_ITEMS = 50  # of a list, in a recording


def redact(answer: Json, private: Mapping[str, str]) -> Json:
    """The same without projects, people, addresses, keys, tokens.

    `private` says what else must not be told, and what stands in its place.
    """
    if isinstance(answer, dict):
        return {_told(key, private): redact(v, private) for key, v in answer.items()}
    if isinstance(answer, list):
        return [redact(each, private) for each in answer[:MOST_ITEMS]]
    return _told(answer, private) if isinstance(answer, str) else answer


def _told(text: str, private: Mapping[str, str]) -> str:
    for pattern, name in _REDACTIONS:
        text = pattern.sub(name, text)
    for secret, name in private.items():
        text = text.replace(secret, name) if secret else text
    return text


def differences(
    cloud: Mapping[str, Exchange], emulator: Mapping[str, Exchange]
) -> tuple[Difference, ...]:
    """Every place where the answers to the same step have another shape."""
    found: list[Difference] = []
    for step, real in cloud.items():
        ours = emulator.get(step)
        if ours is None:
            found.append(Difference(step, "", f"HTTP {real.status}", "not asked"))
            continue
        if real.status != ours.status:
            words = (f"HTTP {real.status}", f"HTTP {ours.status}")
            found.append(Difference(step, "", *words))
        else:
            found += _compared(step, real.answer, ours.answer)
    return tuple(found)


def _compared(step: str, cloud: Json, emulator: Json) -> Iterator[Difference]:
    real, ours = dict(shape_of(cloud)), dict(shape_of(emulator))
    for where in sorted(real.keys() | ours.keys()):
        one, other = real.get(where, "not there"), ours.get(where, "not there")
        if one != other and not _is_below_a_difference(where, real, ours):
            yield Difference(step, where, one, other)


def _is_below_a_difference(
    where: str, real: Mapping[str, str], ours: Mapping[str, str]
) -> bool:
    """Is something above it missing already? Then that is said once."""
    above = where.rpartition("/")[0]
    return bool(above) and (above in real) != (above in ours)


def shape_of(answer: Json, where: str = "") -> Iterator[tuple[str, str]]:
    """Each path of an answer, and the kind of thing that is there."""
    if isinstance(answer, dict):
        yield where or "/", "an object"
        for key, value in answer.items():
            yield from shape_of(value, f"{where}/{key}")
    elif isinstance(answer, list):
        yield where or "/", "a list"
        merged: dict[str, str] = {}
        for each in answer:
            merged |= dict(shape_of(each, f"{where}/*"))
        yield from merged.items()
    else:
        yield where or "/", _kind(answer)


def _kind(value: Json) -> str:
    if not isinstance(value, str):
        return type(value).__name__
    if _WORD.fullmatch(value):
        return value  # a word of an enum: the word itself is the contract
    for kind, pattern in _KINDS:
        if pattern.fullmatch(value):
            return f"text: {kind}"
    return "text"
