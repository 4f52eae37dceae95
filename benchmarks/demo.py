"""How long `make demo` takes once Iris is installed.

python -m benchmarks.demo
"""

from __future__ import annotations

import statistics

from benchmarks.measuring import report, seconds_of

TURNS = 3


def main() -> None:
    """Run the demo a few times and print the median."""
    taken = [seconds_of(["make", "demo"]) for _ in range(TURNS)]
    words = f"{statistics.median(taken):.1f} s, slowest {max(taken):.1f} s"
    report({"make demo": words}, "python -m benchmarks.demo")


if __name__ == "__main__":
    main()
