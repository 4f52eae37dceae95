"""HTTP to a controller that may be away for minutes, or come back elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from iris import wire
from iris.clock import Clock, RealClock
from iris.domain.views import Problem
from iris.errors import IrisError, NotThere, Unreachable

if TYPE_CHECKING:
    import requests

TIMEOUT = 60.0  # seconds for one answer
FIRST_PAUSE = 0.05  # seconds before the second try, doubled up to the longest
LONGEST_PAUSE = 2.0
_AWAY = frozenset({502, 503, 504})
_NEVER = threading.Event()

Query = Mapping[str, str | int | None]


class Link:
    """One kept connection; tries again for `patience` seconds.

    Each try goes where `lookup` says by then. Only requests that may be repeated
    pass through it.
    """

    def __init__(
        self,
        lookup: Callable[[], str],
        token: str,
        patience: float,
        clock: Clock | None = None,
    ) -> None:
        self._lookup = lookup
        self._token = token
        self._patience = patience
        self._clock = clock or RealClock()
        self._url = ""
        self._session: requests.Session | None = None

    def ask(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: bytes | None = None,
    ) -> bytes:
        """The bytes of the answer. Raises Unreachable, or what the controller said."""
        return self.persist(lambda: self._once(method, path, query, body))

    def persist(self, ask: Callable[[], bytes]) -> bytes:
        """Try until there is an answer or patience is over."""
        until = self._clock.now() + self._patience
        pause = FIRST_PAUSE
        while True:
            try:
                return ask()
            except Unreachable:
                self.close()
                if self._clock.now() + pause > until:
                    raise
            self._clock.wait(_NEVER, pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    @contextmanager
    def stream(self, path: str, query: Query) -> Iterator[Iterator[bytes]]:
        """The lines of a stream, until it is cut. Raises Unreachable."""
        import requests

        with self._reaching():
            response = self._request("GET", path, query, None, stream=True)
        try:
            yield _lines(response)
        except requests.RequestException as error:
            raise Unreachable(f"the stream {path} was cut: {error}") from error
        finally:
            response.close()

    def close(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None
        self._url = ""

    def _once(
        self, method: str, path: str, query: Query | None, body: bytes | None
    ) -> bytes:
        with self._reaching():
            return self._request(method, path, query or {}, body).content

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        import requests

        try:
            yield
        except requests.RequestException as error:
            raise Unreachable(
                f"the controller at {self._url} does not answer",
                hint="`inv cluster.status` and `inv probe.health` say more; "
                "`inv cluster.restart` starts it again, nothing is lost.",
            ) from error

    def _request(
        self,
        method: str,
        path: str,
        query: Query,
        body: bytes | None,
        *,
        stream: bool = False,
    ) -> requests.Response:
        response = self._opened().request(
            method,
            f"{self._url}{path}",
            params={key: value for key, value in query.items() if value is not None},
            data=body,
            headers={"Content-Type": "application/json"} if body is not None else {},
            timeout=TIMEOUT,
            stream=stream,
        )
        if response.status_code >= 400:
            raise _refusal(response)
        return response

    def _opened(self) -> requests.Session:
        import requests

        if self._session is None:
            self._url = self._lookup()
            self._session = requests.Session()
            self._session.trust_env = False  # no proxy stands before a tunnel
            self._session.headers["Authorization"] = f"Bearer {self._token}"
        return self._session


def _refusal(response: requests.Response) -> IrisError:
    """What the controller said, as the error it means."""
    try:
        problem = msgspec.json.decode(response.content, type=Problem)
    except msgspec.MsgspecError:
        if response.status_code == 404:  # the answer to HEAD has no body
            return NotThere(f"{response.url} is not there")
        return Unreachable(f"{response.url} answered with {response.status_code}")
    error = wire.error_from_problem(problem)
    if response.status_code in _AWAY and not isinstance(error, Unreachable):
        return Unreachable(error.message, error.hint)
    return error


def _lines(response: requests.Response) -> Iterator[bytes]:
    yield from response.iter_lines(chunk_size=1)
