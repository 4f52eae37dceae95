"""What one attempt of a VM asked for is promised to no other, until it ends."""

from __future__ import annotations

import shutil
import signal

from iris.bundles import pack
from iris.processes import send
from tests.support.eventually import eventually
from tests.support.small_disk import small_disk
from tests.support.vm import Vm

MB = 10**6


def waits_for(vm, uid, words):
    eventually(lambda: words in vm.controller.detail(uid))


def test_disk_that_one_attempt_asked_for_is_promised_to_no_other(vm):
    free = shutil.disk_usage(vm.root).free
    vm.controller.run("a-1", "sleep", "60", disk_bytes=free * 6 // 10)
    eventually(lambda: vm.controller.state("a-1") == "running")
    vm.controller.run("a-2", "true", disk_bytes=free * 6 // 10)
    vm.controller.run("a-3", "true", disk_bytes=free // 10)

    assert vm.ended("a-3").state == "succeeded"
    waits_for(vm, "a-2", "promised to others there")
    vm.controller.want("a-1", "stop")
    assert vm.ended("a-2").state == "succeeded"


def test_a_new_agent_knows_what_was_promised(vm):
    most = shutil.disk_usage(vm.root).free * 6 // 10
    vm.controller.run("a-1", "sleep", "60", disk_bytes=most)
    eventually(lambda: vm.controller.state("a-1") == "running")
    send(eventually(vm.agent), signal.SIGKILL)
    vm.controller.run("a-2", "true", disk_bytes=most)

    waits_for(vm, "a-2", "promised to others there")
    vm.controller.want("a-1", "stop")
    assert vm.ended("a-2").state == "succeeded"


def test_what_it_waited_for_is_not_said_of_it_once_it_is_being_prepared(vm, tmp_path):
    most = shutil.disk_usage(vm.root).free * 6 // 10
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "file").touch()
    with pack(tmp_path / "code") as bundle:
        sha = vm.controller.keep_bundle(bundle.path.read_bytes())
    vm.controller.gives_bundles.clear()
    vm.controller.run("a-1", "sleep", "60", disk_bytes=most)
    eventually(lambda: vm.controller.state("a-1") == "running")
    vm.controller.run("a-2", "true", disk_bytes=most, bundle=sha)
    waits_for(vm, "a-2", "promised to others there")

    vm.controller.want("a-1", "stop")

    eventually(lambda: vm.controller.asked[f"/v1/bundles/{sha}"])
    eventually(lambda: vm.controller.detail("a-2") == "")
    assert vm.controller.state("a-2") == "preparing"
    vm.controller.gives_bundles.set()
    assert vm.ended("a-2").state == "succeeded"


def test_what_it_has_written_takes_its_room_once(tmp_path):
    with small_disk(tmp_path / "disk", megabytes=32) as disk:
        vm = Vm(disk / "vm")
        line = "head -c 12000000 /dev/zero >written; echo full; sleep 60"
        vm.controller.run("a-1", "sh", "-c", line, disk_bytes=12 * MB)
        eventually(lambda: "full" in vm.controller.output("a-1"))
        vm.controller.run("a-2", "true", disk_bytes=9 * MB)

        assert vm.ended("a-2").state == "succeeded"
        vm.close()
