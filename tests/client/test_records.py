from __future__ import annotations

import stat

import pytest

from iris.client import records
from iris.client.records import Record
from iris.errors import NoCluster


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("IRIS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def a_record(cluster="mine", **changes):
    return Record(cluster, "c-1", "mine.yaml", url="http://127.0.0.1:1", **changes)


def test_what_is_saved_is_loaded():
    record = a_record(rehearsal=True, started_at=5.0)

    records.save(record, config_text="name: mine\r\n# ü\n", token="t0ken")

    assert records.load("mine") == records.find("mine") == records.last() == record
    assert records.config_text("mine") == "name: mine\r\n# ü\n"
    assert records.token("mine") == "t0ken"


def test_only_their_owner_reads_records(home):
    records.save(a_record(), config_text="name: mine\n", token="t0ken")

    folder = home / "clusters" / "mine"
    files = [*folder.iterdir(), home / "last"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_a_token_once_had_is_kept_when_the_record_is_saved_again():
    records.save(a_record(), config_text="a", token="t0ken")

    records.save(a_record(started_at=9.0), config_text="b")

    assert records.token("mine") == "t0ken"
    assert records.load("mine").started_at == 9.0


def test_the_cluster_started_last_is_the_last():
    records.save(a_record("one"), config_text="")
    records.save(a_record("two"), config_text="")
    assert records.last().cluster == "two"

    records.save(a_record("one"), config_text="")

    assert records.last().cluster == "one"
    assert [each.cluster for each in records.list_records()] == ["one", "two"]


def test_a_forgotten_cluster_is_gone_and_no_longer_the_last():
    records.save(a_record("one"), config_text="")
    records.save(a_record("two"), config_text="", token="t")

    records.forget("two")
    records.forget("two")  # absence is success

    assert records.find("two") is None
    with pytest.raises(NoCluster, match="no cluster was started") as raised:
        records.last()
    assert "one" in raised.value.hint
    assert [each.cluster for each in records.list_records()] == ["one"]


def test_without_any_record_the_hint_says_how_to_start():
    with pytest.raises(NoCluster) as raised:
        records.load("mine")

    assert "'mine'" in raised.value.message
    assert "inv cluster.start" in raised.value.hint


def test_an_unknown_name_is_told_which_there_are():
    records.save(a_record("mine"), config_text="")

    with pytest.raises(NoCluster) as raised:
        records.load("yours")

    assert "mine" in raised.value.hint


def test_a_record_that_cannot_be_read_says_so_and_hides_no_other(home):
    records.save(a_record("good"), config_text="")
    records.save(a_record("torn"), config_text="")
    (home / "clusters" / "torn" / "record.json").write_text('{"cluster":')

    with pytest.raises(NoCluster, match=r"torn/record\.json") as raised:
        records.load("torn")

    assert "inv cluster.start" in raised.value.hint
    assert [each.cluster for each in records.list_records()] == ["good"]


def test_a_missing_token_says_how_to_fetch_it():
    records.save(a_record(), config_text="")

    with pytest.raises(NoCluster, match="no token") as raised:
        records.token("mine")

    assert "inv cluster.start" in raised.value.hint


@pytest.mark.parametrize("name", ["", ".", "..", "../mine", "a/b", "/etc"])
def test_a_name_is_no_path_to_elsewhere(name):
    with pytest.raises(NoCluster):
        records.load(name)
