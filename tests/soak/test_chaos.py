"""Seeded chaos on real parts: two seeds in every run, two hundred behind `soak`.

A failure prints its seed; `python -m simulators.chaos --seed S --out DIR` plays it again.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from simulators.chaos import BOTH, on_postgres, series
from simulators.chaos_house import prepare
from simulators.chaos_plan import Deed, plan
from simulators.mosquitto import find
from simulators.postgres import Postgres

SEEDS = range(1, 201)


@pytest.fixture(autouse=True)
def _mosquitto(missing_part: Callable[[str], None]) -> None:
    if find() is None:
        missing_part("mosquitto is not installed (Debian: mosquitto)")


def test_every_seed_has_every_deed_and_is_the_same_again() -> None:
    for seed in SEEDS:
        assert {step.deed for step in plan(seed)} == set(Deed)
        assert plan(seed) == plan(seed)
    assert len({plan(seed) for seed in SEEDS}) == len(SEEDS)


@pytest.mark.slow
def test_two_seeds_of_chaos(tmp_path: Path, postgres_server: Postgres) -> None:
    """One on each database, at the same time."""
    summary = series([2, 3], BOTH, prepare(tmp_path, postgres_server), tmp_path, jobs=2)
    assert (summary["failed"], summary["no_test"]) == ([], [])


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_two_hundred_seeds_of_chaos(tmp_path: Path, postgres_server: Postgres) -> None:
    summary = series(SEEDS, BOTH, prepare(tmp_path, postgres_server), tmp_path, jobs=4)
    assert (summary["failed"], summary["no_test"]) == ([], [])
    assert sum(on_postgres(seed, BOTH) for seed in SEEDS) == len(SEEDS) / 2
