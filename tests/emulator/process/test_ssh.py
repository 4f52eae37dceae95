from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import paramiko
import pytest

from iris.emulator.dial import TIMEOUT
from iris.emulator.machines import Vm
from iris.emulator.process.driver import ProcessDriver
from iris.emulator.process.metadata import PORT
from tests.support.eventually import eventually
from tests.support.http_server import HttpServer, Said

Boot = Callable[..., Vm]
WITHIN = 20.0  # seconds for anything on the wire


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("keys") / "key"
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(file)]
    subprocess.run(words, check=True)
    return file


@pytest.fixture
def vm(boot: Boot, key: Path, driver: ProcessDriver) -> Vm:
    public = key.with_suffix(".pub").read_text().strip()
    keys = f"else:no key at all\niris:no key at all\niris:{public}"
    attributes = {"ssh-keys": keys, "enable-guest-attributes": "TRUE"}
    made = boot("#!/bin/bash\necho up", attributes=attributes)
    eventually(lambda: b"Finished" in driver.serial(made.id))
    return made


@contextmanager
def connected(
    driver: ProcessDriver, vm: Vm, key: Path, user: str = "iris"
) -> Iterator[paramiko.SSHClient]:
    with paramiko.SSHClient() as client:
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        client.connect(
            vm.external_ip,
            driver.ssh_port,
            username=user,
            key_filename=str(key),
            allow_agent=False,
            look_for_keys=False,
            timeout=WITHIN,
        )
        yield client


def run(client: paramiko.SSHClient, command: str, sent: str = "") -> tuple[int, str]:
    stdin, stdout, stderr = client.exec_command(command, timeout=WITHIN)
    with stdin, stdout, stderr:
        stdin.write(sent)
        stdin.channel.shutdown_write()
        said = stdout.read().decode()
        return stdout.channel.recv_exit_status(), said


def test_a_command_runs_inside_the_vm_and_says_how_it_ended(
    driver: ProcessDriver, vm: Vm, key: Path
) -> None:
    with connected(driver, vm, key) as client:
        assert run(client, "echo $GCE_METADATA_HOST; exit 7") == (
            7,
            f"{vm.internal_ip}:{PORT}\n",
        )
        assert run(client, "sudo -n sh -s", "echo $IRIS_ROOT") == (
            0,
            f"{driver._vms / vm.id / 'root'}\n",
        )
        assert run(client, "command -v docker")[1].endswith("/vms/1/bin/docker\n")


def test_its_key_is_the_one_that_the_guest_attributes_show(
    driver: ProcessDriver, vm: Vm, key: Path
) -> None:
    with connected(driver, vm, key) as client:
        transport = client.get_transport()
        assert transport is not None
        shown = transport.get_remote_server_key().get_base64()

    assert driver.guest_attributes(vm.id)["hostkeys"] == {"ssh-ed25519": shown}
    driver.reset(vm.id)
    eventually(lambda: driver.serial(vm.id).count(b"Finished") == 2)
    assert driver.guest_attributes(vm.id)["hostkeys"] == {"ssh-ed25519": shown}


@pytest.mark.parametrize("user", ["root", "else"])
def test_another_user_is_not_let_in(
    driver: ProcessDriver, vm: Vm, key: Path, user: str
) -> None:
    refused = pytest.raises(paramiko.AuthenticationException)
    with refused, connected(driver, vm, key, user):
        pass


def test_another_key_is_not_let_in(
    driver: ProcessDriver, vm: Vm, key: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(other)]
    subprocess.run(words, check=True)

    refused = pytest.raises(paramiko.AuthenticationException)
    with refused, connected(driver, vm, other):
        pass


def test_forwarding_reaches_vms_of_the_same_emulator_and_nothing_else(
    driver: ProcessDriver, vm: Vm, key: Path
) -> None:
    with connected(driver, vm, key) as client:
        transport = client.get_transport()
        assert transport is not None
        for address in ("localhost", "127.0.0.1", vm.internal_ip):
            channel = transport.open_channel(
                "direct-tcpip", (address, PORT), ("127.0.0.1", 1), timeout=WITHIN
            )
            with closing(channel):
                channel.settimeout(WITHIN)
                channel.sendall(b"GET / HTTP/1.0\r\n\r\n")
                assert channel.recv(1000).startswith(b"HTTP/1.1 200")
        for address in ("127.0.0.2", "192.0.2.1", "metadata.google.internal"):
            with pytest.raises(paramiko.ChannelException):
                transport.open_channel(
                    "direct-tcpip", (address, PORT), ("127.0.0.1", 1), timeout=WITHIN
                )


def test_files_are_put_below_the_vms_root(
    driver: ProcessDriver, vm: Vm, key: Path
) -> None:
    with connected(driver, vm, key) as client:
        with client.open_sftp() as sftp, sftp.open("/file", "w") as file:
            file.write("kept")
        assert run(client, "cat $IRIS_ROOT/file") == (0, "kept")


def test_every_connection_to_a_vm_is_cut_on_request(
    driver: ProcessDriver, vm: Vm, key: Path
) -> None:
    with connected(driver, vm, key) as client:
        assert driver.cut_ssh("another") == 0
        assert driver.cut_ssh(vm.id) == 1

        transport = client.get_transport()
        assert transport is not None
        eventually(lambda: not transport.is_active())

    with connected(driver, vm, key) as client:
        assert run(client, "echo back") == (0, "back\n")


def test_a_vms_ssh_is_dialled_where_it_listens_and_nobody_elses_is(
    driver: ProcessDriver,
) -> None:
    internal, external = driver.take_address("1")
    driver.ssh.port = 47022  # as for anyone but root

    assert driver.way_to(internal, 22) == (internal, 47022)
    assert driver.way_to(external, 10000) == (external, 10000)
    assert driver.way_to("192.0.2.1", 22) is None
    assert driver.way_to("127.0.0.1", 22) is None


def test_the_dialler_asks_nobody_beyond_this_machine() -> None:
    words = [sys.executable, "-m", "iris.emulator.dial", "http://192.0.2.1:1/admin/"]

    said = subprocess.run([*words, "192.0.2.1", "22"], capture_output=True, check=False)

    assert said.returncode == 1
    assert b"not of this machine" in said.stderr


def test_the_dialler_does_not_outlive_whoever_wanted_it() -> None:
    with socket.socket() as busy, socket.socket() as first, socket.socket() as second:
        busy.bind(("127.0.0.1", 0))
        busy.listen(0)  # one more waits in line, the next is not answered
        address, port = busy.getsockname()
        for each in (first, second):
            each.setblocking(False)
            each.connect_ex((address, port))
        way = json.dumps({"address": address, "port": port}).encode()
        with HttpServer(lambda asked: Said(body=way)) as emulator:
            words = [sys.executable, "-m", "iris.emulator.dial", f"{emulator.url}/"]
            with subprocess.Popen(
                [*words, address, str(port)],
                stdin=subprocess.PIPE,
                stderr=subprocess.PIPE,
            ) as dialler:
                eventually(lambda: emulator.asked, WITHIN)
                assert dialler.stdin
                dialler.stdin.close()

                assert dialler.wait(TIMEOUT / 2) == 1
