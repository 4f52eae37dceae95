"""SSH is cut again and again: whoever follows hears every line, and none twice."""

from __future__ import annotations

import threading

import pytest

from iris.errors import Unreachable
from tests.support.eventually import eventually
from tests.support.far import far_away

CUTS = 100
COUNT = "i=0; while [ ! -e {stop} ]; do i=$((i+1)); echo line $i; sleep 0.005; done"


@pytest.fixture
def far(cluster):
    with far_away(cluster) as (session, server):
        yield session, server


def wait_until_up(session):
    def up():
        try:
            session.controller_url()
        except Unreachable:
            return False
        state = session.reach.tunnel.state()
        return state is not None and state.is_up

    eventually(up, within=20)


def in_background(work):
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


@pytest.mark.timeout(300)
def test_over_a_hundred_cuts_no_line_is_lost_and_none_comes_twice(cluster, far):
    session, server = far
    stop = cluster.folder / "stop"
    job = cluster.submit("sh", "-c", COUNT.format(stop=stop))
    output, ends, log = [], [], []

    def follow_output():
        with session.controller() as client:
            output.extend(piece.content for piece in client.follow_log(job.uid))

    def wait_for_end():
        with session.controller() as client:
            ends.append(client.wait_for_job(job.uid, 240))

    def follow_log():
        with session.controller() as client:
            for line in client.follow_controller_log(since=0):
                log.append(line)
                if "job succeeded" in line and job.name in line:
                    return

    followers = [in_background(w) for w in (follow_output, wait_for_end, follow_log)]
    eventually(lambda: cluster.client.job(job.uid).state == "running", within=30)
    for _ in range(CUTS):
        wait_until_up(session)
        eventually(server.cut)
    wait_until_up(session)
    stop.touch()
    for follower in followers:
        follower.join(60)

    lines = b"".join(output).splitlines()
    assert lines == [b"line %d" % (i + 1) for i in range(len(lines))]
    assert len(lines) > CUTS
    assert b"".join(output) == whole_output(cluster, job)
    assert [str(end.state) for end in ends] == ["succeeded"]
    assert len(log) == len(set(log)) or log == whole_log(cluster, len(log))


def whole_output(cluster, job):
    return b"".join(piece.content for piece in cluster.client.follow_log(job.uid))


def whole_log(cluster, count):
    return list(cluster.client.read_controller_log({"since": 0}).lines[:count])
