"""Slurm of Debian on this machine, for numbers beside ours in one run.

The packages slurm-wlm and munge, root, a folder, a key and ports of its own: no
Slurm that runs here is touched, and nothing is left. Without accounting and with
the plainest plugins, which is how it is fastest.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.measuring import COMMAND_DEADLINE

_PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol")
_LOOK = 0.2  # seconds between looks at its queue; its own `--wait` looks seldom
_PATIENCE = 30.0  # seconds until its worker is idle
_CONFIG = """
ClusterName=benchmark
SlurmctldHost={name}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={worker_port}
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
SlurmUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
MaxJobCount=300000
MaxArraySize=200001
ReturnToService=2
NodeName={name} NodeAddr=127.0.0.1 CPUs={slots} State=UNKNOWN
PartitionName=all Nodes={name} Default=YES MaxTime=INFINITE State=UP
"""


class Slurm:
    """A controller and one worker, up until they are left."""

    def __init__(self, folder: Path, slots: int) -> None:
        self._folder = folder
        self._slots = slots
        self._environ = {"SLURM_CONF": str(folder / "slurm.conf")}
        said = subprocess.run(["slurmctld", "-V"], capture_output=True, text=True)
        self.version = said.stdout.split()[-1]

    @classmethod
    @contextmanager
    def running(cls, is_wanted: bool, slots: int) -> Iterator[Slurm | None]:
        """Up; None, aloud, where it is not installed or nobody may start it."""
        lacks = [name for name in _PROGRAMS if shutil.which(name) is None]
        if is_wanted and (lacks or os.geteuid()):
            why = f"no {', '.join(lacks)}" if lacks else "only root may start it"
            print(f"left out: slurm: {why}", file=sys.stderr)
        if not is_wanted or lacks or os.geteuid():
            yield None
            return
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
            slurm = cls(Path(folder), slots)
            slurm._start(stack)
            yield slurm

    def run(self, tasks: int, *command: str) -> float:
        """Seconds for an array of so many tasks, from its submission to its end."""
        script = self._folder / "task.sh"
        script.write_text(f"#!/bin/sh\nexec {' '.join(command)}\n")
        quiet = ["--output=/dev/null", "--error=/dev/null", "--chdir=/"]
        began = time.perf_counter()
        self._said("sbatch", f"--array=0-{tasks - 1}", *quiet, str(script))
        while self._said("squeue", "--noheader"):
            time.sleep(_LOOK)
        return time.perf_counter() - began

    def ask(self, *command: str) -> tuple[float, str]:
        """Seconds until the end of one command is known, and what it printed."""
        began = time.perf_counter()
        said = self._said("srun", "--chdir=/", *command)
        return time.perf_counter() - began, said

    def _start(self, stack: ExitStack) -> None:
        for name in ("state", "spool"):
            (self._folder / name).mkdir()
        self._folder.chmod(0o755)
        (self._folder / "slurm.conf").write_text(
            _CONFIG.format(
                folder=self._folder,
                name=socket.gethostname().partition(".")[0],
                controller_port=_free_port(),
                worker_port=_free_port(),
                slots=self._slots,
            )
        )
        key = self._folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        for words in (self._munge(key), ["slurmctld", "-D"], ["slurmd", "-D"]):
            stack.enter_context(self._daemon(words))
        until = time.monotonic() + _PATIENCE
        while "State=IDLE" not in self._said("scontrol", "show", "nodes", fails=True):
            if time.monotonic() > until:
                raise TimeoutError(f"slurm's worker is not idle after {_PATIENCE} s")
            time.sleep(0.2)

    def _munge(self, key: Path) -> list[str]:
        files = {"socket": "socket", "pid-file": "pid", "log-file": "log"}
        named = [f"--{flag}={self._folder}/munge.{end}" for flag, end in files.items()]
        seed = f"--seed-file={self._folder}/munge.seed"
        return ["munged", "--foreground", "--force", f"--key-file={key}", *named, seed]

    @contextmanager
    def _daemon(self, words: list[str]) -> Iterator[None]:
        process = subprocess.Popen(
            words,
            env={**os.environ, **self._environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            time.sleep(1.0)  # each is known to the next once it listens
            yield
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _said(self, *words: str, fails: bool = False) -> str:
        ran = subprocess.run(
            words,
            env={**os.environ, **self._environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_DEADLINE,
            check=not fails,
        )
        return ran.stdout


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
