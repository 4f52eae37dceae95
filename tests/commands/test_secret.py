"""Secrets as a person types them, and a canary that is looked for everywhere."""

from __future__ import annotations

import json
import os
import signal
import sqlite3

import pytest

from iris.processes import send
from tests.support.canary import CANARY, files_with_it, places_of, processes_with_it
from tests.support.eventually import eventually

PROOF = ("sh", "-c", 'test -n "$KEY$SHARED" && echo "got ${#KEY} and ${#SHARED}"')


@pytest.fixture
def keys(running):
    """Where a person keeps a key: outside of any working folder."""
    file = running.folder.parent / "a-key"
    file.write_text(f"{CANARY}-of-a-file\n")
    yield file
    file.unlink()


def test_secrets_are_put_listed_and_deleted(running):
    running.environment["TOKEN"] = CANARY
    said = running.ok("secret.put", "HF_TOKEN=env:TOKEN")
    listed = running.ok("secret.list")
    would = running.ok("secret.delete", "HF_TOKEN", "--dry-run")
    deleted = running.ok("secret.delete", "HF_TOKEN")

    assert said == "secret HF_TOKEN kept; `--secret HF_TOKEN`\n"
    assert (listed, running.ok("secret.list")) == ("HF_TOKEN\n", "no secrets\n")
    assert would.startswith("would delete")
    assert deleted == "secret HF_TOKEN deleted\n"
    assert "there is no secret" in running.refused("secret.delete", "X", status=1)
    assert "no value came" in running.refused("secret.put", "X", status=2)


def test_a_secret_that_cannot_be_put_is_named_as_it_was_typed(running):
    unread = running.refused("secret.put", "NOPE=env:NO_ONE", status=2)
    typed = running.refused("secret.put", f"NOPE={CANARY}", "--dry-run", status=2)
    would = running.ok("secret.put", "NOPE=env:NO_ONE", "--dry-run")

    assert unread.startswith(
        "iris: secret.put NOPE=env:NO_ONE: this terminal has no variable NO_ONE\nhint: "
    )
    assert typed.startswith("iris: secret.put: expected NAME, ")
    assert CANARY not in typed
    assert would == "would keep secret NOPE\n"


def test_a_piped_value_that_is_no_text_is_refused_without_being_shown(running):
    for sent, fault in (
        (f"{CANARY}".encode() + b"\xff", "is not UTF-8"),
        (f"{CANARY}\0".encode(), "holds a NUL"),
        (CANARY.encode() * 9000, "has more than 65536 bytes"),
    ):
        ran = running.typed("secret.put", "PB", sent=sent)

        assert ran.returncode == 2
        assert ran.stderr.decode() == f"iris: secret PB: what is there {fault}\n"
        assert ran.stdout == b""


def test_a_value_that_is_typed_and_no_text_is_refused_without_being_shown(running):
    with running.window("secret.put", "PB") as (started, screen):
        shown = b""
        while b"(not shown): " not in shown:
            shown += screen.read(1000)
        os.write(screen.fileno(), CANARY.encode() + b"\xff\n")
        assert started.wait(100) == 2
        shown += screen.read(1000)

    assert b"iris: value of PB: what was typed is not UTF-8" in shown
    assert CANARY.encode() not in shown


def test_a_missing_secret_is_one_clear_line_and_submits_nothing(running):
    job = ("job.run", "--no-bundle", "--name", "lacking", "--secret")
    said = running.refused(*job, "NO_ONE", "--", "true", status=2)
    unread = running.refused(*job, "KEY=env:NO_ONE", "--", "true", status=2)
    typed = running.refused(*job, f"KEY={CANARY}", "--", "true", status=2)

    assert said.startswith("iris: the cluster has no secret NO_ONE\nhint: ")
    assert "this terminal has no variable NO_ONE" in unread
    assert CANARY not in typed
    assert running.refused("job.status", "lacking", status=1)


def test_the_canary_is_in_nothing_but_its_own_files(running, keys):
    running.environment["TOKEN"] = f"{CANARY}-of-the-cluster"
    running.ok("secret.put", "SHARED=env:TOKEN")
    flags = ("--secret", "SHARED", "--secret", f"KEY=file:{keys}", "--name", "sings")
    said = running.ok("job.run", *flags, "--json", "--", *PROOF, "&&", "true")
    stays = running.ok("job.run", *flags, "--", "sleep", "1000")
    eventually(lambda: '"running"' in running.ok("job.status", "sings-2", "--json"))
    running.run("job.wait", "sings")
    output = running.ok("job.logs", "sings")

    everything = [said, stays, output, *_answers(running)]
    holders = files_with_it(running.folder)

    assert output == f"got {len(CANARY) + 10} and {len(CANARY) + 15}\n"
    assert [text for text in everything if CANARY in text] == []
    assert processes_with_it() == []
    assert places_of(holders) == {"secrets/cluster", "secrets/jobs", "an attempt"}
    assert {p.stat().st_mode & 0o777 for p in holders} == {0o600}
    _end(running, "sings-2")


def test_what_waits_has_its_secrets_after_the_controller_was_killed(running, keys):
    slow = ("job.run", "--no-bundle", "--name", "first", "--", "sleep", "1000")
    running.ok(*slow)
    later = ("--name", "later", "--after-any", "first", "--secret", f"KEY=file:{keys}")
    running.ok("job.run", "--no-bundle", *later, "--", *PROOF)

    send(_controller(running), signal.SIGKILL)
    running.ok("cluster.restart")
    running.ok("job.cancel", "first")
    running.ok("job.wait", "later")

    assert running.ok("job.logs", "later") == f"got {len(CANARY) + 10} and 0\n"
    eventually(lambda: files_with_it(running.folder / "home", "-of-a-file") == [])


def _answers(running):
    """What a person can ask for, and the database as text."""
    for words in (
        ("job.status", "sings-2", "--json"),
        ("job.list", "--json"),
        ("probe.why", "sings-2", "--json"),
        ("probe.events", "--json"),
        ("probe.logs"),
        ("probe.get", "v1/secrets"),
        ("probe.get", "v1/jobs/sings/tasks/0/attempts"),
    ):
        yield running.ok(*((words,) if isinstance(words, str) else words))
    (database,) = running.folder.rglob("iris.db")
    with sqlite3.connect(database) as opened:
        yield "\n".join(opened.iterdump())


def _controller(running):
    (address,) = running.folder.rglob("address.json")
    return json.loads(address.read_text())["pid"]


def _end(running, job):
    running.ok("job.cancel", job)
    running.run("job.wait", job)


def test_a_set_up_that_fails_is_the_jobs_failure_with_its_last_lines(running, keys):
    line = f"echo no such package {'x' * 3}; echo ${{#KEY}} letters; exit 7"
    job = ("job.run", "--no-bundle", "--name", "unset", "--secret", f"KEY=file:{keys}")
    ran = running.run(*job, "--setup", line, "--follow", "--", "true")

    assert ran.status == 1
    assert "setup failed: exit status 7" in ran.err
    assert f"{len(CANARY) + 10} letters" in ran.out
