"""The agent of one VM, put together: its parts, its threads, its line to the keeper."""

from __future__ import annotations

import logging
import os
import select
import socket
import threading
import time
from collections.abc import Callable
from typing import NoReturn

from iris.clock import Clock
from iris.domain.framing import Reader
from iris.worker.agent.boot import LAST_PHASE, Boot
from iris.worker.agent.caches import Caches
from iris.worker.agent.cloud import ask_cloud, listen_to_cloud
from iris.worker.agent.collecting import Collector
from iris.worker.agent.desk import Desk
from iris.worker.agent.going import Going
from iris.worker.agent.heart import Heart
from iris.worker.agent.link import Link
from iris.worker.agent.nudges import NudgePort
from iris.worker.agent.reporting import Reporter
from iris.worker.agent.selftest import why_unfit
from iris.worker.agent.shipping import Shipper
from iris.worker.agent.wishes import Wishes
from iris.worker.agent.worker import Worker
from iris.worker.discovery import read_metadata
from iris.worker.folders import VmFolder
from iris.worker.messages import (
    Changed,
    Ending,
    Hello,
    Keep,
    Known,
    ToAgent,
    ToKeeper,
    decode_to_agent,
    send,
)

log = logging.getLogger(__name__)

KEEPER_GONE = 1  # exit status
FAILED = "failed"  # the phase of a boot that will not do
FIT_PAUSE = 5.0  # seconds between looks at a VM that is not fit
# Seconds for which a start waits to be told: what is over by then is told in one
# heartbeat, and not in two of which the second waits for the first.
START_PAUSE = 0.004


class Agent:
    """Speaks for one worker; all that must outlive it is the keeper's."""

    def __init__(self, folder: VmFolder, keeper: socket.socket, clock: Clock) -> None:
        metadata = read_metadata(folder)
        self._keeper = keeper
        self._reader = Reader()
        self._sending = threading.Lock()
        self._token = metadata.join_token
        desk, wake = Desk(), threading.Event()
        caches = Caches(folder.shared, metadata.cache_bytes, desk)
        self._worker = Worker(
            folder=folder,
            metadata=metadata,
            clock=clock,
            desk=desk,
            going=Going(clock, lambda: ask_cloud(metadata)),
            shipper=Shipper(folder, Link(metadata, self._current_token)),
            collector=Collector(
                folder,
                lambda: Link(metadata, self._current_token),
                clock,
                caches,
                wake.set,
            ),
            caches=caches,
            wake=wake,
            tell=self._tell,
            token=self._current_token,
        )
        self._reporter = Reporter(desk, self._worker.shipper, self._worker.collector)
        self._wishes = Wishes(self._worker)
        self._heart = Heart(self._worker, self._reporter, self._wishes)

    def run(self) -> NoReturn:
        """Until the keeper is gone."""
        began_at = self._worker.clock.now()
        hello = self._meet_keeper()
        _begin("keeper", self._listen)
        worker_uid = self._join(hello, began_at)
        _begin("output", lambda: self._worker.shipper.run(worker_uid, self._shipped))
        nudges = NudgePort(self._worker.metadata.address, self._worker.wake)
        self._wishes.resume()
        listen_to_cloud(self._worker.metadata, self._heart)
        self._heart.beat_on(worker_uid, hello, nudges)

    def _join(self, hello: Hello, began_at: float) -> str:
        """Who we are; a worker registers once in its life, not once for each agent."""
        if hello.identity is not None:
            self._token = hello.identity.token
            return hello.identity.worker_uid
        boot = Boot(self._worker.metadata, self._current_token)
        boot.reached("keeper started", hello.began_at)
        boot.reached("agent started", began_at)
        self._see_that_we_are_fit(boot)
        identity = self._heart.register(hello.boot_id)
        self._tell(Keep(identity))
        self._token = identity.token
        boot.reached(LAST_PHASE, self._worker.clock.now())
        return identity.worker_uid

    def _see_that_we_are_fit(self, boot: Boot) -> None:
        """A VM that can run nothing never registers: its slice is replaced."""
        worker, said = self._worker, ""
        while because := why_unfit(worker.folder, worker.metadata):
            if because != said:
                log.warning('not fit to work because="%s"', because)
                boot.reached(FAILED, worker.clock.now(), because)
            said = because
            worker.clock.wait(threading.Event(), FIT_PAUSE)

    def _current_token(self) -> str:
        return self._token

    def _shipped(self) -> None:
        if self._reporter.has_complete_end():
            self._worker.wake.set()

    # -- the keeper ------------------------------------------------------------------

    def _meet_keeper(self) -> Hello:
        hello: Hello | None = None
        known: list[Known] = []
        while hello is None:
            for message in self._hear():
                if isinstance(message, Hello):
                    hello, known = message, [*message.attempts]
                elif isinstance(message, Changed):
                    known.append(message.attempt)  # it changed while we came up
        for each in known:
            self._worker.shipper.add(each.spec.uid)
            known_now = self._worker.going.judge(each)
            with self._worker.desk.lock:
                self._worker.collector.begin(known_now)
                self._worker.desk.take_known(known_now)
        self._worker.collector.sweep()
        return hello

    def _listen(self) -> None:
        words = select.poll()
        words.register(self._keeper, select.POLLIN)
        while True:
            hear_out(
                self._take_words,
                lambda seconds: bool(words.poll(seconds * 1000)),
                time.monotonic,
            )
            self._worker.wake.set()

    def _take_words(self) -> bool:
        """Take what the keeper says; is it more than that something started?"""
        is_pressing = False
        for message in self._hear():
            if isinstance(message, Changed):
                is_pressing |= bool(message.attempt.ended_at)
                self._take_change(message.attempt)
            elif isinstance(message, Ending):
                is_pressing = True
                self._heart.take_ending(message)
        return is_pressing

    def _take_change(self, known: Known) -> None:
        known = self._worker.going.judge(known)
        with self._worker.desk.lock:  # nobody hears of the end alone
            self._worker.collector.begin(known)
            self._worker.desk.take_known(known)
        if known.ended_at:
            self._worker.shipper.finish(known.spec.uid, rides=True)

    def _hear(self) -> list[ToAgent]:
        arrived = self._keeper.recv(1 << 20)
        if not arrived:
            os._exit(KEEPER_GONE)  # without its keeper an agent has nothing to say
        return [decode_to_agent(body) for body in self._reader.feed(arrived)]

    def _tell(self, message: ToKeeper) -> None:
        with self._sending:
            send(self._keeper, message)


def hear_out(
    take: Callable[[], bool],
    has_more: Callable[[float], bool],
    now: Callable[[], float],
) -> None:
    """Take words until they are pressing, or a start has waited for its end enough.

    `has_more(seconds)` waits that long for further words.
    """
    is_pressing = take()
    until = now() + START_PAUSE
    while not is_pressing and (left := until - now()) > 0:
        is_pressing = has_more(left) and take()


def _begin(name: str, work: Callable[[], object]) -> None:
    threading.Thread(target=work, name=name, daemon=True).start()
