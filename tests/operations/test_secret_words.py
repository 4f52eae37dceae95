"""Secrets as they are typed: sources are read here, values are never said."""

from __future__ import annotations

import pytest

from iris.errors import UsageError
from iris.operations.job_files import over, read_job_file
from iris.operations.job_words import Wanted
from iris.operations.secret_words import read_secrets, require_outside, sources_of

CANARY = "canary-7f3a"


def test_a_bare_name_is_the_clusters_and_the_others_are_read_here(tmp_path):
    file = tmp_path / "key"
    file.write_text(f"{CANARY}\n")
    words = ("HF_TOKEN", f"KEY=file:{file}", "HOME_OF=env:PATH")

    assert list(sources_of(words)) == ["HF_TOKEN", "KEY", "HOME_OF"]
    assert read_secrets(words)["KEY"] == CANARY
    assert "HF_TOKEN" not in read_secrets(words)


@pytest.mark.parametrize(
    "word",
    [f"KEY={CANARY}", f"{CANARY}", f"KEY=env:{''}", "=env:X", f"1=file:{CANARY}"],
)
def test_a_value_that_was_typed_is_refused_without_being_shown(word):
    with pytest.raises(UsageError) as refused:
        sources_of([word])

    assert CANARY not in refused.value.message + refused.value.hint
    assert "expected NAME, NAME=env:VARIABLE or NAME=file:PATH" in str(refused.value)


@pytest.mark.parametrize(
    ("content", "fault"), [(b"", "is empty"), (b"a\0b", "NUL"), (b"\xff", "not UTF-8")]
)
def test_a_file_that_holds_no_secret_is_one_clear_line(tmp_path, content, fault):
    file = tmp_path / "key"
    file.write_bytes(content)

    with pytest.raises(UsageError, match=fault):
        read_secrets([f"KEY=file:{file}"])


def test_what_is_not_there_is_named():
    lacks = "^--secret KEY=env:NO_SUCH_ONE: this terminal has no variable NO_SUCH_ONE$"
    with pytest.raises(UsageError, match=lacks):
        read_secrets(["KEY=env:NO_SUCH_ONE"])
    with pytest.raises(UsageError, match="/no/such: No such file"):
        read_secrets(["KEY=file:/no/such"])
    with pytest.raises(UsageError, match="IRIS_ are Iris's own, got IRIS_JOB"):
        sources_of(["IRIS_JOB"])


def test_a_file_that_would_travel_in_the_bundle_is_refused(tmp_path):
    (tmp_path / "train.py").write_text("")
    (tmp_path / "key").write_text(CANARY)

    with pytest.raises(UsageError, match="would travel in the bundle"):
        require_outside(tmp_path, [f"KEY=file:{tmp_path}/key"])
    require_outside(tmp_path, ["KEY=file:/etc/hostname", "HF_TOKEN"])


def test_a_job_file_names_secrets_and_sees_their_files_from_where_it_lies(tmp_path):
    file = tmp_path / "job.yaml"
    file.write_text("command: x\nsecret: [HF_TOKEN, KEY=file:key]\n")

    wanted = over(Wanted(secret=("HF_TOKEN=env:MINE",)), read_job_file(file))

    assert sources_of(wanted.secret) == {
        "HF_TOKEN": "env:MINE",
        "KEY": f"file:{tmp_path}/key",
    }
