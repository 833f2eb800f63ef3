"""The eye as the rounds see it: one look in, one verdict out (fulfilled in eye_of.py / vision)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from patrol.domain.camera import Camera
from patrol.domain.ids import RoundId
from patrol.domain.observation import Light, Observation
from streams.model import Freshness, Picture, StreamFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One camera's pictures of one visit, with what is remembered of it."""

    camera: Camera
    round: RoundId | None
    pictures: tuple[Picture, ...]
    memories: Mapping[Light, bytes]
    freshness: Freshness
    facts: StreamFacts
    local: datetime  # when the last picture was taken, on the site's wall clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the eye makes of it."""

    pictures: tuple[Picture, ...]  # as they may be stored: zero outside the visible area
    usable: tuple[bool, ...]  # per picture
    best: int  # which of them shows it best
    faults: tuple[str, ...]
    light: Light
    observations: tuple[Observation, ...]
    readings: Mapping[str, float] = field(default_factory=dict)
    memories: Mapping[Light, bytes] = field(default_factory=dict)  # only those that changed


class Eye(Protocol):
    """Judges pictures; stateless, called from several threads."""

    def __call__(self, look: Look) -> Verdict:
        """Never raises for what a picture may contain."""
