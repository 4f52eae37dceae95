"""Ends that are asked for: the job's signal, and until when."""

from __future__ import annotations

from iris.domain.jobs import EndCause
from iris.domain.states import AttemptState
from tests.support.eventually import eventually


def test_the_jobs_own_signal_comes_with_its_deadline(vm):
    code = (
        "import os, signal, sys, time\n"
        "def end(*_):\n"
        "    left = float(open(file).read()) - time.time()\n"
        "    print(200 < left <= 300), sys.exit(9)\n"
        "file = os.environ['IRIS_DEADLINE_FILE']\n"
        "signal.signal(signal.SIGUSR1, end)\n"
        "print(os.path.exists(file), flush=True)\n"
        "signal.pause()\n"
    )
    how = {"signal": "SIGUSR1", "stop_grace": 300.0}
    vm.controller.run("a-1", "python", "-c", code, **how)
    eventually(lambda: vm.controller.output("a-1") == "False\n")

    vm.controller.want("a-1", "stop")
    report = vm.ended("a-1")

    assert report.cause is EndCause.STOPPED
    assert vm.controller.output("a-1") == "False\nTrue\n"


def test_a_drain_is_told_with_its_deadline_and_a_nearer_one_is_told_again(vm):
    code = (
        "import os, signal, time\n"
        "def tell(*_):\n"
        "    left = float(open(file).read()) - time.time()\n"
        "    print(int(left // 100), flush=True)\n"
        "file = os.environ['IRIS_DEADLINE_FILE']\n"
        "signal.signal(signal.SIGTERM, tell)\n"
        "print('up', flush=True)\n"
        "for _ in range(3): signal.pause()\n"
    )
    drained = {"because": "drained", "cause": EndCause.DRAINED, "grace": 650.0}
    vm.controller.run("a-1", "python", "-c", code, stop_grace=150.0)
    vm.controller.run("a-2", "sh", "-c", "trap 'exit 0' TERM; sleep 999 & wait")
    vm.controller.run("a-3", "sh", "-c", "trap 'exit 9' TERM; sleep 999 & wait")
    eventually(lambda: vm.controller.output("a-1") == "up\n")
    vm.is_running("a-2")
    vm.is_running("a-3")

    for uid in ("a-1", "a-2", "a-3"):
        vm.controller.want(uid, "stop", **drained)
    eventually(lambda: vm.controller.output("a-1") == "up\n6\n")
    vm.controller.want("a-1", "stop", **drained | {"grace": 350.0})
    eventually(lambda: vm.controller.output("a-1") == "up\n6\n3\n")
    vm.controller.want("a-1", "stop", because="cancelled by ada")

    end = vm.ended("a-1")
    assert vm.controller.output("a-1") == "up\n6\n3\n1\n"
    assert (end.state, end.cause, end.detail) == (
        AttemptState.CANCELLED,  # her wish, though it ended well
        EndCause.STOPPED,
        "cancelled by ada",
    )
    assert vm.ended("a-2").state is AttemptState.SUCCEEDED
    lost = vm.ended("a-3")
    assert (lost.state, lost.cause, lost.exit_code) == (
        AttemptState.LOST,
        EndCause.DRAINED,
        9,
    )


def test_a_time_limit_is_told_by_the_jobs_signal_too(vm):
    said = "trap 'cat $IRIS_DEADLINE_FILE; exit' INT; while :; do sleep 0.1; done"
    how = {"signal": "SIGINT", "run_timeout": 1.0, "stop_grace": 300.0}
    vm.controller.run("a-1", "bash", "-c", said, **how)

    assert vm.ended("a-1").cause is EndCause.TIMED_OUT
    assert float(vm.controller.output("a-1")) > 0


def test_an_attempt_knows_where_checkpoints_lie_and_why_it_exists(vm):
    how = {"checkpoint_dir": "gs://there/x", "resumes": "the cloud preempts this VM"}
    vm.controller.run("a-1", "env", **how)
    vm.controller.run("a-2", "env")

    for uid in ("a-1", "a-2"):
        vm.ended(uid)

    assert "IRIS_CHECKPOINT_DIR=gs://there/x\n" in vm.controller.output("a-1")
    reason = "IRIS_RESUME_REASON=the cloud preempts this VM\n"
    assert reason in vm.controller.output("a-1")
    assert "IRIS_CHECKPOINT_DIR" not in vm.controller.output("a-2")
    assert "IRIS_RESUME_REASON" not in vm.controller.output("a-2")
