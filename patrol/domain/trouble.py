"""Trouble: one item of the maintenance queue, on the clock of level IV (domain.md).

A camera that is offline or faulty, or a whole link or village: then its cameras have none of their
own. Troubles close by themselves when a round sees the thing well again; they are never deleted.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum, auto

from patrol.domain.ids import CameraId
from patrol.domain.levels import CLOCKS, Lamp, Level, lamp

CLOCK = CLOCKS[Level.NOTE]


class TroubleKind(StrEnum):
    """What is in trouble."""

    CAMERA = auto()
    LINK = auto()
    VILLAGE = auto()


class AlreadyTaken(Exception):
    """Somebody was first; says who and when."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """From the round that found it to the round that saw it gone."""

    kind: TroubleKind
    subject: str  # camera id, link, grid code of the village
    state: str  # offline, faulty; down for a group
    since: datetime
    opened_at: datetime
    why: str
    cameras: tuple[CameraId, ...]  # whom it concerns; the first speaks for a group on MQTT
    number: int = 0  # given by the store
    taken_at: datetime | None = None
    taken_by: str = ""
    closed_at: datetime | None = None
    closed_why: str = ""

    @property
    def due_at(self) -> datetime:
        """Until when it should be gone."""
        return self.opened_at + CLOCK.close

    def light(self, now: datetime) -> Lamp:
        """The worse of the two limits that still run."""
        if self.taken_at is None and lamp(self.opened_at, CLOCK.acknowledge, now) is Lamp.RED:
            return Lamp.RED
        return lamp(self.opened_at, CLOCK.close, now)

    def take(self, *, by: str, now: datetime) -> "Trouble":
        """A maintainer sees to it. Raises AlreadyTaken."""
        if self.closed_at is not None:
            raise AlreadyTaken(f"trouble {self.number} is over: {self.closed_why}")
        if self.taken_at is not None:
            raise AlreadyTaken(
                f"trouble {self.number} was taken by {self.taken_by}"
                f" at {self.taken_at:%Y-%m-%dT%H:%M:%SZ}"
            )
        return replace(self, taken_at=now, taken_by=by)

    def close(self, why: str, now: datetime) -> "Trouble":
        """It is over."""
        return replace(self, closed_at=now, closed_why=why)
