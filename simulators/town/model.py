"""The town as plain data: grids, people, cameras, each with what only the simulator knows."""

from dataclasses import dataclass
from datetime import date

from patrol.domain.camera import ConsentState, Placement, Priority
from patrol.domain.ids import CameraId, GridCode, LinkId
from patrol.domain.registry import Grid, Person
from simulators.faults import CameraFault


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """How a camera asks for a password: `scheme` is one of simulators.rtsp_farm.auth's."""

    scheme: str
    user: str
    password: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TownCamera:
    """One camera of the registry, with the truth about it."""

    id: CameraId
    name: str
    grid: GridCode
    village: str  # its three digits
    place: str
    link: LinkId
    household_ref: str
    placement: Placement
    consent: ConsentState
    consent_until: date | None
    priority: Priority
    tags: tuple[str, ...]
    longitude: float
    latitude: float
    login: Login
    scene: str  # what it shows now, by the name in the scene catalogue
    clean: str  # what it shows when nothing is wrong
    fault: CameraFault
    phase: int  # frames by which its timeline is ahead of the farm's

    def patrolled(self, today: date) -> bool:
        """Whether a round may connect to it on `today`."""
        return (
            self.placement is Placement.OUTDOOR
            and self.consent is ConsentState.GRANTED
            and self.consent_until is not None
            and today <= self.consent_until
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Town:
    """The data that the configuration and the farm are made from."""

    seed: int
    today: date
    grids: tuple[Grid, ...]
    people: tuple[Person, ...]
    cameras: tuple[TownCamera, ...]
