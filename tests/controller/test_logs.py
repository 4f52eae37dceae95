"""The log store: what was appended is there once, whole, and found again."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iris.controller.frames import LONGEST_FRAME
from iris.controller.job_log import LogBounds, Room
from iris.controller.logs import LogFilter, LogStore, Piece
from iris.errors import UsageError

ALL = LogFilter()


def a_piece(content: bytes, offset: int = 0, task: int = 0, number: int = 0) -> Piece:
    return Piece(task, number, offset, content)


def contents(store: LogStore, job: str = "j", wanted: LogFilter = ALL) -> bytes:
    """Everything there is, page by page."""
    cursor, found = 0, []
    while True:
        lines, cursor = store.read(job, cursor, wanted)
        if not lines:
            return b"".join(found)
        found += [line.content for line in lines]


def test_output_since_a_time_is_found_in_whichever_file_it_lies(tmp_path: Path):
    small = Room(LogBounds(per_task=1 << 20, per_job=8 << 10))
    store = LogStore(tmp_path, small)
    assert store.position_at("j", 5.0) == 0
    for second in range(60):  # seven files, of which the first are gone
        store.append("j", a_piece(b"%199d\n" % second, 200 * second), float(second))

    found = [store.position_at("j", at) for at in (50.0, 29.5, 99.0)]

    assert [read_from(store, cursor) for cursor in found] == [50, 30, None]
    assert store.position_at("j", -1.0) == 0


def read_from(store: LogStore, cursor: int) -> int | None:
    lines, _ = store.read("j", cursor, ALL)
    return int(lines[0].content) if lines else None


def test_the_end_of_an_attempts_output_is_read_without_what_is_before(tmp_path: Path):
    small = Room(LogBounds(per_task=1 << 20, per_job=64 << 10))
    store = LogStore(tmp_path, small)
    for turn in range(100):
        store.append("j", a_piece(b"%99d\n" % turn, 100 * turn), at=1.0)
        store.append("j", a_piece(b"noise\n" * 50, 300 * turn, task=1), at=1.0)

    last = store.last_of("j", 0, 0, 250)
    everything = store.last_of("j", 0, 0, 1 << 20)

    assert [int(line.content) for line in last] == [97, 98, 99]
    assert [int(line.content) for line in everything] == [*range(100)]
    assert store.last_of("j", 7, 0, 250) == store.last_of("k", 0, 0, 250) == ()
    assert LogStore(tmp_path, small).last_of("j", 0, 0, 250) == last


def test_output_is_read_back_by_job_task_and_attempt(tmp_path: Path):
    store = LogStore(tmp_path)

    store.append("j", a_piece(b"zero\n"), at=1.0)
    store.append("j", a_piece(b"one\n", task=1), at=2.0)
    store.append("j", a_piece(b"again\n", task=1, number=1), at=3.0)
    store.append("k", a_piece(b"other\n"), at=4.0)

    assert contents(store) == b"zero\none\nagain\n"
    assert contents(store, wanted=LogFilter(1)) == b"one\nagain\n"
    assert contents(store, wanted=LogFilter(1, 0)) == b"one\n"
    (first, *_), _ = store.read("j", 0, ALL)
    assert (first.task, first.attempt, first.at) == (0, 0, 1.0)


def test_what_overlaps_is_cut_and_what_leaves_a_gap_is_refused(tmp_path: Path):
    store = LogStore(tmp_path)

    first = store.append("j", a_piece(b"abc"), at=1.0)
    repeated = store.append("j", a_piece(b"abc"), at=1.0)
    overlapping = store.append("j", a_piece(b"bcde", offset=1), at=1.0)
    beyond = store.append("j", a_piece(b"z", offset=9), at=1.0)

    assert (first, repeated, overlapping, beyond) == (3, 3, 5, 5)
    assert contents(store) == b"abcde"


@pytest.mark.parametrize("lost_bytes", [1, 3, 30, 40])
def test_a_torn_tail_is_cut_at_the_next_start(tmp_path: Path, lost_bytes: int):
    store = LogStore(tmp_path)
    store.append("j", a_piece(b"whole\n"), at=1.0)
    store.append("j", a_piece(b"torn\n", offset=6), at=1.0)
    path = tmp_path / "j.log"
    path.write_bytes(path.read_bytes()[:-lost_bytes])

    again = LogStore(tmp_path)

    assert again.have("j", 0, 0) == 6
    again.append("j", a_piece(b"torn\n", offset=6), at=2.0)
    assert contents(again) == b"whole\ntorn\n"


def test_a_tail_of_zeros_as_a_power_cut_leaves_it_is_cut(tmp_path: Path):
    store = LogStore(tmp_path)
    store.append("j", a_piece(b"whole\n"), at=1.0)
    with (tmp_path / "j.log").open("ab") as file:
        file.write(bytes(100))

    again = LogStore(tmp_path)

    assert contents(again) == b"whole\n"
    assert again.have("j", 0, 0) == 6


def test_output_larger_than_a_frame_is_whole_and_comes_in_pages(tmp_path: Path):
    store = LogStore(tmp_path)
    content = bytes(range(256)) * (40 * LONGEST_FRAME // 256) + b"end"

    have = store.append("j", a_piece(content), at=1.0)
    lines, _ = store.read("j", 0, ALL)

    assert have == len(content)
    assert sum(len(line.content) for line in lines) < len(content)
    assert contents(store) == content
    assert LogStore(tmp_path).have("j", 0, 0) == len(content)


def test_forgotten_indexes_are_found_again(tmp_path: Path):
    store = LogStore(tmp_path, most_indexes=2)

    for turn in range(3):
        for job in ("a", "b", "c", "d"):
            store.append(job, a_piece(b"x", offset=turn), at=1.0)

    assert [contents(store, job) for job in "abcd"] == [b"xxx"] * 4


def test_a_cursor_that_was_never_handed_out_is_refused(tmp_path: Path):
    store = LogStore(tmp_path)
    store.append("j", a_piece(b"content"), at=1.0)

    for cursor in (3, 10_000):
        with pytest.raises(UsageError, match="cursor"):
            store.read("j", cursor, ALL)


def test_a_reader_who_waits_is_woken_by_an_append(tmp_path: Path):
    store, woken = LogStore(tmp_path), threading.Event()

    def wait() -> None:
        store.wait("j", 0, timeout=30.0)
        woken.set()

    reader = threading.Thread(target=wait)
    reader.start()
    store.append("j", a_piece(b"x"), at=1.0)
    reader.join(30.0)

    assert woken.is_set()


def test_many_writers_to_one_job_lose_nothing(tmp_path: Path):
    store = LogStore(tmp_path, most_indexes=1)

    def write(task: int) -> None:
        for offset in range(100):
            store.append("j", a_piece(b"x", offset, task), at=1.0)
            store.have(f"other-{task}", 0, 0)  # forces the index out

    writers = [threading.Thread(target=write, args=(task,)) for task in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    counts = [len(contents(store, wanted=LogFilter(task))) for task in range(4)]
    assert counts == [100] * 4
    assert LogStore(tmp_path).end("j") == store.end("j")


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 2), st.integers(0, 12), st.binary(max_size=9), st.booleans()
        ),
        max_size=20,
    )
)
def test_whatever_is_sent_and_lost_each_attempt_has_a_prefix_of_its_output(
    tmp_path_factory: pytest.TempPathFactory, steps
):
    folder = tmp_path_factory.mktemp("logs")
    store, whole = LogStore(folder), bytes(range(65, 90))
    for task, offset, piece, restarts in steps:
        content = whole[offset : offset + len(piece)]
        have = store.append("j", a_piece(content, offset, task), at=1.0)
        assert contents(store, wanted=LogFilter(task)) == whole[:have]
        store = LogStore(folder) if restarts else store
