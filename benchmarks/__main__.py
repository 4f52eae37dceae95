"""All measures, or those that are named, beside the peers that are installed.

    python -m benchmarks [NAME ...] [--quick] [--json FILE] [--write]

What fails is said, and the others go on; exit status 1 then.
"""

from __future__ import annotations

import argparse
import compileall
import sys
import time
from pathlib import Path

import msgspec

from benchmarks.measures import Found, Measure
from benchmarks.measuring import ROOT
from benchmarks.scale import FULL, QUICK, Scale
from benchmarks.table import (
    MEASURES,
    README,
    as_data,
    describe_setting,
    put_into,
    render,
)

_NAMES = [measure.name for measure in MEASURES]
_ALL = ", ".join(_NAMES)


def main(words: list[str] | None = None) -> int:
    """Measure, print the table, and write what is asked for."""
    parser = _parser()
    given = parser.parse_args(words)
    unknown = sorted(set(given.names) - set(_NAMES))
    if unknown:
        parser.error(f"no measure is called {unknown[0]!r}; there is {_ALL}")
    scale = QUICK if given.quick else FULL
    wanted = [m for m in MEASURES if not given.names or m.name in given.names]
    setting = describe_setting()
    found: list[Found] = []
    # as an installed Iris is, also where Python is told to write no bytecode
    compileall.compile_dir(ROOT / "iris", quiet=2)
    try:
        failed = [each.name for each in wanted if not _measured(each, scale, found)]
    except KeyboardInterrupt:
        print("stopped; nothing is written", file=sys.stderr)
        return 130
    table = render(found, setting)
    print(table, end="")
    if given.json:
        given.json.write_bytes(msgspec.json.encode(as_data(found, setting)) + b"\n")
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
        return 1
    if given.write:
        put_into(README, table)
    return 0


def _measured(measure: Measure, scale: Scale, found: list[Found]) -> bool:
    began = time.monotonic()
    try:
        found += measure.run(scale)
    except Exception as error:
        # one that fails must not cost what the others found
        print(f"{measure.name}: {type(error).__name__}: {error}", file=sys.stderr)
        return False
    took = time.monotonic() - began
    print(f"{measure.name}: measured in {took:.0f} s", file=sys.stderr)
    return True


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=_ALL)
    parser.add_argument("--quick", action="store_true", help="a small share of each")
    parser.add_argument("--json", type=Path, help="write all numbers to this file")
    parser.add_argument(
        "--write", action="store_true", help="put the table into README.md"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
