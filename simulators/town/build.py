"""One seed, one day, one number of cameras: one town, always the same."""

from datetime import date

import numpy as np

from simulators.scenes.catalogue import catalogue
from simulators.town.cameras import Habits, all_cameras
from simulators.town.grids import all_grids, all_people
from simulators.town.model import Town


def build_town(
    *, count: int, seed: int, today: date, faults: str = "town", profile: str = "town"
) -> Town:
    """The whole town; the draws for people and cameras are independent of each other."""
    habits = Habits(scenes=catalogue(profile), faults=faults, all_allowed=profile == "bench")
    return Town(
        seed=seed,
        today=today,
        grids=all_grids(),
        people=all_people(np.random.default_rng([seed, 1])),
        cameras=all_cameras(count, habits, today, np.random.default_rng([seed, 2])),
    )
