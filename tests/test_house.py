"""The house keeps its own rules, and every check of them is able to complain."""

from __future__ import annotations

import configparser
import inspect
import sys
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from iris import errors
from iris.config import ClusterConfig
from iris.errors import IrisError
from tests.support import house
from tests.support.house import Source

ROOT = Path(__file__).parents[1]
OURS = house.sources_under(ROOT, "iris")
TESTS = house.sources_under(ROOT, "tests")
EVERYTHING = OURS + TESTS + house.sources_under(ROOT, "benchmarks", "examples")
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
WAITS = "tests/support/eventually.py"  # the one place of the tests that sleeps
PRINTING = ("iris/commands/", "iris/simulation/__main__.py", "iris/config/__main__.py")


def complaints_of(check, sources):
    return [complaint for source in sources for complaint in check(source)]


# How the code looks


@pytest.mark.parametrize(
    "check",
    [house.long_modules, house.long_functions, house.undescribed, house.foreign_words],
    ids=lambda check: check.__name__,
)
def test_every_source_keeps_the_house_style(check):
    sources = OURS if check is not house.long_modules else EVERYTHING

    assert complaints_of(check, sources) == []


def test_a_source_that_breaks_the_style_is_complained_about():
    long_function = "def story():\n" + "    tell()\n" * 41
    bad = Source("iris/job_helpers.py", long_function + "NodePool = 1\n" * 300)

    assert house.long_modules(bad) == ["iris/job_helpers.py: 342 lines"]
    assert house.long_functions(bad) == ["iris/job_helpers.py:1: story has 41 lines"]
    assert house.undescribed(bad) == ["iris/job_helpers.py: no docstring"]
    assert "iris/job_helpers.py:0: job_helpers" in house.foreign_words(bad)
    assert "iris/job_helpers.py:43: NodePool" in house.foreign_words(bad)


def test_words_that_only_contain_a_foreign_one_are_ours():
    fine = Source("iris/metadata.py", "metadata = hostnames = instances_of = 1\n")

    assert house.foreign_words(fine) == ["iris/metadata.py:1: instances_of"]


def test_prints_belong_to_commands():
    silent = [s for s in OURS if not s.path.startswith(PRINTING)]

    assert complaints_of(house.prints, silent) == []
    assert house.prints(Source("a.py", "print(1)")) == ["a.py:1: print"]


def test_no_test_sleeps_or_patches():
    others = [s for s in TESTS if s.path != WAITS]

    assert complaints_of(house.bare_sleeps, others) == []
    assert complaints_of(house.patches, others) == []
    assert house.bare_sleeps(Source("a.py", "time.sleep(1)"))
    assert house.patches(Source("a.py", "monkeypatch.setattr(x, 'y', 1)"))
    assert house.patches(Source("a.py", "mock.patch('x.y')"))


def test_an_exception_from_a_check_says_why_on_its_line():
    complaints = [c for s in EVERYTHING for c in house.bare_exceptions(*s)]
    bare = "x = 1  # " + "noqa: E741"

    assert complaints == []
    assert house.bare_exceptions("a.py", bare) == [f"a.py:1: {bare}"]
    assert house.bare_exceptions("a.py", bare + " the cloud calls it so") == []


# What is used is declared


def test_the_libraries_that_are_imported_are_those_declared():
    imported = set().union(*map(house.packages_imported, OURS))
    outside = imported - set(sys.stdlib_module_names) - {"iris", "tasks"}

    assert outside == {_package(line) for line in _requirements()}


def _requirements():
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    return settings["options"]["install_requires"].split()


def _package(requirement):
    name = requirement.split(">")[0].lower()
    if name.startswith("google-"):
        return "google"  # one name for the packages of many
    return {"pyyaml": "yaml"}.get(name, name.replace("-", "_"))


# What is there is documented, done by an operation and tested


def commands():
    """Every command by its dotted name, as a person types it."""
    import tasks

    collection = tasks.namespace
    return {name: collection[name] for name in sorted(collection.task_names)}


def test_every_command_is_documented_and_no_other():
    entries = house.entries((ROOT / "docs/commands.md").read_text())

    assert {entry for entry in entries if entry.islower()} == set(commands())


def test_every_command_that_a_page_or_a_hint_names_is_there():
    texts = [page.read_text() for page in PAGES] + [s.text for s in OURS]
    named = set().union(*map(house.commands_named, texts))

    assert house.missing(named, commands()) == []
    assert house.commands_named("`inv job.lst -f`, inv --help cleanup") == {
        "job.lst",
        "cleanup",
    }


def test_a_letter_means_the_same_flag_in_every_command():
    from iris.commands._edge import LETTERS

    flags = [a.names for task in commands().values() for a in task.get_arguments()]
    letters = {names[1]: names[0] for names in flags if len(names) > 1}

    assert {long: letter for letter, long in letters.items()} == LETTERS


def test_every_command_calls_an_operation():
    # a probe is the command of its own module, which another test sees to
    others = {n: t for n, t in commands().items() if not n.startswith("probe.")}

    assert [name for name, task in others.items() if not _calls_ours(task.body)] == []


def _calls_ours(body):
    module = inspect.getsource(inspect.getmodule(body))
    tree = Source("", module).tree
    bodies = [p for p in tree.body if getattr(p, "name", "") == body.__name__]
    named = set().union(*map(house.modules_imported_in, bodies))
    return any(name.startswith("iris.operations") for name in named)


def test_every_command_is_tested():
    said = "\n".join(s.text for s in TESTS if s.path != "tests/test_house.py")
    untested = [name for name in commands() if not house.mentions(name, said)]

    assert untested == []


def test_every_probe_is_a_command_and_asks_a_question():
    found = sorted((ROOT / "iris/probes").glob("[!_]*.py"))
    names = {f"probe.{path.stem.replace('_', '-')}" for path in found}

    assert house.missing(names, commands()) == []
    assert [p.stem for p in found if not _asks(p)] == []


def _asks(path):
    tree = Source(str(path), path.read_text()).tree
    return "ask" in {getattr(piece, "name", "") for piece in tree.body}


def test_every_key_of_the_cluster_file_is_in_the_reference_and_on_the_page():
    reference = (ROOT / "examples/reference.yaml").read_text()
    page = (ROOT / "docs/config.md").read_text()
    keys = keys_of(ClusterConfig)

    assert [key for key in keys if f"{key}:" not in reference] == []
    assert [key for key in keys if not house.mentions(key, page)] == []
    assert {"scale_groups", "max_slices", "evaluation_interval"} <= keys


def keys_of(struct):
    """The names of a struct's fields, and of the structs below it."""
    fields = msgspec.structs.fields(struct)
    below = [keys_of(inner) for field in fields for inner in structs_in(field.type)]
    return {field.name for field in fields}.union(*below)


def structs_in(annotation):
    """The structs that an annotation speaks of, however deep."""
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return [annotation]
    return [s for inner in get_args(annotation) for s in structs_in(inner)]


# Errors


def error_classes():
    return {
        name
        for name, found in vars(errors).items()
        if inspect.isclass(found) and issubclass(found, IrisError)
    }


def test_every_error_has_an_entry_and_every_entry_an_error():
    entries = house.entries((ROOT / "docs/errors.md").read_text())

    assert set(entries) == error_classes()


def test_the_tree_drawn_in_errors_is_the_tree():
    lines = [line.strip() for line in errors.__doc__.splitlines()]
    branches = [line for line in lines if line.startswith(("│", "├", "└"))]
    drawn = {line.strip("│├└─ ").split(" ")[0] for line in branches}

    assert drawn | {"IrisError"} == error_classes()


# Pages


def test_every_link_of_a_page_lands():
    assert [c for page in PAGES for c in house.broken_links(page, ROOT)] == []


def test_a_link_to_nothing_is_complained_about(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# One\n[a](#one) [b](#two) [c](gone.md) [d](page.md#one)\n")

    assert house.broken_links(page, tmp_path) == ["page.md: #two", "page.md: gone.md"]


def test_a_page_uses_no_word_twice_defined():
    terms = [
        line.split("|")[1].strip()
        for line in (ROOT / "docs/glossary.md").read_text().splitlines()
        if line.startswith("| ")
    ]

    assert len(terms) == len(set(terms))


def test_what_is_missing_is_found():
    assert house.entries("# Page\n## `job.run`\n## Late\n## Two words\n") == [
        "job.run",
        "Late",
    ]
    assert house.missing(["a", "b"], ["b", "c"]) == ["a"]
    assert house.mentions("job.run", "inv job.run now")
    assert not house.mentions("job.run", "inv job.runner")
    assert not house.mentions("list", "job.list")
