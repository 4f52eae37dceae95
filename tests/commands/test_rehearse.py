"""A rehearsal as a person types it, and every wrong word on the way."""

from __future__ import annotations

from iris.client import records
from iris.paths import examples_folder
from tests.support.cluster import QUICK


def test_a_rehearsal_says_before_what_it_would_do(terminal):
    said = terminal.ok("rehearse", "--config", "eu-west4.yaml", "--dry-run")

    lines = said.splitlines()
    assert [line for line in lines if not line.startswith("rehearsal | would ")] == []
    assert "europe-west4-b" in lines[0]
    assert "4 VMs of v5litepod-16" in said


def test_a_file_without_a_cloud_needs_no_rehearsal(terminal):
    for words in (("rehearse.run",), ("cluster.start", "--rehearse")):
        said = terminal.refused(*words, "--config", "local.yaml", status=2)

        assert "is of provider local, which needs no rehearsal" in said


def test_a_real_cluster_is_never_taken_for_a_rehearsal(terminal, monkeypatch):
    monkeypatch.setenv("IRIS_HOME", str(terminal.home))
    records.save(records.Record("iris-eu", "c1", "eu.yaml"), config_text=QUICK)

    words = ("cluster.start", "--rehearse", "--config", "eu-west4.yaml")
    said = terminal.refused(*words, status=1)

    assert "cluster 'iris-eu' of this machine is a real one" in said
    assert records.load("iris-eu").rehearsal is False


def test_delays_and_faults_are_of_a_rehearsal_only(terminal):
    words = ("cluster.start", "--config", "eu-west4.yaml", "--delays", "google")

    assert "--delays is of a rehearsal only" in terminal.refused(*words, status=2)


def test_a_fault_file_that_is_not_there_names_those_that_are(terminal):
    words = ("rehearse.start", "--faults", "stokout.yaml")

    said = terminal.refused(*words, status=2)

    assert "stockout.yaml" in said


def test_faults_need_an_emulator_and_one_way_to_name_them(terminal):
    nobody = terminal.refused("rehearse.inject", "--kind", "stockout", status=1)
    nothing = terminal.refused("rehearse.inject", status=2)

    assert "no emulator runs" in nobody
    assert "--kind KIND, or --faults FILE" in nothing


def test_ending_an_emulator_that_is_not_there_is_no_error(terminal):
    assert "no emulator ran" in terminal.ok("rehearse.stop")


def test_without_an_engine_nothing_begins_and_the_way_out_is_told(terminal):
    terminal.environment["DOCKER_HOST"] = f"unix://{terminal.folder}/no.sock"
    words = ("--config", "eu-west4.yaml", "--vms", "docker")

    for command in (("rehearse",), ("cluster.start", "--rehearse")):
        said = terminal.refused(*command, *words, status=1)
        assert len(said.splitlines()) == 2, said
        assert "docker" in said.lower()
        assert "hint: " in said.splitlines()[1]
    assert not (terminal.home / "rehearsals").exists()
    assert not (terminal.home / "clusters").exists()


def test_attempts_as_containers_want_vms_with_an_engine(terminal):
    text = (examples_folder() / "eu-west4.yaml").read_text()
    file = terminal.folder / "contained.yaml"
    file.write_text(text.replace("runtime: process", "runtime: docker"))

    for words in (["rehearse"], ["cluster.start", "--rehearse"]):
        said = terminal.refused(*words, "--config", str(file), status=2)

        assert "worker/runtime: docker wants VMs with an engine" in said
        assert "hint: Rehearse it with `--vms docker`." in said


def test_vms_of_no_kind_are_wrong_usage(terminal):
    words = ("rehearse", "--config", "eu-west4.yaml", "--vms", "qemu")

    said = terminal.refused(*words, status=2)

    assert "--vms: expected process or docker, got 'qemu'" in said
