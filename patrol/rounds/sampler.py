"""The blind sample as a round sees it: told when a round begins, of each visit, and when it ends.

What is drawn and how it looks is the review room's (patrol.review.sample); no round knows.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Protocol

from patrol.domain.camera import Camera
from patrol.domain.ids import CameraId, RoundId
from patrol.domain.observation import Box
from patrol.domain.round import Visit
from patrol.ports import UnitOfWork


class Sampler(Protocol):
    """Draws among what the machine finds normal; of one round at a time."""

    def begin(self, uow: UnitOfWork, planned: Iterable[CameraId], now: datetime) -> None:
        """These are still to be visited."""

    def point(self, visit: Visit, camera: Camera) -> Box | None:
        """Where to look first on what it will draw; before the transaction that records it."""

    def record(self, uow: UnitOfWork, visit: Visit, camera: Camera, box: Box | None) -> None:
        """A visit is being recorded; once for each."""

    def end(
        self,
        uow: UnitOfWork,
        round_id: RoundId,
        cameras: Mapping[CameraId, Camera],
        now: datetime,
    ) -> None:
        """The round's books are being closed."""


class NoSample:
    """Draws nothing: a site without a sample, a round that somebody asked for."""

    def begin(self, uow: UnitOfWork, planned: Iterable[CameraId], now: datetime) -> None:
        """See Sampler."""

    def point(self, visit: Visit, camera: Camera) -> Box | None:
        """See Sampler."""

    def record(self, uow: UnitOfWork, visit: Visit, camera: Camera, box: Box | None) -> None:
        """See Sampler."""

    def end(
        self,
        uow: UnitOfWork,
        round_id: RoundId,
        cameras: Mapping[CameraId, Camera],
        now: datetime,
    ) -> None:
        """See Sampler."""
