"""Jobs as a researcher types them, on a real cluster."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest

from tests.support.eventually import eventually
from tests.support.terminal import ROOT, Terminal

HELLO = ("--", "python", "examples/jobs/hello.py")
SLEEP = ("--", "sleep", "1000")


def test_job_run_follows_a_gang_to_its_end(running):
    ran = running.run("job.run", "--tpu", "v5litepod-16", "--follow", *HELLO)

    assert ran.status == 0
    said = sorted(line for line in ran.out.splitlines() if "hello" in line)
    assert [line.split(" on ")[0] for line in said] == [
        f"hello from task {index} of 4" for index in range(4)
    ]
    assert "job hello" in ran.err


def test_job_run_without_follow_returns_once_accepted(running):
    said = running.ok("job.run", "--no-bundle", "--name", "quick", "--", "true")

    assert said.startswith("job quick accepted: 1 task;")
    assert running.ok("job.wait", "quick").strip() == "job quick succeeded"


def test_a_sweep_runs_from_its_file_as_the_dry_run_said(running):
    file = str(ROOT / "examples/jobs/sweep/sweep.yaml")

    would = running.ok("job.run", "--file", file, "--dry-run")
    said = running.ok("job.run", "--file", file, "--name", "swept", "--follow")

    assert would.startswith("would submit sweep: 4 tasks\n  on 1 slice of cpu in ")
    assert "training with lr=3e-4 and width=128, seed 7" in said.splitlines()
    assert "with lr=1e-3 width=128" in running.ok("job.status", "swept")


def test_jobs_run_in_order_and_a_live_name_is_kept(running):
    slow = ("--no-bundle", "--name", "slow", "--same-name", "keep", "--json")
    first = json.loads(running.ok("job.run", *slow, *SLEEP))
    second = json.loads(running.ok("job.run", *slow, *SLEEP))
    running.ok("job.run", "--no-bundle", "--name", "next", "--after", "slow", *SLEEP)
    waits = running.ok("probe.why", "next")

    running.ok("job.cancel", "slow")

    assert first["uid"] == second["uid"]
    assert "it waits for the success of job slow" in waits
    said = running.refused("job.wait", "next", status=1)
    assert "job next cancelled: job slow, after whose success it was to run" in said


def test_a_job_submits_children_as_the_page_says_and_they_end_with_it(running):
    page = (ROOT / "docs/jobs.md").read_text()
    (program,) = (each.partition("```")[0] for each in page.split("```python\n")[1:])
    endless = program.replace("print('evaluated')", "__import__('time').sleep(1000)")

    parent = run_program(running, "parent", program)
    running.ok("job.wait", "parent")
    run_program(running, "endless", endless)
    eventually(lambda: "running" in running.ok("job.status", "eval-2"), 30.0)
    running.ok("job.cancel", "endless")

    assert running.ok("job.logs", "eval").strip() == "evaluated"
    assert status_of(running, "eval")["parent"] == parent["uid"]
    assert "job eval-2 cancelled" in running.refused("job.wait", "eval-2", status=1)


def run_program(running: Terminal, name: str, program: str) -> dict[str, Any]:
    """The job, as it was accepted, that runs a program of Python."""
    words = ("--no-bundle", "--name", name, "--json", "--", "python", "-c", program)
    return json.loads(running.ok("job.run", *words))


def status_of(running: Terminal, name: str) -> dict[str, Any]:
    """A job as the API gives it."""
    said = json.loads(running.ok("job.status", name, "--json"))
    return said.get("job", said)


def test_a_broken_job_file_is_one_line_and_submits_nothing(running):
    file = running.folder / "broken.yaml"
    file.write_text("name: broken\ncommand: [x]\ntasks: few\n")

    said = running.refused("job.run", "--file", str(file), status=2)

    assert "broken.yaml: tasks: expected a whole number above 0, got 'few'" in said
    assert running.refused("job.status", "broken", status=1)


def test_a_taken_name_gets_a_number(running):
    for expected in ("twice", "twice-2"):
        said = running.ok(
            "job.run", "--no-bundle", "--name", "twice", "--json", "--", "true"
        )
        assert json.loads(said)["name"] == expected


@pytest.mark.parametrize(
    "flag", [("--name", "Bad_N"), ("--signal", "SIGKILL"), ("--env", "IRIS_X=1")]
)
def test_a_wrong_flag_is_refused_by_its_name_before_anything_is_uploaded(running, flag):
    said = running.refused("job.run", *flag, "--", "true", status=2)

    assert said.startswith(f"iris: {flag[0]}: ")
    assert len(said.splitlines()) == 1


def test_what_the_cluster_refuses_is_said_in_the_words_that_were_typed(running):
    job = ("job.run", "--no-bundle", "--name", "sole")
    running.ok(*job, "--", "sleep", "1000")

    later = running.refused(*job, "--after", "nobody", "--", "true", status=2)
    again = running.refused(*job, "--same-name", "refuse", "--", "true", status=1)
    image = running.refused(*job, "--image", "python:3", "--", "true", status=2)
    running.ok("job.cancel", "sole")

    assert later.startswith("iris: there is no job 'nobody' to run after\nhint: ")
    assert "is refused (--same-name refuse)\nhint: Give another --name" in again
    assert image.startswith("iris: image python:3: attempts are no containers here")
    assert not [said for said in (later, again, image) if "spec." in said]


def test_a_job_that_is_run_twice_under_one_client_id_is_one(running):
    words = ("job.run", "--no-bundle", "--client-id", "nightly", "--name", "once")

    first = running.ok(*words, "--", "true")
    again = running.ok(*words, "--follow", "--json", "--", "true")
    other = running.refused(*words, "--", "false", status=1)

    assert first.startswith("job once accepted: 1 task;")
    assert json.loads(again)["name"] == "once"
    assert "client id nightly is that of job once" in other
    assert "differs in command" in other


def test_a_failed_job_exits_1_and_names_the_attempt(running):
    ran = running.run(
        *("job.run", "--no-bundle", "--name", "bad", "--follow", "--"),
        *("sh", "-c", "echo about to fail; exit 3"),
    )

    assert ran.status == 1
    assert ran.out == "about to fail\n"
    assert "task 0: attempt 0 on proof-cpu-" in ran.err
    assert "exit status 3" in ran.err
    waited = running.refused("job.wait", "bad", status=1)
    assert "attempt 0 of task 0 said at last:\n    about to fail" in waited


def test_job_status_logs_and_list_show_a_job(running):
    running.ok(
        *("job.run", "--no-bundle", "--name", "seen", "--tasks", "3", "--follow"),
        *("--", "sh", "-c", "echo task $IRIS_TASK_INDEX of $IRIS_NUM_TASKS"),
    )

    assert "seen" in running.ok("job.list", "--state", "succeeded")
    assert running.ok("job.status", "seen").count("succeeded") >= 4
    assert running.ok("job.logs", "seen", "--task", "2") == "task 2 of 3\n"
    assert sorted(running.ok("job.logs", "seen", "-f").splitlines()) == [
        f"task {index} of 3" for index in range(3)
    ]


def test_words_quotes_and_spaces_arrive_as_they_were_typed(running):
    words = ("a b", "c'd", 'e"f', "$HOME", "--flag", "")

    said = running.ok(
        *("job.run", "--no-bundle", "--name", "words", "--follow", "--env", "X=1 2"),
        *("--", "python", "-c", "import sys, os; print(sys.argv[1:], os.environ['X'])"),
        *words,
    )

    assert said == f"{list(words)} 1 2\n"


def test_ctrl_c_while_following_cancels_nothing(running):
    running.ok(
        *("job.run", "--no-bundle", "--name", "long"),
        *("--", "sh", "-c", "echo up; sleep 1000"),
    )
    following = running.start("job.logs", "long", "-f")
    assert following.stdout.readline() == "up\n"

    following.send_signal(signal.SIGINT)
    _, said = following.communicate(timeout=30)

    assert following.returncode == 130
    assert "inv job.logs long -f" in said
    assert "inv job.cancel long" in said
    assert '"running"' in running.ok("job.status", "long", "--json")
    running.ok("job.cancel", "long")
    assert running.run("job.wait", "long").status == 1


def test_job_run_dry_run_submits_nothing(running):
    before = running.ok("job.list", "--json")

    said = running.ok("job.run", "--dry-run", "--tpu", "v5litepod-16", *HELLO)

    assert "4 tasks" in said
    assert running.ok("job.list", "--json") == before


def test_a_dry_run_refuses_what_the_controller_would(running):
    dry = ("job.run", "--dry-run", "--name", "dry")

    lacks = running.refused(*dry, "--secret", "NOPE", *HELLO, status=2)
    after = running.refused(*dry, "--after", "nosuch", *HELLO, status=2)

    assert lacks.startswith("iris: the cluster has no secret NOPE\nhint: ")
    assert after.startswith("iris: there is no job 'nosuch' to run after\nhint: ")


def test_a_job_that_can_never_fit_is_refused_with_what_would(running):
    said = running.refused("job.run", "--no-bundle", "--cpu", "999", *HELLO, status=2)
    other = running.refused("job.run", "--tpu", "v5litepod-64", *HELLO, status=2)
    tasks = running.refused(
        "job.run", "--tpu", "v5litepod-16", "--tasks", "3", *HELLO, status=2
    )

    assert "999" in said
    assert "v5litepod-16" in other
    assert "4 VMs" in tasks


def test_words_of_job_run_that_are_wrong_are_named(running):
    for words, named in (
        (("--priority", "urgent", *HELLO), "production, interactive, batch"),
        (("--memory", "lots", *HELLO), "lots"),
        (("--run-timeout", "soon", *HELLO), "soon"),
        (("--env", "X", *HELLO), "NAME=VALUE"),
        ((), "no command"),
    ):
        assert named in running.refused("job.run", "--no-bundle", *words, status=2)


def test_an_unknown_job_is_named_with_the_nearest(running):
    running.ok("job.run", "--no-bundle", "--name", "training", "--", "true")

    said = running.refused("job.logs", "trainin", status=1)

    assert "there is no job 'trainin'" in said
    assert "training" in said


def test_numbers_that_are_none_are_refused_with_their_flag(running):
    for words, named in (
        (("job.run", "--tasks", "many", *HELLO), "--tasks: expected a whole number"),
        (("job.run", "--tasks", "0", *HELLO), "--tasks: expected 1 or more"),
        (("job.list", "--limit", "x"), "--limit: expected a whole number"),
        (("probe.logs", "--lines", "x"), "--lines: expected a whole number"),
        (("cleanup", "--", "--no-dry-run"), "takes no words after `--`"),
    ):
        assert named in running.refused(*words, status=2)


def test_somebody_who_waits_hears_why(running):
    running.ok("job.run", "--no-bundle", "--name", "whole", "--cpu", "8", *SLEEP)

    said = running.refused(
        *("job.run", "--no-bundle", "--name", "later", "--cpu", "8", "--follow"),
        *("--wait-timeout", "3s", "--", "true"),
        status=1,
    )

    running.ok("job.cancel", "whole")
    assert "job later waits: " in said
    assert "job later is still pending" in said
    assert running.ok("job.wait", "later") == "job later succeeded\n"
    assert "ended already: succeeded" in running.ok("job.cancel", "later")


def test_a_reader_that_has_enough_ends_a_command_quietly(running):
    import subprocess

    ran = subprocess.run(
        ["sh", "-c", "inv probe.get /v1/openapi.json | head -1"],
        cwd=ROOT,
        env=running.environment,
        timeout=60,
        capture_output=True,
        text=True,
    )

    assert (ran.stdout, ran.stderr) == ("{\n", "")
