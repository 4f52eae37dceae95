from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from iris.client import records
from iris.client.records import Record
from iris.errors import ClusterGone, Conflict, FellShort, NoCluster
from iris.operations.cleanup import cleanup, plan_cleanup, session_of_name
from iris.session import open_session
from tests.support.cluster import QUICK
from tests.support.eventually import eventually
from tests.support.machine import processes_in
from tests.support.sky import Sky, a_leftover

KEPT_WARM = QUICK.replace("max_slices: 1}", "max_slices: 1, min_slices: 1}")


@pytest.fixture
def warm(make_cluster):
    """A cluster with a slice."""
    cluster = make_cluster(KEPT_WARM)
    cluster.start()
    eventually(lambda: cluster.vms, within=30.0)
    return cluster


def kinds(leftovers):
    return sorted(each.kind for each in leftovers)


def test_nothing_of_a_cluster_is_left_and_it_is_forgotten(warm):
    said = []

    cleaned = cleanup(open_session(), said.append)

    assert kinds(cleaned.deleted) == ["controller", "disk", "slice"]
    assert said[0].startswith("deleted controller")  # before what it could create
    assert processes_in(warm.folder) == []
    assert list((warm.folder / "home" / "local").iterdir()) == []
    with pytest.raises(NoCluster):
        open_session()


def test_whoever_waits_for_a_job_hears_that_the_cluster_was_deleted(warm):
    job = warm.submit("sleep", "600")

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(warm.client.wait_for_job, job.uid)
        cleanup(open_session(), warm.said.append)
        with pytest.raises(ClusterGone, match="its state with it"):
            waiting.result(timeout=20.0)


def test_a_dry_cleanup_names_everything_and_touches_nothing(warm):
    found = plan_cleanup(open_session())

    assert [each.kind for each in found.deleted] == ["controller", "slice", "disk"]
    assert warm.controller.is_running()
    assert records.last().cluster == "proof"


def test_a_cluster_whose_controller_is_dead_is_cleaned_up(warm):
    warm.controller.kill()

    cleanup(open_session(), warm.said.append)

    assert processes_in(warm.folder) == []


def test_a_cluster_without_a_record_is_cleaned_up_by_its_file(warm):
    records.forget("proof")

    cleanup(warm.session, warm.said.append)

    assert processes_in(warm.folder) == []


@pytest.mark.parametrize("gone", ["controller", "state", "slices"])
def test_a_cluster_of_which_half_is_gone_is_cleaned_up(warm, gone):
    shutil.rmtree(warm.folder / "home" / "local" / "proof" / gone, ignore_errors=True)

    cleanup(open_session(), warm.said.append)

    assert processes_in(warm.folder) == []
    assert list((warm.folder / "home" / "local").iterdir()) == []


def test_cleaning_up_where_nothing_is_left_is_done(make_cluster):
    cluster = make_cluster()

    cleaned = cleanup(cluster.session, cluster.said.append)

    assert (cleaned.deleted, cleaned.others) == ((), ())


# Where it must not be sure


ALL = (
    a_leftover("disk", "proof-state"),
    a_leftover("slice", "proof-a"),
    a_leftover("slice", "proof-b"),
    a_leftover("controller", "proof-controller"),
)


@pytest.fixture
def session(make_cluster):
    """A cluster that is known here, with uid c-1."""
    records_of = make_cluster()
    records.save(Record("proof", "c-1", "x"), config_text=QUICK)
    return records_of.session


def test_everything_goes_in_the_order_that_leaves_nothing_behind(session):
    sky, said = Sky(*ALL), []

    cleanup(session, said.append, load=sky.load)

    assert sky.left == []
    assert said == [
        "deleted controller proof-controller",
        "deleted slice proof-a",
        "deleted slice proof-b",
        "deleted disk proof-state",
    ]


def test_what_does_not_go_is_named_and_the_record_is_kept(session):
    sky = Sky(*ALL, refuses=("proof-b",))

    with pytest.raises(FellShort, match="slice proof-b") as raised:
        cleanup(session, [].append, wait=0.0, load=sky.load)

    assert "does not go" in raised.value.message
    assert raised.value.exit_status == 1
    assert records.load("proof").cluster_uid == "c-1"


def test_slices_are_left_alone_while_their_controller_could_make_new_ones(session):
    sky = Sky(*ALL, refuses=("proof-controller",))

    with pytest.raises(FellShort):
        cleanup(session, [].append, wait=0.0, load=sky.load)

    assert sky.left == list(ALL)


@pytest.mark.parametrize("lists", [0, 1, 4])
def test_a_list_that_fails_is_never_read_as_nothing_left(session, lists):
    with pytest.raises(FellShort, match=r"cannot be listed.*over capacity"):
        cleanup(session, [].append, wait=0.0, load=Sky(*ALL, breaks_at=lists).load)

    assert records.load("proof").cluster_uid == "c-1"


def test_a_namesake_is_named_and_not_touched(session):
    theirs = a_leftover("slice", "proof-theirs", "c-2")
    sky = Sky(*ALL, theirs)

    cleaned = cleanup(session, [].append, wait=0.0, load=sky.load)

    assert sky.left == [theirs]
    assert cleaned.others == (theirs,)


def test_of_several_clusters_of_one_name_none_is_guessed(make_cluster):
    session = make_cluster().session  # without a record
    sky = Sky(*ALL, a_leftover("slice", "proof-theirs", "c-2"))

    with pytest.raises(Conflict, match="c-1 and c-2") as raised:
        cleanup(session, [].append, wait=0.0, load=sky.load)

    assert "--uid" in raised.value.hint
    assert len(sky.left) == 5
    cleanup(session, [].append, "c-2", load=sky.load)
    assert sky.left == list(ALL)


def test_a_record_of_a_former_cluster_cleans_up_no_other(session):
    sky = Sky(a_leftover("slice", "proof-theirs", "c-2"))

    with pytest.raises(Conflict, match="c-2"):
        cleanup(session, [].append, wait=0.0, load=sky.load)

    assert len(sky.left) == 1


def test_a_dry_cleanup_lists_the_uids_of_one_name(make_cluster):
    session = make_cluster().session  # without a record
    theirs = a_leftover("slice", "proof-theirs", "c-2")
    sky = Sky(*ALL, theirs)

    found = plan_cleanup(session, load=sky.load)

    assert found.deleted == ()
    assert {each.cluster_uid for each in found.others} == {"c-1", "c-2"}


def test_two_clusters_of_one_name_never_touch_each_others(session):
    theirs = tuple(a_leftover(e.kind, f"{e.name}-2", "c-2") for e in ALL)
    sky = Sky(*ALL, *theirs)

    cleanup(session, [].append, "c-2", wait=0.0, load=sky.load)

    assert sky.left == list(ALL)
    assert records.load("proof").cluster_uid == "c-1"  # the record is of the other


def test_a_name_without_a_record_is_looked_for_where_another_file_says(session):
    asked = []

    found = session_of_name("stray", lambda known: asked.append(known) or session)

    assert (asked, found.cluster, found.cluster_uid) == ([""], "stray", "")
    assert found.config.provider == session.config.provider


def test_a_name_with_a_record_is_that_cluster(session):
    asked = []

    session_of_name("proof", lambda known: asked.append(known) or session)

    assert asked == ["proof"]
