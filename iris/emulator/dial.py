"""Carries SSH to a VM whose own port 22 cannot be dialled: a ProxyCommand.

`python -m iris.emulator.dial ADMIN_URL ADDRESS PORT`: the emulator says where the VM
answers instead; whatever is none of its VMs is not dialled.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import sys
import threading
import urllib.error
import urllib.request

from iris.domain.endpoints import is_loopback

TIMEOUT = 10.0  # seconds for an answer, and for a connection


def main(admin_url: str, address: str, port: int) -> int:
    """Carry stdin there and what comes back to stdout; 1 if nobody listens."""
    if not is_loopback(admin_url):
        sys.stderr.write(f"{admin_url} is not of this machine\n")
        return 1
    try:
        plug = _connected(_way_to(admin_url, address, port))
    except urllib.error.HTTPError:
        sys.stderr.write(f"{address} is no VM of the emulator\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"nobody listens on {address} port {port}: {error}\n")
        return 1
    _carry(plug)
    return 0


def _way_to(admin_url: str, address: str, port: int) -> tuple[str, int]:
    asked = urllib.request.Request(
        f"{admin_url}way/{address}/{port}", headers={"X-Iris-Admin": "1"}
    )
    # no proxy of the environment's stands between this machine and itself
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(asked, timeout=TIMEOUT) as answer:
        said = json.load(answer)
    return str(said["address"]), int(said["port"])


def _connected(way: tuple[str, int]) -> socket.socket:
    """A connection, given up when whoever wanted it has gone. Raises OSError."""
    plug = socket.socket()
    plug.setblocking(False)
    plug.connect_ex(way)
    poll = select.poll()
    poll.register(0, 0)  # only that it is closed
    poll.register(plug, select.POLLOUT)
    told = dict(poll.poll(TIMEOUT * 1000))
    if plug.fileno() not in told or 0 in told:
        raise TimeoutError("no answer")
    if error := plug.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        raise OSError(error, os.strerror(error))
    plug.setblocking(True)
    return plug


def _carry(plug: socket.socket) -> None:
    threading.Thread(target=_send, args=(plug,), daemon=True).start()
    while received := plug.recv(65536):
        view = memoryview(received)
        while view:
            view = view[os.write(1, view) :]


def _send(plug: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while sent := os.read(0, 65536):
            plug.sendall(sent)
        plug.shutdown(socket.SHUT_WR)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
