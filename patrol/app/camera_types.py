"""What the pages of cameras need of the house: areas, the reference, live looks, the registry.

Fulfilled by patrol.app.camera_admin; every method may be called from any thread.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from patrol.domain.camera import Camera
from patrol.domain.ids import CameraId, Sha256
from patrol.domain.observation import Light


class ActionRefused(Exception):
    """Not possible here and now; says why."""


class ChangedMeanwhile(ActionRefused):
    """Somebody else changed it meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileProblem:
    """What a reader of the registry's files has to say."""

    file: str
    line: int
    field: str
    text: str


class RegistryRejected(Exception):
    """The files would not be in order; nothing was changed."""

    def __init__(self, problems: Sequence[FileProblem]) -> None:
        super().__init__(f"{len(problems)} problems")
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnAreas:
    """What zones.yaml says of a camera, as it is written there."""

    areas: Mapping[str, Any]
    version: str  # of this state: whoever saves says which one was changed


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraReference:
    """What a camera is compared with in one light, and whether it may be believed."""

    light: Light
    state: str  # learning, ready, suspended
    why: str  # it is suspended
    since: datetime | None
    samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceCandidate:
    """The picture that would become the reference."""

    picture: Sha256
    light: Light
    taken_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraChange:
    """One camera of an import."""

    kind: str  # added, changed, retired
    camera: CameraId
    name: str
    cells: tuple[tuple[str, str, str], ...] = ()  # column, before, after; addresses masked


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportPlan:
    """What an import would do."""

    version: str  # of the registry as it is and the file as it came
    changes: tuple[CameraChange, ...]
    unchanged: int
    notices: tuple[FileProblem, ...] = ()

    def of_kind(self, kind: str) -> tuple[CameraChange, ...]:
        """Those of one kind."""
        return tuple(change for change in self.changes if change.kind == kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveFrame:
    """One picture of a live look, masked."""

    jpeg: bytes = field(repr=False)
    taken_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveLimits:
    """How long, and how many at once."""

    duration_s: float
    max_viewers: int


class CameraDeps(Protocol):
    """The registry's files, what is remembered of a camera, and the camera itself."""

    @property
    def writable(self) -> bool:
        """Whether this house may write its configuration."""

    @property
    def live_limits(self) -> LiveLimits:
        """Of live looks."""

    def drawn_areas(self, camera: CameraId) -> DrawnAreas:
        """Raises CannotDo."""

    def save_areas(
        self, camera: CameraId, areas: Mapping[str, Any], *, version: str, by: str, why: str
    ) -> DrawnAreas:
        """Save. Raises Rejected, Changed, CannotDo."""

    def references(self, camera: Camera) -> Sequence[CameraReference]:
        """Per light in which it was seen."""

    def reference_candidate(self, camera: Camera) -> ReferenceCandidate | None:
        """The newest usable picture taken in the present visible area."""

    def accept_reference(self, camera: CameraId, picture: Sha256, *, by: str) -> None:
        """That picture is the reference from now on. Raises Changed, CannotDo."""

    def export_csv(self, *, by: str) -> bytes:
        """cameras.csv, passwords masked."""

    def plan_import(self, data: bytes) -> ImportPlan:
        """Raises Rejected."""

    def import_csv(self, data: bytes, *, version: str, by: str, why: str) -> ImportPlan:
        """Raises Rejected, Changed."""

    def live_frames(self, camera: CameraId) -> AsyncIterator[LiveFrame]:
        """Pictures as they come, until the time is up. Raises CannotDo when it must end early."""
