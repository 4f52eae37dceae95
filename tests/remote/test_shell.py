from __future__ import annotations

import logging
import sys

import pytest

from iris.config.cloud import SshConfig
from iris.errors import KeyChanged, Late, NotAllowed, Unreachable
from iris.remote.keys import ensure_key
from iris.remote.shell import PortClosed, Shell
from tests.support.eventually import eventually
from tests.support.ssh_server import a_target

EVERY_BYTE = bytes(range(256))
RELAY = f"{sys.executable} -c " + (
    "'import socket,sys,threading,os\n"
    "s=socket.create_connection((sys.argv[1],int(sys.argv[2])))\n"
    "def up():\n"
    " while b:=os.read(0,65536): s.sendall(b)\n"
    "threading.Thread(target=up,daemon=True).start()\n"
    "while b:=s.recv(65536): os.write(1,b)' %h %p"
)


@pytest.fixture
def shell(folder, server):
    with Shell(a_target(folder, server)) as made:
        yield made


def test_a_command_runs_and_every_byte_of_it_comes_back(shell, tmp_path):
    (tmp_path / "bytes").write_bytes(EVERY_BYTE)

    ran = shell.run(f"cat {tmp_path}/bytes; echo trouble >&2; exit 3")

    assert (ran.exit_status, ran.out, ran.err) == (3, EVERY_BYTE, b"trouble\n")


def test_many_commands_cost_one_handshake(shell, server):
    said = [shell.run(f"echo {number}").out for number in range(5)]

    assert said == [b"%d\n" % number for number in range(5)]
    assert server.handshakes == 1


def test_what_a_command_prints_comes_as_it_comes(shell, tmp_path):
    seen = []

    def see(piece):
        seen.append(piece)
        (tmp_path / "go").touch()

    status = shell.stream(
        f"echo one; until [ -e {tmp_path}/go ]; do sleep 0.01; done; echo two; exit 4",
        see,
        timeout=10,
    )

    assert (status, b"".join(seen)) == (4, b"one\ntwo\n")


def test_a_file_that_is_put_there_is_whole(shell, tmp_path):
    shell.put(EVERY_BYTE * 1000, str(tmp_path / "it's there"))

    assert (tmp_path / "it's there").read_bytes() == EVERY_BYTE * 1000
    assert [path.name for path in tmp_path.glob("*.new")] == []


def test_a_place_that_cannot_be_written_is_said(shell, tmp_path):
    with pytest.raises(NotAllowed, match="nowhere/file"):
        shell.put(b"x", str(tmp_path / "nowhere/file"))


def test_a_command_that_does_not_end_is_late(shell):
    with pytest.raises(Late, match="no end within"):
        shell.run("sleep 60", timeout=0.2)


def test_a_cut_in_the_middle_of_a_command_is_no_answer(shell, server, tmp_path):
    def cut(_piece):
        server.cut()

    with pytest.raises(Unreachable, match="SSH"):
        shell.stream("echo began; sleep 60", cut, timeout=30)


def test_whom_the_machine_does_not_know_is_not_let_in(folder, server, tmp_path):
    stranger = ensure_key(tmp_path / "stranger", SshConfig())

    with (
        Shell(a_target(folder, server, key=str(stranger))) as shell,
        pytest.raises(NotAllowed, match="does not let 'iris' in") as raised,
    ):
        shell.run("true")

    assert "\n" not in raised.value.message


def test_without_a_key_nobody_is_asked_for_one(folder, server, tmp_path):
    target = a_target(folder, server, key=str(tmp_path / "none"))

    with Shell(target) as shell, pytest.raises(NotAllowed, match="no SSH key"):
        shell.open()

    assert server.handshakes == 0


def test_a_machine_whose_key_changed_is_refused(folder, server):
    with Shell(a_target(folder, server)) as shell:
        shell.open()
    server.change_key()

    with Shell(a_target(folder, server)) as shell, pytest.raises(KeyChanged):
        shell.open()

    eventually(lambda: server.connections == 0)


def test_a_machine_is_the_one_of_which_the_cloud_told_the_key(folder, server):
    told = a_target(folder, server, identity=server.identity)
    with Shell(told) as shell:
        assert shell.run("echo in").out == b"in\n"

    lied = a_target(folder, server, name="other.1", identity="ssh-ed25519 AAAA")
    with Shell(lied) as shell, pytest.raises(KeyChanged):
        shell.open()


def test_nobody_there_is_unreachable_in_one_line(folder, server):
    server.stop_listening()

    with Shell(a_target(folder, server)) as shell, pytest.raises(Unreachable) as raised:
        shell.open()

    assert "refused" in raised.value.message
    assert "\n" not in raised.value.message
    server.listen()


def test_one_that_listens_and_says_nothing_is_unreachable_in_time(folder, controller):
    port = int(controller.url.rpartition(":")[2])
    silent = a_target(folder, _Place(port))

    with Shell(silent, timeout=0.3) as shell, pytest.raises(Unreachable):
        shell.open()


class _Place:
    def __init__(self, port):
        self.port = port


def test_a_proxy_command_carries_ssh(folder, server):
    target = a_target(folder, server, proxy_command=RELAY)

    with Shell(target) as shell:
        assert shell.run("echo through").out == b"through\n"


def test_what_a_proxy_command_says_of_its_trouble_is_passed_on(folder, server):
    target = a_target(
        folder, server, proxy_command="echo no way to %h:%p >&2; false; exit 1"
    )

    with Shell(target, timeout=5) as shell, pytest.raises(Unreachable, match="SSH"):
        shell.open()


def test_a_rehearsal_dials_nowhere_but_this_machine(folder, server):
    target = a_target(folder, server, address="192.0.2.1", loopback_only=True)

    with Shell(target) as shell, pytest.raises(Unreachable, match="rehearsal"):
        shell.open()


def test_a_port_where_nothing_listens_is_told_from_a_dead_line(shell, server):
    with pytest.raises(PortClosed):
        shell.dial("127.0.0.1", 1, timeout=5)

    assert shell.is_open
    server.cut()
    eventually(lambda: not shell.is_open)
    with pytest.raises(Unreachable):
        shell.dial("127.0.0.1", server.port, timeout=5)


def test_the_library_says_nothing_by_itself(shell, server, caplog):
    shell.open()
    server.cut()
    eventually(lambda: not shell.is_open)

    said = [r.name for r in caplog.records if r.levelno >= logging.WARNING]
    assert [name for name in said if name.startswith("paramiko")] == []
