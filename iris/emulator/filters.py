"""The two filter languages of Compute Engine's lists; they never mix."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from iris.emulator.errors import Refusal

Test = Callable[[dict[str, Any]], bool]
_TOKEN = re.compile(
    r"\s*(?:(?P<open>\()|(?P<close>\))|(?P<word>AND\b|OR\b|NOT\b)"
    r"|(?P<field>[\w.\-]+)\s*(?P<op>!=|>=|<=|=|:|>|<)\s*"
    r"(?P<value>\"[^\"]*\"|'[^']*'|[^\s()]+))"
)


def parse_filter(text: str) -> Test:
    """Does a resource fit? Raises a 400 for what is not a filter."""
    if not text.strip():
        return lambda _: True
    if re.search(r"\s(eq|ne)\s", text):
        return _by_regex(text)
    tokens = _tokens(text)
    test, rest = _any_of(tokens)
    if rest:
        raise _invalid(text)
    return test


def _by_regex(text: str) -> Test:
    groups = re.findall(r"\(([^()]*(?:\([^()]*\)[^()]*)*)\)", text)
    is_grouped = text.strip().startswith("(") and groups
    tests = [_one_regex(part) for part in (groups if is_grouped else [text])]
    return lambda item: all(test(item) for test in tests)


def _one_regex(text: str) -> Test:
    found = re.fullmatch(r"\s*([\w.\-]+)\s+(eq|ne)\s+(.+?)\s*", text, re.DOTALL)
    if found is None:
        raise _invalid(text)
    field, verb, words = found.groups()
    try:
        pattern = re.compile(_unquoted(words))
    except re.error:
        raise _invalid(text) from None

    def test(item: dict[str, Any]) -> bool:
        value = _value(item, field)
        fits = value is not None and pattern.fullmatch(_text(value)) is not None
        return fits is (verb == "eq")

    return test


def _tokens(text: str) -> list[re.Match[str]]:
    tokens, place = [], 0
    while text[place:].strip():
        found = _TOKEN.match(text, place)
        if found is None:
            raise _invalid(text)
        tokens.append(found)
        place = found.end()
    return tokens


def _any_of(tokens: list[re.Match[str]]) -> tuple[Test, list[re.Match[str]]]:
    test, tokens = _all_of(tokens)
    tests = [test]
    while tokens and tokens[0]["word"] == "OR":
        test, tokens = _all_of(tokens[1:])
        tests.append(test)
    return (lambda item: any(each(item) for each in tests)), tokens


def _all_of(tokens: list[re.Match[str]]) -> tuple[Test, list[re.Match[str]]]:
    tests = []
    while tokens and not tokens[0]["close"] and tokens[0]["word"] != "OR":
        if tokens[0]["word"] == "AND":
            tokens = tokens[1:]
            continue
        test, tokens = _one_of(tokens)
        tests.append(test)
    if not tests:
        raise _invalid("nothing")
    return (lambda item: all(each(item) for each in tests)), tokens


def _one_of(tokens: list[re.Match[str]]) -> tuple[Test, list[re.Match[str]]]:
    if not tokens:
        raise _invalid("nothing")
    first, rest = tokens[0], tokens[1:]
    if first["word"] == "NOT":
        inner, rest = _one_of(rest)
        return (lambda item: not inner(item)), rest
    if first["open"]:
        test, rest = _any_of(rest)
        if not rest or not rest[0]["close"]:
            raise _invalid("an open parenthesis")
        return test, rest[1:]
    return _comparison(first["field"], first["op"], _unquoted(first["value"])), rest


def _comparison(field: str, op: str, wanted: str) -> Test:
    def test(item: dict[str, Any]) -> bool:
        value = _value(item, field)
        if op == ":":
            return value is not None and (wanted == "*" or wanted in _text(value))
        if op in ("=", "!="):
            return (value is not None and _fits(_text(value), wanted)) is (op == "=")
        return value is not None and _is_ordered(_text(value), op, wanted)

    return test


def _fits(value: str, wanted: str) -> bool:
    pattern = ".*".join(re.escape(part) for part in wanted.split("*"))
    return re.fullmatch(pattern, value) is not None


def _is_ordered(value: str, op: str, wanted: str) -> bool:
    left: Any = value
    right: Any = wanted
    with suppress(ValueError):
        left, right = float(value), float(wanted)
    if op in (">", ">="):
        return bool(left > right or (op == ">=" and left == right))
    return bool(left < right or (op == "<=" and left == right))


def _value(item: dict[str, Any], field: str) -> Any:
    value: Any = item
    for part in field.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _unquoted(words: str) -> str:
    is_quoted = len(words) > 1 and words[0] == words[-1] and words[0] in "\"'"
    return words[1:-1].replace("\\\\", "\\") if is_quoted else words


def _invalid(text: str) -> Refusal:
    return Refusal(
        "invalid",
        f"Invalid value for field 'filter': '{text}'. Invalid list filter expression.",
    )
