"""The controller's program: puts the parts together, starts and stops them in order.

    python -m iris.controller --machine DIR --state DIR [--config FILE] [--log FILE]

`--machine` holds what is the machine's (config.yaml, machine.json, machine-uid,
address.json, controller.log), `--state` what outlives it. The end of this process
deletes nothing of the fleet. Exit status: 0 stopped, 1 failed, 2 a wrong cluster file.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec

from iris import wire
from iris.clock import Clock, RealClock
from iris.config import ClusterConfig, parse_config, read_text
from iris.controller.app import create_app
from iris.controller.archive import Archive
from iris.controller.auth import ensure_operator_token
from iris.controller.autoscaling import SETTLING, Autoscaling
from iris.controller.bundle_store import BundleStore
from iris.controller.calls import Calls
from iris.controller.chronicle import tell
from iris.controller.disk import Glance, StateDisk
from iris.controller.figures import (
    log_bounds_of,
    pace_of,
    retention_bounds_of,
    standing_of,
    tuning_of,
)
from iris.controller.job_log import Room
from iris.controller.logs import LogStore
from iris.controller.loop import Loop
from iris.controller.machine import settle_on
from iris.controller.metrics import DiskNumbers, LoopNumbers, Metrics, StateNumbers
from iris.controller.nudges import Nudger
from iris.controller.output_store import OutputStore
from iris.controller.parts import Parts
from iris.controller.retention import Retention
from iris.controller.scheduling import Scheduling
from iris.controller.secret_store import SecretStore
from iris.controller.server import HttpServer, listen, url_of
from iris.controller.setting import Setting, read_setting, require_own_state
from iris.controller.state import State
from iris.controller.store import Store
from iris.controller.streams import wake_readers
from iris.domain.endpoints import Endpoints
from iris.domain.machine import AddressFile
from iris.errors import IrisError, PortTaken, StoreFailed
from iris.providers import load_provider
from iris.providers.contract import Surroundings
from iris.structs import learn_all

LOOP_PATIENCE = 10.0  # seconds for a turn under way when it stops
CALL_PATIENCE = 5.0  # seconds for cloud calls under way when it stops
# Seconds that a thread which plans keeps the interpreter from one that answers: a
# request changes threads some ten times, and each change waits that long.
SWITCH_INTERVAL = 0.0002
# Objects made until the collector of cycles looks again. It stops every thread, the
# longer the more jobs there are, and to plan for thousands makes thousands of objects.
COLLECT_AFTER = 50_000
_LOG = logging.getLogger(__name__)


class MachineFile(msgspec.Struct, frozen=True):
    """What the controller reads of the file that its provider wrote."""

    cluster_uid: str


def main(words: list[str] | None = None) -> int:
    """Run a controller until a signal stops it; returns the exit status."""
    setting = read_setting(words)
    sys.setswitchinterval(SWITCH_INTERVAL)
    gc.set_threshold(COLLECT_AFTER, 20, 20)
    try:
        controller = Controller(setting, RealClock())
        learn_all()
        gc.freeze()  # what was restored lives long
        asked = _listen_to_signals()  # before anybody hears where we answer
        controller.start()
    except IrisError as error:
        _say_why(error)
        return error.exit_status
    except OSError as error:
        _say_why(StoreFailed(f"{error.filename or setting.state}: {error.strerror}"))
        return 1
    os.read(asked, 1)
    controller.stop()
    return 0


class Controller:
    """One cluster's controller; made first, then started, then stopped."""

    def __init__(self, setting: Setting, clock: Clock) -> None:
        """Read everything, own the state, bind the port; decide and answer nothing."""
        self._setting = setting
        self._clock = clock
        self._config, self._config_text = _read_config(setting.config)
        uid = _read_machine(setting.machine / "machine.json").cluster_uid
        require_own_state(setting, uid)
        self._tuning = tuning_of(self._config, uid)
        self._disk = StateDisk(setting.state)
        self._disk.make_way()
        # the owner's lock first: from here on no other controller writes this state
        self._store = self._open_store()
        self._state = State(self._config.groups(), self._store, clock, self._tuning)
        self._disk.keep_ballast()
        ensure_operator_token(self._state, setting.state, clock.now())
        # then the port: a taken one ends us before anything is promised to anyone
        port = self._config.controller.port
        self._listener = _listen_again(setting, port)
        self._calls = Calls(clock, lambda: self._autoscaler.wake())
        self._autoscaling = self._make_autoscaling()
        autoscale = self._autoscaling.autoscale_once
        self._autoscaler = Loop(
            "autoscaler", autoscale, clock, share=0.05, settling=SETTLING
        )
        scheduling = Scheduling(self._state, clock)
        self._scheduler = Loop("scheduler", scheduling.schedule_once, clock, share=0.25)
        self._archive = Archive(setting.state / "iris.db")
        self._parts = self._make_parts()
        settle_on(setting.machine, self._state, self._archive)
        bounds = retention_bounds_of(self._config)
        retention = Retention(self._parts, self._archive, bounds)
        self._retention = Loop("retention", retention.retain_once, clock, share=0.2)
        self._nudger = Nudger(self._state)
        self._server = HttpServer(create_app(self._parts), self._listener)

    def start(self) -> None:
        """Answer first, then say where, then decide: loops find an open API."""
        self._listen_to_state()
        self._server.start()
        _write_address(
            self._setting.machine, url_of(self._listener), self._tuning.cluster_uid
        )
        for loop in self._loops():
            loop.start()
        _LOG.info(
            "controller started cluster=%s uid=%s url=%s pid=%d",
            self._tuning.cluster,
            self._tuning.cluster_uid,
            url_of(self._listener),
            os.getpid(),
        )

    def stop(self) -> None:
        """Stop in the order that loses nothing; slices and attempts live on."""
        # loops first: no decision is made that would start an effect
        for loop in self._loops():
            loop.stop(LOOP_PATIENCE)
        # calls next: an answer that comes now still finds its row at the next start
        self._calls.stop(CALL_PATIENCE)
        # then people and workers: streams end, requests under way are answered
        self._parts.closing.set()
        self._server.stop()
        self._nudger.close()
        # the store last: what was accepted up to here is committed
        self._store.close()
        self._archive.close()
        _LOG.info("controller stopped cluster=%s", self._tuning.cluster)

    def _open_store(self) -> Store:
        self._setting.state.chmod(0o700)  # tokens' hashes, and what jobs were given
        return Store(
            self._setting.state / "iris.db",
            f"the controller of cluster {self._config.name}",
            keep_events=self._config.retention.events,
            on_failure=_die,
            make_room=self._disk.give_up_ballast,
        )

    def _make_autoscaling(self) -> Autoscaling:
        surroundings = Surroundings(
            Endpoints.from_environment(os.environ), os.environ.get("IRIS_SSH_KEYS", "")
        )
        uid = self._tuning.cluster_uid
        provider = load_provider(self._config, uid, self._clock, surroundings)
        return Autoscaling(
            self._state,
            provider,
            self._calls,
            self._clock,
            controller_url=url_of(self._listener),
            pace=pace_of(self._config),
        )

    def _make_parts(self) -> Parts:
        state, metrics = self._setting.state, Metrics()
        dropped = partial(metrics.note_dropped, "logs")
        room = Room(log_bounds_of(self._config), Glance(self._disk.may_write), dropped)
        return Parts(
            state=self._state,
            history=self._archive,
            logs=LogStore(state / "logs", room),
            outputs=OutputStore(
                state / "outputs", self._state.is_live, self._tuning.output_bytes
            ),
            bundles=BundleStore(state / "bundles"),
            secrets=SecretStore(state / "secrets", self._state),
            disk=self._disk,
            metrics=metrics,
            clock=self._clock,
            config_text=self._config_text,
            log_file=self._setting.log,
            runtime=self._config.worker.runtime.value,
            standing=standing_of(self._config),
            started_at=self._clock.now(),
            loops=lambda: tuple(loop.health() for loop in self._loops()),
            capacity=lambda: self._autoscaling.last_plan,
        )

    def _loops(self) -> tuple[Loop, ...]:
        return self._scheduler, self._autoscaler, self._retention

    def _listen_to_state(self) -> None:
        listeners: tuple[Callable[..., None], ...] = (
            self._nudger.tell,
            lambda _: self._scheduler.wake(),
            lambda _: self._autoscaler.wake(),
            self._parts.bell.ring,
            self._parts.secrets.drop_ended,
            self._parts.outputs.drop_ended,
            wake_readers(self._parts),
            tell,
        )
        for listener in listeners:
            self._state.listen(listener)
        self._parts.metrics.watch(StateNumbers(self._state))
        self._parts.metrics.watch(LoopNumbers(self._parts.loops))
        self._parts.metrics.watch(DiskNumbers(self._disk.use, self._parts.logs))


def _read_config(path: Path) -> tuple[ClusterConfig, str]:
    text = read_text(path)
    return parse_config(text, str(path)), text


def _read_machine(path: Path) -> MachineFile:
    return wire.decode(path.read_bytes(), MachineFile)


def _listen_again(setting: Setting, port: int) -> socket.socket:
    """The file's port; where it leaves the choice to us, the one of last time."""
    if port:
        return listen(setting.listen, port)
    try:
        kept = (setting.machine / "address.json").read_bytes()
        former = wire.decode(kept, AddressFile)
        return listen(setting.listen, int(former.url.rpartition(":")[2]))
    except (FileNotFoundError, PortTaken):
        return listen(setting.listen, 0)


def _write_address(machine: Path, url: str, cluster_uid: str) -> None:
    draft = machine / "address.json.new"
    draft.write_bytes(wire.encode(AddressFile(url, os.getpid(), cluster_uid)))
    draft.replace(machine / "address.json")


def _listen_to_signals() -> int:
    """Where SIGTERM and SIGINT are heard; a pipe, as we could hold a lock ourselves."""
    reader, writer = os.pipe()

    def wake(_number: int, _frame: object) -> None:
        os.write(writer, b"x")

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, wake)
    return reader


def _die(failure: StoreFailed) -> None:
    """A commit failed: memory is ahead of the disk, and only a restart mends that."""
    _say_why(failure)
    sys.stderr.flush()
    # not sys.exit: other threads wait for a commit that will never come
    os._exit(1)


def _say_why(error: IrisError) -> None:
    hint = f' hint="{error.hint}"' if error.hint else ""
    words = " ".join(f'because="{error}"{hint}'.split())
    _LOG.error("controller ended code=%s %s", error.code(), words)
