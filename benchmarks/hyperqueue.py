"""HyperQueue in a venv of its own, for numbers beside ours in one run.

The package `hyperqueue` (https://it4innovations.github.io/hyperqueue) has the native
server and worker, started here by its Python API. It writes no output and no journal,
which is how it is fastest.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.measuring import COMMAND_DEADLINE, seconds_of
from iris.paths import cache_folder

_BEGIN = """
import sys, time
from hyperqueue import Job, LocalCluster
from hyperqueue.cluster import WorkerConfig

cores, tasks, words = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
"""
_RUN = """

def run(client, count):
    job = Job()
    for _ in range(count):
        job.program(words, stdout=None, stderr=None)
    began = time.perf_counter()
    client.wait_for_jobs([client.submit(job)])
    return time.perf_counter() - began

with LocalCluster(worker_config=WorkerConfig(cores=cores)) as cluster:
    client = cluster.client()
    run(client, 100)
    print(run(client, tasks))
"""
_ASK = """
def ask(client):
    job = Job()
    job.program(words, stdout="said", stderr=None)
    began = time.time()
    client.wait_for_jobs([client.submit(job)])
    done = time.time()
    return int(open("said").read()) / 1e9 - began, done - began

with LocalCluster(worker_config=WorkerConfig(cores=cores)) as cluster:
    client = cluster.client()
    ask(client)
    for _ in range(tasks):
        time.sleep(0.05)
        print(*ask(client))
"""


class HyperQueue:
    """What it takes for a job, with a server and a worker of its own each time."""

    def __init__(self, venv: Path) -> None:
        self._python = venv / "bin" / "python"
        words = "from importlib.metadata import version; print(version('hyperqueue'))"
        self.version = self._said("-c", words)

    @classmethod
    def installed(cls) -> HyperQueue | None:
        """From the package index, once; None, aloud, where it cannot be had."""
        venv = cache_folder() / "benchmarks" / "hyperqueue"
        try:
            if not (venv / "installed").exists():
                print("installing hyperqueue from the package index", file=sys.stderr)
                seconds_of([sys.executable, "-m", "venv", "--clear", str(venv)])
                pip = [str(venv / "bin" / "pip"), "install", "--quiet", "hyperqueue"]
                seconds_of(pip)
                (venv / "installed").touch()
            return cls(venv)
        except subprocess.SubprocessError as error:
            print(f"left out: hyperqueue: {error}", file=sys.stderr)
            return None

    def run(self, slots: int, tasks: int, *command: str) -> float:
        """Seconds for a job of so many tasks, from its submission to its end."""
        said = self._said("-c", _BEGIN + _RUN, str(slots), str(tasks), *command)
        return float(said)

    def ask(self, slots: int, times: int) -> tuple[list[float], list[float]]:
        """Seconds to the start of a process, and until its end is known, each time."""
        words = ("-c", _BEGIN + _ASK, str(slots), str(times), "date", "+%s%N")
        starts, ends = [], []
        for line in self._lines(*words):
            start, _, end = line.partition(" ")
            starts.append(float(start))
            ends.append(float(end))
        return starts, ends

    def _said(self, *words: str) -> str:
        return self._lines(*words)[-1]

    def _lines(self, *words: str) -> list[str]:
        with tempfile.TemporaryDirectory() as folder:
            ran = subprocess.run(
                [str(self._python), *words],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=COMMAND_DEADLINE,
                check=True,
            )
        return [line for line in ran.stdout.splitlines() if line[:1].isdigit()]
