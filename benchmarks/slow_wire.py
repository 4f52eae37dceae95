"""A ProxyCommand that is as slow as a wire to another continent.

    ProxyCommand python benchmarks/slow_wire.py %h %p MILLISECONDS

Each direction is late by half of the round trip; nothing is lost, nothing waits for
what came before it.
"""

from __future__ import annotations

import os
import queue
import socket
import sys
import threading
import time
from collections.abc import Callable

CHUNK = 65536
Late = queue.SimpleQueue[tuple[float, bytes]]


def main(address: str, port: int, milliseconds: float) -> int:
    """Carry stdin there and what comes back to stdout."""
    one_way = milliseconds / 2000
    plug = socket.create_connection((address, port), timeout=10)
    plug.settimeout(None)
    plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    out = _carry(lambda: os.read(0, CHUNK), plug.sendall, one_way)
    back = _carry(lambda: plug.recv(CHUNK), _write, one_way)
    out.join()
    plug.shutdown(socket.SHUT_WR)
    back.join()
    return 0


def _carry(
    read: Callable[[], bytes], write: Callable[[bytes], object], one_way: float
) -> threading.Thread:
    """A thread that writes what another reads, late; it ends at the end of it."""
    late: Late = queue.SimpleQueue()

    def listen() -> None:
        content = b"-"
        while content:
            content = read()
            late.put((time.monotonic() + one_way, content))

    def speak() -> None:
        while True:
            due, content = late.get()
            time.sleep(max(due - time.monotonic(), 0.0))
            if not content:
                return
            write(content)

    threading.Thread(target=listen, daemon=True).start()
    speaker = threading.Thread(target=speak, daemon=True)
    speaker.start()
    return speaker


def _write(content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(1, view) :]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
