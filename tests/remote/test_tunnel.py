from __future__ import annotations

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from iris.clock import RealClock
from iris.errors import KeyChanged, NotAllowed, Unreachable
from iris.remote.background import Background
from iris.remote.messages import Ask, ask, connect
from iris.remote.tunnel import Tunnel
from tests.support.eventually import eventually
from tests.support.fake_controller import FakeController
from tests.support.ssh_server import a_destination, a_target


def health(url):
    return requests.get(f"{url}/health", timeout=10).json()


def url_of(tunnel, destination):
    """As a client does: ask again until it is up."""

    def up():
        try:
            return tunnel.lead_to(destination).url
        except Unreachable as error:
            raise AssertionError(str(error)) from error

    return eventually(up)


def test_a_tunnel_leads_to_the_controller_and_is_found_again(
    tunnel, destination, server
):
    url = tunnel.lead_to(destination).url

    assert health(url)["cluster_uid"] == "cluster-uid"
    assert url.startswith("http://127.0.0.1:")
    again = Tunnel(tunnel._folder, RealClock())
    assert again.url("cluster-uid") == url == again.lead_to(destination).url
    assert server.handshakes == 1


def test_many_who_need_it_at_once_share_one(tunnel, destination, server):
    with ThreadPoolExecutor(8) as pool:
        urls = set(pool.map(lambda _: tunnel.lead_to(destination).url, range(8)))

    assert len(urls) == 1
    assert server.handshakes == 1


def test_only_its_owner_may_ask_it(tunnel, destination, folder):
    tunnel.lead_to(destination)

    assert (folder / "tunnel.sock").stat().st_mode & 0o777 == 0o600
    assert (folder / "tunnel.log").stat().st_mode & 0o777 == 0o600


def test_a_namesake_of_another_uid_is_not_led_to(tunnel, folder, server, controller):
    other = a_destination(a_target(folder, server), controller.url, uid="c-other")

    with pytest.raises(Unreachable, match="answers cluster 'test'"):
        tunnel.lead_to(other)

    assert tunnel.url("c-other") == ""


def test_something_else_on_the_port_is_no_controller(tunnel, folder, server):
    ssh_itself = a_destination(
        a_target(folder, server), f"http://127.0.0.1:{server.port}"
    )

    with pytest.raises(Unreachable, match="is no controller"):
        tunnel.lead_to(ssh_itself)


def test_it_waits_for_the_remote_port_and_says_so_meanwhile(
    tunnel, folder, server, controller
):
    closed = a_destination(a_target(folder, server), "http://127.0.0.1:1")
    with pytest.raises(Unreachable, match=r"cannot reach 127\.0\.0\.1:1"):
        tunnel.lead_to(closed)

    opened = a_destination(a_target(folder, server), controller.url)

    assert health(url_of(tunnel, opened))["ok"]
    state = tunnel.state()
    assert (state.is_up, state.has_ssh) == (True, True)


def test_a_controller_that_moved_is_followed_and_the_near_end_stays(
    tunnel, destination, folder, server
):
    url = tunnel.lead_to(destination).url
    moved = FakeController("c-new")

    there = a_destination(a_target(folder, server), moved.url, uid="c-new")
    assert url_of(tunnel, there) == url

    assert health(url)["cluster_uid"] == "c-new"
    assert tunnel.url("cluster-uid") == ""
    moved.close()


def test_after_a_cut_it_comes_back_by_itself_at_the_same_place(
    tunnel, destination, server
):
    url = tunnel.lead_to(destination).url

    for _ in range(3):
        eventually(lambda: server.connections == 1)
        server.cut()
        assert url_of(tunnel, destination) == url
        eventually(lambda: health_or_none(url))

    assert server.handshakes >= 4


def health_or_none(url):
    try:
        return health(url)["ok"]
    except requests.RequestException:
        return None


def test_a_key_that_changed_under_it_is_refused_and_not_replaced(
    tunnel, destination, server
):
    tunnel.lead_to(destination)
    server.change_key()

    def refused():
        try:
            tunnel.lead_to(destination)
        except KeyChanged:
            return True
        except Unreachable:
            return False
        return False  # the connection of before is not known to be cut

    eventually(refused)


def test_whom_the_machine_does_not_know_hears_it(tunnel, destination, folder):
    (folder / "ssh_key").unlink()

    with pytest.raises(NotAllowed, match="no SSH key"):
        tunnel.lead_to(destination)


def test_commands_run_over_the_same_ssh(tunnel, destination, server):
    tunnel.lead_to(destination)

    ran = tunnel.run(destination, "echo here; exit 2", timeout=10)

    assert (ran.exit_status, ran.out) == (2, b"here\n")
    assert server.handshakes == 1


def test_a_command_needs_no_controller_that_answers(tunnel, folder, server):
    closed = a_destination(a_target(folder, server), "http://127.0.0.1:1")

    assert tunnel.run(closed, "echo here", timeout=10).out == b"here\n"


def test_other_machines_are_reached_through_it(tunnel, destination, controller):
    tunnel.lead_to(destination)
    port = int(controller.url.rpartition(":")[2])

    with connect(tunnel._folder, 5) as plug:
        answer = ask(plug, Ask("dial", address="127.0.0.1", port=port, wait=5))
        plug.sendall(b"GET /health HTTP/1.0\r\n\r\n")
        said = plug.makefile("rb").read()

    assert answer.problem is None
    assert b"cluster-uid" in said


def test_it_ends_when_it_is_asked_to(tunnel, destination, server):
    tunnel.lead_to(destination)

    tunnel.stop()

    eventually(lambda: tunnel.state() is None)
    eventually(lambda: server.connections == 0)
    tunnel.stop()  # absence is success


def test_it_ends_once_its_folder_is_gone(tunnel, destination, folder, server):
    tunnel.lead_to(destination)

    shutil.rmtree(folder)

    eventually(lambda: server.connections == 0)


def test_it_ends_when_nobody_used_it_for_long(folder, destination, server):
    background = Background(folder, destination, idle_after=0.2)
    serving = threading.Thread(target=background.serve)
    serving.start()

    serving.join(10)

    assert not serving.is_alive()
    assert not (folder / "tunnel.sock").exists()
    eventually(lambda: server.connections == 0)


def test_whoever_holds_it_keeps_it_and_hears_of_changes(folder, destination, server):
    background = Background(folder, destination, idle_after=0.2)
    serving = threading.Thread(target=background.serve)
    serving.start()
    held = Tunnel(folder, RealClock()).hold()

    assert next(held).is_up
    server.stop_listening()
    server.cut()
    lost = next(held)
    while lost.is_up or lost.has_ssh:
        lost = next(held)
    assert lost.problem is not None
    server.listen()
    while not next(held).is_up:
        pass

    held.close()
    serving.join(10)
    assert not serving.is_alive()


def test_a_long_path_is_no_obstacle(tmp_path, server, controller, folder):
    deep = tmp_path / ("d" * 100) / "cluster"
    shutil.copytree(folder, deep)
    tunnel = Tunnel(deep, RealClock())

    url = tunnel.lead_to(a_destination(a_target(deep, server), controller.url)).url

    assert health(url)["ok"]
    tunnel.stop()
    eventually(lambda: tunnel.state() is None)
