"""The program that travels, run as a worker would run it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

from iris import validation
from tests.support.eventually import eventually

MEMBER = Path(validation.__file__).with_name("member.py")
CONTRACT = {
    "IRIS_CLUSTER": "c",
    "IRIS_JOB": "validate-gang",
    "IRIS_ATTEMPT": "0",
    "IRIS_ATTEMPT_UID": "a-1",
    "IRIS_SLICE": "c-v5e-16-abcdef",
    "TPU_WORKER_HOSTNAMES": "127.0.0.1,127.0.0.1,127.0.0.1",
}


def start(*words, index=0, members=3, **variables):
    env = CONTRACT | {
        "PATH": os.environ["PATH"],
        "IRIS_TASK_INDEX": str(index),
        "TPU_WORKER_ID": str(index),
        "IRIS_NUM_TASKS": str(members),
        **variables,
    }
    return subprocess.Popen(
        [sys.executable, str(MEMBER), *words],
        env={name: value for name, value in env.items() if value},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(process):
    said, complained = process.communicate(timeout=30)
    return process.returncode, said, complained


def a_free_address():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


def test_arguments_arrive_as_they_were_sent():
    status, said, _ = end(start("compute", "4", "2", "two words", "", "naïve"))

    answer = {"task": 0, "total": 28, "words": ["two words", "", "naïve"]}
    assert (status, json.loads(said)) == (0, answer)


def test_a_variable_that_is_not_there_is_named():
    status, said, complained = end(start("place", IRIS_SLICE=""))

    assert (status, said) == (1, "")
    assert "lacks IRIS_SLICE" in complained


def test_members_that_start_in_any_order_hold_the_same_words():
    address = a_free_address()

    processes = [
        start("meet", index=index, IRIS_COORDINATOR=address) for index in (2, 0, 1)
    ]
    ends = [end(process) for process in processes]

    assert [status for status, _, _ in ends] == [0, 0, 0]
    answers = [json.loads(said) for _, said, _ in ends]
    assert {answer["members"] for answer in answers} == {3}
    assert len({answer["digest"] for answer in answers}) == 1
    assert len({answer["word"] for answer in answers}) == 3


def test_a_member_that_leaves_before_the_others_have_come_is_not_met():
    address = a_free_address()
    where, _, port = address.partition(":")
    first = start("meet", index=0, members=2, IRIS_COORDINATOR=address)

    connection = _connect(where, int(port))
    connection.sendall(b'{"task": 1, "word": "bye"}\n')
    connection.close()
    status, said, complained = end(first)

    assert (status, said) == (1, "")
    assert "fell short" in complained


def _connect(where, port):
    def reached():
        try:
            return socket.create_connection((where, port))
        except OSError:
            return None

    return eventually(reached)
