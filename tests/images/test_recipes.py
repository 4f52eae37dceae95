"""What stands in the Dockerfiles and in the lock of what they install."""

from __future__ import annotations

import configparser
import re

from iris.images.content import COPIED
from iris.images.lock import PARTS
from iris.operations.dev import checkout
from iris.paths import bootstrap_folder

LOCK = (checkout() / "requirements.lock").read_text()


def dockerfile(part):
    return (checkout() / f"Dockerfile.{part}").read_text()


def test_both_files_begin_with_the_same_stage():
    stages = [re.split(r"# -- the same.*\n", dockerfile(part))[1] for part in PARTS]

    assert stages[0] == stages[1]
    assert "--require-hashes" in stages[0]


def test_the_final_image_comes_from_the_base_alone():
    for part in PARTS:
        final = dockerfile(part).split("\nFROM ")[-1]
        assert final.startswith("${BASE_IMAGE}")
        assert not re.search(r"gcc|build-essential|python3-dev", dockerfile(part))
        assert "HEALTHCHECK" in final
        assert "org.opencontainers.image.revision" in final


def test_the_controller_is_not_root_and_the_worker_says_why_it_is():
    assert "USER 10001:10001" in dockerfile("controller")
    assert "It runs as root:" in dockerfile("worker")


def test_the_boot_gives_what_it_mounts_to_the_user_of_the_image():
    script = (bootstrap_folder() / "controller.sh").read_text()
    final = dockerfile("controller").split("\nFROM ")[-1]

    assert "--uid 10001" in final
    assert "OWNER=10001 " in script
    assert "/var/lib/iris/machine" in final
    assert ":/var/lib/iris/machine" in script


def test_what_is_copied_may_enter_the_context():
    ignored = (checkout() / ".dockerignore").read_text().splitlines()

    assert {f"!{name}" for name in COPIED} <= set(ignored)
    for part in PARTS:
        copied = re.findall(r"^COPY (?!--from)(.*) \S+$", dockerfile(part), re.M)
        words = {w for line in copied for w in line.split()} - {
            "wheel[s]",
            "gcloud-ke[y]",
        }
        assert words == set(COPIED)


def test_the_lock_has_an_exact_version_with_hashes_of_all_that_is_needed():
    locked = dict(
        re.findall(r"^([a-z0-9.-]+)==(\S+) \\\n    --hash=sha256:", LOCK, re.M)
    )
    named = re.findall(r"^([a-z0-9.-]+)==", LOCK, re.M)
    settings = configparser.ConfigParser()
    settings.read(checkout() / "setup.cfg")
    wanted = [
        line.split(">=") for line in settings["options"]["install_requires"].split()
    ]

    assert sorted(locked) == sorted(named)
    assert [name for name, _ in wanted if name not in locked] == []
    assert [n for n, least in wanted if numbers(locked[n]) < numbers(least)] == []


def numbers(version):
    return [int(part) for part in re.findall(r"\d+", version)]
