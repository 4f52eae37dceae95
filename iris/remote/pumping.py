"""Bytes from one connection to another, both ways, until either ends."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Any

PIECE = 65536  # bytes
CUT = (OSError, EOFError)  # what a dead line raises; SSH's does the second


def pump_both(near: socket.socket, far: Any) -> None:
    """Pass bytes until both sides have ended, or one is cut; close both."""
    back = threading.Thread(target=_pump, args=(far, near), daemon=True)
    back.start()
    try:
        _pump(near, far)
        back.join()
    finally:
        for plug in (near, far):
            close_quietly(plug)


def close_quietly(plug: Any) -> None:
    """Close one end, whatever became of the line below it."""
    with suppress(*CUT):
        plug.close()


def _pump(source: Any, sink: Any) -> None:
    try:
        while piece := source.recv(PIECE):
            sink.sendall(piece)
    except CUT:
        # half of it is lost: whoever is at the other end must not wait for the rest
        _cut(source)
        _cut(sink)
    else:
        with suppress(*CUT):
            sink.shutdown(socket.SHUT_WR)


def _cut(plug: Any) -> None:
    with suppress(*CUT):
        plug.shutdown(socket.SHUT_RDWR)
