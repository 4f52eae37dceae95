"""Bytes from one connection to another, both ways, until either ends."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Any

PIECE = 65536  # bytes


def pump_both(near: socket.socket, far: Any) -> None:
    """Pass bytes until both sides have ended, or one is cut; close both."""
    back = threading.Thread(target=_pump, args=(far, near), daemon=True)
    back.start()
    try:
        _pump(near, far)
        back.join()
    finally:
        near.close()
        far.close()


def _pump(source: Any, sink: Any) -> None:
    try:
        while piece := source.recv(PIECE):
            sink.sendall(piece)
    except OSError:
        # half of it is lost: whoever is at the other end must not wait for the rest
        _cut(source)
        _cut(sink)
    else:
        with suppress(OSError, EOFError):
            sink.shutdown(socket.SHUT_WR)


def _cut(plug: Any) -> None:
    with suppress(OSError, EOFError):
        plug.shutdown(socket.SHUT_RDWR)
