"""Carries SSH to a VM where nobody may listen on port 22: a ProxyCommand.

`python -m iris.emulator.dial ADMIN_URL ADDRESS PORT`: port 22 is where the emulator
listens instead; only addresses of this machine are dialled.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
from ipaddress import ip_address

SSH_PORTS = (22, 47022)  # as VMs of an emulator listen


def main(address: str, port: int) -> int:
    """Carry stdin there and what comes back to stdout; 1 if nobody listens."""
    if not ip_address(address).is_loopback:
        sys.stderr.write(f"{address} is not of this machine\n")
        return 1
    ports = SSH_PORTS[::-1] if port == SSH_PORTS[0] else (port,)
    for each in ports:
        with contextlib.suppress(OSError):
            plug = socket.create_connection((address, each), timeout=10)
            plug.settimeout(None)
            _carry(plug)
            return 0
    sys.stderr.write(f"nobody listens on {address} port {ports[0]}\n")
    return 1


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
    sys.exit(main(sys.argv[2], int(sys.argv[3])))
