"""Stoppage: what is deliberately not patrolled for a while — all rounds, or some cameras' upkeep.

Always somebody's, always with a reason, always listed; one that ended stays in the books. A camera
that a stoppage holds is left out of a round and counted there with this reason, never as missed.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, auto

from patrol.domain.camera import Camera
from patrol.domain.grid import GridTree

IN_MAINTENANCE = "in_maintenance"  # counted beside a round with the refusals of consent


class Scope(StrEnum):
    """What is stopped."""

    ROUNDS = auto()  # paused: no round begins, one under way is interrupted
    CAMERA = auto()  # in maintenance, as are the next two
    LINK = auto()
    GRID = auto()  # a village, or any other grid with all below it


@dataclass(frozen=True, slots=True, kw_only=True)
class Stoppage:
    """From `start` until before `until` (None: until somebody ends it)."""

    scope: Scope
    start: datetime  # UTC
    reason: str
    by: str
    subject: str = ""  # camera id, link, grid code; empty for rounds
    until: datetime | None = None
    number: int = 0  # given by the store; 0: written in site.yaml
    said_at: datetime | None = None
    ended_at: datetime | None = None
    ended_by: str = ""

    def __post_init__(self) -> None:
        if self.until is not None and self.until <= self.start:
            raise ValueError("a stoppage ends after it begins")
        if not self.reason.strip():
            raise ValueError("a stoppage needs its reason")
        if (self.scope is Scope.ROUNDS) != (not self.subject):
            raise ValueError("a stoppage of cameras names them, one of all rounds names none")

    def holds(self, at: datetime) -> bool:
        """Whether it is in force at `at`."""
        return self.start <= at and not self.is_over(at)

    def is_over(self, at: datetime) -> bool:
        """Whether its time has run out, or somebody ended it, by `at`."""
        ends = [end for end in (self.until, self.ended_at) if end is not None]
        return bool(ends) and min(ends) <= at

    def covers(self, camera: Camera, tree: GridTree) -> bool:
        """Whether this camera is meant; never true of a pause of all rounds."""
        if self.scope is Scope.CAMERA:
            return camera.id == self.subject
        if self.scope is Scope.LINK:
            return camera.link == self.subject
        if self.scope is Scope.GRID:
            known = camera.grid in tree.grids
            return known and any(grid.code == self.subject for grid in tree.path_up(camera.grid))
        return False

    @property
    def words(self) -> str:
        """For logs and the reason of a missed round."""
        what = "paused" if self.scope is Scope.ROUNDS else f"{self.scope} {self.subject} stopped"
        return f"{what} by {self.by}: {self.reason}"


def pause_at(stoppages: Iterable[Stoppage], at: datetime) -> Stoppage | None:
    """The pause of all rounds that was in force at `at`, the earliest if there are several."""
    holding = [s for s in stoppages if s.scope is Scope.ROUNDS and s.holds(at)]
    return min(holding, key=lambda s: s.start, default=None)


def upkeep_of(
    camera: Camera, stoppages: Iterable[Stoppage], tree: GridTree, at: datetime
) -> Stoppage | None:
    """The maintenance that this camera is in at `at`, or None."""
    return next((s for s in stoppages if s.holds(at) and s.covers(camera, tree)), None)
