"""Points (巡防点位) of points.csv: places where a patrol on the ground checks in. Pure."""

from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Final

from patrol.domain.ids import GridCode

DEFAULT_RADIUS_M: Final = 100.0


class PointKind(StrEnum):
    """What a point is: column `kind` of points.csv."""

    GRID = auto()  # on the ordinary beat of a grid
    KEY_SITE = auto()  # 重点部位
    RAILWAY = auto()  # a railway section


@dataclass(frozen=True, slots=True, kw_only=True)
class PatrolPoint:
    """A place where a patrol checks in; it may carry a QR code, a tag, or neither."""

    id: str
    name: str
    kind: PointKind
    grid: GridCode
    longitude: float | None = None  # WGS-84
    latitude: float | None = None
    radius_m: float = DEFAULT_RADIUS_M  # how far from it a person still is there
    code_version: int = 1  # raised to make printed codes worthless

    @property
    def position(self) -> tuple[float, float] | None:
        """(longitude, latitude); None where it was not measured."""
        if self.longitude is None or self.latitude is None:
            return None
        return self.longitude, self.latitude
