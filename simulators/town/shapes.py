"""The town's grids as areas on the map: each village a round of eighths, one for each group."""

from typing import Any

import numpy as np

from simulators.town.cameras import GROUP_SECTORS, village_centre
from simulators.town.grids import VILLAGES, group_code, village_code

REACH = (0.0125, 0.0098)  # degrees east and north: just beyond the cameras of a group
STEPS = 6  # straight pieces of an eighth's arc

Ring = list[list[float]]


def outlines() -> dict[str, Any]:
    """A GeoJSON document, grid by grid."""
    features = []
    for village, _, groups in VILLAGES:
        turns = [2 * np.pi * (group + 0.5) / GROUP_SECTORS for group in range(groups + 1)]
        features.append(_feature(village_code(village), _sector(village, turns[0], turns[-1])))
        for group in range(1, groups + 1):
            ring = _sector(village, turns[group - 1], turns[group])
            features.append(_feature(group_code(village, group), ring))
    return {"type": "FeatureCollection", "features": features}


def _feature(code: str, ring: Ring) -> dict[str, Any]:
    geometry = {"type": "Polygon", "coordinates": [ring]}
    return {"type": "Feature", "properties": {"grid_code": code}, "geometry": geometry}


def _sector(village: str, start: float, end: float) -> Ring:
    east, north = village_centre(village)
    pieces = max(STEPS, round(STEPS * (end - start) / (2 * np.pi / GROUP_SECTORS)))
    arc = [
        [round(east + REACH[0] * np.cos(turn), 6), round(north + REACH[1] * np.sin(turn), 6)]
        for turn in np.linspace(start, end, pieces + 1)
    ]
    whole = end - start > 2 * np.pi - 0.01
    middle = [] if whole else [[round(east, 6), round(north, 6)]]
    ring = [*middle, *arc]
    return [*ring, ring[0]]
