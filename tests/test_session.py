from __future__ import annotations

import pytest

from iris.client import records
from iris.client.records import Record
from iris.errors import BadClusterFile, NoCluster, Unreachable, UsageError
from iris.providers.contract import ControllerMachine, Phase
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
