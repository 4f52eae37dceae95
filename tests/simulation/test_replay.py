"""A seed replays byte for byte, in any process, and a broken one shows its trace."""

from __future__ import annotations

import os
import subprocess
import sys

import msgspec
import pytest

from iris.domain.seeds import SeedResult
from iris.errors import FellShort
from iris.operations.simulate import Simulated, require_kept
from iris.simulation.faults import CLIMATES, climate_of
from iris.simulation.run import Simulation, simulate
from iris.simulation.truth import BrokenPromise
from iris.simulation.world import HOUR

DAYS = 0.1


def run_apart(seed: int, hash_seed: str) -> SeedResult:
    """One seed in a process in which sets have another order."""
    command = [sys.executable, "-m", "iris.simulation", "--seeds", "1", "--json"]
    command += ["--first", str(seed), "--days", str(DAYS), "--trace"]
    environment = os.environ | {"PYTHONHASHSEED": hash_seed}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    return msgspec.json.decode(done.stdout, type=SeedResult)


@pytest.mark.parametrize("seed", range(3, 3 + len(CLIMATES)))
def test_the_same_seed_gives_the_same_trace(seed: int):
    first = run_apart(seed, hash_seed="1")
    second = run_apart(seed, hash_seed="2")

    assert first.trace == second.trace
    assert first.digest == second.digest


def test_another_seed_gives_another_trace():
    assert simulate(1, DAYS).digest != simulate(2, DAYS).digest


def test_every_climate_is_met_by_some_seed():
    met = {climate_of(seed) for seed in range(1, 21)}

    assert met == set(CLIMATES)


def break_after_an_hour(simulation: Simulation) -> None:
    def break_it() -> None:
        raise BrokenPromise("a promise that somebody broke")

    simulation.world.after(1 * HOUR, break_it)


def test_a_broken_seed_shows_what_when_and_the_end_of_its_trace():
    result = simulate(1, DAYS, sabotage=break_after_an_hour)

    assert not result.is_kept
    assert result.broken == "BrokenPromise: a promise that somebody broke"
    assert result.broken_at == "0d01:00:00.000"
    assert 20 < len(result.trace) < 200
    assert "BROKEN" in result.trace[-1]


def test_a_kept_seed_has_no_trace_unless_asked_for():
    short = simulate(1, DAYS)
    long = simulate(1, DAYS, keep_all=True)

    assert short.trace == ()
    assert len(long.trace) > 200
    assert short.digest == long.digest


def test_a_broken_seed_fails_the_operation_and_names_its_replay():
    broken = simulate(7, DAYS, sabotage=break_after_an_hour)
    found = Simulated(3, 6, DAYS, 0, 0, 0, 0, broken=(broken,))

    with pytest.raises(FellShort, match="1 of 3 seeds broke a promise: 7") as told:
        require_kept(found)

    assert "--first 7" in told.value.hint
