from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import msgspec
import psutil
import pytest

from iris.clock import RealClock
from iris.domain.machine import VmMetadata
from iris.errors import BadClusterFile, Unavailable
from iris.processes import started_at
from iris.providers import known_providers, load_provider
from iris.providers.contract import Phase
from iris.wire import decode
from tests.support.eventually import eventually
from tests.support.local_cloud import (
    CONFIG,
    GROUP,
    REQUEST,
    a_provider,
    listed,
    phase_of,
)
from tests.support.machine import processes_in


def keeper_of(slice_folder, index):
    content = json.loads((slice_folder / f"vm-{index}" / "keeper.json").read_bytes())
    return psutil.Process(content["pid"])


def started(*words, vm=None, **options):
    """A process that sleeps, of a session of its own; by default of no VM."""
    environment = {"PATH": os.environ["PATH"], **({"IRIS_VM": str(vm)} if vm else {})}
    return subprocess.Popen(words, env=environment, start_new_session=True, **options)


class HastyClock(RealClock):
    """Runs ahead by more than any patience at each look."""

    def __init__(self):
        super().__init__()
        self._ahead = 0.0

    def now(self):
        self._ahead += 1000.0
        return super().now() + self._ahead


def all_of(provider):
    return provider.list_slices().slices


def has_ended(pid):
    return started_at(pid) is None


# What a VM is told


def test_a_vm_is_told_who_it_is_and_nobody_else_can_read_it(slice_folder):
    file = slice_folder / "vm-2" / "metadata.json"

    told = decode(file.read_bytes(), VmMetadata)

    assert (told.index, told.vms, told.join_token) == (2, 4, "c")
    assert (told.cluster, told.cluster_uid) == ("mine", "c-1")
    assert (told.slice_name, told.slice_uid) == ("mine-1", "s-1")
    assert told.resources == GROUP.resources
    assert told.cache_bytes == 20 * 10**9
    assert told.path_prefix == str(Path(sys.executable).parent)
    controller = slice_folder.parents[1] / "controller"
    assert told.controller_file == str(controller / "address.json")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(slice_folder.stat().st_mode) == 0o700


def test_a_vm_knows_its_machines_engine_and_no_secret_of_the_person(home, monkeypatch):
    monkeypatch.setenv("MY_CLOUD_PASSWORD", "hunter2")
    monkeypatch.setenv("DOCKER_HOST", "unix:///of/this/person.sock")
    provider = a_provider()
    provider.create_slice(REQUEST)
    eventually(lambda: phase_of(provider) is Phase.UP)
    folder = home / "local/mine/slices" / REQUEST.name

    environment = keeper_of(folder, 0).environ()
    asked = ("MY_CLOUD_PASSWORD", "DOCKER_HOST", "IRIS_VM")
    told = [None, "unix:///of/this/person.sock", str(folder / "vm-0")]
    assert [environment.get(each) for each in asked] == told


# A crash between any two lines is repaired by asking again


def test_a_keeper_that_was_never_started_is_started_by_asking_again(slice_folder):
    keeper = keeper_of(slice_folder, 1)
    for child in (*keeper.children(recursive=True), keeper):
        child.kill()
    eventually(lambda: has_ended(keeper.pid))
    (slice_folder / "vm-1" / "keeper.json").unlink()
    assert phase_of(a_provider()) is Phase.CREATING

    a_provider().create_slice(REQUEST)

    eventually(lambda: phase_of(a_provider()) is Phase.UP)


def test_asking_again_leaves_the_keepers_that_run_alone(slice_folder):
    before = [keeper_of(slice_folder, index).pid for index in range(4)]

    a_provider().create_slice(REQUEST)

    assert [keeper_of(slice_folder, index).pid for index in range(4)] == before


def test_a_draft_that_a_crash_left_is_no_slice_and_does_not_stay(home):
    slices = home / "local" / "mine" / "slices"
    (slices / ".new-mine-1" / "vm-0").mkdir(parents=True)
    (slices / ".gone-mine-1" / "vm-0").mkdir(parents=True)

    provider = a_provider()
    assert provider.list_slices().slices == ()
    provider.create_slice(REQUEST)
    provider.delete_slice(REQUEST.name, "local")

    assert list(slices.iterdir()) == []


def test_a_slice_whose_labels_are_lost_is_unclear_and_can_be_deleted(slice_folder):
    (slice_folder / "slice.json").write_text("{")
    provider = a_provider()

    assert phase_of(provider) is Phase.UNCLEAR
    assert "slice.json" in listed(provider).words
    provider.delete_slice(REQUEST.name, "local")

    assert provider.list_slices().slices == ()
    assert processes_in(slice_folder) == []


def test_processes_whose_folder_was_removed_are_found_and_ended(slice_folder):
    slice_folder.rename(slice_folder.parents[3] / "elsewhere")
    provider = a_provider()

    (left,) = [e for e in provider.list_leftovers() if e.kind == "slice"]
    assert (left.name, left.words) == ("mine-1", "processes without a folder")
    provider.delete_leftover(left)

    assert provider.list_leftovers() == ()
    assert processes_in(slice_folder) == []


def test_what_the_system_refuses_is_said_in_the_clouds_words(home):
    slices = home / "local" / "mine" / "slices"
    slices.parent.mkdir(parents=True)
    slices.write_text("a file, where a folder should be")

    with pytest.raises(Unavailable, match="slices"):
        a_provider().create_slice(REQUEST)

    slices.unlink()


# The end of a VM


def test_a_slice_that_lost_a_keeper_is_stopped_and_does_no_work_any_more(slice_folder):
    keeper_of(slice_folder, 2).kill()

    eventually(lambda: phase_of(a_provider()) is Phase.STOPPED)

    assert "vm-2" in listed(a_provider()).words
    assert processes_in(slice_folder) == []


def test_a_keeper_whose_number_another_process_got_counts_as_dead(slice_folder):
    file = slice_folder / "vm-0" / "keeper.json"
    content = json.loads(file.read_bytes())
    file.write_text(json.dumps({**content, "pid": os.getpid()}))

    assert phase_of(a_provider()) is Phase.STOPPED


def test_what_ran_on_a_vm_ends_with_it_however_it_hid(slice_folder):
    vm = slice_folder / "vm-0"
    # a daemon that dropped session, group and environment; its parent tells
    hidden = "setsid env -i sleep 1000 & echo $!; exec sleep 1000"
    parent = started("sh", "-c", hidden, vm=vm, stdout=subprocess.PIPE)
    daemon = int(parent.stdout.readline())
    # a child whose parent is gone; the group that the keeper recorded tells
    leader = started("sh", "-c", "env -i sleep 1000 & echo $!", stdout=subprocess.PIPE)
    orphan = int(leader.stdout.readline())
    leader.wait()
    line = {"event": "started", "at": 1.0, "uid": "a-1", "pid": leader.pid}
    with (vm / "journal").open("a") as journal:
        journal.write(json.dumps({**line, "began": 1.0}) + "\n")
    stranger = started("sleep", "1000")

    a_provider().delete_slice(REQUEST.name, "local")

    assert has_ended(parent.pid)
    assert has_ended(daemon)
    assert has_ended(orphan)
    assert stranger.poll() is None
    stranger.kill()
    for process in (parent, stranger):
        process.wait()
    for pipe in (parent.stdout, leader.stdout):
        pipe.close()


def test_a_group_whose_number_another_program_got_is_left_alone(slice_folder):
    stranger = started("sleep", "1000")
    line = {"event": "started", "at": 1.0, "uid": "a-1", "pid": stranger.pid}
    with (slice_folder / "vm-0" / "journal").open("a") as journal:
        journal.write(json.dumps({**line, "began": 1.0}) + '\n{"event":"sta')

    a_provider().delete_slice(REQUEST.name, "local")

    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_after_a_reboot_no_recorded_number_is_taken_for_a_process(slice_folder):
    leader = started("sh", "-c", "sleep 1000 & echo $!", stdout=subprocess.PIPE)
    stranger = int(leader.stdout.readline())  # in a group whose leader is dead
    leader.wait()
    leader.stdout.close()
    line = {"event": "started", "at": 1.0, "uid": "a-1", "pid": leader.pid}
    for index in range(4):
        (slice_folder / f"vm-{index}" / "boot").write_text("another boot")
    with (slice_folder / "vm-0" / "journal").open("a") as journal:
        journal.write(json.dumps({**line, "began": 1.0}) + "\n")

    assert phase_of(a_provider()) is Phase.STOPPED
    a_provider().delete_slice(REQUEST.name, "local")

    assert not has_ended(stranger)
    os.kill(stranger, signal.SIGKILL)


def test_a_vm_that_does_not_end_makes_its_own_slice_unclear_only(slice_folder):
    other = msgspec.structs.replace(REQUEST, name="mine-2", uid="s-2")
    a_provider().create_slice(other)
    eventually(lambda: {each.phase for each in all_of(a_provider())} == {Phase.UP})
    keeper_of(slice_folder, 0).kill()
    eventually(lambda: has_ended(keeper_of(slice_folder, 0).pid))

    first, second = all_of(load_provider(CONFIG, "c-1", HastyClock()))

    assert (first.phase, second.phase) == (Phase.UNCLEAR, Phase.UP)
    assert "do not end" in first.words
    assert {each.phase for each in all_of(a_provider())} == {Phase.STOPPED, Phase.UP}


def test_a_task_that_forks_without_end_ends_with_its_vm(slice_folder):
    fork = 'while :; do env -i sleep 1000 & exec sh -c "$0" "$0"; done'
    bomb = started("sh", "-c", fork, fork, vm=slice_folder / "vm-1")
    began = psutil.Process(bomb.pid)
    eventually(lambda: len(began.children()) > 20)
    children = [each.pid for each in began.children()]

    a_provider().delete_slice(REQUEST.name, "local")

    bomb.wait()
    assert all(has_ended(pid) for pid in children)


def test_folders_that_a_task_locked_are_deleted_too(slice_folder):
    locked = slice_folder / "vm-0" / "attempts" / "a" / "work"
    (locked / "deep").mkdir(parents=True)
    locked.chmod(0)
    locked.parent.chmod(stat.S_IRUSR)

    a_provider().delete_slice(REQUEST.name, "local")

    assert not slice_folder.exists()


# Finding a provider


def test_a_provider_that_there_is_none_of_is_refused_with_those_there_are():
    class Elsewhere:
        class provider:
            kind = "nimbus"

    with pytest.raises(BadClusterFile, match="nimbus") as raised:
        load_provider(Elsewhere, "", RealClock())

    assert known_providers()[-1:] == ("local",)
    assert "local" in raised.value.hint
