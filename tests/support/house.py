"""What test_house asks of sources and pages: each check returns its complaints.

A check takes text or a tree and answers with a list, empty when all is well, so
that test_house can also show it something bad and see it complain.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

MOST_LINES_OF_A_MODULE = 300
MOST_LINES_OF_A_FUNCTION = 40
_FOREIGN = "node, pod, instance, host, master, manager, helper, utils, handler, data"
NOT_OUR_WORDS = frozenset(_FOREIGN.split(", "))
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+?)\s*$", re.MULTILINE)
_ENTRY = re.compile(r"^#{2,6} +`?([\w.-]+)`?\s*$", re.MULTILINE)
_TYPED = re.compile(r"\binv (?:--help )?((?:[a-z]+\.)[a-z-]+|cleanup|validate)\b")
_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_EXCEPTION = re.compile(r"#\s*(noqa|type: ignore|pragma|shellcheck disable)(.*)$")

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Source(NamedTuple):
    """One Python file of the house: where it lies, and what it says."""

    path: str
    text: str

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)


def sources_under(root: Path, *folders: str) -> list[Source]:
    """Every Python file below the folders, by its path from the root."""
    files = sorted(path for name in folders for path in (root / name).rglob("*.py"))
    return [Source(str(p.relative_to(root)), p.read_text()) for p in files]


def long_modules(source: Source) -> list[str]:
    """A module that nobody takes in at one reading."""
    lines = len(source.text.splitlines())
    if lines <= MOST_LINES_OF_A_MODULE:
        return []
    return [f"{source.path}: {lines} lines"]


def long_functions(source: Source) -> list[str]:
    """Functions that do more than one thing."""
    long = [(f, _length(f)) for f in _functions(source.tree)]
    return [
        f"{source.path}:{function.lineno}: {function.name} has {lines} lines"
        for function, lines in long
        if lines > MOST_LINES_OF_A_FUNCTION
    ]


def undescribed(source: Source) -> list[str]:
    """A module that does not open with what it is for."""
    if ast.get_docstring(source.tree) or not source.text.strip():
        return []
    return [f"{source.path}: no docstring"]


def foreign_words(source: Source) -> list[str]:
    """Names made of words that this code does not use."""
    stem = Path(source.path).stem
    named = {(0, stem)} | set(_names(source.tree))
    return [
        f"{source.path}:{line}: {name}"
        for line, name in sorted(named)
        if NOT_OUR_WORDS & set(words_of(name))
    ]


def words_of(name: str) -> list[str]:
    """The words of a name, small and in the singular: `worker_by_id`, `NodePool`."""
    words = [word.lower() for word in _WORD.findall(name)]
    return words + [word.removesuffix("s") for word in words]


def prints(source: Source) -> list[str]:
    """Calls of print: they belong to commands/ alone."""
    return [
        f"{source.path}:{call.lineno}: print"
        for call in _calls(source.tree)
        if isinstance(call.func, ast.Name) and call.func.id == "print"
    ]


def bare_sleeps(source: Source) -> list[str]:
    """Waits that guess: `eventually(...)` and a virtual clock do not."""
    return [
        f"{source.path}:{call.lineno}: {ast.unparse(call)}"
        for call in _calls(source.tree)
        if ast.unparse(call.func) in ("time.sleep", "sleep")
    ]


def patches(source: Source) -> list[str]:
    """Places where a test reaches into the code instead of handing in a fake."""
    wanted = ("mock.patch", "monkeypatch.setattr", "monkeypatch.setitem")
    return [
        f"{source.path}:{call.lineno}: {ast.unparse(call.func)}"
        for call in _calls(source.tree)
        if ast.unparse(call.func).endswith(wanted)
    ]


def bare_exceptions(path: str, text: str) -> list[str]:
    """Silenced checks that do not say why on the same line."""
    complaints = []
    for number, line in enumerate(text.splitlines(), start=1):
        found = _EXCEPTION.search(line)
        if found and len(re.findall(r"[a-z]{2,}", found[2])) < 3:
            complaints.append(f"{path}:{number}: {line.strip()}")
    return complaints


def broken_links(path: Path, root: Path) -> list[str]:
    """Links of a page to files or headings that are not there."""
    text = _FENCED.sub("", path.read_text())
    links = [link for link in _LINK.findall(text) if "://" not in link]
    return [
        f"{path.relative_to(root)}: {link}" for link in links if not _lands(path, link)
    ]


def headings(text: str) -> list[str]:
    """The headings of a page, without the marks of code."""
    return [h.replace("`", "") for h in _HEADING.findall(_FENCED.sub("", text))]


def entries(text: str) -> list[str]:
    """The headings below a page's title that are one name."""
    return _ENTRY.findall(_FENCED.sub("", text))


def commands_named(text: str) -> set[str]:
    """The commands that a text tells a person to type."""
    return set(_TYPED.findall(text))


def missing(wanted: Iterable[str], present: Iterable[str]) -> list[str]:
    """What should be there and is not, in order."""
    return sorted(set(wanted) - set(present))


def mentions(name: str, text: str) -> bool:
    """Does the text speak of exactly this name, not of a longer one?"""
    return re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", text) is not None


def packages_imported(source: Source) -> set[str]:
    """The top-level packages that a file imports, lazily or not."""
    found: set[str] = set()
    for piece in ast.walk(source.tree):
        if isinstance(piece, ast.Import):
            found |= {alias.name.split(".")[0] for alias in piece.names}
        elif isinstance(piece, ast.ImportFrom) and piece.module and not piece.level:
            found.add(piece.module.split(".")[0])
    return found


def modules_imported_in(function: Function) -> set[str]:
    """The modules that a function's body imports, with the names it takes."""
    found: set[str] = set()
    for piece in ast.walk(function):
        if isinstance(piece, ast.ImportFrom) and piece.module:
            found |= {f"{piece.module}.{alias.name}" for alias in piece.names}
    return found


def _lands(page: Path, link: str) -> bool:
    file, _, anchor = link.partition("#")
    target = (page.parent / file) if file else page
    if not target.exists():
        return False
    return not anchor or anchor in {_anchor(h) for h in headings(target.read_text())}


def _anchor(heading: str) -> str:
    kept = re.sub(r"[^\w\- ]", "", heading.lower())
    return kept.replace(" ", "-")


def _length(function: Function) -> int:
    """The lines of its body: a command's flags may need many above it."""
    return (function.end_lineno or 0) - function.body[0].lineno + 1


def _functions(tree: ast.Module) -> Iterator[Function]:
    for piece in ast.walk(tree):
        if isinstance(piece, ast.FunctionDef | ast.AsyncFunctionDef):
            yield piece


def _calls(tree: ast.Module) -> Iterator[ast.Call]:
    for piece in ast.walk(tree):
        if isinstance(piece, ast.Call):
            yield piece


def _names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for piece in ast.walk(tree):
        match piece:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield piece.lineno, piece.name
            case ast.arg():
                yield piece.lineno, piece.arg
            case ast.Name(ctx=ast.Store()):
                yield piece.lineno, piece.id
            case ast.Attribute(ctx=ast.Store()):
                yield piece.lineno, piece.attr
            case ast.alias(asname=str(name)):
                yield piece.lineno, name
