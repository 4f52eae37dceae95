"""Work on Iris itself: its checks, its tests, its simulation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from invoke.context import Context

from iris.commands._edge import DRY_RUN, JSON, command, show, tell

if TYPE_CHECKING:
    from iris.operations.dev import Checked


@command(help=JSON | {"tests": "Run the tests too, as CI does."})
def check(c: Context, tests: bool = True, json: bool = False) -> None:
    """Run all that CI runs: format, lint, types, imports, shell, house, tests."""
    from iris.operations import dev

    checked = dev.check(_silent if json else _tell)
    if json:
        show(checked, "", as_json=True)
    dev.require_ok(checked)
    if tests:
        dev.run_tests()


@command(
    help={
        "heavy": "Also those that take minutes or gigabytes.",
        "docker": "Only those that need a container engine; skipped where none is.",
        "only": "A file or a test to run; may be given again.",
    },
    iterable=["only"],
)
def test(
    c: Context, only: list[str], heavy: bool = False, docker: bool = False
) -> None:
    """Run the tests on all cores."""
    from iris.operations import dev

    dev.run_tests(heavy=heavy, docker=docker, only=tuple(only))


@command(help=DRY_RUN)
def fix(c: Context, dry_run: bool = False) -> None:
    """Format the code and mend what lint can mend."""
    from iris.operations import dev

    dev.fix(dry_run=dry_run)


@command(
    help=JSON
    | {
        "seeds": "How many to run, on all cores.",
        "first": "The first seed; one that failed is replayed by its number.",
        "days": "Virtual days of each.",
    }
)
def simulate(
    c: Context,
    seeds: int = 20,
    first: int = 1,
    days: float = 1.0,
    json: bool = False,
) -> None:
    """Run the whole core in virtual time, under faults, and check its promises."""
    from iris.commands import _seeds
    from iris.operations import simulate as operation

    with _seeds.progress(seeds) as hear:
        found = operation.simulate(seeds, first=first, days=days, progress=hear)
    show(found, lambda: _seeds.summary(found), as_json=json)
    operation.require_kept(found)


@command(
    name="first-contact",
    help=JSON
    | DRY_RUN
    | {
        "config": "A cluster file of the project; found as given, then in examples/.",
        "recording": "Where the redacted answers go; else below $IRIS_HOME.",
    },
)
def first_contact(
    c: Context,
    config: str | None = None,
    recording: str = "",
    json: bool = False,
    dry_run: bool = True,
) -> None:
    """Compare the real cloud with the emulator: 15 minutes, under 5 dollars (dry)."""
    from iris.commands._rehearsal import contact_text
    from iris.operations import first_contact as operation

    if dry_run:
        steps = operation.plan_contact(config)
        lines = [*(f"would {step}" for step in steps), "--no-dry-run does it"]
        return show(steps, "\n".join(lines), as_json=json)
    contact = operation.first_contact(config, tell)
    tell(f"what the cloud said: {operation.write_recording(contact, recording)}")
    show(contact, lambda: contact_text(contact), as_json=json)
    operation.require_alike(contact)


def _silent(checked: Checked) -> None:
    """A program reads the sum of it."""


def _tell(checked: Checked) -> None:
    said = "ok" if checked.ok else "fell short"
    tell(f"{checked.name:8} {said:10} {checked.seconds:5.1f}s")
    if not checked.ok:
        tell(checked.output.rstrip())
