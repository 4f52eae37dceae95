from __future__ import annotations

import pytest

from iris.config.cloud import SshConfig
from iris.errors import NotAllowed
from iris.remote.keys import authorized_line, ensure_key, public_file


def test_a_cluster_gets_a_key_of_its_own_for_its_owners_eyes_only(tmp_path):
    path = ensure_key(tmp_path, SshConfig())

    assert path == tmp_path / "ssh_key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text().startswith("-----BEGIN OPENSSH PRIVATE KEY-----")


def test_the_key_that_is_there_stays(tmp_path):
    before = ensure_key(tmp_path, SshConfig()).read_bytes()

    assert ensure_key(tmp_path, SshConfig()).read_bytes() == before


def test_vms_are_told_the_user_and_the_public_key(tmp_path):
    path = ensure_key(tmp_path, SshConfig())

    line = authorized_line(tmp_path, SshConfig(user="ana"))

    public = public_file(path).read_text().split()[1]
    assert line == f"ana:ssh-ed25519 {public} ana"


def test_with_os_login_vms_are_told_no_key(tmp_path):
    ensure_key(tmp_path, SshConfig())

    assert authorized_line(tmp_path, SshConfig(os_login=True)) == ""


def test_a_persons_own_key_is_used_and_never_made(tmp_path):
    config = SshConfig(key=str(tmp_path / "mine"))

    with pytest.raises(NotAllowed, match="mine"):
        ensure_key(tmp_path / "cluster", config)

    (tmp_path / "mine").write_text("x")
    (tmp_path / "mine.pub").write_text("ssh-rsa AAAA ana@laptop\n")
    assert ensure_key(tmp_path / "cluster", config) == tmp_path / "mine"
    assert authorized_line(tmp_path, config) == "iris:ssh-rsa AAAA iris"
