"""Stored pictures: the files, their index, what the eye remembers of a camera."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from patrol.domain.ids import CameraId, CaseId, GridCode, Sha256
from patrol.domain.observation import Light
from patrol.domain.picture_link import Opening
from patrol.domain.round import StoredPicture

SAMPLE = "sample"  # a look that showed nothing
GROUND = "ground"  # a photo that somebody at the place sent: no camera's
ROOM_NEEDED = "sample, room was needed"


class EvidenceFull(Exception):
    """The evidence store cannot take more (disk full, quota). Stops the round, which resumes."""


class EvidenceStore(Protocol):
    """Pictures named by their content."""

    def put(self, jpeg: bytes) -> Sha256:
        """Keep it, durably; the same bytes twice are one file. Raises EvidenceFull."""

    def get(self, sha256: Sha256) -> bytes:
        """The bytes, checked against their name. Raises KeyError when there is none."""

    def delete(self, sha256: Sha256) -> bool:
        """Remove it; False when there was none."""


class Pictures(Protocol):
    """The index of stored pictures and the ledger of their deletion."""

    def get(self, sha256: Sha256) -> StoredPicture | None:
        """None when it was never stored, or is deleted."""

    def add(self, picture: StoredPicture) -> None:
        """Index a picture that belongs to no visit; the same content twice lives the longer."""

    def keep(self, sha256: Sha256, *, purpose: str, until: datetime) -> bool:
        """Evidence of a case outlives the sample that it was; never shortens a life.

        False: it is not stored (any more).
        """

    def make_room(self, *, most_bytes: int, now: datetime) -> int:
        """Where more than that is stored, the oldest samples fall due now; how many.

        Only looks that showed nothing (purpose "sample"): never what a finding or a case stands
        on. The ledger tells them by their purpose, ROOM_NEEDED.
        """

    def expired(self, now: datetime, *, limit: int = 500) -> Sequence[StoredPicture]:
        """Whose time has come."""

    def deleted(self, sha256: Sha256, now: datetime) -> None:
        """Write the deletion into the ledger and drop the index row."""


class PictureLinks(Protocol):
    """One-time links to the pictures of cases: the key that seals them, and who opened which."""

    def key(self, fresh: bytes) -> bytes:
        """The site's own; `fresh` becomes it where there is none yet."""

    def open(self, opening: Opening) -> bool:
        """Write down that it was opened; False when that link was opened before."""

    def openings(self, case_id: CaseId, grid: GridCode) -> Sequence[Opening]:
        """Of this case as told to this grid."""


class Memories(Protocol):
    """What the machine's eye remembers of a camera: opaque bytes, written by patrol.vision."""

    def get(self, camera: CameraId, light: Light) -> bytes | None:
        """None before the first accepted sample."""

    def put(self, camera: CameraId, light: Light, blob: bytes, now: datetime) -> None:
        """Replace."""

    def forget(self, camera: CameraId) -> None:
        """Drop all of it: the camera moved, the household withdrew."""
