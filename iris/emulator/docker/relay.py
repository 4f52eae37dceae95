"""Carries connections that a VM makes to itself to where they are answered."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any

CHUNK = 65536
STARTING = 10.0  # seconds


class Relays:
    """All of them, on one thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="relays", daemon=True
        )
        self._thread.start()
        self._servers: dict[str, list[asyncio.Server]] = {}

    def open(self, vm_id: str, listener: socket.socket, port: int) -> None:
        """What comes to a listener goes to a port of this machine's loopback."""
        self._run(self._open(vm_id, listener, port)).result(STARTING)

    def close(self, vm_id: str) -> None:
        """Carry nothing more for a VM."""
        self._run(self._close(vm_id)).result(STARTING)

    def stop(self) -> None:
        """Carry nothing more; the thread ends."""
        for vm_id in list(self._servers):
            self.close(vm_id)
        self._run(_cancel_all()).result(STARTING)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, None]) -> Future[None]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _open(self, vm_id: str, listener: socket.socket, port: int) -> None:
        async def carry(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            with contextlib.suppress(OSError):
                far = await asyncio.open_connection("127.0.0.1", port)
                await asyncio.gather(_pump(reader, far[1]), _pump(far[0], writer))

        server = await asyncio.start_server(carry, sock=listener)
        self._servers.setdefault(vm_id, []).append(server)

    async def _close(self, vm_id: str) -> None:
        for server in self._servers.pop(vm_id, []):
            server.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while content := await reader.read(CHUNK):
            writer.write(content)
            await writer.drain()
    with contextlib.suppress(OSError, RuntimeError):
        writer.close()
        await writer.wait_closed()


async def _cancel_all() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
