"""Seeded chaos on real parts: a few seeds in every run, two hundred behind `soak`.

A failure prints its seed; `python -m simulators.chaos --seed S --out DIR` plays it again.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from simulators.chaos import play
from simulators.mosquitto import find

SEEDS = 200


@pytest.fixture(autouse=True)
def _mosquitto(missing_part: Callable[[str], None]) -> None:
    if find() is None:
        missing_part("mosquitto is not installed (Debian: mosquitto)")


def survives(folder: Path, seed: int, database: str = "") -> None:
    done = play(folder, seed, database)
    assert done["problems"] == [], f"replay: python -m simulators.chaos --seed {seed}"
    assert done["said"] > 0
    assert done["did"]["confirmed"] > 0


@pytest.mark.slow
def test_chaos_on_sqlite(tmp_path: Path) -> None:
    survives(tmp_path, 2)


@pytest.mark.slow
def test_chaos_on_postgresql(tmp_path: Path, postgres_database: str) -> None:
    survives(tmp_path, 3, postgres_database)


@pytest.mark.soak
@pytest.mark.timeout(400)
@pytest.mark.parametrize("seed", range(1, SEEDS, 2))
def test_seeds_of_chaos_on_sqlite(tmp_path: Path, seed: int) -> None:
    survives(tmp_path, seed)


@pytest.mark.soak
@pytest.mark.timeout(400)
@pytest.mark.parametrize("seed", range(2, SEEDS + 1, 2))
def test_seeds_of_chaos_on_postgresql(tmp_path: Path, seed: int, postgres_database: str) -> None:
    survives(tmp_path, seed, postgres_database)
