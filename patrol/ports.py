"""Protocols for the outside world: clock, cameras, detector, broker, picture store.

Each Protocol has a real implementation (patrol.clock, streams.capture, patrol.inference,
patrol.mqtt, patrol.pictures) and a fake in `simulators` or tests; both pass the same contract tests
(tests/contracts). The database is no port: tests use a real one (patrol.store).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

from patrol.domain.errors import Failed
from patrol.domain.ids import MessageKey, Sha256
from patrol.domain.observation import Box
from patrol.domain.outbox import OutboxMessage, PublishRefusal
from streams.address import StreamAddress
from streams.model import BgrImage, Sample, VisitOptions


class Clock(Protocol):
    """The wall clock and the monotonic clock."""

    def now(self) -> datetime:
        """Aware UTC wall-clock time."""

    def monotonic_s(self) -> float:
        """Seconds that never step, for durations."""

    def sleep(self, seconds: float) -> None:
        """Wait; a manual clock advances instead."""


class CameraClient(Protocol):
    """Captures the key frames of one visit to one camera."""

    async def __call__(self, address: StreamAddress, options: VisitOptions) -> Sample:
        """Make one visit. Raises StreamError, and only StreamError (cancellation apart)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """One object that a detector found in a picture."""

    label: str  # COCO name
    score: float  # 0..1
    box: Box  # fractions of the picture


class Detector(Protocol):
    """Finds objects in a picture. Called from several threads at once."""

    @property
    def gauge(self) -> str:
        """Name and version of the weights: `yolox_nano/615e2661`."""

    @property
    def min_score(self) -> float:
        """The lowest score that it returns, 0..1."""

    @property
    def input_px(self) -> tuple[int, int]:
        """Width and height in pixels to which it scales pictures before it looks for objects."""

    def detect(self, bgr: BgrImage) -> Sequence[Detection]:
        """Objects in a BGR picture of any size, best first."""


WHOLE_PICTURE: Final[Box] = (0.0, 0.0, 1.0, 1.0)


@runtime_checkable
class FineDetector(Detector, Protocol):
    """A detector whose input may be larger: for cameras whose zones wait for objects."""

    def fine_input_px(self, size_px: tuple[int, int]) -> tuple[int, int]:
        """Width and height of the larger input for a picture of this (width, height)."""

    def glance(self, bgr: BgrImage, part: Box) -> Sequence[Detection]:
        """As `detect`, with what it is so unsure of that only a closer look can tell.

        `part` of the picture is enough (fractions of it); boxes are fractions of the whole.
        """

    def detect_finely(self, bgr: BgrImage) -> Sequence[Detection]:
        """As `detect`, with smaller objects found, in at most twice its time at a square input."""


class NotConnected(Failed):
    """The broker cannot be reached just now; the message stays in the outbox."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishResult:
    """What became of the messages of one `publish`.

    A message that stands nowhere here was not sent; one that is `unanswered` may have arrived or
    not: both are sent again, with the same key.
    """

    taken: Sequence[MessageKey] = ()  # the broker acknowledged them (PUBACK)
    refused: Mapping[MessageKey, PublishRefusal] = field(default_factory=dict)
    unanswered: Sequence[MessageKey] = ()  # sent, and neither taken nor refused
    ended: str = ""  # why the connection ended meanwhile; empty while it is up


class Publisher(Protocol):
    """Hands messages to the broker, QoS 1."""

    def publish(self, messages: Sequence[OutboxMessage], timeout_s: float) -> PublishResult:
        """Send all in order, and wait until each is answered or nothing came for `timeout_s`.

        Raises NotConnected when there is no connection at all, and nothing for a message that
        cannot be sent: that is refused.
        """

    @property
    def connection_count(self) -> int:
        """Grows with every new connection: the broker behind it may have forgotten everything."""


class PictureStoreFull(Failed):
    """The picture store cannot take more (disk full, quota); the round stops, and resumes later."""


class PictureStore(Protocol):
    """Pictures named by their content."""

    def put(self, jpeg: bytes, *, until: datetime | None = None) -> Sha256:
        """Store it durably; the same bytes twice are one file. Raises PictureStoreFull.

        `until`: when it falls due; where files are encrypted, the key of that day does it.
        """

    def get(self, sha256: Sha256) -> bytes:
        """The bytes, checked against their name. Raises KeyError when there is none."""

    def delete(self, sha256: Sha256) -> bool:
        """Remove it; False when there was none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LooseFile:
    """A file below a directory of pictures, whether a row names it or not."""

    path: Path
    sha256: Sha256 | None  # by its place and name; None: a half-written one, or none of ours
    written_at: datetime


@runtime_checkable
class LooseFileStore(Protocol):
    """A picture store on a disk, which can hold files that no row names."""

    def files(self) -> Iterator[LooseFile]:
        """Every file that may hold pixels."""
