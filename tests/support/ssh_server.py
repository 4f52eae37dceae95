"""A machine that answers SSH, for tests: real AsyncSSH on loopback, and a slow wire."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from queue import Queue
from typing import Any

import asyncssh

from iris.remote.target import Destination, Target
from tests.support.eventually import eventually

LOOPBACK = "127.0.0.1"


class SshServer:
    """Lets in whoever has a key of `authorized`; runs commands, forwards ports."""

    def __init__(self, authorized: Path, port: int = 0) -> None:
        self.handshakes = 0
        self.logins: Counter[str] = Counter()
        self._authorized = str(authorized)
        self._key = asyncssh.generate_private_key("ssh-ed25519")
        self._connections: set[Any] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server: Any = None
        self.port = port
        self.listen()

    @property
    def identity(self) -> str:
        """Its key, as `TYPE KEY`."""
        said = self._key.export_public_key("openssh").decode().split()
        return " ".join(said[:2])

    def listen(self) -> None:
        """Answer, on the port of before where there was one."""
        self._do(self._listen())

    def change_key(self) -> None:
        """Be another machine at the same address."""
        self._key = asyncssh.generate_private_key("ssh-ed25519")
        self.stop_listening()
        self.cut()
        self.listen()

    def stop_listening(self) -> None:
        """Let nobody in any more; who is in stays."""
        self._do(self._stop_listening())

    def cut(self) -> int:
        """Cut every connection in the middle; how many there were."""
        return self._do(self._cut())

    @property
    def connections(self) -> int:
        return len(self._connections)

    def close(self) -> None:
        self.stop_listening()
        self.cut()
        eventually(lambda: not self._connections)
        self._do(_end_tasks())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def _do(self, what: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(10)

    async def _listen(self) -> None:
        self._server = await asyncssh.listen(
            LOOPBACK,
            self.port,
            server_factory=lambda: _Guest(self),
            server_host_keys=[self._key],
            authorized_client_keys=self._authorized,
            process_factory=_run,
            encoding=None,
            reuse_address=True,
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop_listening(self) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _cut(self) -> int:
        cut = list(self._connections)
        for connection in cut:
            connection.abort()
        return len(cut)


class _Guest(asyncssh.SSHServer):
    def __init__(self, server: SshServer) -> None:
        self._server = server
        self._connection: Any = None
        self._plugs: set[socket.socket] = set()

    def connection_made(self, conn: Any) -> None:
        self._connection = conn
        self._server._connections.add(conn)
        self._server.handshakes += 1

    def connection_lost(self, exc: Exception | None) -> None:
        for plug in self._plugs:
            plug.close()
        self._server._connections.discard(self._connection)

    def connection_requested(self, to: str, port: int, *_: object) -> Any:
        # AsyncSSH's own forwarding leaves sockets open when its connection is cut
        try:
            plug = socket.create_connection((to, port), timeout=5)
        except OSError as error:
            code = asyncssh.OPEN_CONNECT_FAILED
            raise asyncssh.ChannelOpenError(code, str(error)) from error
        self._plugs.add(plug)

        async def carry(near: Any, far: Any) -> None:
            self._plugs.discard(plug)
            await _forward(near, far, plug)

        return carry

    def begin_auth(self, username: str) -> bool:
        self._server.logins[username] += 1
        return True


async def _run(process: Any) -> None:
    """As sshd does it: the words go to a shell, which ends with the connection."""
    child = await asyncio.create_subprocess_shell(
        process.command or "true",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    feeding = asyncio.create_task(_feed(process.stdin, child.stdin))
    try:
        await asyncio.gather(
            _pass(child.stdout, process.stdout), _pass(child.stderr, process.stderr)
        )
        process.exit(await child.wait())
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        feeding.cancel()
        await child.wait()


async def _forward(near: Any, far: Any, plug: socket.socket) -> None:
    reader, writer = await asyncio.open_connection(sock=plug)
    try:
        await asyncio.gather(
            _feed(near, writer, eof=True), _feed(reader, far, eof=True)
        )
    finally:
        writer.close()
        far.close()


async def _pass(source: Any, sink: Any) -> None:
    with suppress(OSError, asyncssh.Error):
        while piece := await source.read(65536):
            sink.write(piece)
            await sink.drain()


async def _feed(source: Any, sink: Any, *, eof: bool = False) -> None:
    await _pass(source, sink)
    with suppress(OSError, RuntimeError):
        sink.write_eof() if eof else sink.close()


async def _end_tasks() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    for _ in range(10):  # what was closed is let go in a later turn
        await asyncio.sleep(0)


class SlowWire:
    """A relay that holds every byte back for half a round trip, each way."""

    def __init__(self, port: int, round_trip: float) -> None:
        self._port = port
        self._delay = round_trip / 2
        self._server = socket.create_server((LOOPBACK, 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            far = socket.create_connection((LOOPBACK, self._port))
            for source, sink in ((near, far), (far, near)):
                self._carry(source, sink)

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        under_way: Queue[tuple[float, bytes]] = Queue()
        for work in (self._take, self._give):
            end = source if work == self._take else sink
            threading.Thread(target=work, args=(end, under_way), daemon=True).start()

    def _take(
        self, source: socket.socket, under_way: Queue[tuple[float, bytes]]
    ) -> None:
        piece = b"-"
        while piece:
            try:
                piece = source.recv(65536)
            except OSError:
                piece = b""
            under_way.put((time.monotonic() + self._delay, piece))

    def _give(self, sink: socket.socket, under_way: Queue[tuple[float, bytes]]) -> None:
        with sink, suppress(OSError):
            while True:
                due, piece = under_way.get()
                threading.Event().wait(max(0.0, due - time.monotonic()))
                if not piece:
                    sink.shutdown(socket.SHUT_RDWR)
                    return
                sink.sendall(piece)


def a_target(folder: Path, server: SshServer, **changes: Any) -> Target:
    """The server, as a cluster's record would name it."""
    ordinary: dict[str, Any] = {
        "name": "test-controller.1",
        "address": LOOPBACK,
        "port": server.port,
        "user": "iris",
        "key": str(folder / "ssh_key"),
        "pins": str(folder / "known_hosts"),
    }
    return Target(**(ordinary | changes))


def a_destination(target: Target, url: str, uid: str = "cluster-uid") -> Destination:
    """The controller of `url` behind the target."""
    address, _, port = url.removeprefix("http://").partition(":")
    return Destination(target, address, int(port), "test", uid)
