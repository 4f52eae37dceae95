"""Requests to a controller that may be away for minutes, or come back elsewhere.

Everything the API takes may be sent twice, so a request whose answer was lost is too.
"""

from __future__ import annotations

import logging
import math
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import urlencode

import msgspec

import iris
from iris import wire
from iris.clock import Clock, RealClock
from iris.domain.views import Problem
from iris.errors import (
    ClusterGone,
    IrisError,
    Late,
    NoCluster,
    NotAllowed,
    NotAuthenticated,
    NotThere,
    RateLimited,
    Unavailable,
    Unknown,
    Unreachable,
)

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

Query = Mapping[str, str | int | None]

CONNECT_TIMEOUT = 5.0  # seconds
READ_TIMEOUT = 60.0  # seconds without a byte of an answer
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0  # seconds between tries, doubled each time
TELL_AFTER = 1.0  # seconds without an answer until a person hears of it
# Seconds in which a restart may have taken a controller away and not yet brought the
# next one; a client that comes just then has to find it.
RESTART_GAP = 2.0
OURS = "Iris-Seq"  # every answer of a controller bears it, save a refusal
# a lookup may have to ask a cloud, or SSH
_PASSING = (Unreachable, Late, Unavailable, RateLimited, Unknown)
_AWAY = frozenset({502, 503, 504})
_BY_STATUS = {401: NotAuthenticated, 403: NotAllowed, 404: NotThere}
_JSON, _PROBLEM = "application/json", "application/problem+json"
_NEVER = threading.Event()
_LOG = logging.getLogger(__name__)


class Request(msgspec.Struct, frozen=True):
    """One request; `file` is a body on disk, read anew for each try."""

    method: str
    path: str
    query: Query = {}
    body: bytes | None = None
    file: Path | None = None
    silence: float = READ_TIMEOUT  # seconds that may pass without a byte


class Away(Exception):
    """The controller gave no answer that counts; another try may get one."""

    def __init__(self, because: IrisError, pause: float = 0.0) -> None:
        super().__init__(because.message)
        self.because = because
        self.pause = pause  # seconds, as the answer asked for


class Link:
    """Kept connections to where `lookup` says; tries again for `patience` seconds.

    A cluster without a controller ends it soon, unless one answered before: that is
    a restart. One that is deleted ends it at once.
    """

    def __init__(
        self,
        lookup: Callable[[], str],
        token: str,
        patience: float,
        clock: Clock | None = None,
    ) -> None:
        self.clock = clock or RealClock()
        self._lookup = lookup
        self._headers = {"User-Agent": f"iris/{iris.__version__}"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._patience = patience
        self._url = ""
        self._was_there = False
        self._pool: PoolManager | None = None

    def ask(
        self, method: str, path: str, query: Query | None = None, body: bytes = b""
    ) -> bytes:
        """The bytes of the answer. Raises Unreachable, or what the controller said."""
        return self.answer(Request(method, path, query or {}, body or None)).data

    def answer(self, request: Request) -> BaseHTTPResponse:
        """The whole answer, its headers too."""
        return self._patiently(request, stream=False)

    @contextmanager
    def stream(self, request: Request) -> Iterator[Iterator[bytes]]:
        """The bytes of an answer as they come; they end early where it is cut."""
        answer = self._patiently(request, stream=True)
        try:
            yield _until_cut(answer)
        finally:
            answer.close()

    def close(self) -> None:
        """Close the connections."""
        if self._pool is not None:
            self._pool.clear()
            self._pool = None

    def _patiently(self, request: Request, *, stream: bool) -> BaseHTTPResponse:
        began, pause, told = self.clock.now(), 0.0, False
        while True:
            try:
                answer = self._send(request, stream=stream)
            except Away as away:
                passed = self.clock.now() - began
                left = self._patience_with(away.because) - passed
                if left <= 0:
                    raise _given_up(away.because, passed) from away
                if passed >= TELL_AFTER and not told:
                    told = True
                    hint = f" {away.because.hint}" if away.because.hint else ""
                    words = "%s; trying for %d s more.%s"
                    _LOG.warning(words, away, math.ceil(left), hint)
                # once at once: a kept connection may have been closed while idle
                self.clock.wait(_NEVER, min(max(pause, away.pause), left))
                pause = min(pause * 2, LONGEST_PAUSE) or FIRST_PAUSE
            else:
                self._was_there = True
                return answer

    def _patience_with(self, because: IrisError) -> float:
        """Seconds from the first try on for which another one is worth while."""
        if isinstance(because, ClusterGone):
            return 0.0
        if isinstance(because, NoCluster) and not self._was_there:
            return min(self._patience, RESTART_GAP)
        return self._patience

    def _send(self, request: Request, *, stream: bool) -> BaseHTTPResponse:
        from urllib3.exceptions import HTTPError

        url = self._find()
        try:
            answer = self._exchange(url, request, stream=stream)
        except HTTPError as error:
            self._url = ""  # it may come back elsewhere
            raise Away(_unreachable(url, error)) from error
        if answer.status < 300 and OURS in answer.headers:
            return answer
        with closing(answer):
            try:
                refused = _error_of(url + request.path, answer)
            except HTTPError as error:  # cut in the middle of its words
                raise Away(_unreachable(url, error)) from error
            if answer.status in _AWAY or isinstance(refused, Unreachable):
                self._url = ""  # somebody else may listen where it was
                raise Away(refused, _retry_after(answer))
            raise refused

    def _exchange(
        self, url: str, request: Request, *, stream: bool
    ) -> BaseHTTPResponse:
        from urllib3 import Timeout

        query = {k: str(v) for k, v in request.query.items() if v not in (None, "")}
        words = f"?{urlencode(query)}" if query else ""
        with _body(request) as (body, headers):
            return self._connections().request(
                request.method,
                url + request.path + words,
                body=body,
                headers=self._headers | headers,
                timeout=Timeout(connect=CONNECT_TIMEOUT, read=request.silence),
                retries=False,
                redirect=False,
                preload_content=not stream,
            )

    def _find(self) -> str:
        if not self._url:
            try:
                self._url = self._lookup().rstrip("/")
            except (NoCluster, *_PASSING) as error:
                raise Away(error) from error
            except NotAllowed as error:
                if self._was_there:  # a machine made anew may not know its keys yet
                    raise Away(error) from error
                raise
        return self._url

    def _connections(self) -> PoolManager:
        """Neither a proxy nor ~/.netrc has a say in how a controller is reached."""
        if self._pool is None:
            from urllib3 import PoolManager

            self._pool = PoolManager()
        return self._pool


@contextmanager
def _body(
    request: Request,
) -> Iterator[tuple[BinaryIO | bytes | None, dict[str, str]]]:
    if request.file is None:
        yield request.body, {"Content-Type": _JSON} if request.body else {}
        return
    with request.file.open("rb") as opened:
        size = os.fstat(opened.fileno()).st_size
        yield opened, {"Content-Length": str(size)}


def _until_cut(answer: BaseHTTPResponse) -> Iterator[bytes]:
    from urllib3.exceptions import HTTPError

    try:
        # each piece as it comes, whatever its size
        yield from answer.stream(None)
    except HTTPError as error:
        _LOG.debug("stream cut: %s", error)


def _error_of(path: str, answer: BaseHTTPResponse) -> IrisError:
    if not answer.headers.get("Content-Type", "").startswith(_PROBLEM):
        said = f"{answer.status} {answer.reason}"
        return Unreachable(f"what listens at {path} is no controller: it says {said}")
    if not answer.data and answer.status in _BY_STATUS:  # an answer to HEAD
        return _BY_STATUS[answer.status](f"{path}: {(answer.reason or '').lower()}")
    return wire.error_from_problem(wire.decode(answer.data, Problem))


def _retry_after(answer: BaseHTTPResponse) -> float:
    words = answer.headers.get("Retry-After", "")
    return min(float(words), LONGEST_PAUSE) if words.isdecimal() else 0.0


def _unreachable(url: str, error: Exception) -> Unreachable:
    return Unreachable(
        f"the controller at {url} does not answer: {_innermost(error)}",
        hint="`inv cluster.restart` starts it again, nothing is lost; "
        "`inv probe.discover` says what there is.",
    )


def _given_up(because: IrisError, passed: float) -> IrisError:
    if passed < TELL_AFTER:
        return because
    return type(because)(f"{because.message} (tried for {passed:.0f} s)", because.hint)


def _innermost(error: BaseException) -> str:
    """The reason at the bottom of a library's long story."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    words = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(words).lower().rstrip(".")
