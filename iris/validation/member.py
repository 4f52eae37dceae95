"""The program of one task of `inv validate`: `python member.py WHAT [ARGUMENT...]`.

It runs on any worker with nothing but Python: no import of Iris. What it found is one
line of JSON; it exits with 1, and a line that says why, where something fell short.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import secrets
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

DEADLINE = 60.0  # seconds for all members to find each other
PAUSE = 0.05  # seconds between tries to reach the coordinator
CONTRACT = (
    *("IRIS_CLUSTER", "IRIS_JOB", "IRIS_TASK_INDEX", "IRIS_NUM_TASKS"),
    *("IRIS_ATTEMPT", "IRIS_ATTEMPT_UID", "IRIS_SLICE"),
    *("TPU_WORKER_ID", "TPU_WORKER_HOSTNAMES"),
)
Answer = dict[str, Any]


def place() -> Answer:
    """Where this task runs; every variable of the contract has to be there."""
    lacking = [name for name in CONTRACT if not os.environ.get(name)]
    if lacking:
        raise RuntimeError(f"the environment lacks {', '.join(lacking)}")
    return {
        "slice": os.environ["IRIS_SLICE"],
        "worker": int(os.environ["TPU_WORKER_ID"]),
        "address": os.environ["TPU_WORKER_HOSTNAMES"].split(",")[_worker()],
        "python": sys.version.split()[0],
    }


def compute(count: str, factor: str, *words: str) -> Answer:
    """A sum that takes a moment, and the words just as they arrived."""
    total = 0
    for number in range(int(count)):
        total += int(factor) * number * number
    return {"total": total, "words": list(words)}


def meet() -> Answer:
    """Exchange a random word with all others while all of them are there."""
    word = secrets.token_hex(8)
    index, members = _index(), _members()
    exchange = _gather if index == 0 else _join
    words = exchange(_coordinator(), index, members, word)
    if len(words) != members or words[str(index)] != word:
        raise RuntimeError(f"{members} members were expected, met: {sorted(words)}")
    digest = hashlib.sha256(json.dumps(words, sort_keys=True).encode()).hexdigest()
    return {"members": len(words), "word": word, "digest": digest}


def psum() -> Answer:
    """Add up over all members by JAX, where it can be imported."""
    try:
        jax: Any = importlib.import_module("jax")
    except ImportError:
        return {"jax": ""}

    address, port = _coordinator()
    jax.distributed.initialize(
        coordinator_address=f"{address}:{port}",
        num_processes=_members(),
        process_id=_index(),
        initialization_timeout=int(DEADLINE),
    )
    local = jax.local_device_count()
    add = jax.pmap(lambda value: jax.lax.psum(value, "all"), axis_name="all")
    # each device of member i holds i + 1
    total = int(add(jax.numpy.full((local,), _index() + 1))[0])
    found = {"jax": jax.__version__, "total": total, "local_devices": local}
    jax.distributed.shutdown()
    return found


def stay(seconds: str) -> Answer:
    """Hold the slice for a moment, and say from when until when."""
    began = time.time()
    time.sleep(float(seconds))
    return {"slice": os.environ["IRIS_SLICE"], "began": began, "ended": time.time()}


# -- the meeting: the coordinator answers only once all the others are connected -----


def _gather(
    address: tuple[str, int], index: int, members: int, word: str
) -> dict[str, str]:
    words = {str(index): word}
    with socket.create_server(address) as server, ExitStack() as lines:
        server.settimeout(DEADLINE)
        connected: list[Any] = []
        while len(connected) < members - 1:
            connection, _ = server.accept()
            line = lines.enter_context(_spoken(connection))
            said = json.loads(line.readline())
            words[str(said["task"])] = said["word"]
            connected.append(line)
        for line in connected:
            _say(line, words)
        # all are still there: each has to say so before any may leave
        if [line.readline() for line in connected] != ["here\n"] * len(connected):
            raise RuntimeError("a member left before the others had met it")
        for line in connected:
            _say(line, "go")
    return words


def _join(
    address: tuple[str, int], index: int, members: int, word: str
) -> dict[str, str]:
    with _spoken(_connect(address)) as line:
        _say(line, {"task": index, "word": word})
        words: dict[str, str] = json.loads(line.readline())
        line.write("here\n")
        line.flush()
        if json.loads(line.readline()) != "go":
            raise RuntimeError("the coordinator left before all had met")
    return words


def _connect(address: tuple[str, int]) -> socket.socket:
    until = time.monotonic() + DEADLINE
    while True:
        try:
            return socket.create_connection(address, timeout=DEADLINE)
        except OSError as error:
            if time.monotonic() > until:
                where = f"{address[0]}:{address[1]}"
                raise RuntimeError(f"no coordinator at {where}: {error}") from error
        time.sleep(PAUSE)  # task 0 starts when we do, and may not listen yet


@contextmanager
def _spoken(connection: socket.socket) -> Iterator[Any]:
    connection.settimeout(DEADLINE)
    with connection, connection.makefile("rw", encoding="utf-8") as line:
        yield line


def _say(line: Any, words: object) -> None:
    line.write(json.dumps(words) + "\n")
    line.flush()


# -- what the environment says -------------------------------------------------------


def _coordinator() -> tuple[str, int]:
    address, _, port = os.environ["IRIS_COORDINATOR"].rpartition(":")
    return address, int(port)


def _index() -> int:
    return int(os.environ["IRIS_TASK_INDEX"])


def _members() -> int:
    return int(os.environ["IRIS_NUM_TASKS"])


def _worker() -> int:
    return int(os.environ["TPU_WORKER_ID"])


WHAT: dict[str, Callable[..., Answer]] = {
    "place": place,
    "compute": compute,
    "meet": meet,
    "psum": psum,
    "stay": stay,
}


def main() -> None:
    """Do what the first word says, and say what came of it."""
    what, arguments = sys.argv[1], sys.argv[2:]
    try:
        answer = WHAT[what](*arguments)
    except (RuntimeError, OSError, ValueError) as error:
        sys.exit(f"{what} fell short: {error}")
    sys.stdout.write(json.dumps({"task": _index(), **answer}) + "\n")


if __name__ == "__main__":
    main()
