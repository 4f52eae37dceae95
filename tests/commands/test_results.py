"""What jobs leave behind, as a researcher asks for it, on a real cluster."""

from __future__ import annotations

import json

LEAVES = 'cd $IRIS_OUTPUT_DIR; mkdir d; echo "of $IRIS_TASK_INDEX" >d/f; echo said'


def test_what_tasks_left_and_printed_is_brought_as_asked(running):
    words = ("--no-bundle", "--name", "leaves", "--tasks", "2")
    running.ok("job.run", *words, "--", "sh", "-c", LEAVES)
    early = running.refused("job.fetch", "leaves", "--attempt", "7", status=1)
    running.ok("job.wait", "leaves")
    everything, one = running.folder / "everything", running.folder / "one"

    said = running.ok("job.fetch", "leaves", "-o", str(everything))
    named = running.ok("job.fetch", "leaves", "1", "-o", str(one), "--json")
    (one / "d/f").write_text("changed")
    refused = running.refused("job.fetch", "leaves", "1", "-o", str(one), status=1)
    running.ok("job.fetch", "leaves", "1", "-o", str(one), "--force")
    wrong = running.refused("job.fetch", "leaves", "first", status=2)
    picked = running.ok("job.logs", "leaves", "--grep", "^s.id", "--prefix")
    late = running.ok("job.logs", "leaves", "-f", "--since", "1h", "--task", "1")
    short = running.ok("job.logs", "leaves/1", "--since", "1h")
    both = running.refused("job.logs", "leaves/1", "--task", "0", status=2)
    running.ok("job.fetch", "leaves/1", "-o", str(one))
    mistyped = running.refused("job.logs", "leaves", "--grep", "a(", status=2)

    assert "job leaves has no outputs to fetch: task 0" in early
    assert said == f"2 files of 2 tasks, 10 B, in {everything}\n"
    assert (everything / "0/d/f").read_text() == "of 0\n"
    assert [each["task"] for each in json.loads(named)["fetched"]] == [1]
    assert "something else in the place of 'd/f': nothing was written" in refused
    assert (one / "d/f").read_text() == "of 1\n"
    assert "--task: expected a whole number, got 'first'" in wrong
    assert sorted(picked.splitlines()) == ["task 0 | said", "task 1 | said"]
    assert late == short == "said\n"
    assert "leaves/1 is task 1, and task 0 is asked for too" in both
    assert "--grep: 'a(' is no regular expression" in mistyped


def test_a_status_shows_the_attempts_of_the_task_that_failed_the_job(running):
    words = ("--no-bundle", "--name", "odd", "--tasks", "3", "--max-retries", "0")
    script = "test $IRIS_TASK_INDEX != 2"
    running.ok("job.run", *words, "--", "sh", "-c", script)
    running.run("job.wait", "odd")

    status = json.loads(running.ok("job.status", "odd", "--json"))
    never = running.refused(
        "job.logs", "odd", "--task", "2", "--attempt", "5", status=1
    )
    other = json.loads(running.ok("job.status", "odd/1", "--json"))
    beyond = running.refused("job.status", "odd/3", status=1)
    less = running.refused("job.logs", "odd", "--attempt", "-1", status=2)

    assert [each["task"] for each in status["attempts"]] == [2]
    assert (
        "task 2 of job odd has had one attempt: 0\nhint: `inv job.status odd/2`"
        in never
    )
    assert "--attempt: expected 0 or more, got -1" in less
    assert [each["index"] for each in other["tasks"]] == [1]
    assert [(a["task"], a["state"]) for a in other["attempts"]] == [(1, "succeeded")]
    assert beyond == (
        "iris: job odd has no task 3: its tasks are 0 to 2\n"
        "hint: `inv job.status odd` shows what became of them.\n"
    )


def test_words_that_are_no_text_are_refused_in_one_line(running):
    odd = "a\udcffb"  # a byte that is no UTF-8, as it was typed

    for where, words in (
        ("the command: ", ("job.run", "--", odd)),
        ("--name: ", ("job.run", "--name", odd, "--", "true")),
        ("--setup: ", ("job.run", "--setup", odd, "--", "true")),
        ("--after: ", ("job.run", "--after", odd, "--", "true")),
        ("", ("job.status", odd)),
        ("the command: ", ("job.run", "--dry-run", "--json", "--", odd)),
    ):
        said = running.refused(*words, status=2)
        assert said == f"iris: {where}expected UTF-8 text, got 'a\\udcffb'\n"
    for client_id in ("", "abc 1"):
        said = running.refused(
            *("job.run", "--no-bundle", "--client-id", client_id, "--", "true"),
            status=2,
        )
        assert "--client-id: expected 1 to 128 visible ASCII characters, got" in said
    said = running.refused("job.run", "--setup", "", "--", "true", status=2)
    assert said == "iris: --setup: expected a line for the shell, got ''\n"


def test_a_terminal_that_takes_no_such_letters_gets_others(running):
    running.ok("job.run", "--no-bundle", "--name", "snow", "--", "echo", "☃")
    running.environment["PYTHONIOENCODING"] = "ascii"
    try:
        said = running.ok("job.status", "snow")
    finally:
        del running.environment["PYTHONIOENCODING"]

    assert "\\u2603" in said
