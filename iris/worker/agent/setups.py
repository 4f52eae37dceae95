"""Set-ups of jobs: once per VM for a bundle, an image and a line for the shell.

One runs in a folder of its own, which stays, with the bundle laid out in it: what it
installs from there is found by every attempt that has the same set-up.
"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from iris.bundles import unpack
from iris.domain.machine import VmMetadata
from iris.domain.preparing import SETUP_RUNS, SETUP_RUNS_ELSEWHERE
from iris.domain.protocol import AttemptSpec
from iris.errors import FellShort
from iris.processes import send, send_group, with_variables
from iris.worker.agent.caches import Caches
from iris.worker.agent.desk import Held
from iris.worker.agent.environment import attempt_environment, setup_key
from iris.worker.folders import VmFolder, remove
from iris.worker.secret_files import read_secrets

DONE = ".iris-set-up"  # in a folder whose set-up succeeded; its time is the last use
CODE = "code"
BEGUN = "set-up-begun"  # in the attempt's folder: a byte for each time
MOST_CUTS = 1  # of an attempt's set-up by the end of the agent; more are its own doing
LOOK = 0.1  # seconds between looks at what runs, and at whether it is still wanted
MARK = {"IRIS_PHASE": "setup"}
# What a set-up makes of its folder: it is gone, a file, a link to itself, read-only.
_UNUSABLE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EACCES, errno.EPERM)


class Setups:
    """Those of one VM; attempts that need the same wait for the one that runs it."""

    def __init__(self, folder: VmFolder, metadata: VmMetadata, caches: Caches) -> None:
        self._folder = folder
        self._caches = caches
        self._metadata = metadata
        self._locks: dict[str, threading.Lock] = defaultdict(threading.Lock)

    def ensure(self, spec: AttemptSpec, bundle: Path | None, held: Held) -> None:
        """Return once it is set up. Raises FellShort where it fails, or OSError."""
        lock = self._locks[setup_key(spec)]
        while not lock.acquire(timeout=LOOK):
            held.detail = SETUP_RUNS_ELSEWHERE
            _require_wanted(held)
        try:
            self._ensure(spec, bundle, held)
        finally:
            lock.release()
        held.detail = ""

    def _ensure(self, spec: AttemptSpec, bundle: Path | None, held: Held) -> None:
        folder = self._folder.setup(setup_key(spec))
        done = folder / DONE
        if done.exists():
            os.utime(done)
            return
        held.detail = SETUP_RUNS
        self._end_leftovers(folder)
        remove(folder)  # of one that failed, or was cut off
        (folder / CODE).mkdir(parents=True)
        if bundle is not None:
            remove(folder / CODE)
            unpack(bundle, folder / CODE)
        began = time.monotonic()
        self._say(spec, f"set-up: {' '.join(spec.setup.split())[:200]}")
        try:
            self._begin(spec.uid)
            self._run(spec, folder, held)
            _mark_done(done)
        except FellShort as error:
            self._say(spec, f"set-up failed: {error}")
            remove(folder)
            raise
        self._say(spec, f"set-up done in {time.monotonic() - began:.1f} s")
        self._caches.prune()

    def _begin(self, uid: str) -> None:
        """Note it for the agents after this one. Raises FellShort for the third."""
        note = self._folder.attempt(uid) / BEGUN
        begun = note.stat().st_size if note.exists() else 0
        if begun > MOST_CUTS:
            raise FellShort(f"the worker's agent ended {begun} times while it ran")
        with note.open("ab") as file:
            file.write(b".")

    def _run(self, spec: AttemptSpec, folder: Path, held: Held) -> None:
        env = attempt_environment(spec, self._metadata, "", self._folder) | MARK
        if self._metadata.runtime == "docker":
            self._run_in_container(spec, folder, env, held)
        else:
            self._run_as_process(spec, folder, env, held)

    def _run_as_process(
        self, spec: AttemptSpec, folder: Path, env: dict[str, str], held: Held
    ) -> None:
        if spec.secrets:
            env = env | read_secrets(self._folder.secrets(spec.uid))
        with self._folder.output(spec.uid).open("ab") as output:
            process = subprocess.Popen(
                ("/bin/sh", "-c", spec.setup),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=folder / CODE,
                env=env,
                start_new_session=True,
            )
        try:
            _wait(lambda: process.poll() is not None, spec, held)
        finally:
            send_group(process.pid, signal.SIGKILL)
            process.wait()
            self._end_leftovers(folder)
        _require_success(process.returncode)

    def _run_in_container(
        self, spec: AttemptSpec, folder: Path, env: dict[str, str], held: Held
    ) -> None:
        from iris.worker.runtimes.engine import End, Engine, Wish
        from iris.worker.runtimes.inside import (
            in_shell,
            open_to_containers,
            show_secrets,
        )

        engine, uid = Engine(str(self._folder.root)), f"{spec.uid}-setup"
        image = spec.image or self._metadata.image
        open_to_containers(self._folder, spec.uid, folder, folder / CODE)
        if spec.secrets:
            show_secrets(self._folder.secrets(spec.uid), engine, image)
        wish = Wish(
            uid=uid,
            image=image,
            argv=in_shell(
                str(self._folder.output(spec.uid)), ("/bin/sh", "-c", spec.setup)
            ),
            env=env,
            mounts=(str(self._folder.attempt(spec.uid)), str(self._folder.shared)),
            work=str(folder / CODE),
            cpus=spec.resources.cpus,
            memory_bytes=spec.resources.memory_bytes,
        )
        engine.remove(uid)  # of an agent that was killed meanwhile
        try:
            engine.start(wish)
            ends: list[End] = []
            threading.Thread(
                target=lambda: ends.append(engine.wait(uid)), name="setup", daemon=True
            ).start()
            _wait(lambda: bool(ends), spec, held)
        finally:
            engine.remove(uid)
        _require_success(ends[0].status)

    def _end_leftovers(self, folder: Path) -> None:
        """What it left running, or what an agent that was killed had begun."""
        ours = {"IRIS_VM": str(self._folder.root), "IRIS_SETUP_DIR": str(folder)}
        while pids := list(with_variables(**ours, **MARK)):
            for pid in pids:
                send(pid)

    def _say(self, spec: AttemptSpec, words: str) -> None:
        self._folder.attempt(spec.uid).mkdir(parents=True, exist_ok=True)
        with self._folder.output(spec.uid).open("ab") as output:
            output.write(f"iris: {words}\n".encode())


def _mark_done(done: Path) -> None:
    try:
        done.touch()
    except OSError as error:
        if error.errno not in _UNUSABLE:
            raise  # the VM's, such as a disk that is full
        words = "it removed or closed its own folder, IRIS_SETUP_DIR"
        raise FellShort(f"{words}: {error.strerror}") from error


def _wait(has_ended: Callable[[], bool], spec: AttemptSpec, held: Held) -> None:
    until = time.monotonic() + spec.setup_timeout
    while not has_ended():
        _require_wanted(held)
        if time.monotonic() > until:
            raise FellShort(f"it took longer than {spec.setup_timeout:g} s")
        threading.Event().wait(LOOK)


def _require_wanted(held: Held) -> None:
    if held.is_stopped:
        raise FellShort("stopped")


def _require_success(status: int | None) -> None:
    if status is None:
        raise OSError("its container is gone")
    if status:
        how = f"exit status {status}" if status > 0 else f"ended by signal {-status}"
        raise FellShort(how)
