from __future__ import annotations

import pytest

from iris.client import records
from iris.client.records import Record
from iris.clock import RealClock
from iris.config import parse_config
from iris.errors import BadClusterFile, NoCluster, Unreachable, UsageError
from iris.paths import examples_folder
from iris.providers.contract import ControllerMachine, Phase
from iris.reaching import Reach
from iris.session import Session, open_session

TEXT = """
name: {}
provider: {{local: {{}}}}
scale_groups: {{cpu: {{cpus: 1, memory: 1GB}}}}
"""


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("IRIS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("IRIS_CONFIG", raising=False)


def remember(cluster, uid="c-1"):
    records.save(Record(cluster, uid, "x"), config_text=TEXT.format(cluster), token="t")


def write(folder, cluster):
    path = folder / f"{cluster}.yaml"
    path.write_text(TEXT.format(cluster))
    return str(path)


# Which cluster is meant


def test_without_words_the_cluster_started_last_is_meant():
    remember("one")
    remember("two")

    session = open_session()

    assert (session.cluster, session.cluster_uid) == ("two", "c-1")
    assert session.config_text == TEXT.format("two")


def test_a_name_goes_before_all_else(tmp_path, monkeypatch):
    remember("one")
    remember("two")
    monkeypatch.setenv("IRIS_CONFIG", write(tmp_path, "three"))

    assert open_session(cluster="one").cluster == "one"


def test_a_file_goes_before_the_variable_and_the_variable_before_the_last(
    tmp_path, monkeypatch
):
    remember("one")
    monkeypatch.setenv("IRIS_CONFIG", write(tmp_path, "two"))

    assert open_session().cluster == "two"
    assert open_session(config=write(tmp_path, "three")).cluster == "three"


def test_a_file_of_a_cluster_that_is_known_comes_with_its_record(tmp_path):
    remember("one", uid="c-9")

    session = open_session(config=write(tmp_path, "one"))

    assert session.cluster_uid == "c-9"
    assert session.config_path == write(tmp_path, "one")


def test_the_name_of_an_example_finds_it():
    assert open_session(config="local.yaml").config.provider.kind == "local"


def test_a_name_and_a_file_together_are_refused(tmp_path):
    with pytest.raises(UsageError, match="--cluster and --config"):
        open_session(config=write(tmp_path, "one"), cluster="one")


def test_nothing_to_mean_is_said_with_what_to_run():
    with pytest.raises(NoCluster) as raised:
        open_session()

    assert "inv cluster.start --config" in raised.value.hint


def test_a_file_that_is_not_there_is_a_bad_cluster_file():
    with pytest.raises(BadClusterFile, match=r"nowhere\.yaml"):
        open_session(config="nowhere.yaml")


# Where its controller is


class Sky:
    """A provider that lists one controller's machine, or none."""

    def __init__(self, *machines):
        self.machines = machines

    def list_controllers(self):
        return self.machines


def a_machine(uid="c-1", phase=Phase.UP, address="127.0.0.1:7"):
    return ControllerMachine("one-controller", uid, "local", phase, 1.0, address)


def a_session(*machines):
    remember("one")
    opened = open_session(cluster="one")
    return Session(
        config=opened.config,
        config_text=opened.config_text,
        config_path=opened.config_path,
        record=opened.record,
        clock=opened.clock,
        provider=Sky(*machines),
    )


def test_the_address_is_asked_for_each_time():
    session = a_session(a_machine())
    assert session.controller_url() == "http://127.0.0.1:7"

    session.provider.machines = (a_machine(address="127.0.0.1:8"),)

    assert session.controller_url() == "http://127.0.0.1:8"


def test_a_dead_controller_is_unreachable_and_the_hint_says_restart():
    with pytest.raises(Unreachable, match="dead") as raised:
        a_session(a_machine(phase=Phase.STOPPED, address="")).controller_url()

    assert "inv cluster.restart" in raised.value.hint


def test_a_controller_that_does_not_listen_yet_is_unreachable():
    with pytest.raises(Unreachable, match="not listen yet"):
        a_session(a_machine(address="")).controller_url()


def test_the_controller_of_a_namesake_is_not_ours():
    with pytest.raises(NoCluster, match="no controller"):
        a_session(a_machine(uid="c-2")).controller_url()


def test_without_a_record_nobody_is_spoken_to(tmp_path):
    session = open_session(config=write(tmp_path, "one"))

    with pytest.raises(NoCluster, match="no record") as raised:
        session.controller()

    assert "inv cluster.start --config" in raised.value.hint


# Through SSH

FAR = """
name: far
provider: {gcp: {project: my-lab-1, zone: europe-west4-b}}
controller: {image: c}
worker: {image: w}
SSH
scale_groups: {v5e: {accelerator: v5litepod-16}}
"""


def a_reach(ssh="", **record):
    text = FAR.replace("SSH", ssh)
    return Reach(parse_config(text), Record("far", "c-1", "x", **record), RealClock())


def a_far_machine(created_at=100.0):
    return ControllerMachine(
        *("far-controller", "c-1", "europe-west4-b", Phase.UP, created_at),
        address="10.0.0.2:10000",
        ssh_address="192.0.2.7",
    )


def test_a_machine_made_anew_in_the_same_second_is_pinned_under_another_name():
    reach = a_reach()

    first = reach.target(a_far_machine(100.25))
    second = reach.target(a_far_machine(100.75))

    assert first.name == "far-controller.100.250"
    assert second.name == "far-controller.100.750"
    assert first.pins == second.pins


def test_the_tunnel_leads_to_the_internal_address():
    to = a_reach().destination(a_far_machine())

    assert (to.address, to.port, to.target.address) == ("10.0.0.2", 10000, "192.0.2.7")
    assert (to.cluster, to.cluster_uid) == ("far", "c-1")


def test_iap_names_machine_zone_and_project():
    target = a_reach("ssh: {via: iap}").target(a_far_machine())

    assert target.proxy_command.startswith(
        "gcloud compute start-iap-tunnel far-controller %p --listen-on-stdin "
        "--zone europe-west4-b --project my-lab-1"
    )


def test_a_proxy_command_of_the_file_goes_before_iap_and_the_records_before_both():
    ssh = "ssh: {via: iap, proxy_command: ssh -W %h:%p gate}"

    assert a_reach(ssh).target(a_far_machine()).proxy_command == "ssh -W %h:%p gate"
    recorded = a_reach(ssh, proxy_command="dial %h %p", rehearsal=True)
    assert recorded.target(a_far_machine()).proxy_command == "dial %h %p"


def test_a_rehearsal_takes_no_way_out_of_this_machine():
    target = a_reach("ssh: {via: iap}", rehearsal=True).target(a_far_machine())

    assert (target.proxy_command, target.loopback_only) == ("", True)


def test_user_port_and_key_are_the_files():
    ssh = "ssh: {user: ana, port: 2222, key: /keys/mine}"
    target = a_reach(ssh).target(a_far_machine())

    assert (target.user, target.port, target.key) == ("ana", 2222, "/keys/mine")


def test_new_vms_are_told_the_key_once_it_was_made():
    reach = a_reach()
    assert reach.authorized_keys() == ""

    reach.ensure_key()

    assert reach.authorized_keys().startswith("iris:ssh-ed25519 ")


def test_a_cluster_of_this_machine_makes_no_key(tmp_path):
    session = open_session(config=write(tmp_path, "one"))

    assert session.prepared() is session
    session.close_tunnel()
    assert not session.reach.folder.exists()


def test_a_rehearsal_that_names_no_emulator_never_becomes_the_real_thing():
    text = (examples_folder() / "eu-west4.yaml").read_text()
    record = Record("iris-eu", "c-1", "eu-west4.yaml", rehearsal=True)
    records.save(record, config_text=text)

    with pytest.raises(NoCluster, match="names no emulator"):
        open_session()
