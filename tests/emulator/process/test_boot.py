from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from iris.emulator.machines import Disk, Vm
from iris.emulator.process.driver import ProcessDriver
from iris.emulator.process.network import Network
from tests.emulator.process.conftest import a_vm
from tests.support.eventually import eventually
from tests.support.machine import processes_in

Boot = Callable[..., Vm]
RUNNER = "google_metadata_script_runner[1]: "
FOREVER = "#!/bin/bash\nsetsid sleep 7777 &\n(nohup sleep 7778 &) &\necho up\nwait\n"


def console(driver: ProcessDriver, vm: Vm) -> list[str]:
    return driver.serial(vm.id).decode().splitlines()


def says(driver: ProcessDriver, vm: Vm, words: str) -> None:
    eventually(lambda: any(words in line for line in console(driver, vm)))


def test_a_startup_script_runs_as_on_google_cloud(
    driver: ProcessDriver, boot: Boot
) -> None:
    vm = boot(
        "#!/bin/bash\necho home ${HOME:-none}\n[ -t 0 ] || echo no terminal\nexit 3"
    )

    says(driver, vm, "Finished")

    assert console(driver, vm) == [
        f"{RUNNER}startup-script: home none",
        f"{RUNNER}startup-script: no terminal",
        f"{RUNNER}startup-script exit status 3",
        f"{RUNNER}Finished running startup scripts.",
    ]
    assert driver.running() == {vm.id}


def test_each_boot_runs_the_script_again_at_the_same_address(
    driver: ProcessDriver, boot: Boot
) -> None:
    vm = boot("#!/bin/bash\necho booted")
    says(driver, vm, "Finished")

    driver.reset(vm.id)

    eventually(lambda: sum("booted" in x for x in console(driver, vm)) == 2)
    assert driver.take_address(vm.id) == (vm.internal_ip, vm.external_ip)


def test_a_stopped_vm_leaves_no_process_however_it_was_started(
    driver: ProcessDriver, boot: Boot, tmp_path: Path
) -> None:
    vm = boot(FOREVER)
    says(driver, vm, "up")
    eventually(lambda: len(processes_in(tmp_path)) >= 3)

    driver.stop(vm.id)

    eventually(lambda: processes_in(tmp_path) == [])
    assert driver.running() == frozenset()


def test_dead_processes_leave_a_vm_that_counts_as_running(
    driver: ProcessDriver, boot: Boot, tmp_path: Path
) -> None:
    vm = boot(FOREVER)
    says(driver, vm, "up")

    driver.kill_processes(vm.id)

    eventually(lambda: processes_in(tmp_path) == [])
    assert driver.running() == {vm.id}


def test_a_shutdown_script_has_the_time_of_the_notice(
    driver: ProcessDriver, boot: Boot
) -> None:
    vm = boot(FOREVER, attributes={"shutdown-script": "#!/bin/bash\necho goodbye"})
    says(driver, vm, "up")

    driver.stop(vm.id, notice=30.0, preempted=True)

    says(driver, vm, "shutdown-script: goodbye")
    driver.delete(vm.id)  # and nobody waits for the rest of the notice
    eventually(lambda: driver.serial(vm.id) == b"", 10)


def test_a_disk_outlives_its_vm_and_is_mounted_anew_at_each_boot(
    driver: ProcessDriver, boot: Boot
) -> None:
    script = """#!/bin/bash
disk=$IRIS_ROOT/dev/disk/by-id/google-iris-state
mkdir -p $IRIS_ROOT/mnt
mountpoint -q $IRIS_ROOT/mnt && echo mounted before
blkid $disk >/dev/null || mkfs.ext4 -q $disk
mount -o discard $disk $IRIS_ROOT/mnt && findmnt $IRIS_ROOT/mnt >/dev/null
cat $IRIS_ROOT/mnt/kept 2>/dev/null || echo empty
echo kept from before >$IRIS_ROOT/mnt/kept
"""
    disks = (Disk("d1", "iris-state"),)
    first = boot(script, disks=disks)
    says(driver, first, "Finished")
    driver.reset(first.id)
    says(driver, first, "kept from before")
    driver.delete(first.id)
    eventually(lambda: driver.serial(first.id) == b"")

    second = boot(script, 2, disks=disks)

    says(driver, second, "Finished")
    assert "startup-script: kept from before" in "\n".join(console(driver, second))
    assert "mounted before" not in "\n".join(console(driver, second))


def test_programs_of_the_installation_are_not_on_a_vms_path(
    driver: ProcessDriver, boot: Boot
) -> None:
    vm = boot("#!/bin/bash\necho path $PATH\nsudo -n -u root id -u\n")

    says(driver, vm, "Finished")

    path = next(x for x in console(driver, vm) if "path " in x)
    assert ".venv" not in path
    assert path.split("path ")[1].split(":")[0].endswith("/vms/1/bin")


def test_a_driver_that_comes_back_takes_up_what_lives(
    make_driver: Callable[[], ProcessDriver], tmp_path: Path
) -> None:
    former = make_driver()
    vm = a_vm(former, attributes={"startup-script": FOREVER})
    ended = a_vm(former, 2, attributes={"startup-script": "#!/bin/bash\necho once"})
    for each in (vm, ended):
        former.boot(each)
    says(former, vm, "up")
    says(former, ended, "Finished")
    eventually(lambda: len(processes_in(tmp_path)) == 4)
    before = {each.pid for each in processes_in(tmp_path)}
    former.close(end_all=False)
    assert {each.pid for each in processes_in(tmp_path)} == before

    later = make_driver()
    fresh = a_vm(later, 3, attributes={"startup-script": "#!/bin/bash\necho new"})
    later.restore((vm, ended, fresh))

    try:
        says(later, fresh, "new")
        assert {each.pid for each in processes_in(tmp_path)} == before
        assert sum("once" in line for line in console(later, ended)) == 1
        assert later.running() == {"1", "2", "3"}
        assert later.take_address("1") == (vm.internal_ip, vm.external_ip)
    finally:
        later.close(end_all=True)
    assert processes_in(tmp_path) == []


def test_a_driver_may_be_closed_twice_and_leaves_nothing(
    driver: ProcessDriver, boot: Boot, tmp_path: Path
) -> None:
    vm = boot(FOREVER)
    says(driver, vm, "up")

    driver.close(end_all=True)
    driver.close(end_all=False)

    assert processes_in(tmp_path) == []
    assert list((tmp_path / "emulator" / "vms").iterdir()) == []


def test_two_drivers_never_share_an_address(
    driver: ProcessDriver, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    other = Network(tmp_path / "other")

    assert other.prefix != driver.network.prefix
    other.close()


def test_metadata_of_an_updated_vm_is_not_lost_by_a_reboot(
    driver: ProcessDriver, boot: Boot
) -> None:
    vm = boot("#!/bin/bash\necho first")
    says(driver, vm, "Finished")

    driver.update(replace(vm, attributes={"startup-script": "#!/bin/bash\necho next"}))
    driver.reset(vm.id)

    says(driver, vm, "next")


def test_what_a_disk_is_mounted_over_is_there_again_after_a_reboot(
    driver: ProcessDriver, boot: Boot
) -> None:
    script = """#!/bin/bash
disk=$IRIS_ROOT/dev/disk/by-id/google-iris-state state=$IRIS_ROOT/mnt/state
mkdir -p $state; ls $state; touch $state/of-the-boot-disk
blkid -p $disk >/dev/null; [ $? -eq 2 ] && mkfs.ext4 -q $disk
mount $disk $state; mount $disk $state; ls $state; touch $state/of-the-state-disk
"""
    vm = boot(script, disks=(Disk("d1", "iris-state"),))
    says(driver, vm, "Finished")
    first = console(driver, vm)

    driver.reset(vm.id)
    eventually(lambda: sum("Finished" in line for line in console(driver, vm)) == 2)

    assert any("already mounted" in line for line in first)
    assert not any("-disk" in line for line in first)
    second = [x.rpartition(" ")[2] for x in console(driver, vm)[len(first) :]]
    assert [x for x in second if "of-the" in x] == [
        "of-the-boot-disk",
        "of-the-state-disk",
    ]


def test_a_vms_journal_has_what_its_startup_script_said(
    driver: ProcessDriver, boot: Boot, tmp_path: Path
) -> None:
    vm = boot("#!/bin/bash\necho one; echo two; journalctl -u x --no-pager -n 1")

    says(driver, vm, "Finished")

    assert [x.rpartition(": ")[2] for x in console(driver, vm)[:3]] == [
        "one",
        "two",
        "two",
    ]


def test_the_console_of_a_stopped_vm_outlives_the_emulator(
    make_driver: Callable[[], ProcessDriver],
) -> None:
    former = make_driver()
    vm = a_vm(former, attributes={"startup-script": "#!/bin/bash\necho last words"})
    former.boot(vm)
    says(former, vm, "Finished")
    former.stop(vm.id)
    former.close(end_all=False)

    later = make_driver()

    assert b"last words" in later.serial(vm.id)
    later.delete(vm.id)
    later.close(end_all=True)
