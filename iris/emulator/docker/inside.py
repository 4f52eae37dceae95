"""Sockets that listen in the network of a VM while this process serves them.

A socket stays in the network namespace that it was made in, whoever has it: so
nothing of the emulator listens on any network of this machine beyond loopback.
"""

from __future__ import annotations

import ctypes
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from iris.errors import FellShort

_CLONE_NEWNET = 0x40000000  # linux/sched.h
_IP_FREEBIND = 15  # linux/in.h: an address that the VM has not taken yet
BACKLOG = 64


def listen_inside(pid: int, address: str, port: int) -> socket.socket:
    """A listening socket in the network of process `pid`. Raises FellShort."""
    # a thread of its own: whoever entered another namespace does nothing else
    with ThreadPoolExecutor(1, thread_name_prefix="netns") as alone:
        return alone.submit(_listen, pid, address, port).result()


def _listen(pid: int, address: str, port: int) -> socket.socket:
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        with Path(f"/proc/{pid}/ns/net").open() as namespace:
            if libc.setns(namespace.fileno(), _CLONE_NEWNET) != 0:
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number))
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setsockopt(socket.SOL_IP, _IP_FREEBIND, 1)
            listener.bind((address, port))
            listener.listen(BACKLOG)
            return listener
    except OSError as error:
        raise FellShort(
            f"nothing can listen at {address}:{port} of a VM: {error.strerror}",
            hint="VMs as containers need root on Linux; `--vms process` needs nothing.",
        ) from error
