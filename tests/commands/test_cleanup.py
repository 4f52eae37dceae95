"""`inv cleanup` as a person reads it."""

from __future__ import annotations

from iris.commands._leftovers import describe_cleanup
from iris.operations.cleanup import CleanedUp
from tests.support.cluster import QUICK
from tests.support.sky import a_leftover


def test_a_table_with_prices_ends_with_their_sum():
    found = CleanedUp(
        "proof",
        (
            a_leftover("controller", "proof-controller", price=0.21),
            a_leftover("slice", "proof-a", price=24.96),
            a_leftover("disk", "proof-state"),
        ),
    )

    said = describe_cleanup(found, dry=True)

    assert "24.96" in said
    assert "25.17 USD an hour, and 1 of unknown price (list prices of 20" in said
    assert said.endswith("would be deleted; --no-dry-run does it")


def test_several_clusters_of_a_name_are_shown_with_their_uids():
    others = (a_leftover("slice", "proof-a"), a_leftover("slice", "proof-b", "c-2"))

    said = describe_cleanup(CleanedUp("proof", (), others), dry=True)

    assert "uid c-1 and c-2: not touched" in said
    assert "--uid UID" in said


def test_a_cluster_that_is_spared_is_said_to_be():
    said = describe_cleanup(CleanedUp("proof", (), spared="it answers"), dry=False)

    assert said == "cluster proof is left alone: it answers"


def test_a_cluster_that_answers_survives_the_switch(running):
    said = running.ok("cleanup", "--no-dry-run", "--if-controller-silent", "1s")

    assert "left alone: the controller answers" in said
    running.ok("cluster.status")


def test_a_cluster_is_cleaned_up_by_its_name_alone(terminal):
    file = terminal.folder / "stray.yaml"
    file.write_text(QUICK.replace("name: proof", "name: stray"))
    terminal.ok("cluster.start", "--config", str(file))
    (terminal.home / "clusters" / "stray" / "record.json").unlink()
    other = terminal.folder / "other.yaml"
    other.write_text(QUICK.replace("name: proof", "name: other"))

    words = ("cleanup", "--config", str(other), "--name", "stray")
    assert "stray-controller" in terminal.ok(*words)

    assert "deleted" in terminal.ok(*words, "--no-dry-run", "--wait-timeout", "60s")
    assert "nothing of cluster stray is left" in terminal.ok(*words)


def test_a_silent_time_that_is_none_exits_2(terminal):
    said = terminal.refused("cleanup", "--if-controller-silent", "soon", status=2)

    assert "soon" in said
