"""What does the controller say in its log?"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from iris.client import Client
from iris.errors import CloudError, Late, Unreachable, UsageError
from iris.probes._patiently import patiently
from iris.probes._since import seconds_of
from iris.session import Session

MOST_LINES = 1000  # of one page


def ask(
    session: Session, *, lines: int = 200, tail: int = 0, since: str = ""
) -> tuple[str, ...]:
    """Its last lines; of a controller that does not answer, from its machine.

    `tail` is another word for `lines`; with `since` it is all of that time.
    """
    wanted = _Wanted(session, lines, tail, since)
    try:
        with session.controller(patience=0.0) as client:
            return wanted.page(client)
    except (Unreachable, Late, CloudError):
        kept = patiently(
            session.clock,
            lambda: session.provider.read_controller_file("controller.log"),
        )
        return wanted.last(kept.decode(errors="replace").splitlines())


def follow(
    session: Session, *, lines: int = 200, tail: int = 0, since: str = ""
) -> Iterator[str]:
    """Its last lines, then each as it is written."""
    wanted = _Wanted(session, lines, tail, since)
    with session.controller() as client:
        if not since:
            yield from client.follow_controller_log(wanted.count)
            return
        for line in client.follow_controller_log(since=0):
            if wanted.is_young(line):
                yield line


class _Wanted:
    """Which lines: how many of the last, and since when."""

    def __init__(self, session: Session, lines: int, tail: int, since: str) -> None:
        self.count = tail or lines
        if not 1 <= self.count <= MOST_LINES:
            raise UsageError(f"--tail: expected 1 to {MOST_LINES}, got {self.count}")
        self._since = ""
        self._is_young = not since
        if since:
            at = session.clock.now() - seconds_of(since)
            self._since = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at))

    def page(self, client: Client) -> tuple[str, ...]:
        """From a controller that answers."""
        if not self._since:
            return client.controller_log(self.count)
        found: list[str] = []
        page = client.read_controller_log({"since": 0})
        while page.lines:
            found += page.lines
            page = client.read_controller_log({"since": page.cursor})
        return self.last(found)

    def last(self, lines: Iterable[str]) -> tuple[str, ...]:
        """Those of all lines that are wanted."""
        young = [line for line in lines if self.is_young(line)]
        return tuple(young if self._since else young[-self.count :])

    def is_young(self, line: str) -> bool:
        """Is it of that time? A line without one goes with the line before it."""
        if self._since and line[:2].isdigit() and line[4:5] == "-":
            self._is_young = line[:19] >= self._since
        return self._is_young
