from __future__ import annotations

import pytest

from iris.errors import KeyChanged
from iris.remote.pins import check_pin


def test_a_machine_met_for_the_first_time_is_pinned(tmp_path):
    file = tmp_path / "known_hosts"

    check_pin(file, "one.1", "ssh-ed25519 AAAA")

    assert file.read_text() == "one.1 ssh-ed25519 AAAA\n"
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_key_that_changed_is_refused_in_one_line_and_stays_refused(tmp_path):
    file = tmp_path / "known_hosts"
    check_pin(file, "one.1", "ssh-ed25519 AAAA")

    for _ in range(2):
        with pytest.raises(KeyChanged, match=r"one\.1") as raised:
            check_pin(file, "one.1", "ssh-ed25519 BBBB")

    assert "\n" not in raised.value.message
    assert "ssh-keygen" in raised.value.hint


def test_what_the_cloud_tells_goes_before_first_sight(tmp_path):
    file = tmp_path / "known_hosts"

    with pytest.raises(KeyChanged):
        check_pin(file, "one.1", "ssh-ed25519 BBBB", told="ssh-ed25519 AAAA root@one")
    check_pin(file, "one.1", "ssh-ed25519 AAAA")


def test_a_machine_made_anew_has_a_name_and_a_pin_of_its_own(tmp_path):
    file = tmp_path / "known_hosts"
    check_pin(file, "one.1", "ssh-ed25519 AAAA")

    check_pin(file, "one.2", "ssh-ed25519 BBBB")
    check_pin(file, "one.1", "ssh-ed25519 AAAA")
