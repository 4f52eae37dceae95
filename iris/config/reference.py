"""Renders docs/config.md from the structs and the comments of the reference file."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from iris.config.kinds import Kind, Refused
from iris.config.model import ClusterConfig
from iris.config.reading import Field, fields_of
from iris.paths import examples_folder

_DEFAULT = re.compile(r"\s*Default:? (?P<words>[^.]*)\.$")
_KEY = re.compile(r"(?P<indent> *)(?P<key>[a-z][a-z0-9_]*):")
_COMMENTED = ("reference.yaml", "local.yaml")
_HEAD = """\
# The cluster file

<!-- Made from the code and examples/reference.yaml by `python -m iris.config`. -->

One YAML file describes one cluster. A key that is not below is refused, with the
nearest that is; every fault names file, path, value and what was expected.
`--config NAME` finds a path as given, then the files of `examples/`.

Durations are written `90s`, `5m` or `1h30m`; sizes `512MB`, `128GB` or `1TiB`.
The smallest useful file is `examples/minimal.yaml`, one with every key
`examples/reference.yaml`.

| key | value | default | what it does |
| --- | --- | --- | --- |
"""


class Line(msgspec.Struct, frozen=True):
    """One key of the cluster file as the page shows it."""

    path: str
    expected: str
    default: str
    comment: str


def render_reference() -> str:
    """The page docs/config.md as a whole."""
    rows = [
        f"| `{line.path}` | {line.expected} | {line.default} | {line.comment} |"
        for line in lines()
    ]
    return _HEAD + "\n".join(rows) + "\n"


def lines() -> list[Line]:
    """Every key there is, in the order of the structs."""
    # a file has one provider: the reference file the cloud, the other this machine
    texts = [(examples_folder() / name).read_text() for name in _COMMENTED]
    comments = comments_by_path(texts[1]) | comments_by_path(texts[0])
    return list(_lines_of(ClusterConfig, "", comments))


def comments_by_path(text: str) -> dict[str, str]:
    """The comment that stands above each key; names of groups read NAME."""
    found: dict[str, str] = {}
    above: list[str] = []
    parents: list[str] = []
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("#"):
            above.append(stripped.removeprefix("#").strip())
            continue
        key = _KEY.match(line)
        if key is not None:
            depth = len(key["indent"]) // 2
            parents[depth:] = [key["key"]]
            found.setdefault(_general(parents), " ".join(above))
        above = []
    return found


def _general(parents: list[str]) -> str:
    if parents[0] == "scale_groups" and len(parents) > 1:
        return "/".join(["scale_groups", "NAME", *parents[2:]])
    return "/".join(parents)


def _lines_of(
    kind: type[msgspec.Struct], above: str, comments: dict[str, str]
) -> Iterator[Line]:
    for field in fields_of(kind):
        path = f"{above}{field.name}"
        if field.below is None:
            yield _line(field, path, comments)
            continue
        section = f"{path}/NAME" if field.is_mapping else path
        yield _section(field, path, comments)
        yield from _lines_of(field.below, f"{section}/", comments)


def _section(field: Field, path: str, comments: dict[str, str]) -> Line:
    words = "a mapping"
    if field.is_mapping and field.kind is not None:
        words = f"a mapping, its names of {field.kind.expected}"
    return Line(path, words, "required" if field.required else "", comments[path])


def _line(field: Field, path: str, comments: dict[str, str]) -> Line:
    if field.kind is None:
        raise TypeError(f"{path}: no kind of value is declared for it")
    said = _DEFAULT.search(comments[path])
    default = _default(field.kind, field.default) or (said["words"] if said else "")
    return Line(
        path=path,
        expected=field.kind.expected,
        default="required" if field.required else default,
        comment=_DEFAULT.sub("", comments[path]),
    )


def _default(kind: Kind, value: object) -> str:
    """Empty where what is unset has no words of its own."""
    written = kind.write(value)
    try:
        kind.read(written)
    except Refused:
        return ""
    return f"`{_as_yaml(written)}`" if written != {} else ""


def _as_yaml(written: object) -> str:
    """As a person writes it in a cluster file."""
    if isinstance(written, bool):
        return str(written).lower()
    if isinstance(written, list):
        return f"[{', '.join(map(_as_yaml, written))}]"
    return str(written)
