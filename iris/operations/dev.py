"""Work on Iris itself: the checks that CI runs, the tests, and what mends itself.

Needs a checkout and the extras `test` and `check`; all programs are the venv's.
"""

from __future__ import annotations

import compileall
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import msgspec

from iris.errors import FellShort, UsageError
from iris.paths import examples_folder

CHECK_DEADLINE = 600.0  # seconds; cold strict types take about 40 on two cores


class Check(msgspec.Struct, frozen=True):
    """One program that reads the checkout and changes nothing."""

    name: str
    words: tuple[str, ...]


class Checked(msgspec.Struct, frozen=True):
    """What one check said; the output is kept for the one that fell short."""

    name: str
    ok: bool
    seconds: float
    output: str


WHOLE = ("-o", "verbosity_assertions=2")  # every complaint, not the first
CHECKS: tuple[Check, ...] = (
    Check("format", ("ruff", "format", "--check", ".")),
    Check("lint", ("ruff", "check", ".")),
    Check("types", ("mypy",)),
    Check("imports", ("lint-imports",)),
    Check("shell", ("shellcheck",)),
    Check("house", ("pytest", "-q", "--tb=short", *WHOLE, "tests/test_house.py")),
)


def check(tell: Callable[[Checked], None]) -> tuple[Checked, ...]:
    """Run every check on the checkout; `tell` hears of each, in their order."""
    root = checkout()
    checked = []
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 2) as pool:
        for each in pool.map(partial(run_check, root), CHECKS):
            tell(each)
            checked.append(each)
    return tuple(checked)


def require_ok(checked: Iterable[Checked]) -> None:
    """Raise FellShort if any check did not pass."""
    bad = [each.name for each in checked if not each.ok]
    if bad:
        raise FellShort(
            f"{', '.join(bad)}: not as CI wants it",
            hint="`inv dev.fix` mends format and what lint can mend.",
        )


def run_check(root: Path, asked: Check) -> Checked:
    """Run one check from the root of the checkout."""
    began = time.monotonic()
    words = [*asked.words, *(shell_files(root) if asked.name == "shell" else ())]
    ran = subprocess.run(
        [_program(words[0]), *words[1:]],
        cwd=root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=CHECK_DEADLINE,
        check=False,
    )
    seconds = time.monotonic() - began
    return Checked(asked.name, ran.returncode == 0, seconds, ran.stdout)


def run_tests(
    *, heavy: bool = False, docker: bool = False, only: tuple[str, ...] = ()
) -> None:
    """Run the tests on all cores; the output goes to the terminal as it comes.

    Those that need a container engine run by themselves, one after the other: they
    share its images.
    """
    # hundreds of programs are started, also where Python is told to write no bytecode
    compileall.compile_dir(checkout() / "iris", quiet=2, workers=os.cpu_count() or 1)
    runs = []
    if not docker:
        # most of them wait for programs that they started
        spread = ("-n", str(2 * (os.cpu_count() or 1)), "--dist", "worksteal")
        chosen = "not docker" if heavy else "not docker and not heavy"
        runs.append((*spread, "-m", chosen, *only))
    if docker or (heavy and not only):
        runs.append(("-m", "docker", *only))
    statuses = [_stream("pytest", *words) for words in runs]
    if any(statuses):
        raise FellShort(f"the tests ended with status {max(statuses)}")


def fix(*, dry_run: bool = False) -> None:
    """Format the code and mend what lint can mend; dry, show what would change."""
    mend, form = (("--diff",), ("--diff",)) if dry_run else (("--fix",), ())
    statuses = (
        _stream("ruff", "check", *mend, "."),
        _stream("ruff", "format", *form, "."),
    )
    if any(statuses):
        raise FellShort("some of it is left to mend by hand")


def checkout() -> Path:
    """The root of the checkout that this Iris runs from. Raises UsageError."""
    root = examples_folder().parent
    if (root / "setup.cfg").is_file():
        return root
    raise UsageError(
        f"{root} is an installed Iris, not a checkout",
        hint="Clone the repository, run `make .venv` and use .venv/bin/inv there.",
    )


def shell_files(root: Path) -> tuple[str, ...]:
    """The shell scripts of the checkout, by their paths from its root."""
    scripts = [root / ".ci/run", *sorted(root.glob("*/*.sh"))]
    scripts += sorted((root / "iris").rglob("*.sh"))
    return tuple(str(s.relative_to(root)) for s in scripts if s.is_file())


def _stream(program: str, *words: str) -> int:
    command = [_program(program), *words]
    return subprocess.run(command, cwd=checkout(), check=False).returncode


def _program(name: str) -> str:
    path = Path(sys.executable).parent / name
    if path.is_file():
        return str(path)
    raise UsageError(
        f"{name} is not installed beside {sys.executable}",
        hint="Install it: pip install -e '.[test,check]'",
    )
