"""What jobs leave behind, as a researcher asks for it, on a real cluster."""

from __future__ import annotations

import json


def test_job_fetch_brings_what_tasks_left(running):
    leaves = (
        'mkdir $IRIS_OUTPUT_DIR/d; echo "of $IRIS_TASK_INDEX" >$IRIS_OUTPUT_DIR/d/f'
    )
    words = (
        "--no-bundle",
        "--name",
        "leaves",
        "--tasks",
        "2",
        "--",
        "sh",
        "-c",
        leaves,
    )
    running.ok("job.run", *words)
    early = running.refused("job.fetch", "leaves", "--attempt", "7", status=1)
    running.ok("job.wait", "leaves")
    everything, one = running.folder / "everything", running.folder / "one"

    said = running.ok("job.fetch", "leaves", "-o", str(everything))
    named = running.ok("job.fetch", "leaves", "1", "-o", str(one), "--json")
    (one / "d/f").write_text("changed")
    refused = running.refused("job.fetch", "leaves", "1", "-o", str(one), status=1)
    running.ok("job.fetch", "leaves", "1", "-o", str(one), "--force")

    assert "job leaves has no outputs to fetch: task 0" in early
    assert said == f"2 files of 2 tasks, 10 B, in {everything}\n"
    assert (everything / "0/d/f").read_text() == "of 0\n"
    assert [each["task"] for each in json.loads(named)["fetched"]] == [1]
    assert "something else in the place of 'd/f': nothing was written" in refused
    assert (one / "d/f").read_text() == "of 1\n"
    wrong = running.refused("job.fetch", "leaves", "first", status=2)
    assert "--task: expected a whole number, got 'first'" in wrong
