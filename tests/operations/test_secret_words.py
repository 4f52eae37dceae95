"""Secrets as they are typed: sources are read here, values are never said."""

from __future__ import annotations

import os

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
    ("content", "fault"),
    [
        (b"", "is empty"),
        (b"a\0b", "NUL"),
        (b"\xff", "not UTF-8"),
        (b"x" * 65537 + b"\n", "has more than 65536 bytes"),
    ],
)
def test_a_file_that_holds_no_secret_is_one_clear_line(tmp_path, content, fault):
    file = tmp_path / "key"
    file.write_bytes(content)

    with pytest.raises(UsageError, match=fault):
        read_secrets([f"KEY=file:{file}"])


def test_a_secret_is_as_long_as_the_cluster_takes_and_no_longer(tmp_path):
    file = tmp_path / "key"
    file.write_bytes(b"x" * 65536 + b"\r\n")
    words = [f"{name}=file:{file}" for name in ("A", "B", "C")]

    assert len(read_secrets(words[:1])["A"]) == 65536
    with pytest.raises(UsageError, match=r"^--secret: expected at most 131072 bytes"):
        read_secrets(words)


def test_a_source_that_has_no_end_or_no_beginning_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "fifo")

    with pytest.raises(UsageError, match=r"file:/dev/zero: is a device or a socket"):
        read_secrets(["KEY=file:/dev/zero"])
    with pytest.raises(UsageError, match=r"/fifo: is a FIFO, and no file$") as refused:
        read_secrets([f"KEY=file:{tmp_path}/fifo"])
    with pytest.raises(UsageError, match=r"is a folder, and no file$"):
        read_secrets([f"KEY=file:{tmp_path}"])
    assert "`file:/dev/stdin` takes what is piped in" in refused.value.hint


def test_what_the_shell_substitutes_is_read_as_a_file_is():
    reads, writes = os.pipe()
    with os.fdopen(reads, "rb"), os.fdopen(writes, "wb") as into:
        into.write(f"{CANARY}\n".encode())
        into.close()

        assert read_secrets([f"KEY=file:/dev/fd/{reads}"]) == {"KEY": CANARY}


def test_a_pipe_without_end_is_read_no_further_than_a_secret_goes():
    with (
        open("/dev/zero", "rb") as endless,
        pytest.raises(UsageError, match="has more than 65536 bytes"),
    ):
        read_secrets([f"KEY=file:/dev/fd/{endless.fileno()}"])


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


@pytest.mark.parametrize(
    "words",
    [CANARY, f"['KEY={CANARY}', 'KEY={CANARY}']", f'["KEY={CANARY}\\n"]', "[7351]"],
)
def test_a_value_that_stands_in_a_job_file_is_refused_without_being_shown(
    tmp_path, words
):
    file = tmp_path / "job.yaml"
    file.write_text(f"command: x\nsecret: {words}\n")

    said = r"job\.yaml: secret.*, got something else$"
    with pytest.raises(UsageError, match=said) as refused:
        read_job_file(file)

    assert CANARY not in str(refused.value)


def test_a_job_file_names_secrets_and_sees_their_files_from_where_it_lies(tmp_path):
    file = tmp_path / "job.yaml"
    file.write_text("command: x\nsecret: [HF_TOKEN, KEY=file:key]\n")

    wanted = over(Wanted(secret=("HF_TOKEN=env:MINE",)), read_job_file(file))

    assert sources_of(wanted.secret) == {
        "HF_TOKEN": "env:MINE",
        "KEY": f"file:{tmp_path}/key",
    }
