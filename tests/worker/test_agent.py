"""The agent beside a controller that is away, forgetful, silent or somebody else."""

from __future__ import annotations

import signal
import socket
import time

import pytest

from iris.bundles import pack
from iris.domain.jobs import EndCause
from iris.domain.states import AttemptState
from iris.errors import Busy, NotAuthenticated, NotThere
from iris.processes import send
from tests.support.eventually import eventually
from tests.support.fake_controller import TOKEN, FakeController


def beats(vm):
    return len(vm.controller.heartbeats)


# The boot


def test_a_boot_is_reported_phase_by_phase(vm):
    phases = eventually(lambda: len(vm.controller.phases) == 3 and vm.controller.phases)

    assert [p.phase for p in phases] == [
        "keeper started",
        "agent started",
        "registered",
    ]
    assert [p.at for p in phases] == sorted(p.at for p in phases)
    assert {(p.slice_name, p.index) for p in phases} == {("slice", 0)}


def test_the_registration_says_which_limits_are_held(vm):
    eventually(lambda: beats(vm))

    (registration,) = vm.controller.registrations
    assert registration.limits.cpu.startswith("not held")
    assert registration.limits.memory.startswith("held")
    assert vm.controller.tokens == {"Bearer join-token", f"Bearer {TOKEN}"}


# Nudges


def nudge(vm):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.sendto(b"", ("127.0.0.1", vm.controller.heartbeats[-1].nudge_port))


def test_a_nudge_brings_the_next_heartbeat_at_once(vm):
    vm.controller.interval = 60.0
    before = eventually(lambda: beats(vm))

    nudge(vm)

    eventually(lambda: beats(vm) > before, within=5)


def test_of_many_nudges_few_are_obeyed_and_all_are_counted(vm):
    vm.controller.interval = 60.0
    before = eventually(lambda: beats(vm))
    began = time.monotonic()

    for _ in range(200):
        nudge(vm)
    eventually(lambda: nudge(vm) or vm.controller.heartbeats[-1].nudges >= 200)

    lasted = time.monotonic() - began
    assert beats(vm) - before <= lasted / 0.02 + 2


def test_an_attempt_is_reported_running_and_ended_between_two_intervals(vm):
    vm.controller.interval = 60.0
    eventually(lambda: beats(vm))
    vm.controller.run("a-1", "true")

    nudge(vm)

    assert vm.ended("a-1", within=5).state is AttemptState.SUCCEEDED


# Controllers that are away, or answer to nobody


def test_a_controller_that_is_away_ends_nothing_and_misses_no_output(vm):
    code = "import time\nfor i in range(10): print(i, flush=True); time.sleep(0.1)"
    vm.controller.run("a-1", "python", "-c", code)
    vm.is_running("a-1")
    (pid,) = vm.pids_of("a-1")

    vm.controller.is_away = True
    eventually(lambda: not vm.pids_of("a-1"))
    vm.controller.is_away = False

    assert pid
    assert vm.ended("a-1").state is AttemptState.SUCCEEDED
    assert vm.controller.output("a-1").split() == [str(i) for i in range(10)]
    assert vm.log().count("heartbeat waits") == 1  # one line for each outage


def test_a_controller_that_is_back_elsewhere_is_found(vm):
    vm.controller.run("a-1", "sleep", "1000")
    vm.is_running("a-1")
    former, vm.controller = vm.controller, FakeController()

    former.close()
    vm.say_where(vm.controller)

    heartbeat = eventually(lambda: vm.controller.heartbeats)[-1]
    assert [report.uid for report in heartbeat.attempts] == ["a-1"]
    assert vm.controller.registrations == []
    told = vm.root / "controller"
    eventually(lambda: told.read_text().strip() == vm.controller.url)
    vm.controller.run(
        *("a-2", "sh", "-c"), 'echo "$IRIS_CONTROLLER_URL"; cat "$IRIS_CONTROLLER_FILE"'
    )
    vm.ended("a-2")
    assert vm.controller.output("a-2").split() == [vm.controller.url] * 2


def test_another_cluster_at_our_address_never_sees_our_token(vm):
    eventually(lambda: beats(vm))
    other = FakeController(uid="another-cluster")
    vm.say_where(other)

    vm.controller.is_away = True
    eventually(lambda: "another-cluster answers there" in vm.log())
    other.close()

    assert other.tokens == set()
    assert other.heartbeats == []


@pytest.mark.parametrize("refusal", [NotThere("who?"), NotAuthenticated("who?")])
def test_a_worker_that_is_not_known_ends_what_runs(vm, refusal):
    vm.controller.run("a-1", "sleep", "1000")
    vm.is_running("a-1")

    vm.controller.refusal = refusal

    eventually(lambda: not vm.pids_of("a-1"), within=20)


def test_a_refusal_that_does_not_last_ends_nothing(vm):
    vm.controller.run("a-1", "sleep", "1000")
    vm.is_running("a-1")
    path = "/v1/workers/w-1/heartbeat"

    vm.controller.refusal = NotThere("not yet")
    asked = vm.controller.asked[path]
    eventually(lambda: vm.controller.asked[path] > asked)
    vm.controller.refusal = None
    before = beats(vm)
    eventually(lambda: beats(vm) > before + 2)

    assert vm.pids_of("a-1")


def test_a_busy_controller_is_asked_again(vm):
    vm.controller.refusal = Busy("later")
    vm.controller.run("a-1", "true")
    eventually(lambda: vm.controller.asked["/v1/workers/w-1/heartbeat"] > 3)

    vm.controller.refusal = None

    assert vm.ended("a-1").state is AttemptState.SUCCEEDED


# Answers that are lost, and output that the controller lost


def test_lost_answers_run_nothing_twice_and_lose_no_end(vm):
    marks = vm.root / "marks"
    for index in range(5):
        vm.controller.answers_to_lose = 2
        vm.controller.run(f"a-{index}", "sh", "-c", f"echo {index} >> {marks}")
        vm.ended(f"a-{index}")

    assert marks.read_text().split() == ["0", "1", "2", "3", "4"]


def test_output_that_the_controller_lost_is_sent_again(vm):
    vm.controller.run("a-1", "sh", "-c", "head -c 50000 /dev/zero; sleep 1000")
    eventually(lambda: len(vm.controller.logs.get("a-1", b"")) == 50_000)

    with vm.controller.lock:
        del vm.controller.logs["a-1"][20_000:]

    eventually(lambda: len(vm.controller.logs["a-1"]) == 50_000)


def test_a_long_output_is_complete_before_the_end_is_told(vm):
    vm.controller.run("a-1", "head", "-c", "3000000", "/dev/zero")

    report = vm.ended("a-1")

    assert report.log_offset + len(report.log) == report.log_bytes == 3_000_000
    assert len(vm.controller.logs["a-1"]) == 3_000_000


def test_an_agent_that_is_asked_to_end_is_followed_by_another(vm):
    eventually(lambda: beats(vm))
    former = vm.agent()

    send(former, signal.SIGTERM)
    vm.agent_after(former)

    before = beats(vm)
    eventually(lambda: beats(vm) > before)
    assert len(vm.controller.registrations) == 1


# Bundles


def bundle_of(tmp_path, text):
    folder = tmp_path / "code"
    folder.mkdir(exist_ok=True)
    (folder / "said").write_text(text)
    with pack(folder) as bundle:
        return bundle.path.read_bytes()


def test_a_bundle_is_fetched_once_and_laid_out_for_each_attempt(vm, tmp_path):
    sha256 = vm.controller.keep_bundle(bundle_of(tmp_path, "hello"))
    for index in range(3):
        change = f"cat said; echo changed > said; echo {index}"
        vm.controller.run(f"a-{index}", "sh", "-c", change, bundle=sha256)

    for index in range(3):
        vm.ended(f"a-{index}")

    said = {vm.controller.output(f"a-{index}") for index in range(3)}
    assert said == {"hello0\n", "hello1\n", "hello2\n"}
    assert vm.controller.asked[f"/v1/bundles/{sha256}"] == 1


def test_a_bundle_that_arrives_damaged_is_a_loss_and_not_the_users_fault(vm, tmp_path):
    sha256 = vm.controller.keep_bundle(bundle_of(tmp_path, "hello"))
    vm.controller.bundles[sha256] += b"?"
    vm.controller.run("a-1", "cat", "said", bundle=sha256)

    report = vm.ended("a-1")

    assert (report.state, report.cause) == (
        AttemptState.LOST,
        EndCause.PREPARE_FAILED,
    )
    assert "arrived damaged" in report.detail
    assert vm.controller.asked[f"/v1/bundles/{sha256}"] == 3


def test_an_attempt_whose_bundle_is_nowhere_does_not_start_with_the_next_agent(vm):
    vm.controller.run("a-1", "touch", str(vm.root / "started"), bundle="0" * 64)
    report = vm.ended("a-1")

    former = vm.agent()
    send(former)
    vm.agent_after(former)
    before = beats(vm)
    eventually(lambda: beats(vm) > before)

    assert report.cause is EndCause.PREPARE_FAILED
    assert not (vm.root / "started").exists()
    assert vm.controller.heartbeats[-1].attempts == ()


def test_a_bundle_waits_for_a_controller_that_is_away(vm, tmp_path):
    sha256 = vm.controller.keep_bundle(bundle_of(tmp_path, "hello"))
    vm.controller.run("a-1", "cat", "said", bundle=sha256, gang=True)
    eventually(lambda: vm.controller.state("a-1") == "prepared")
    former = vm.agent()

    vm.controller.is_away = True
    for kept in (vm.root / "cache" / "bundles").iterdir():
        kept.unlink()
    send(former)
    vm.agent_after(former)
    eventually(lambda: "attempt a-1 waits" in vm.log())
    vm.controller.want("a-1", "go", "127.0.0.1:1")
    vm.controller.is_away = False

    assert vm.ended("a-1").state is AttemptState.SUCCEEDED
    assert vm.controller.output("a-1") == "hello"
