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
    mistyped = running.refused("job.logs", "leaves", "--grep", "a(", status=2)

    assert "job leaves has no outputs to fetch: task 0" in early
    assert said == f"2 files of 2 tasks, 10 B, in {everything}\n"
    assert (everything / "0/d/f").read_text() == "of 0\n"
    assert [each["task"] for each in json.loads(named)["fetched"]] == [1]
    assert "something else in the place of 'd/f': nothing was written" in refused
    assert (one / "d/f").read_text() == "of 1\n"
    assert "--task: expected a whole number, got 'first'" in wrong
    assert sorted(picked.splitlines()) == ["task 0 | said", "task 1 | said"]
    assert late == "said\n"
    assert "--grep: 'a(' is no regular expression" in mistyped
