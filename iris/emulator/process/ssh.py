"""The SSH side of every VM: AsyncSSH on the VM's own addresses, on one loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import signal
import socket
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import msgspec

SSH_PORTS = (22, 47022)  # the second where nobody may bind the first
STARTING = 10.0  # seconds for one listener


class Door(msgspec.Struct, frozen=True):
    """One VM as SSH lets people into it."""

    vm_id: str
    addresses: tuple[str, ...]
    folder: Path
    environment: dict[str, str]
    keys: Callable[[], str]  # `ssh-keys` as the metadata has it by now


class SshSide:
    """Listens for all VMs, in one thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="ssh", daemon=True
        )
        self._thread.start()
        self._listeners: dict[str, list[Any]] = {}
        self._connections: dict[str, set[Any]] = {}
        self.port = SSH_PORTS[0] if _may_bind(SSH_PORTS[0]) else SSH_PORTS[1]

    def open(self, door: Door) -> None:
        """Let people in from here on."""
        self._on_loop(self._open(door)).result(STARTING)

    def close(self, vm_id: str) -> None:
        """Let nobody in, and cut who is."""
        self._on_loop(self._close(vm_id)).result(STARTING)

    def cut(self, vm_id: str = "") -> int:
        """Cut every connection to a VM, to all where none is named; how many."""
        return int(self._on_loop(self._cut(vm_id)).result(STARTING))

    def stop(self) -> None:
        """Close all, end the thread."""
        for vm_id in list(self._listeners):
            self.close(vm_id)
        self._on_loop(_finish_all()).result(STARTING)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _on_loop(self, work: Coroutine[Any, Any, Any]) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _open(self, door: Door) -> None:
        import asyncssh

        await self._close(door.vm_id)
        connections: set[Any] = set()
        self._connections[door.vm_id] = connections
        self._listeners[door.vm_id] = []
        for address in door.addresses:
            listener = await asyncssh.listen(
                address,
                self.port,
                server_factory=lambda: _server(door, connections),
                server_host_keys=[str(own_key(door.folder))],
                process_factory=lambda process: _run(process, door),
                sftp_factory=lambda chan: asyncssh.SFTPServer(
                    chan, chroot=os.fsencode(door.environment["IRIS_ROOT"])
                ),
                encoding=None,
                allow_scp=False,
                reuse_address=True,
                keepalive_interval=0,
            )
            self._listeners[door.vm_id].append(listener)

    async def _close(self, vm_id: str) -> None:
        for listener in self._listeners.pop(vm_id, []):
            listener.close()
        await self._cut(vm_id)
        self._connections.pop(vm_id, None)

    async def _cut(self, vm_id: str) -> int:
        named = [vm_id] if vm_id else list(self._connections)
        found = [c for name in named for c in self._connections.get(name, ())]
        for connection in found:
            connection.abort()
        return len(found)


async def _finish_all() -> None:
    """Whatever still waits for a connection that was cut."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def own_key(folder: Path) -> Path:
    """The VM's own key, made at its first boot."""
    import asyncssh

    path = folder / "ssh_host_ed25519_key"
    if not path.exists():
        made = asyncssh.generate_private_key("ssh-ed25519")
        draft = path.with_suffix(".new")
        made.write_private_key(str(draft))
        draft.chmod(0o600)
        made.write_public_key(f"{path}.pub")
        draft.replace(path)
    return path


def _may_bind(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.255.254.253", port))
        except OSError:
            return False
    return True


def _server(door: Door, connections: set[Any]) -> Any:
    import asyncssh

    class Server(asyncssh.SSHServer):
        """Who may come in, and how far."""

        def connection_made(self, conn: Any) -> None:
            self._conn = conn
            connections.add(conn)

        def connection_lost(self, exc: Exception | None) -> None:
            connections.discard(self._conn)

        def begin_auth(self, username: str) -> bool:
            text = _keys_of(username, door.keys())
            if text:
                self._conn.set_authorized_keys(asyncssh.import_authorized_keys(text))
            return True

        def public_key_auth_supported(self) -> bool:
            return True

        def connection_requested(self, *wanted: Any) -> Any:
            address, port = _within(door, wanted[0]), wanted[1]
            return address and self._conn.forward_connection(address, port)

    return Server()


def _keys_of(user: str, text: str) -> str:
    """The keys of one user that can be read, out of `ssh-keys`."""
    import asyncssh

    found = ""
    for line in text.splitlines():
        name, _, key = line.strip().partition(":")
        if name == user:
            with contextlib.suppress(ValueError, asyncssh.KeyImportError):
                asyncssh.import_authorized_keys(f"{key}\n")
                found += f"{key}\n"
    return found


def _within(door: Door, address: str) -> str:
    """Where a forwarded connection goes: to VMs of the same emulator only."""
    own = door.addresses[0]
    if address in ("localhost", "127.0.0.1", "::1"):
        return own
    return address if address.rpartition(".")[0] == own.rpartition(".")[0] else ""


async def _run(process: Any, door: Door) -> None:
    command = process.command
    words = ["bash", "-c", command] if command else ["bash", "-i"]
    try:
        if process.term_type:
            await _run_on_terminal(process, words, door)
        else:
            await _run_plainly(process, words, door)
    except (OSError, asyncio.CancelledError):
        process.close()


async def _run_plainly(process: Any, words: list[str], door: Door) -> None:
    child = await asyncio.create_subprocess_exec(
        *words,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=door.environment,
        cwd=door.environment["HOME"],
        start_new_session=True,
    )
    await process.redirect(stdin=child.stdin, stdout=child.stdout, stderr=child.stderr)
    await _finish(process, child)


async def _run_on_terminal(process: Any, words: list[str], door: Door) -> None:
    ours, theirs = pty.openpty()
    child = await asyncio.create_subprocess_exec(
        *words,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=door.environment | {"TERM": process.term_type},
        cwd=door.environment["HOME"],
        start_new_session=True,
    )
    os.close(theirs)
    await process.redirect(stdin=os.dup(ours), stdout=ours)
    await _finish(process, child)


async def _finish(process: Any, child: Any) -> None:
    gone = asyncio.ensure_future(process.channel.wait_closed())
    ended = asyncio.ensure_future(child.wait())
    await asyncio.wait({gone, ended}, return_when=asyncio.FIRST_COMPLETED)
    if not ended.done():
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGHUP)  # whoever typed it has gone
        await ended
    else:
        await process.stdout.drain()
        await process.stderr.drain()
        process.exit(child.returncode if child.returncode >= 0 else 255)
    gone.cancel()
    await process.wait_closed()
