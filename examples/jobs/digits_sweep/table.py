"""Prints the table of a finished sweep: `python table.py [JOB]`, best first."""

import json
import sys
from collections import defaultdict

from iris.client import Client


def main() -> None:
    """Read what the tasks printed, and sort it by accuracy."""
    job = sys.argv[1] if len(sys.argv) > 1 else "digits_sweep"
    output = defaultdict(bytes)  # of each attempt: a piece may end within a line
    with Client.of_cluster() as client:
        for piece in client.follow_log(job):
            output[piece.task, piece.attempt] += piece.content
    lines = [line for said in output.values() for line in said.splitlines()]
    results = [json.loads(line) for line in lines if line.startswith(b"{")]
    results.sort(key=lambda result: -result["accuracy"])
    print(f"{'task':>4} {'C':>7} {'gamma':>7} {'accuracy':>9}")
    for result in results:
        task, c, gamma = result["task"], result["C"], result["gamma"]
        print(f"{task:>4} {c:>7g} {gamma:>7g} {result['accuracy']:>9.4f}")


if __name__ == "__main__":
    main()
