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

_RUN = """
import sys, time
from hyperqueue import Job, LocalCluster
from hyperqueue.cluster import WorkerConfig

cores, tasks, words = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]

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


class HyperQueue:
    """What it takes for a job, with a server and a worker of its own each time."""

    def __init__(self, venv: Path) -> None:
        self._python = venv / "bin" / "python"
        words = "from importlib.metadata import version; print(version('hyperqueue'))"
        self.version = self._said("-c", words)

    @classmethod
    def install(cls) -> HyperQueue | None:
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
        return float(self._said("-c", _RUN, str(slots), str(tasks), *command))

    def _said(self, *words: str) -> str:
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
        return ran.stdout.strip().splitlines()[-1]
