"""A second person is let in, works under a name of their own, and is let out."""

from __future__ import annotations

import json

import pytest

from tests.support.terminal import Terminal


@pytest.fixture
def ann(running, tmp_path):
    """The terminal of another person, who has no record and sees the same machines."""
    terminal = Terminal(tmp_path)
    terminal.home.mkdir()
    (terminal.home / "local").symlink_to(running.home / "local")
    terminal.environment["IRIS_CONFIG"] = str(running.folder / "proof.yaml")
    return terminal


def test_who_is_granted_a_token_puts_it_to_use_and_submits_under_that_name(
    running, ann
):
    job = ("job.run", "--no-bundle", "--json", "--name")
    running.ok(*job, "mine", "--", "sleep", "100")
    granted = running.run("access.grant", "ann")

    used = ann.typed("access.use", sent=granted.out.encode())
    submitted = json.loads(ann.ok(*job, "hers", "--", "sleep", "100"))
    refused = ann.refused("job.cancel", "mine", status=1)
    not_hers = ann.refused("access.list", status=1)
    ann.ok("job.cancel", "hers")

    (kept,) = ann.home.glob("clusters/proof/token")
    assert len(granted.out.split()) == 1
    assert "inv access.use --config FILE" in granted.err
    assert granted.out.strip() not in granted.err + used.stdout.decode()
    assert (used.returncode, kept.read_text()) == (0, granted.out)
    assert kept.stat().st_mode & 0o777 == 0o600
    assert submitted["user"] == "ann"
    assert "belongs to operator, not to ann" in refused
    assert not_hers.startswith("iris: ")


def test_a_token_is_listed_by_its_hash_and_ends_when_it_is_revoked(running, ann):
    made = json.loads(running.ok("access.grant", "bob", "--role", "viewer", "--json"))
    listed = running.ok("access.list")
    short = made["grant"]["token_hash"][:12]

    would = running.ok("access.revoke", short, "--dry-run")
    gone = running.ok("access.revoke", short)
    used = ann.typed("access.use", sent=made["token"].encode())

    assert [line.split()[:3] for line in listed.splitlines() if "bob" in line] == [
        [short, "bob", "viewer"]
    ]
    assert made["token"] not in listed
    assert would == f"would revoke token {short}\n"
    assert gone == f"token {short} of bob (viewer) revoked\n"
    assert "bob" not in running.ok("access.list")
    assert (used.returncode, b"nobody here knows" in used.stderr) == (1, True)
    assert not ann.home.joinpath("clusters").exists()


def test_words_that_make_no_token_are_refused_in_a_line(running):
    role = running.refused("access.grant", "ann", "--role", "king", status=2)
    nobody = running.refused("access.revoke", "0" * 12, status=1)
    nothing = running.refused("access.use", status=2)
    would = (
        running.ok("access.grant", "ann", "--dry-run"),
        running.ok("access.use", "--dry-run"),
    )

    assert role == "iris: --role: expected user, operator, viewer, got 'king'\n"
    assert nobody.startswith("iris: no one grant of a person begins with")
    assert nothing.startswith("iris: cluster proof: expected one token")
    assert would[0].startswith("would make a token for ann (user)")
    assert would[1].startswith("would keep a token for cluster proof")
