"""What of a checkout travels: git says it, save of what git does not see."""

from __future__ import annotations

import os

import pytest

from iris.bundles import list_files, pack
from iris.errors import BadBundle
from tests.support.checkouts import git, write


@pytest.mark.parametrize("name", ["pipe", "sub/pipe", "bare/deep/pipe", "own/pipe"])
def test_a_pipe_is_refused_in_a_checkout_too_which_does_not_list_it(tmp_path, name):
    git(tmp_path, "init")
    write(tmp_path, "a", "sub/skip.bin", "own/b")
    git(tmp_path / "own", "init")
    write(tmp_path, ".gitignore", content="*.bin\n")
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(tmp_path / name)

    with pytest.raises(BadBundle, match=f"^{name} is neither a file nor a link$"):
        pack(tmp_path)


def test_a_pipe_that_git_ignores_stays_at_home(tmp_path):
    git(tmp_path, "init")
    write(tmp_path, "a", "out/log", "sub/b")
    write(tmp_path, ".gitignore", content="out/\n*.sock\nlock\n")
    for name in ("out/pipe", "sub/x.sock", "lock"):
        os.mkfifo(tmp_path / name)
    git(tmp_path, "add", "a")

    assert list_files(tmp_path) == [".gitignore", "a", "sub/b"]
