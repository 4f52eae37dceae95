"""A controller behind SSH: what commands see of it, and what that costs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import msgspec
import pytest

from iris.errors import FellShort, NotPermitted, Unavailable, Unreachable
from iris.operations import ssh as operation
from iris.operations.tunnels import hold_tunnel, open_tunnel
from iris.probes import bootstrap_logs, discover, health, logs, ssh_status, tunnel
from tests.support.far import far_away

ROUND_TRIP = 0.12  # seconds


@pytest.fixture
def far(cluster):
    with far_away(cluster) as (session, _):
        yield session


@pytest.fixture
def worker(cluster):
    """A slice with one worker is there."""
    cluster.wait(cluster.submit("true"))
    return cluster.client.workers()[0]


def test_a_probe_costs_no_handshake_and_no_call_of_the_cloud(cluster):
    with far_away(cluster, ROUND_TRIP) as (session, server):
        open_tunnel(session, 20.0)
        lists, handshakes = session.provider.lists, server.handshakes

        answer = health.ask(session)

        assert answer.cluster == "proof"
        assert (session.provider.lists, server.handshakes) == (lists, handshakes)
        assert handshakes == 1


def test_discover_has_one_answer_and_four_that_are_not_it(far):
    found = discover.ask(far)
    assert (found.verdict, found.is_well) == ("found", True)

    for error, verdict in (
        (NotPermitted("no"), "not-permitted"),
        (None, "none"),
    ):
        answer = discover.ask(_with_list(far, error, ()))
        assert (answer.verdict, answer.is_well) == (verdict, False)

    machine = far.provider.list_controllers()[0]
    other = msgspec.structs.replace(machine, cluster_uid="c-2")
    assert discover.ask(_with_list(far, None, (machine, other))).verdict == "several"
    gone = msgspec.structs.replace(machine, address="127.0.0.1:1")
    assert discover.ask(_with_list(far, None, (gone,))).verdict == "unreachable"


class _Lists:
    def __init__(self, error, machines):
        self._answers = [error, machines]

    def list_controllers(self):
        error, machines = self._answers
        if error is not None:
            raise error
        return machines


def _with_list(session, error, machines):
    return msgspec.structs.replace(session, provider=_Lists(error, machines))


def test_a_passing_fault_of_the_cloud_is_asked_over(far):
    class Tired(_Lists):
        faults = 2

        def list_controllers(self):
            if self.faults:
                self.faults -= 1
                raise Unavailable("503")
            return super().list_controllers()

    machines = far.provider.list_controllers()

    tired = msgspec.structs.replace(far, provider=Tired(None, machines))

    assert discover.ask(tired).verdict == "found"


def test_ssh_status_says_as_whom_and_by_which_tunnel(far):
    answer = ssh_status.ask(far)

    assert answer.is_well, answer
    assert answer.is_pinned
    assert answer.user == "iris"
    assert answer.handshakes == 1

    Path(far.reach.folder / "ssh_key").unlink()
    far.close_tunnel()
    bad = ssh_status.ask(far)
    assert (bad.is_well, "no SSH key" in bad.problem) == (False, True)


def test_the_tunnel_is_named_and_held(far):
    opened = tunnel.ask(far)

    assert not opened.is_direct
    assert opened.leads_to.endswith("by iris@127.0.0.1")
    assert open_tunnel(far, 5.0) == opened
    far.close_tunnel()
    with pytest.raises(Unreachable):
        list(hold_tunnel(far))


def test_logs_come_through_the_tunnel(far):
    assert any("controller started" in line for line in logs.ask(far))
    assert "controller started" in next(
        line for line in logs.follow(far, since="1h") if "started" in line
    )


def test_the_console_of_the_controllers_machine_is_shown(far, worker):
    far.provider.console = "iris-phase: boot started\niris-phase: controller healthy\n"

    shown = bootstrap_logs.ask(far)

    assert shown.console[-1] == "iris-phase: controller healthy"
    assert shown.slices[0].slice_name == worker.slice_name
    mine = bootstrap_logs.ask(far, slice=worker.slice_name, worker=0)
    assert {phase.index for phase in mine.slices[0].phases} == {0}
    none = bootstrap_logs.ask(far, slice=worker.slice_name, worker=7)
    assert "reported nothing" in none.problem


def test_a_worker_is_reached_through_the_controllers_machine(far, worker):
    open_tunnel(far, 5.0)
    said = []

    name = f"{worker.slice_name}/0"
    (found,) = operation.workers_of(far, name)
    ended = operation.run_on(far, found, "printf hi; exit 3", said.append)
    assert (ended.worker, ended.exit_status, b"".join(said)) == (name, 3, b"hi")

    said.clear()
    all_of_them = operation.workers_of(far)
    everybody = operation.run_on_all(far, all_of_them, "echo a; printf b", said.append)
    assert b"".join(said) == f"{name}: a\n{name}: b\n".encode()
    operation.require_all_well(everybody)
    with pytest.raises(FellShort, match=f"{name}: exit 3"):
        operation.require_all_well([ended])


def test_openssh_gets_in_by_the_printed_settings(far, worker, tmp_path):
    open_tunnel(far, 5.0)
    file = tmp_path / "config"
    file.write_text(operation.render_config(far))

    for name in ("proof-controller", f"{worker.slice_name}-0"):
        words = ["ssh", "-F", str(file), name, "echo in"]
        ran = subprocess.run(words, capture_output=True, timeout=30, check=False)
        assert (ran.returncode, ran.stdout) == (0, b"in\n"), ran
