"""The data of a visit: its options, the sample of compressed key frames, decoded pictures.

A visit keeps *compressed* key frames (about 40 kB) instead of pictures (6 MB at 1080p), so that
hundreds of visits fit in memory; `streams.decode` turns one into a Picture in a worker thread.
Times are UTC; `media_time_s` is seconds on the stream's own timeline.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum, auto

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from streams.address import StreamAddress
from streams.target_policy import TargetPolicy

BgrImage = NDArray[np.uint8]  # height × width × 3, blue-green-red


class Codec(StrEnum):
    """The format of a key frame's compressed bytes."""

    H264 = "h264"  # Annex B, parameter sets in front (ITU-T H.264 Annex B)
    H265 = "hevc"  # Annex B, parameter sets in front (ITU-T H.265 Annex B)
    MJPEG = "mjpeg"  # one JFIF picture
    OTHER = "other"  # libav's own packet: `codec_name` and `extradata` say which


class Freshness(StrEnum):
    """What proves that the pictures are live, or why that is not proved."""

    LIVE = auto()  # two key frames, media time advanced about as much as our own clock
    SINGLE = auto()  # only one picture: nothing to compare it with
    MEDIA_CLOCK_STOOD_STILL = auto()  # our clock advanced, the stream's did not
    MEDIA_CLOCK_ASTRAY = auto()  # it moved, but not as ours did: a jump, a replay
    REPEATED_BITS = auto()  # time advances, but the key frames are bit-identical
    PICTURES_DIFFER = auto()  # the stream tells no time; the key frames differ in their bits
    STILL = auto()  # a snapshot or file: not a stream at all


class MediaClock(StrEnum):
    """The pace of a stream's timestamps, by our clock; at a known pace they are corrected."""

    UNKNOWN = auto()  # one picture only, or a source without timestamps
    AS_DECLARED = auto()
    NINETY_KHZ = auto()  # as RTP wants it for video; the description says otherwise
    MILLISECONDS = auto()
    MICROSECONDS = auto()
    HUNDRED_NANOSECONDS = auto()
    EIGHT_KHZ = auto()  # of audio
    SIXTEEN_KHZ = auto()
    FRAME_COUNTER = auto()  # a few ticks a frame, or a second: no clock
    CONSTANT = auto()  # always the same: no clock
    ASTRAY = auto()  # no pace that is known: a jump, a replay, slow motion


class WallClock(StrEnum):
    """The kind of time in a sender's RTCP reports; only TIME_OF_DAY gives a clock offset."""

    NOT_REPORTED = auto()
    TIME_OF_DAY = auto()
    SINCE_START = auto()  # counts from 1900: seconds since the camera started
    NEVER_SET = auto()  # counts from 1970: a clock that was never set
    UNIX_SECONDS = auto()  # since 1970 in the place of those since 1900
    UNIX_MILLISECONDS = auto()
    OTHER_PACE = auto()  # two reports are not as far apart as they came
    ASTRAY = auto()  # a time that no camera has lived or will see


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFrame:
    """One compressed, independently decodable picture."""

    codec: Codec
    data: bytes
    taken_at: datetime  # UTC, by our clock, when its last byte reached us
    media_time_s: float | None  # on the stream's timeline; None where the source has none
    sha256: str  # of the slice data alone, so that equal pictures are found without decoding
    codec_name: str = ""  # libav's name, for Codec.OTHER
    extradata: bytes = b""
    size_px: tuple[int, int] | None = None  # for decoders that need it, for Codec.OTHER

    @override
    def __repr__(self) -> str:
        return f"KeyFrame({self.codec}, {len(self.data)} bytes, {self.taken_at:%H:%M:%S})"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamFacts:
    """What was learned of the stream during the visit; None where it was not seen."""

    transport: str  # "rtsp+tcp", "rtsp+udp", "hls", "flv", "rtmp", "file", "http"
    codec: str  # "h264", "hevc", "mjpeg", libav's name for others
    width_px: int | None = None
    height_px: int | None = None
    key_frame_interval_s: float | None = None  # media time between the two key frames kept
    frames_per_s: float | None = None
    server: str = ""  # the RTSP Server header
    connect_s: float = 0.0  # TCP connected
    describe_s: float = 0.0  # description understood (from start)
    first_key_frame_s: float = 0.0  # first key frame complete (from start)
    visit_s: float = 0.0  # whole visit, TEARDOWN included
    bytes_received: int = 0
    key_frame_bytes: int = 0  # of these, the compressed key frames that the visit keeps
    picture_age_s: float | None = None  # of a still picture, by its server's headers
    clock_offset_s: float | None = None  # sender's RTCP NTP time minus our UTC (RFC 3550 §6.4.1)
    wall_clock: WallClock = WallClock.NOT_REPORTED  # why there is no offset, or that there is one
    media_clock: MediaClock = MediaClock.UNKNOWN  # what the freshness and the interval rest on


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The result of one visit: at least one key frame, and what was learned of the stream."""

    key_frames: tuple[KeyFrame, ...]
    facts: StreamFacts
    freshness: Freshness

    def __post_init__(self) -> None:
        if not self.key_frames:
            raise ValueError("a sample has at least one key frame; raise WentSilent otherwise")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class YuvPlanes:
    """A 4:2:0 picture as the decoder left it: luma, and two colour differences at half the size.

    Views into the decoder's own memory, which lives as long as they do and which the decoder has
    done with. Only the mask of the visible area writes into them.
    Rows of an odd picture's chroma are rounded up.
    """

    luma: NDArray[np.uint8]  # height × width
    cb: NDArray[np.uint8]
    cr: NDArray[np.uint8]
    full_range: bool  # 0..255; else luma 16..235, chroma 16..240 (ITU-T H.273 §8.3)
    bt709: bool  # the matrix of high definition (H.273 §8.3); else that of BT.601, as in JPEG


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DecodedFrame:
    """A decoded key frame before it is converted: its planes, and BGR on demand."""

    planes: YuvPlanes | None  # None where it is no 8-bit 4:2:0
    to_bgr: Callable[[], BgrImage]  # a new array at each call; raises Unreadable
    taken_at: datetime
    media_time_s: float | None
    corrupt: bool

    def picture(self) -> "Picture":
        """The frame as a BGR picture. Raises Unreadable."""
        return Picture(
            bgr=self.to_bgr(),
            taken_at=self.taken_at,
            media_time_s=self.media_time_s,
            corrupt=self.corrupt,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Picture:
    """A decoded key frame. `bgr` is height × width × 3, uint8, owned by the receiver."""

    bgr: BgrImage
    taken_at: datetime
    media_time_s: float | None
    corrupt: bool = False  # libavcodec had to conceal something (decode_error_flags, missing refs)

    @property
    def size_px(self) -> tuple[int, int]:
        """(width, height)."""
        height, width = self.bgr.shape[:2]
        return width, height


@dataclass(frozen=True, slots=True)
class VisitStage:
    """A stage of a visit that was reached; its time is the receiver's business."""

    name: str  # "registered", "invited", …: a key of patrol.domain.stream_labels
    seen: str = ""  # what was seen there, without secrets


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitOptions:
    """How many key frames one visit takes, and its time limits."""

    pictures: int = 2
    spacing_s: float = 3.0  # at least this much between the kept key frames, by our clock
    connect_timeout_s: float = 5.0  # TCP
    answer_timeout_s: float = 5.0  # each RTSP request
    silence_timeout_s: float = 6.0  # longest wait without any media byte
    visit_timeout_s: float = 20.0  # wall clock, everything included, TEARDOWN apart (1 s more)
    max_key_frame_bytes: int = 8 * 1024 * 1024  # larger is not a camera's picture
    # For live views: called with each key frame that is kept, as it comes, from any thread.
    on_key_frame: Callable[[KeyFrame], None] | None = field(default=None, repr=False, compare=False)
    # For a URL that a service or a gateway handed out: where it and its redirects may lead.
    targets: TargetPolicy | None = field(default=None, repr=False)
    single_use: bool = False  # the URL is good for one connection: no second one tries otherwise
    # For diagnosis: called with each stage that a source's visit reaches, from any thread.
    on_stage: Callable[[VisitStage], None] | None = field(default=None, repr=False, compare=False)

    def reach(self, name: str, seen: str = "") -> None:
        """Report a stage to `on_stage`."""
        if self.on_stage is not None:
            self.on_stage(VisitStage(name, seen))

    def __post_init__(self) -> None:
        if self.pictures < 1 or self.spacing_s < 0 or self.visit_timeout_s <= 0:
            raise ValueError(f"not a way to visit: {self!r}")


# Makes one visit.
Capture = Callable[[StreamAddress, VisitOptions], Awaitable[Sample]]
