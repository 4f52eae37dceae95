"""What is typed and not read: in order, wherever it is kept."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from iris.worker.entering.unread import MOST_IN_MEMORY, Unread
from tests.support.small_disk import small_disk

PIECE = 1 << 18


def read_all(unread: Unread) -> bytes:
    found = b""
    while piece := unread.first(PIECE):
        unread.drop(len(piece))
        found += piece
    return found


@pytest.mark.parametrize("seed", range(3))
def test_it_comes_out_as_it_went_in(tmp_path: Path, seed: int):
    chance = random.Random(seed)
    unread, went_in, came_out = Unread(tmp_path), b"", b""

    for turn in range(200):
        piece = chance.randbytes(chance.randrange(1, PIECE))
        unread.add(piece)
        went_in += piece
        for _ in range(chance.randrange(1 + turn // 60)):
            first = unread.first(chance.randrange(1, PIECE))
            unread.drop(len(first))
            came_out += first

    assert came_out + read_all(unread) == went_in
    assert not unread
    assert list(tmp_path.iterdir()) == []


def test_it_is_full_above_its_bound_until_what_is_on_disk_is_read(tmp_path: Path):
    unread = Unread(tmp_path, most=1000)

    unread.add(bytes(MOST_IN_MEMORY))
    before = unread.is_full
    unread.add(bytes(1000))
    after = unread.is_full

    assert (before, after) == (False, True)
    assert len(read_all(unread)) == MOST_IN_MEMORY + 1000
    assert not unread.is_full


def test_what_passes_through_does_not_fill_it(tmp_path: Path):
    unread, went_in, came_out = Unread(tmp_path, most=3 * PIECE), b"", b""
    unread.add(bytes(MOST_IN_MEMORY))
    for fill in (b"a" * PIECE, b"b" * (PIECE // 2)):
        unread.add(fill)  # on disk, as all that follows
        went_in += fill
    unread.drop(MOST_IN_MEMORY)

    for turn in range(100):
        piece = bytes([turn]) * PIECE
        unread.add(piece)
        went_in += piece
        first = unread.first(PIECE)
        unread.drop(len(first))
        came_out += first
        assert not unread.is_full

    assert came_out + read_all(unread) == went_in


def test_a_full_disk_loses_nothing(tmp_path: Path):
    pieces = [bytes([turn]) * (1 << 20) for turn in range(14)]

    with small_disk(tmp_path / "disk", megabytes=2) as disk:
        unread = Unread(disk)
        fullness = []
        for piece in pieces:
            unread.add(piece)
            fullness.append(unread.is_full)
        found = read_all(unread)

    assert fullness.index(True) in (9, 10)
    assert found == b"".join(pieces)
