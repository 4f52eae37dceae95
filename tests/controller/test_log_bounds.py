"""A log above its bounds: the newest stays, cursors stay good, what went is said."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iris.controller.frames import Reason
from iris.controller.job_log import LogBounds, Room
from iris.controller.logs import LogFilter, LogStore, Piece
from iris.domain.retention import WhyGone

ALL = LogFilter()
KB = 1000
BOUNDS = LogBounds(per_task=16 * KB, per_job=64 * KB)


def a_line(number: int) -> bytes:
    return b"%099d\n" % number


class Teller:
    """Prints numbered lines of 100 bytes as tasks of one job."""

    def __init__(self, store: LogStore) -> None:
        self.store = store
        self.told: dict[int, int] = {}

    def say(self, lines: int, task: int = 0) -> int:
        first = self.told.get(task, 0)
        content = b"".join(a_line(n) for n in range(first, first + lines))
        self.told[task] = first + lines
        return self.store.append("j", Piece(task, 0, first * 100, content), at=1.0)


def read_all(store: LogStore, wanted: LogFilter = ALL, cursor: int = 0) -> list[bytes]:
    found: list[bytes] = []
    while True:
        lines, cursor = store.read("j", cursor, wanted, most_lines=7)
        if not lines and cursor == store.end("j"):
            return found
        found += [line.content for line in lines]


def bytes_on_disk(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def a_store(folder: Path, bounds: LogBounds = BOUNDS) -> LogStore:
    return LogStore(folder, Room(bounds))


def test_the_newest_of_a_task_stays_and_the_log_says_what_went(tmp_path: Path):
    store = a_store(tmp_path)
    teller = Teller(store)

    have = [teller.say(10) for _ in range(100)][-1]

    said, *kept = read_all(store)
    content = b"".join(kept)
    assert have == 1000 * 100
    assert content.endswith(a_line(999))
    assert len(content) > 12 * KB
    gone = (have - len(content)) // KB
    assert said.decode() == (
        f"iris: {gone} kB of this log are gone: above the bound of 16 kB per task "
        "(retention/logs_per_task)\n"
    )
    assert bytes_on_disk(tmp_path) < 20 * KB


def test_a_task_that_floods_takes_nothing_from_the_others(tmp_path: Path):
    store = a_store(tmp_path)
    teller = Teller(store)

    for turn in range(100):
        teller.say(10, task=0)
        if turn % 10 == 0:
            teller.say(1, task=1)

    quiet = read_all(store, LogFilter(1))
    assert b"".join(quiet) == b"".join(map(a_line, range(10)))
    assert sum(b"gone" in each for each in read_all(store, LogFilter(0))) == 1


def test_a_job_above_its_bound_loses_its_oldest_output(tmp_path: Path):
    store = a_store(tmp_path)
    teller = Teller(store)

    for task in range(20):
        teller.say(100, task=task)

    assert bytes_on_disk(tmp_path) <= 66 * KB
    (said,) = read_all(store, LogFilter(0))
    assert said == (
        b"iris: 10 kB of this log are gone: above the bound of 64 kB per job "
        b"(retention/logs_per_job)\n"
    )
    newest = b"".join(read_all(store, LogFilter(19)))
    assert newest == b"".join(map(a_line, range(100)))


def test_what_is_gone_is_said_on_a_line_of_its_own_to_a_reader_in_a_line(
    tmp_path: Path,
):
    store = a_store(tmp_path)
    begun = store.append("j", Piece(0, 0, 0, b"half a li"), at=1.0)
    _, cursor = store.read("j", 0, ALL)

    flood = b"ne\n" + b"".join(map(a_line, range(1000)))
    for begin in range(0, len(flood), KB):
        piece = Piece(0, 0, begun + begin, flood[begin : begin + KB])
        store.append("j", piece, at=1.0)

    said = read_all(store, cursor=cursor)[0]
    assert said.startswith(b"\niris: ")
    assert b"are gone: above the bound of 16 kB per task" in said


def test_where_another_attempt_ended_within_a_line_what_is_gone_begins_its_own(
    tmp_path: Path,
):
    store = a_store(tmp_path, LogBounds(per_task=2 * KB, per_job=64 * KB))
    store.append("j", Piece(0, 0, 0, b"half a li"), at=1.0)
    for turn in range(10):
        store.append("j", Piece(0, 1, turn * KB, bytes(KB - 1) + b"\n"), at=1.0)

    first, said, *_ = read_all(store)
    assert first == b"half a li"
    assert said.startswith(b"\niris: ")


def test_a_cursor_stays_good_when_what_it_points_to_goes(tmp_path: Path):
    store = a_store(tmp_path)
    teller = Teller(store)
    teller.say(10)
    teller.say(10)
    (first, *_), cursor = store.read("j", 0, ALL, most_lines=1)

    for _ in range(100):
        teller.say(10)

    said, *rest = read_all(store, cursor=cursor)
    assert first.content.startswith(a_line(0))
    assert b"gone" in said
    assert b"".join(rest).endswith(a_line(1019))


def test_what_went_is_not_asked_for_again_after_a_restart(tmp_path: Path):
    teller = Teller(a_store(tmp_path))
    for _ in range(100):
        teller.say(10)

    again = a_store(tmp_path)

    assert again.have("j", 0, 0) == 100_000
    assert read_all(again) == read_all(teller.store)
    teller.store = again
    assert teller.say(10) == 101_000
    assert again.sizes() == {"j": bytes_on_disk(tmp_path)}


def test_a_log_that_floods_for_ever_takes_no_more_files(tmp_path: Path):
    store = a_store(tmp_path)
    teller = Teller(store)
    counts = []

    for _ in range(300):
        teller.say(20)
        counts.append(sum(1 for _ in tmp_path.rglob("*")))

    assert max(counts[100:]) <= 14


@given(
    said=st.lists(
        st.tuples(st.integers(0, 3), st.integers(1, 60), st.booleans()),
        min_size=20,
        max_size=60,
    )
)
@settings(max_examples=8, deadline=None)
def test_each_reader_meets_every_byte_or_its_absence_once(tmp_path_factory, said):
    folder = tmp_path_factory.mktemp("logs")
    teller = Teller(a_store(folder, LogBounds(8 * KB, 20 * KB)))
    for task, lines, restarts in said:
        teller.say(lines, task)
        if restarts:
            teller.store = a_store(folder, LogBounds(8 * KB, 20 * KB))

    for task, lines in teller.told.items():
        content = b"".join(read_all(teller.store, LogFilter(task)))
        kept = [line for line in content.splitlines() if line.isdigit()]
        assert kept == [a_line(n).strip() for n in range(lines - len(kept), lines)]
        assert len(kept) == lines or b"of this log are gone" in content
        assert len(kept) * 100 <= 8 * KB + 6000


@pytest.mark.parametrize("has_folder", [False, True])
def test_a_crash_between_two_files_leaves_a_log_that_reads_the_same(
    tmp_path: Path, has_folder: bool
):
    store = a_store(tmp_path)
    teller = Teller(store)
    for _ in range(5 if not has_folder else 40):
        teller.say(10)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    store.erase("j", Reason(WhyGone.TOTAL_BOUND, 5 * KB))
    for path, content in before.items():
        if path.parent != tmp_path:  # it was killed before it unlinked these
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)

    again = a_store(tmp_path)

    size = teller.told[0] // 10
    assert read_all(again) == [
        f"iris: {size} kB of this log are gone: above the bound of 5 kB for all logs "
        "(retention/logs)\n".encode()
    ]
    assert bytes_on_disk(tmp_path) < 100


class SmallDisk:
    """A disk that has room or has not."""

    def __init__(self) -> None:
        self.has_room = True

    def may_write(self) -> bool:
        return self.has_room


def test_what_a_full_disk_swallows_counts_as_come_and_is_said(tmp_path: Path):
    disk = SmallDisk()
    store = LogStore(tmp_path, Room(BOUNDS, disk.may_write))
    teller = Teller(store)
    teller.say(2)

    disk.has_room = False
    have = [teller.say(10) for _ in range(50)][-1]
    size = bytes_on_disk(tmp_path)
    store.say_lost()
    disk.has_room = True
    teller.say(1)

    assert have == 50_200
    assert size < KB
    first, said, last = read_all(store)
    assert first == a_line(0) + a_line(1)
    assert said == (
        b"\niris: 50 kB of this log are gone: the state disk was full when it came\n"
    )
    assert last == a_line(502)
    assert a_store(tmp_path).have("j", 0, 0) == 50_300


def test_a_deleted_log_leaves_nothing_and_drafts_of_a_crash_go(tmp_path: Path):
    teller = Teller(a_store(tmp_path))
    for _ in range(50):
        teller.say(10)
    teller.store.append("k", Piece(0, 0, 0, b"kept\n"), at=1.0)
    (tmp_path / "j.log.new").write_bytes(b"a draft")

    again = a_store(tmp_path)
    again.delete("j")

    assert [path.name for path in tmp_path.iterdir()] == ["k.log"]
    assert again.sizes().keys() == {"k"}
