"""A camera of the registry (一机一档) and whether we may look through it at all."""

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum, auto

from patrol.domain.ids import CameraId, GridCode, LinkId
from patrol.domain.zone import PictureAreas


class Placement(StrEnum):
    """Where it hangs; only OUTDOOR is ever patrolled."""

    OUTDOOR = auto()
    INDOOR = auto()
    UNKNOWN = auto()


class ConsentState(StrEnum):
    """What the household said."""

    GRANTED = auto()
    PENDING = auto()
    WITHDRAWN = auto()


class Priority(StrEnum):
    """KEY cameras (重点部位) are visited first."""

    NORMAL = auto()
    KEY = auto()


class Refusal(StrEnum):
    """Why a camera is not connected to. Counted beside the round, never inside it."""

    CONSENT_PENDING = auto()
    CONSENT_WITHDRAWN = auto()
    CONSENT_EXPIRED = auto()
    CONSENT_UNDATED = auto()
    INDOOR = auto()
    PLACEMENT_UNKNOWN = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """A household's consent: its state and the last day on which it holds."""

    state: ConsentState
    until: date | None = None

    def why_not(self, today: date) -> Refusal | None:
        """The reason not to look on the local day `today`, or None."""
        if self.state is ConsentState.PENDING:
            return Refusal.CONSENT_PENDING
        if self.state is ConsentState.WITHDRAWN:
            return Refusal.CONSENT_WITHDRAWN
        if self.until is None:
            return Refusal.CONSENT_UNDATED
        return Refusal.CONSENT_EXPIRED if today > self.until else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """One household camera. URLs are secrets: they never print and are never stored."""

    id: CameraId
    name: str
    grid: GridCode
    place: str
    url: str = field(repr=False)
    link: LinkId
    consent: Consent
    placement: Placement
    sub_url: str = field(default="", repr=False)
    household_ref: str = ""
    priority: Priority = Priority.NORMAL
    tags: frozenset[str] = frozenset()
    longitude: float | None = None
    latitude: float | None = None
    areas: PictureAreas = field(default_factory=PictureAreas)

    def why_not(self, today: date) -> Refusal | None:
        """The reason not to connect on the local day `today`, or None when it may be patrolled."""
        if self.placement is Placement.INDOOR:
            return Refusal.INDOOR
        if self.placement is Placement.UNKNOWN:
            return Refusal.PLACEMENT_UNKNOWN
        return self.consent.why_not(today)
