"""The RTSP cameras of the zoo, each one quirk of real devices as data."""

from collections.abc import Callable
from dataclasses import dataclass, field

from streams.errors import StreamError, Unreadable, WentSilent
from streams.model import Freshness, MediaClock, WallClock
from tests.zoo.clips import START, Clip, clip_of, jpeg_clip_of
from tests.zoo.packing import AVC, HEVC, SHORT_START, JpegPacking, Pack
from tests.zoo.serving import NTP_TO_UNIX_S, Description, Rtp, ZooServer

AUD, AUD_265 = b"\x09\xf0", b"\x46\x01\x50"
_UNREGISTERED = b"\x05\x14" + bytes(range(1, 21)) + b"\x80"  # user data: a UUID and four bytes
SEI, SEI_265 = b"\x06" + _UNREGISTERED, b"\x4e\x01" + _UNREGISTERED


@dataclass(frozen=True, kw_only=True)
class Reason:
    """The failure that is right, and a word that its text names."""

    kind: type[StreamError]
    words: str


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What a visit finds out beside the picture; the defaults are those of a sound camera."""

    freshness: Freshness = Freshness.LIVE
    media_clock: MediaClock = MediaClock.AS_DECLARED
    wall_clock: WallClock = WallClock.TIME_OF_DAY
    interval: bool = True  # of key frames: it can be told


@dataclass(frozen=True, kw_only=True)
class ZooCamera:
    """One scripted camera."""

    name: str
    seen_on: str
    pack: Pack = AVC
    clip: Callable[[], Clip] = clip_of
    rtp: Rtp = field(default_factory=Rtp)
    sdp: Description = field(default_factory=Description)
    sets_in_band: bool = True
    channel: int = 0
    control_channel: int = 1
    transport: str = "RTP/AVP/TCP;unicast;interleaved=0-1"
    expects: Expected | Reason = field(default_factory=Expected)

    def server(self) -> ZooServer:
        clip = self.clip()
        return ZooServer(
            sdp=self.sdp.text(clip),
            transport=self.transport,
            clip=clip,
            pack=self.pack,
            rtp=self.rtp,
            sets_in_band=self.sets_in_band,
            channel=self.channel,
            control_channel=self.control_channel,
        )


def jpeg_camera(name: str, seen_on: str, quality: int, tables: int, restart: int = 0) -> ZooCamera:
    """A camera that sends JPEG over RTP; libav plays it, which reports no sender's clock."""
    return ZooCamera(
        name=name,
        seen_on=seen_on,
        pack=JpegPacking(tables),
        clip=lambda: jpeg_clip_of(quality, restart),
        rtp=Rtp(payload_type=26),
        sdp=Description(payload_type=26),
        expects=Expected(wall_clock=WallClock.NOT_REPORTED),
    )


def hevc() -> Clip:
    return clip_of("hevc")


def sliced() -> Clip:
    return clip_of(slices=4)


def small() -> Clip:
    return clip_of(size_px=(64, 48))


def interlaced() -> Clip:
    return clip_of(size_px=(320, 192), interlaced=True)


def resized() -> Clip:
    """A group of pictures of one size, then one of another, and again."""
    first, second = clip_of(), large()
    gops = [clip.units[at : at + 4] for at in range(0, 24, 4) for clip in (first, second)]
    units = tuple(unit for gop in gops for unit in gop)
    return Clip("h264", units, first.sets + second.sets, first.pictures + second.pictures)


def large() -> Clip:
    return clip_of(size_px=(640, 352))


NO_SETS = Description(sets="none")
GLUED = AVC.but(glue=START)
GLUED_265 = HEVC.but(glue=START)

PACKED = [
    ZooCamera(name="plain", seen_on="Hikvision DS-2CD: SPS, PPS, SEI, FU-A"),
    ZooCamera(name="stap-a", seen_on="Axis, live555", pack=AVC.but(aggregate=True)),
    ZooCamera(
        name="stap-a-padded",
        seen_on="Uniview: zeros behind the last unit",
        pack=AVC.but(aggregate=True, after_aggregate=bytes(6)),
    ),
    ZooCamera(name="sets-in-sdp-only", seen_on="Dahua sub stream", sets_in_band=False),
    ZooCamera(name="sets-in-band-only", seen_on="TP-Link, Reolink", sdp=NO_SETS),
    ZooCamera(
        name="old-sets-in-sdp",
        seen_on="Hikvision after its resolution was changed",
        clip=large,
        sdp=Description(sets="rubbish"),
    ),
    ZooCamera(
        name="another-size-in-mid-stream",
        seen_on="Hikvision while its resolution is changed",
        clip=resized,
        sdp=NO_SETS,
    ),
    ZooCamera(
        name="another-size-glued",
        seen_on="V380 while its resolution is changed",
        clip=resized,
        pack=GLUED,
        sdp=NO_SETS,
    ),
    ZooCamera(
        name="sets-with-start-codes-in-sdp",
        seen_on="XM",
        sdp=Description(sets="start codes"),
        sets_in_band=False,
    ),
    ZooCamera(
        name="sets-glued-in-sdp",
        seen_on="Techsan recorder",
        sdp=Description(sets="glued"),
        sets_in_band=False,
    ),
    ZooCamera(
        name="no-sets-at-all",
        seen_on="a recorder that forwards without them",
        sdp=NO_SETS,
        sets_in_band=False,
        expects=Reason(kind=Unreadable, words="without parameter sets"),
    ),
    ZooCamera(name="slices", seen_on="Ambarella: 4 slices a picture", clip=sliced),
    ZooCamera(name="one-packet-a-picture", seen_on="64 kB packets", pack=AVC.but(mtu=60_000)),
    ZooCamera(name="tiny-fragments", seen_on="a VPN's MTU", clip=small, pack=AVC.but(mtu=9)),
    ZooCamera(name="empty-fragments", seen_on="RFC 6184 §5.8", pack=AVC.but(empty_fragments=True)),
    ZooCamera(name="no-end-bit", seen_on="old Vivotek", pack=AVC.but(end_bit=False)),
    ZooCamera(
        name="no-start-bit",
        seen_on="a firmware that never sets it",
        pack=AVC.but(start_bit=False),
        expects=Reason(kind=WentSilent, words="without a first fragment"),
    ),
    ZooCamera(name="delimiters", seen_on="Uniview, Apple", pack=AVC.but(prefix=(AUD,))),
    ZooCamera(name="sei-first", seen_on="Hikvision smart codec", pack=AVC.but(prefix=(AUD, SEI))),
    ZooCamera(name="interlaced", seen_on="DVR of analogue cameras", clip=interlaced),
    ZooCamera(
        name="header-kept",
        seen_on="fragments that begin with the unit's start code and header",
        pack=AVC.but(glue=START, leading=START, keep_header=True, fragment_kind=7),
    ),
]

GLUED_CAMERAS = [
    ZooCamera(
        name="glued-small", seen_on="V380", clip=small, pack=GLUED.but(mtu=60_000), sdp=NO_SETS
    ),
    ZooCamera(name="glued-fu-a", seen_on="V380, macro-video", pack=GLUED, sdp=NO_SETS),
    ZooCamera(
        name="glued-short",
        seen_on="XM: 3-byte start codes",
        pack=AVC.but(glue=SHORT_START),
        sdp=NO_SETS,
    ),
    ZooCamera(name="glued-slices", seen_on="Amatek recorder", clip=sliced, pack=GLUED, sdp=NO_SETS),
    ZooCamera(
        name="glued-leading",
        seen_on="Amatek: Annex B in one packet",
        clip=small,
        pack=GLUED.but(leading=START, mtu=60_000),
        sdp=NO_SETS,
    ),
    ZooCamera(
        name="glued-trailing",
        seen_on="XM: a start code behind the last",
        pack=GLUED.but(trailing=START),
        sdp=NO_SETS,
    ),
    ZooCamera(
        name="glued-type-0",
        seen_on="V380: the header taken from the start code",
        pack=GLUED.but(leading=START, take_zeros=True),
        sdp=NO_SETS,
    ),
    ZooCamera(
        name="glued-type-0-short",
        seen_on="V380 with 3-byte start codes",
        pack=AVC.but(glue=SHORT_START, leading=SHORT_START, take_zeros=True),
        sdp=NO_SETS,
    ),
    ZooCamera(
        name="glued-type-0-kept",
        seen_on="macro-video: type 0, then Annex B whole",
        pack=GLUED.but(leading=START, keep_header=True, fragment_kind=0),
        sdp=NO_SETS,
    ),
    ZooCamera(
        name="glued-type-0-bare",
        seen_on="macro-video: type 0, then the unit with its header",
        pack=GLUED.but(keep_header=True, fragment_kind=0),
        sdp=NO_SETS,
    ),
    ZooCamera(
        name="glued-stap-a",
        seen_on="Techsan",
        clip=small,
        pack=GLUED.but(aggregate_all=True),
        sdp=NO_SETS,
    ),
    ZooCamera(
        name="stap-a-without-sizes",
        seen_on="Annex B behind a STAP-A header",
        clip=small,
        pack=AVC.but(aggregate_all=True, sized=False),
        sdp=NO_SETS,
    ),
    ZooCamera(
        name="glued-delimiter", seen_on="Uniview clone", pack=GLUED.but(prefix=(AUD,)), sdp=NO_SETS
    ),
    ZooCamera(
        name="glued-delimiter-in-one",
        seen_on="the same, sub stream",
        clip=small,
        pack=GLUED.but(prefix=(AUD,), mtu=60_000),
        sdp=NO_SETS,
    ),
    ZooCamera(
        name="glued-sei", seen_on="Hikvision clone", pack=GLUED.but(prefix=(SEI,)), sdp=NO_SETS
    ),
]

HEVC_CAMERAS = [
    ZooCamera(name="h265", seen_on="Hikvision H.265", pack=HEVC, clip=hevc),
    ZooCamera(name="h265-ap", seen_on="Axis", pack=HEVC.but(aggregate=True), clip=hevc),
    ZooCamera(
        name="h265-donl",
        seen_on="RFC 7798 §4.4: decoding order numbers",
        pack=HEVC.but(donl=True),
        clip=hevc,
        sdp=Description(more="sprop-max-don-diff=1"),
    ),
    ZooCamera(
        name="h265-ap-donl",
        seen_on="the same, aggregated",
        pack=HEVC.but(donl=True, aggregate=True),
        clip=hevc,
        sdp=Description(more="sprop-max-don-diff=1"),
    ),
    ZooCamera(
        name="h265-sdp-only", seen_on="Dahua H.265", pack=HEVC, clip=hevc, sets_in_band=False
    ),
    ZooCamera(name="h265-in-band", seen_on="TP-Link", pack=HEVC, clip=hevc, sdp=NO_SETS),
    ZooCamera(
        name="h265-delimiters",
        seen_on="Uniview H.265",
        pack=HEVC.but(prefix=(AUD_265, SEI_265)),
        clip=hevc,
    ),
    ZooCamera(
        name="h265-empty-fragments",
        seen_on="RFC 7798 §4.4.3 broken",
        pack=HEVC.but(empty_fragments=True),
        clip=hevc,
    ),
    ZooCamera(name="h265-glued", seen_on="V380 H.265", pack=GLUED_265, clip=hevc, sdp=NO_SETS),
    ZooCamera(
        name="h265-glued-short",
        seen_on="XM H.265",
        pack=HEVC.but(glue=SHORT_START),
        clip=hevc,
        sdp=NO_SETS,
    ),
    ZooCamera(
        name="h265-glued-in-one",
        seen_on="V380 H.265 sub stream",
        pack=GLUED_265.but(mtu=60_000),
        clip=hevc,
        sdp=NO_SETS,
    ),
    ZooCamera(
        name="h265-glued-leading",
        seen_on="Annex B in one packet",
        pack=GLUED_265.but(mtu=60_000, leading=START),
        clip=hevc,
        sdp=NO_SETS,
    ),
    ZooCamera(
        name="h265-glued-ap",
        seen_on="V380 H.265",
        pack=GLUED_265.but(aggregate_all=True),
        clip=hevc,
        sdp=NO_SETS,
    ),
    ZooCamera(
        name="h265-ap-without-sizes",
        seen_on="Annex B behind an AP header",
        pack=HEVC.but(aggregate_all=True, sized=False),
        clip=hevc,
        sdp=NO_SETS,
    ),
    ZooCamera(
        name="h265-type-0",
        seen_on="the header taken from the start code",
        pack=GLUED_265.but(leading=START, take_zeros=True),
        clip=hevc,
        sdp=NO_SETS,
    ),
    ZooCamera(
        name="h265-type-0-kept",
        seen_on="type 0, then Annex B whole",
        pack=GLUED_265.but(leading=START, keep_header=True, fragment_kind=0),
        clip=hevc,
        sdp=NO_SETS,
    ),
    ZooCamera(
        name="h265-glued-delimiter",
        seen_on="Uniview clone",
        pack=GLUED_265.but(prefix=(AUD_265,)),
        clip=hevc,
        sdp=NO_SETS,
    ),
]

PACKETS = [
    ZooCamera(name="no-marker", seen_on="old Vivotek", rtp=Rtp(marker="never")),
    ZooCamera(
        name="marker-each-unit", seen_on="Foscam", rtp=Rtp(marker="each unit"), clip=sliced
    ),
    ZooCamera(name="marker-each-packet", seen_on="a DVR", rtp=Rtp(marker="each packet")),
    ZooCamera(name="padding", seen_on="RFC 3550 §5.1", rtp=Rtp(padding=7)),
    ZooCamera(name="extension", seen_on="Axis, ONVIF replay", rtp=Rtp(extension=bytes(12))),
    ZooCamera(name="sources", seen_on="a mixing platform", rtp=Rtp(sources=3)),
    ZooCamera(
        name="all-of-them",
        seen_on="RFC 3550 §5",
        rtp=Rtp(sources=1, padding=4, extension=bytes(4)),
    ),
    ZooCamera(name="another-type", seen_on="XM: 96 described, 97 sent", rtp=Rtp(payload_type=97)),
    ZooCamera(name="low-type", seen_on="33 sent", rtp=Rtp(payload_type=33)),
    ZooCamera(
        name="sequence-of-frame",
        seen_on="numbers begin anew in each frame",
        rtp=Rtp(sequence=lambda _packet, in_frame: in_frame),
    ),
    ZooCamera(
        name="sequence-constant", seen_on="a DVR", rtp=Rtp(sequence=lambda _packet, _in_frame: 7)
    ),
    ZooCamera(
        name="sequence-wraps",
        seen_on="any",
        rtp=Rtp(sequence=lambda packet, _in_frame: packet + 65_500),
    ),
    ZooCamera(
        name="sequence-jumps",
        seen_on="a buffer that drops pictures",
        rtp=Rtp(sequence=lambda packet, in_frame: 1000 * (packet - in_frame) + in_frame),
    ),
    ZooCamera(
        name="sequence-jumps-inside",
        seen_on="a recorder that loses packets of every large picture",
        rtp=Rtp(sequence=lambda packet, _in_frame: packet + packet // 20),
        expects=Reason(kind=WentSilent, words="key frames lost packets"),
    ),
    ZooCamera(
        name="new-source",
        seen_on="Reolink: another SSRC with each group of pictures",
        rtp=Rtp(ssrc=lambda frame: frame // 4),
    ),
    ZooCamera(name="twice", seen_on="a bridge that doubles packets", rtp=Rtp(twice=True)),
    ZooCamera(
        name="loss",
        seen_on="a recorder that drops packets",
        rtp=Rtp(lost=lambda frame, in_frame: frame in {0, 8} and in_frame == 4),
    ),
    ZooCamera(name="swapped-channels", seen_on="a DVR", channel=1, control_channel=0),
    ZooCamera(name="other-channels", seen_on="an NVR: 2-3 in place of 0-1", channel=2,
              control_channel=3),
    ZooCamera(name="far-channels", seen_on="an NVR", transport="RTP/AVP/TCP;interleaved=4-5",
              channel=4, control_channel=5),
]  # fmt: skip


def _no_clock(clock: MediaClock) -> Expected:
    return Expected(freshness=Freshness.PICTURES_DIFFER, media_clock=clock, interval=False)


CLOCKS = [
    ZooCamera(name="timestamps-wrap", seen_on="any", rtp=Rtp(first_tick=0xFFFF_F000)),
    ZooCamera(
        name="milliseconds",
        seen_on="XM: RTP time in ms",
        rtp=Rtp(ticks=lambda s, _: int(s * 1000)),
        expects=Expected(media_clock=MediaClock.MILLISECONDS),
    ),
    ZooCamera(
        name="microseconds",
        seen_on="an Android camera",
        rtp=Rtp(ticks=lambda s, _: int(s * 1e6)),
        expects=Expected(media_clock=MediaClock.MICROSECONDS),
    ),
    ZooCamera(
        name="tick-a-frame",
        seen_on="a toy camera",
        rtp=Rtp(ticks=lambda _, frame: frame),
        expects=_no_clock(MediaClock.FRAME_COUNTER),
    ),
    ZooCamera(
        name="constant",
        seen_on="V380",
        rtp=Rtp(ticks=lambda _s, _frame: 0),
        expects=_no_clock(MediaClock.CONSTANT),
    ),
    ZooCamera(
        name="constant-no-marker",
        seen_on="the same without markers",
        rtp=Rtp(ticks=lambda _s, _frame: 0, marker="never"),
        expects=_no_clock(MediaClock.CONSTANT),
    ),
    ZooCamera(
        name="constant-sdp-sets",
        seen_on="the same, sets in the SDP alone",
        rtp=Rtp(ticks=lambda _s, _frame: 0),
        clip=sliced,
        sets_in_band=False,
        expects=_no_clock(MediaClock.CONSTANT),
    ),
    ZooCamera(
        name="constant-glued-h265",
        seen_on="V380 H.265",
        rtp=Rtp(ticks=lambda _s, _frame: 0),
        clip=hevc,
        pack=GLUED_265,
        expects=_no_clock(MediaClock.CONSTANT),
    ),
    ZooCamera(
        name="seconds",
        seen_on="Unix time as RTP time: a whole group of pictures under one timestamp",
        rtp=Rtp(ticks=lambda s, _: int(s * 2)),
        expects=_no_clock(MediaClock.FRAME_COUNTER),
    ),
    ZooCamera(
        name="time-of-each-packet",
        seen_on="a sender that stamps packets as they leave",
        rtp=Rtp(tick_of_packet=3),
    ),
    ZooCamera(
        name="wrong-rate-described",
        seen_on="H264/1000 described, 90 kHz sent",
        sdp=Description(clock_rate_hz=1000),
        expects=Expected(media_clock=MediaClock.NINETY_KHZ),
    ),
    ZooCamera(
        name="no-wall-clock",
        seen_on="RFC 3550 §6.4.1: zero",
        rtp=Rtp(ntp=lambda _u, _s: (0, 0)),
        expects=Expected(wall_clock=WallClock.NOT_REPORTED),
    ),
    ZooCamera(
        name="no-reports",
        seen_on="many",
        rtp=Rtp(ntp=None),
        expects=Expected(wall_clock=WallClock.NOT_REPORTED),
    ),
    ZooCamera(
        name="uptime",
        seen_on="live555 on cheap boards",
        rtp=Rtp(ntp=lambda _u, s: (86_400 + int(s), 0)),
        expects=Expected(wall_clock=WallClock.SINCE_START),
    ),
    ZooCamera(
        name="unix-seconds",
        seen_on="TP-Link",
        rtp=Rtp(ntp=lambda u, _: (int(u), 0)),
        expects=Expected(wall_clock=WallClock.UNIX_SECONDS),
    ),
    ZooCamera(
        name="unix-milliseconds",
        seen_on="a platform",
        rtp=Rtp(ntp=lambda u, _: (int(u * 1000), 0)),
        expects=Expected(wall_clock=WallClock.UNIX_MILLISECONDS),
    ),
    ZooCamera(
        name="unix-milliseconds-64",
        seen_on="the same as one 64-bit number",
        rtp=Rtp(ntp=lambda u, _: divmod(int(u * 1000), 1 << 32)),
        expects=Expected(wall_clock=WallClock.SINCE_START),
    ),
    ZooCamera(
        name="never-set",
        seen_on="Hikvision without NTP server: 1970",
        rtp=Rtp(ntp=lambda _u, s: (NTP_TO_UNIX_S + 600 + int(s), 0)),
        expects=Expected(wall_clock=WallClock.NEVER_SET),
    ),
    ZooCamera(
        name="stopped-clock",
        seen_on="NTP time of the first report in all",
        rtp=Rtp(ntp=lambda u, s: (int(u - s) + NTP_TO_UNIX_S, 0)),
    ),
]

JPEG_CAMERAS = [
    jpeg_camera("rtp-jpeg", "RFC 2435: old Axis", quality=50, tables=50),
    jpeg_camera("rtp-jpeg-tables", "RFC 2435 §4.2: tables in band", quality=83, tables=255),
    jpeg_camera("rtp-jpeg-restarts", "RFC 2435 §3.1.7", quality=83, tables=255, restart=4),
]

ZOO = [*JPEG_CAMERAS, *PACKED, *GLUED_CAMERAS, *HEVC_CAMERAS, *PACKETS, *CLOCKS]
