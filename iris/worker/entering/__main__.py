"""`python -m iris.worker.entering UID`: a command in the folder of an attempt.

What to run, and what is typed, comes over stdin as iris/domain/entering.py says; what
the command prints goes out as it is, and its exit status is ours.
"""

from __future__ import annotations

import argparse
import os
import select
import sys
from collections.abc import Iterator

import msgspec

from iris.domain.entering import Enter, Said, decode
from iris.domain.framing import Reader
from iris.errors import IrisError, UsageError
from iris.worker.entering.place import find_place
from iris.worker.entering.unread import MOST, Unread
from iris.worker.entering.visit import STALLED_AFTER, Visit

PATIENCE = 30.0  # seconds for the first words


def main() -> int:
    """Let one visitor in."""
    parser = argparse.ArgumentParser(prog="iris.worker.entering", description=__doc__)
    parser.add_argument("uid", help="the attempt's uid")
    parser.add_argument("--stalled-after", type=float, default=STALLED_AFTER)
    parser.add_argument("--most-unread", type=int, default=MOST, help="bytes on disk")
    words = parser.parse_args()
    try:
        reader = Reader()
        enter, *more = _first_words(reader)
        if not isinstance(enter, Enter):
            raise UsageError(f"the first words are no greeting: {type(enter).__name__}")
        place = find_place(words.uid)
        unread = Unread(place.vm.root, words.most_unread)
        return Visit(place, enter, reader, unread, words.stalled_after).run(more)
    except msgspec.MsgspecError as error:
        sys.stderr.write(f"iris: the visitor is not understood: {error}\n")
    except IrisError as error:
        hint = f"\nhint: {error.hint}" if error.hint else ""
        sys.stderr.write(f"iris: {error}{hint}\n")
    return 1


def _first_words(reader: Reader) -> Iterator[Said]:
    while select.select([0], [], [], PATIENCE)[0]:
        arrived = os.read(0, 1 << 16)
        if not arrived:
            break
        said = [decode(body) for body in reader.feed(arrived)]
        if said:
            return iter(said)
    raise UsageError("nobody said what to run")


if __name__ == "__main__":
    sys.exit(main())
