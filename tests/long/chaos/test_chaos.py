"""Seeded chaos on real parts: two seeds in every run, two hundred behind `soak`.

A failure prints its seed; `python -m tests.long.chaos.run_seeds --seed S --out DIR` plays it again.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from simulators.mosquitto import find_mosquitto
from tests.long.chaos.databases import prepare_environment
from tests.long.chaos.plan import ChaosAction, plan_steps
from tests.long.chaos.run_seeds import BOTH, on_postgres, run_seeds
from tests.support.postgres import PostgresServer

SEEDS = range(1, 201)


@pytest.fixture(autouse=True)
def _mosquitto(missing_part: Callable[[str], None]) -> None:
    if find_mosquitto() is None:
        missing_part("mosquitto is not installed (Debian: mosquitto)")


def test_every_seed_has_every_action_and_is_the_same_again() -> None:
    for seed in SEEDS:
        assert {step.action for step in plan_steps(seed)} == set(ChaosAction)
        assert plan_steps(seed) == plan_steps(seed)
    assert len({plan_steps(seed) for seed in SEEDS}) == len(SEEDS)


@pytest.mark.slow
def test_two_seeds_of_chaos(tmp_path: Path, postgres_server: PostgresServer) -> None:
    """One on each database, at the same time."""
    summary = run_seeds(
        [2, 3], BOTH, prepare_environment(tmp_path, postgres_server), tmp_path, jobs=2
    )
    assert (summary["failed"], summary["no_test"]) == ([], [])


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_two_hundred_seeds_of_chaos(tmp_path: Path, postgres_server: PostgresServer) -> None:
    summary = run_seeds(
        SEEDS, BOTH, prepare_environment(tmp_path, postgres_server), tmp_path, jobs=4
    )
    assert (summary["failed"], summary["no_test"]) == ([], [])
    assert sum(on_postgres(seed, BOTH) for seed in SEEDS) == len(SEEDS) / 2
