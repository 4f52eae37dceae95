"""What tasks left comes to this machine, from a controller over real HTTP."""

from __future__ import annotations

import hashlib
from types import SimpleNamespace

import pytest

from iris.bundles import pack_outputs
from iris.domain.protocol import MOST_IN_PIECE, AttemptReport, OutputsOffer
from iris.domain.states import AttemptState
from iris.domain.views import JobView
from iris.errors import FellShort, NotThere
from iris.operations import fetching
from iris.operations.fetching import Wanted
from tests.support.desk import Desk, PlayedWorker

SUCCEEDED = AttemptState.SUCCEEDED


def leave(
    desk: Desk, worker: PlayedWorker, job: JobView, task: int, **files: bytes
) -> None:
    """Run a task to its end; it leaves files."""
    uid = desk.place(job, worker, task)
    folder, packed = desk.folder / uid, desk.folder / f"{uid}.tar.gz"
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    if result := pack_outputs(folder, packed, 10**9, lambda: None):
        offer = OutputsOffer(
            result.size_bytes, result.sha256, result.files, result.content_bytes
        )
        path, content = f"/v1/attempts/{uid}/outputs", packed.read_bytes()
        desk.ask("POST", path, offer, worker.token)
        for at in range(0, len(content), MOST_IN_PIECE):
            piece = content[at : at + MOST_IN_PIECE]
            desk.ask("PUT", f"{path}?offset={at}", piece, worker.token)
        assert desk.ask("POST", path, offer, worker.token).json["kept"]
    worker.beat(AttemptReport(uid, SUCCEEDED, exit_code=0))


def fetch(session: SimpleNamespace, job: JobView, **wanted: object) -> fetching.Fetch:
    return fetching.fetch(session, job, Wanted(**wanted), lambda _: None)


def test_each_task_has_a_folder_and_a_named_one_goes_straight(
    desk: Desk, session, tmp_path
):
    (worker,) = desk.boot()
    job = desk.submit(tasks=3)
    leave(desk, worker, job, 0, model=b"zero")
    leave(desk, worker, job, 1)
    leave(desk, worker, job, 2, model=b"two", log=b"lines")

    found = fetch(session, job, folder=tmp_path / "all")
    named = fetch(session, job, folder=tmp_path / "one", task=2)

    assert (tmp_path / "all/0/model").read_bytes() == b"zero"
    assert (tmp_path / "all/2/log").read_bytes() == b"lines"
    assert (tmp_path / "one/model").read_bytes() == b"two"
    assert found.missing == {1: "it wrote nothing to IRIS_OUTPUT_DIR"}
    assert fetching.words_of(found) == (
        f"3 files of 2 tasks, 12 B, in {tmp_path}/all\n"
        "  task 1: it wrote nothing to IRIS_OUTPUT_DIR"
    )
    assert [(each.task, each.files) for each in named.fetched] == [(2, 2)]


def test_what_is_larger_than_a_piece_arrives_whole(desk: Desk, session, tmp_path):
    (worker,) = desk.boot()
    job = desk.submit()
    noise = b"".join(
        hashlib.sha256(n.to_bytes(4)).digest() for n in range(MOST_IN_PIECE // 16)
    )
    leave(desk, worker, job, 0, noise=noise)

    fetch(session, job, folder=tmp_path / "out")

    assert (tmp_path / "out/noise").read_bytes() == noise


def test_where_there_is_nothing_the_reason_is_the_answer(desk: Desk, session, tmp_path):
    (worker,) = desk.boot()
    job = desk.submit(tasks=2)
    leave(desk, worker, job, 0)

    with pytest.raises(NotThere) as refused:
        fetch(session, job, folder=tmp_path / "out")

    assert str(refused.value) == (
        f"job {job.name} has no outputs to fetch: "
        "task 0: it wrote nothing to IRIS_OUTPUT_DIR; task 1: no attempt of it began"
    )
    assert not (tmp_path / "out").exists()


def test_an_attempt_that_there_was_not_leads_to_those_there_were(
    desk: Desk, session, tmp_path
):
    (worker,) = desk.boot()
    job = desk.submit(tasks=2)
    leave(desk, worker, job, 0)

    with pytest.raises(NotThere, match="no attempt 7, the last one is 0") as refused:
        fetch(session, job, folder=tmp_path / "out", task=0, attempt=7)

    assert refused.value.hint == (
        f"`inv job.status {job.name}/0` shows its attempts; "
        "without --attempt it is the last one that is asked for."
    )


def test_a_file_that_changed_on_the_controllers_disk_is_not_taken(
    desk: Desk, session, tmp_path
):
    (worker,) = desk.boot()
    job = desk.submit()
    leave(desk, worker, job, 0, model=b"weights")
    path = desk.parts.outputs.path(job.uid, 0, 0)
    path.write_bytes(bytes(path.stat().st_size))

    with pytest.raises(FellShort, match="arrived damaged"):
        fetch(session, job, folder=tmp_path / "out")

    assert not (tmp_path / "out").exists()
