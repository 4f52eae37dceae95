"""Structs and errors to and from JSON, strictly."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from http import HTTPStatus
from typing import Any, TypeVar

import msgspec

from iris import errors
from iris.domain.views import Problem
from iris.errors import IrisError, UsageError
from iris.structs import learn

T = TypeVar("T")

_ENCODER = msgspec.json.Encoder()
_DECODERS: dict[Any, msgspec.json.Decoder[Any]] = {}
_AT = re.compile(
    r"^(?P<fault>.*) - at `(?P<key>key in )?\$?(?P<path>[^`]*)`$", re.DOTALL
)


def encode(value: object) -> bytes:
    """The JSON of a struct, or of lists and mappings of structs."""
    return _ENCODER.encode(value)


def decode(content: bytes | str, kind: type[T]) -> T:
    """A struct from its JSON. Raises UsageError that names the path at fault."""
    try:
        return _decoder_of(kind).decode(content)
    except msgspec.ValidationError as error:
        raise UsageError(_in_house_words(str(error))) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"not JSON: {error}") from error


def convert(values: Mapping[str, str], kind: type[T]) -> T:
    """A struct from words, as queries carry them. Raises UsageError."""
    _decoder_of(kind)  # it is known from here on
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        raise UsageError(_in_house_words(str(error))) from error


def error_to_problem(error: IrisError) -> Problem:
    """What an error looks like to a program at the other end."""
    return Problem(
        code=error.code(),
        title=(type(error).__doc__ or "").splitlines()[0].rstrip("."),
        status=error.http_status,
        detail=error.message,
        hint=error.hint,
    )


def error_from_problem(problem: Problem) -> IrisError:
    """The error that the other end raised; an unheard-of code is an IrisError."""
    too_large = problem.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    other = UsageError if too_large else IrisError
    kind = error_class_by_code().get(problem.code, other)
    return kind(problem.detail or problem.title, problem.hint)


@cache
def error_class_by_code() -> dict[str, type[IrisError]]:
    """Every class of the error tree by its stable name."""
    return {kind.code(): kind for kind in _tree(errors.IrisError)}


def _tree(root: type[IrisError]) -> Iterator[type[IrisError]]:
    yield root
    for child in root.__subclasses__():
        yield from _tree(child)


def _decoder_of(kind: type[T]) -> msgspec.json.Decoder[T]:
    found = _DECODERS.get(kind)
    if found is None:
        found = _DECODERS[kind] = learn(kind)
    return found


def _in_house_words(fault: str) -> str:
    """`path: expected .., got ..` from msgspec's ``Expected .. - at `$.path` ``."""
    found = _AT.match(fault)
    path, words = ("", fault) if found is None else (found["path"], found["fault"])
    where = path.lstrip(".") or "body"
    if found is not None and found["key"]:
        where = f"a key of {where}"
    return f"{where}: {words[:1].lower()}{words[1:]}"
