"""From text to structs, strictly: every fault names file, path, value, expectation."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from types import UnionType
from typing import (
    Annotated,
    Any,
    NamedTuple,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
)

import msgspec
import yaml

from iris.config.kinds import Kind, Refused
from iris.errors import BadClusterFile

MOST_BYTES = 200 * 1024  # packed, a file travels in an attribute of 256 KB
_DEEPEST = 20  # the parser recurses; where it has a bound, that is a larger one
_TOO_DEEP = f"more than {_DEEPEST} levels deep"
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

S = TypeVar("S", bound=msgspec.Struct)


class Field(NamedTuple):
    """One key of a struct: its kind of value, or the struct below it."""

    name: str
    kind: Kind | None
    below: type[msgspec.Struct] | None
    is_mapping: bool  # of names (of the kind) to structs
    required: bool
    default: object


def read_yaml(text: str, source: str) -> object:
    """Plain values from YAML. Raises BadClusterFile, on duplicate keys too."""
    if len(text.encode()) > MOST_BYTES:
        raise BadClusterFile(f"{source}: larger than {MOST_BYTES} bytes")
    try:
        _require_shallow(text, source)
        _require_unique_keys(yaml.compose(text, Loader=_LOADER), source)
        return yaml.load(text, Loader=_LOADER)  # a safe loader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f" line {mark.line + 1}:" if mark else ""
        words = str(error.problem)
        if "nesting" in words:  # the parser's own bound: it reads ahead of ours
            words = _TOO_DEEP
        raise BadClusterFile(f"{source}:{line} {words}") from error
    except (yaml.YAMLError, ValueError) as error:
        words = " ".join(str(error).split())
        raise BadClusterFile(f"{source}: not YAML: {words}") from error


def read_struct(kind: type[S], raw: object, source: str, path: str = "") -> S:
    """A struct from plain values. Raises BadClusterFile at the first fault."""
    if raw is None and path:
        raw = {}  # `local:` with nothing after it
    if not isinstance(raw, Mapping):
        raise fault(source, path, "a mapping of keys to values", raw)
    fields = fields_of(kind)
    _require_known_keys(raw, [f.name for f in fields], source, path)
    missing = [f.name for f in fields if f.required and f.name not in raw]
    if missing:
        where = f" {path}:" if path else ""
        raise BadClusterFile(f"{source}:{where} the key {missing[0]!r} is missing")
    return kind(
        **{
            f.name: _read_field(f, raw[f.name], source, _below(path, f.name))
            for f in fields
            if f.name in raw
        }
    )


def write_struct(value: msgspec.Struct) -> dict[str, object]:
    """Plain values that `read_struct` turns back; what is unset is left out."""
    written: dict[str, object] = {}
    for field in fields_of(type(value)):
        stands = getattr(value, field.name)
        if field.is_mapping:
            written[field.name] = {n: write_struct(s) for n, s in stands.items()}
        elif isinstance(stands, msgspec.Struct):
            written[field.name] = write_struct(stands)
        elif field.kind is not None and _is_readable(field.kind, stands):
            written[field.name] = field.kind.write(stands)
    return written


@cache
def fields_of(kind: type[msgspec.Struct]) -> tuple[Field, ...]:
    """The keys of a struct in their order."""
    hints = get_type_hints(kind, include_extras=True)
    return tuple(_field(f, hints[f.name]) for f in msgspec.structs.fields(kind))


def fault(source: str, path: str, expected: str, got: object) -> BadClusterFile:
    """`FILE: PATH: expected .., got ..`, on one line however long the value is."""
    where = f" {path}:" if path else ""
    return BadClusterFile(f"{source}:{where} expected {expected}, got {_shown(got)}")


def _field(info: msgspec.structs.FieldInfo, hint: Any) -> Field:
    kind = None
    if get_origin(hint) is Annotated:
        hint, kind = get_args(hint)
    is_mapping = get_origin(hint) is dict
    below = get_args(hint)[-1] if is_mapping else hint
    if get_origin(below) is UnionType:
        below = get_args(below)[0]
    is_struct = isinstance(below, type) and issubclass(below, msgspec.Struct)
    return Field(
        name=info.name,
        kind=kind,
        below=below if is_struct else None,
        is_mapping=is_mapping and is_struct,
        required=info.required,
        default=_default(info),
    )


def _default(info: msgspec.structs.FieldInfo) -> object:
    if info.required:
        return None
    made = info.default_factory
    return info.default if made is msgspec.NODEFAULT else made()


def _read_field(field: Field, raw: object, source: str, path: str) -> object:
    if field.is_mapping:
        return _read_mapping(field, raw, source, path)
    if field.below is not None:
        return read_struct(field.below, raw, source, path)
    if field.kind is None:
        raise TypeError(f"{path}: no kind of value is declared for it")
    try:
        return field.kind.read(raw)
    except Refused as refused:
        path = "/".join((path, *refused.keys))
        raise fault(source, path, refused.expected, refused.got) from None


def _read_mapping(field: Field, raw: object, source: str, path: str) -> object:
    if not isinstance(raw, Mapping) or not raw:
        raise fault(source, path, "a mapping of at least one name", raw)
    below, kind, read = field.below, field.kind, {}
    if below is None or kind is None:
        raise TypeError(f"{path}: no kind of name is declared for it")
    for name, value in raw.items():
        try:
            kind.read(name)
        except Refused as refused:
            words = f"a name of {refused.expected}"
            raise fault(source, path, words, name) from None
        read[name] = read_struct(below, value, source, _below(path, name))
    return read


def _require_known_keys(
    raw: Mapping[object, object], known: list[str], source: str, path: str
) -> None:
    for key in raw:
        if key in known:
            continue
        near = get_close_matches(str(key), known, n=1, cutoff=0.5)
        if near:
            words = f"the nearest is {near[0]!r}"
        else:
            words = f"known here: {', '.join(known)}" if known else "none is known here"
        where = _below(path, str(key)[:60])
        raise BadClusterFile(f"{source}: {where}: unknown key; {words}")


def _require_shallow(text: str, source: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        opens = isinstance(event, yaml.CollectionStartEvent)
        depth += opens - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise BadClusterFile(f"{source}: {_TOO_DEEP}")


def _require_unique_keys(root: Any, source: str) -> None:
    waiting, seen = [root], set()
    while waiting:
        part = waiting.pop()
        if part is None or id(part) in seen or part.id == "scalar":
            continue
        seen.add(id(part))  # an alias may stand below itself
        if part.id == "mapping":
            _require_unique_keys_here(part, source)
            waiting += [value for _, value in part.value]
        else:
            waiting += part.value


def _require_unique_keys_here(mapping: Any, source: str) -> None:
    lines: dict[str, int] = {}
    for key, _ in mapping.value:
        if key.id != "scalar":
            continue
        line = key.start_mark.line + 1
        if key.value in lines:
            raise BadClusterFile(
                f"{source}: line {line}: the key {key.value!r} stands twice, "
                f"first in line {lines[key.value]}"
            )
        lines[key.value] = line


def _is_readable(kind: Kind, value: object) -> bool:
    try:
        kind.read(kind.write(value))
    except Refused:
        return False
    return True


def _below(path: str, key: object) -> str:
    return f"{path}/{key}" if path else str(key)


def _shown(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    words = repr(value)
    return words if len(words) <= 60 else f"{words[:57]}..."
