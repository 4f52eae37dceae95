"""What State tells the attempt that follows another."""

from __future__ import annotations

from tests.support.fleet import CPU, Fleet, ran


def test_the_next_attempt_is_told_why_it_exists():
    fleet = Fleet()
    (worker,) = fleet.boot(CPU)
    job = fleet.submit(checkpoint_dir="gs://there", signal="SIGUSR1")
    (uid,) = fleet.place(job, worker)
    first = fleet.beat(worker, []).attempts[0].spec
    fleet.beat(worker, [ran(uid)])
    fleet.beat(worker, [])

    fleet.place(job, worker)
    second = fleet.beat(worker, []).attempts[0].spec

    assert first.resumes == ""
    assert "no longer knows" in second.resumes
    for spec in (first, second):
        assert (spec.checkpoint_dir, spec.signal) == ("gs://there", "SIGUSR1")
