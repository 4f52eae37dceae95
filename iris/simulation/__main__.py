"""`python -m iris.simulation`: run seeds, on several processes if asked to.

One line for each seed, as JSON with --json; exit status 1 if a promise broke.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType

import msgspec

from iris.domain.seeds import SeedResult
from iris.simulation.run import simulate

MODULE = "iris.simulation"


def main(words: list[str]) -> int:
    """Run the seeds; returns the exit status."""
    asked = _parse(words)
    signal.signal(signal.SIGTERM, _leave)
    results = _run_here(asked) if asked.processes == 1 else _run_there(asked)
    broken = 0
    for result in results:
        broken += not result.is_kept
        _write(result, asked.json)
    return 1 if broken else 0


def _parse(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="how many")
    parser.add_argument("--first", type=int, default=1, help="the first of them")
    parser.add_argument("--days", type=float, default=1.0, help="virtual, of each")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--stride", type=int, default=1, help="from seed to seed")
    parser.add_argument("--trace", action="store_true", help="all of it, of each seed")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(words)


def _run_here(asked: argparse.Namespace) -> Iterator[SeedResult]:
    last = asked.first + asked.seeds * asked.stride
    for seed in range(asked.first, last, asked.stride):
        yield simulate(seed, asked.days, keep_all=asked.trace)


def _run_there(asked: argparse.Namespace) -> Iterator[SeedResult]:
    """Share the seeds out among processes; results come as they end."""
    count = min(asked.processes, asked.seeds)
    with _children(asked, count) as children:
        yield from _read_all(children)
        for child in children:
            # 1 says that a promise broke, which the results say as well
            if child.wait() not in (0, 1):
                raise SystemExit(f"a process ended with status {child.returncode}")


@contextmanager
def _children(
    asked: argparse.Namespace, count: int
) -> Iterator[list[subprocess.Popen[bytes]]]:
    children: list[subprocess.Popen[bytes]] = []
    try:
        for which in range(count):
            seeds = len(range(which, asked.seeds, count))
            command = [sys.executable, "-m", MODULE, "--json", "--stride", str(count)]
            command += ["--first", str(asked.first + which), "--seeds", str(seeds)]
            command += ["--days", str(asked.days), *["--trace"] * asked.trace]
            children.append(subprocess.Popen(command, stdout=subprocess.PIPE))
        yield children
    finally:
        for child in children:
            if child.poll() is None:
                child.terminate()
            child.wait()


def _read_all(children: Iterable[subprocess.Popen[bytes]]) -> Iterator[SeedResult]:
    """The lines of all children, one after the other, in the order they come."""
    import queue

    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def read(child: subprocess.Popen[bytes]) -> None:
        for line in child.stdout or ():
            lines.put(line)
        lines.put(b"")

    threads = [threading.Thread(target=read, args=(each,)) for each in children]
    for thread in threads:
        thread.start()
    left = len(threads)
    while left:
        line = lines.get()
        if line:
            yield msgspec.json.decode(line, type=SeedResult)
        left -= not line


def _write(result: SeedResult, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(msgspec.json.encode(result).decode() + "\n")
    else:
        sys.stdout.write("".join(f"{line}\n" for line in result.trace))
        sys.stdout.write(_words(result) + "\n")
    sys.stdout.flush()


def _words(result: SeedResult) -> str:
    if not result.is_kept:
        return f"seed {result.seed} broken at {result.broken_at}: {result.broken}"
    return (
        f"seed {result.seed} kept: {result.jobs} jobs, {result.attempts} attempts, "
        f"{result.slices} slices, {result.crashes} crashes, {result.steps} steps in "
        f"{result.cpu_seconds:.1f} s"
    )


def _leave(number: int, frame: FrameType | None) -> None:
    # as an exception, so that the processes started are ended on the way out
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
