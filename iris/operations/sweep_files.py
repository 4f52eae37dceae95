"""Sweeps: a file of lines, one for each task, its fields as the task's variables."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

from iris.config.job_rules import OURS, is_text
from iris.errors import UsageError

MOST_LINES = 1_000_000
_KINDS = (".jsonl", ".csv")

Line = tuple[int, dict[str, str]]  # its number in the file, its fields


def read_sweep(file: Path) -> dict[str, tuple[str, ...]]:
    """The variables of each task: name -> values in order. Raises UsageError."""
    if file.suffix not in _KINDS:
        raise UsageError(f"{file}: expected a file that ends in {' or '.join(_KINDS)}")
    try:
        with file.open(encoding="utf-8-sig", newline="") as source:
            lines = _csv_lines(file, source)
            if file.suffix == ".jsonl":
                lines = _json_lines(file, source)
            return _columns(file, lines)
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{file}: not UTF-8 at byte {error.start}") from error


def _columns(file: Path, lines: Iterator[Line]) -> dict[str, tuple[str, ...]]:
    """All lines have the fields of the first, so that no task lacks a variable."""
    columns: dict[str, list[str]] = {}
    for count, (number, fields) in enumerate(lines, start=1):
        if count == 1:
            columns = {_variable(file, number, name): [] for name in fields}
        if fields.keys() != columns.keys():
            raise UsageError(
                f"{file}: line {number}: expected the fields {', '.join(columns)}, "
                f"as in the first line, got {', '.join(fields) or 'none'}"
            )
        for name, value in fields.items():
            columns[name].append(value)
        if count > MOST_LINES:
            raise UsageError(f"{file}: more than {MOST_LINES} lines")
    if not columns:
        raise UsageError(f"{file}: expected at least one line with fields, got none")
    return {name: tuple(values) for name, values in columns.items()}


def _json_lines(file: Path, source: Iterator[str]) -> Iterator[Line]:
    for number, line in enumerate(source, start=1):
        if not line.strip():
            continue
        try:
            yield number, _fields(file, number, line)
        except ValueError as error:
            words = str(error).removesuffix(": line 1 column 1 (char 0)")
            raise UsageError(f"{file}: line {number}: not JSON: {words}") from error
        except RecursionError as error:
            raise UsageError(f"{file}: line {number}: nested too deeply") from error


def _fields(file: Path, number: int, line: str) -> dict[str, str]:
    pairs = json.loads(
        line,
        parse_float=_Number,
        parse_int=_Number,
        parse_constant=_refuse_constant,
        object_pairs_hook=_once,
    )
    if not isinstance(pairs, dict):
        raise UsageError(f"{file}: line {number}: expected an object {{..}}")
    return {k: _words(file, number, k, v) for k, v in pairs.items()}


class _Number(str):
    """A number as it is written: 1e-4 is not made 0.0001."""


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of it")


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a field stands twice")
    return found


def _words(file: Path, number: int, name: str, value: object) -> str:
    if isinstance(value, str):
        return _text(file, number, name, str(value))
    if value is None:
        raise UsageError(
            f"{file}: line {number}: {name}: expected text, a number, true or false, "
            "an object or a list, got nothing",
            hint='Text that is empty is written "".',
        )
    return _text(file, number, name, _compact(value))


def _compact(value: object) -> str:
    """As JSON without spaces, in which numbers and letters stay as they are."""
    if isinstance(value, _Number):
        return str(value)
    if isinstance(value, dict):
        pairs = (f"{_compact(k)}:{_compact(v)}" for k, v in value.items())
        return f"{{{','.join(pairs)}}}"
    if isinstance(value, list):
        return f"[{','.join(map(_compact, value))}]"
    return json.dumps(value, ensure_ascii=False)


def _csv_lines(file: Path, source: Iterator[str]) -> Iterator[Line]:
    reader = csv.reader(source, strict=True)
    try:
        heads = [_variable(file, 1, name) for name in next(reader, [])]
        if len(set(heads)) < len(heads):
            raise UsageError(f"{file}: line 1: a field stands twice")
        for row in filter(None, reader):
            number = reader.line_num
            if len(row) != len(heads):
                raise UsageError(
                    f"{file}: line {number}: expected {len(heads)} fields, "
                    f"as in the first line, got {len(row)}"
                )
            pairs = zip(heads, row, strict=True)
            yield number, {k: _text(file, number, k, v) for k, v in pairs}
    except csv.Error as error:
        raise UsageError(f"{file}: line {reader.line_num}: {error}") from error


def _variable(file: Path, number: int, name: str) -> str:
    if not name.isidentifier() or not name.isascii() or name.startswith(OURS):
        raise UsageError(
            f"{file}: line {number}: expected fields that can be variables, of "
            f"letters, digits and _, none starting {OURS}, got {name[:80]!r}"
        )
    return name


def _text(file: Path, number: int, name: str, value: str) -> str:
    where = f"{file}: line {number}: {name}"
    if "\0" in value:
        raise UsageError(f"{where}: a value holds a NUL")
    if not is_text(value):  # as JSON's "\ud800" alone
        raise UsageError(f"{where}: expected UTF-8 text, got {value[:80]!a}")
    return value
