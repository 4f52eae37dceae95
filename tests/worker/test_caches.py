"""What attempts share is kept below its bound, and nothing in use goes."""

from __future__ import annotations

import os
import shutil

from iris.worker.agent.caches import plan_pruning, units_of
from tests.support.eventually import eventually

MB = 1 << 20


def keep(path, size, used_at):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(os.urandom(size))
    os.utime(path, (used_at, used_at))


def names(shared, most_bytes, keys=(), since=1000.0):
    plan = plan_pruning(units_of(shared), most_bytes, keys, since)
    return [str(unit.path.relative_to(shared)) for unit in plan]


def test_the_least_recently_used_goes_first_and_no_more_than_needed(tmp_path):
    keep(tmp_path / "pip/http/a", MB, 300.0)
    keep(tmp_path / "pip/http/b", MB, 100.0)
    keep(tmp_path / "jax/c", MB, 200.0)

    assert names(tmp_path, 3 * MB) == []
    assert names(tmp_path, 2 * MB) == ["pip/http/b"]
    assert names(tmp_path, MB) == ["pip/http/b", "jax/c"]


def test_what_its_tool_needs_whole_goes_whole(tmp_path):
    keep(tmp_path / "uv/archive/x/file", MB, 100.0)
    keep(tmp_path / "uv/wheels/y", MB, 101.0)
    keep(tmp_path / "huggingface/hub/models--m/blobs/1", MB, 200.0)
    keep(tmp_path / "huggingface/hub/models--m/blobs/2", MB, 201.0)
    keep(tmp_path / "setups/k1/bin/tool", MB, 300.0)
    keep(tmp_path / "mine/deep/down", MB, 400.0)

    expected = ["uv", "huggingface/hub/models--m", "setups/k1", "mine"]
    assert names(tmp_path, 0) == expected


def test_what_a_live_attempt_may_use_stays(tmp_path):
    keep(tmp_path / "setups/k1/x", MB, 100.0)
    keep(tmp_path / "setups/k2/x", MB, 900.0)
    keep(tmp_path / "uv/x", MB, 600.0)
    keep(tmp_path / "huggingface/hub/models--m/1", MB, 100.0)
    keep(tmp_path / "pip/x", MB, 900.0)

    gone = names(tmp_path, 0, keys={"k1"}, since=500.0)

    assert gone == ["huggingface/hub/models--m", "setups/k2", "pip/x"] or gone == [
        "huggingface/hub/models--m",
        "pip/x",
        "setups/k2",
    ]


def test_a_file_of_two_names_counts_once_and_a_link_leads_nowhere(tmp_path):
    keep(tmp_path / "uv/x", MB, 100.0)
    (tmp_path / "setups/k").mkdir(parents=True)
    os.link(tmp_path / "uv/x", tmp_path / "setups/k/x")
    (tmp_path / "away").symlink_to("/usr")

    assert sum(unit.size for unit in units_of(tmp_path)) < 2 * MB


def test_a_set_up_makes_room_for_the_next(make_vm):
    vm = make_vm(cache_bytes=3 * MB)

    def run(uid, letter):
        line = f'head -c {2 * MB} /dev/urandom >"$IRIS_SETUP_DIR/{letter}"'
        vm.controller.run(uid, "ls", setup=line, env={"A": letter})
        assert vm.ended(uid).state == "succeeded"
        eventually(lambda: not (vm.root / "attempts" / uid).exists())

    for uid, letter in (("a-1", "a"), ("a-2", "b"), ("a-3", "b"), ("a-4", "a")):
        run(uid, letter)

    ran = [f"a-{n}" for n in range(1, 5) if "set-up" in vm.controller.output(f"a-{n}")]
    assert ran == ["a-1", "a-2", "a-4"]
    assert "caches pruned units=1" in vm.log()


def test_the_shared_folder_is_there_for_the_first_attempt(vm):
    vm.controller.run("a-1", "sh", "-c", 'echo mine >"$IRIS_CACHE_DIR/mine"')

    assert vm.ended("a-1").state == "succeeded"


def test_free_disk_is_found_where_a_job_removed_the_shared_folder(vm):
    vm.controller.run("a-1", "sh", "-c", 'rm -rf "$IRIS_CACHE_DIR"')
    assert vm.ended("a-1").state == "succeeded"
    vm.controller.run("a-2", "echo", "enough", disk_bytes=1000)

    assert vm.ended("a-2").state == "succeeded"


def test_free_disk_is_waited_for_and_caches_make_room_for_it(vm):
    more_than_there_is = shutil.disk_usage(vm.root).total * 2
    kept = vm.root / "cache" / "shared" / "pip" / "x"
    keep(kept, MB, 100.0)
    vm.controller.run("a-1", "true", disk_bytes=more_than_there_is)
    vm.controller.run("a-2", "echo", "enough", disk_bytes=1000)

    assert vm.ended("a-2").state == "succeeded"
    eventually(lambda: "of its VM's disk are free of" in vm.controller.detail("a-1"))
    assert not kept.exists()
    vm.controller.want("a-1", "stop")
    assert vm.ended("a-1").state == "cancelled"
