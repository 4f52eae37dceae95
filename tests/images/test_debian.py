"""Where a base that is made here comes from, and what is never removed with it."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

import pytest

from iris.errors import NotFound
from iris.images import base, debian


@pytest.mark.skipif(shutil.which("apt-get") is None, reason="no apt on this machine")
def test_packages_come_from_where_this_machine_gets_its_own():
    assert is_debian_12() == has_mirror()


def is_debian_12():
    try:
        return "VERSION_CODENAME=bookworm" in Path("/etc/os-release").read_text()
    except OSError:
        return False


def has_mirror():
    try:
        return "://" in debian.mirror()
    except NotFound:
        return False


def test_a_machine_without_apt_is_told_to_name_a_base(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(NotFound, match="no apt") as caught:
        debian.mirror()

    assert "--base IMAGE" in caught.value.hint


def test_a_tarball_has_no_content_of_what_is_left_out(tmp_path):
    root = tmp_path / "root"
    (root / "var/cache/apt").mkdir(parents=True)
    (root / "var/cache/apt/a.deb").touch()
    (root / "etc").mkdir()
    (root / "etc/issue").touch()

    debian.pack(root, tmp_path / "base.tar", leave_out=("var/cache/apt",))

    with tarfile.open(tmp_path / "base.tar") as tar:
        names = tar.getnames()
    assert "./etc/issue" in names
    assert "./var/cache/apt" in names
    assert "./var/cache/apt/a.deb" not in names


def test_other_packages_make_another_tarball(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    usual = base.tarball_of("iris-base:bookworm", base.PACKAGES)
    turned = base.tarball_of("iris-base:bookworm", tuple(reversed(base.PACKAGES)))
    more = base.tarball_of("iris-base:bookworm", (*base.PACKAGES, "git"))

    assert usual == turned
    assert usual != more
    assert usual.parent == tmp_path / "iris/bases"
    assert usual.name.startswith("iris-base-bookworm-")
