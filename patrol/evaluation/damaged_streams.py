"""Damage key frames on their way, and decode them as a visit does: what arrives is a fault.

Real frames, encoded by x264 and x265 as one key frame, lose packets (RFC 6184, RFC 7798: a packet
carries some 1,400 bytes of a slice), bytes flipped by a bad link, or their end. The product's own
decoder (streams/decode.py) makes the picture and says whether it had to conceal. What cannot be
decoded at all is reported by the visit itself, and damage that nobody could see is no fault: both
are left out. Used by real_results.py.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import Final, cast

import av
import cv2
import numpy as np
from av.video.codeccontext import VideoCodecContext

from patrol.evaluation.augment import Rng
from patrol.evaluation.labels import LabelledVisit
from patrol.evaluation.real_faults import FIRST, START, Case, FaultCase, seeded
from patrol.evaluation.real_scenes import RealScene
from streams.decode import decode_frame
from streams.errors import Unreadable
from streams.model import BgrImage, Codec, KeyFrame

ENCODERS: Final[Mapping[str, tuple[str, Codec]]] = {
    "h264": ("libx264", Codec.H264),
    "h265": ("libx265", Codec.H265),
}
QUANTISERS: Final = (24, 34)  # of good cameras and of thrifty ones
LEAST_WIDTH_PX: Final = 1280  # a main stream's; smaller frames are enlarged
PACKET: Final = 1400  # bytes
HEAD: Final = 40  # bytes of the slice that are left whole: without them there is no picture
LAST: Final = 0.85  # of the slice: what only spoils the last rows is hardly seen
SEEN: Final = (25.0, 0.01)  # grey levels over a macroblock, share of the picture: a visible damage
MACROBLOCK_PX: Final = 16
START_CODE: Final = b"\0\0\1"  # ITU-T H.264 and H.265, annex B

Damage = Callable[[bytearray, int, Rng], None]


def damaged_cases(scenes: Iterable[RealScene]) -> Iterator[list[Case]]:
    """Every damage on a key frame of every scene, each at a camera of its own."""
    for scene in scenes:
        picture = _enlarged(scene.frames[0][0])
        for codec in ENCODERS:
            encoded = encode_key_frame(picture, codec, seeded(scene.name, codec))
            for how in DAMAGES:
                case = _case(scene.name, codec, how, encoded, picture)
                if case is not None:
                    yield [case]


def _case(scene: str, codec: str, how: str, encoded: bytes, whole: BgrImage) -> Case | None:
    data = bytearray(encoded)
    DAMAGES[how](data, last_slice(encoded, codec) + HEAD, seeded(scene, codec, how))
    try:
        frame = decode_frame(_key_frame(bytes(data), codec, whole))
    except Unreadable:
        return None
    picture = frame.to_bgr()
    if not _is_seen(picture, whole):
        return None
    case = FaultCase(
        kind=f"damaged_{codec}", severity=how, history=FIRST, expected=frozenset({"artifacts"})
    )
    name = f"{scene}-{codec}-{how}"
    visit = LabelledVisit(
        camera=name, at=START, pictures=partial(list, [picture]), faults=case.expected, source=name
    )
    return case, replace(visit, corrupt=frame.corrupt)


def encode_key_frame(picture: BgrImage, codec: str, rng: Rng) -> bytes:
    """The picture as one key frame with its parameter sets, as an Annex B byte stream."""
    height, width = (side // 2 * 2 for side in picture.shape[:2])
    context = cast(VideoCodecContext, av.CodecContext.create(ENCODERS[codec][0], "w"))
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.time_base = Fraction(1, 25)
    quantiser = int(rng.integers(*QUANTISERS))
    context.options = {"preset": "veryfast", "qp": str(quantiser)}
    if codec == "h265":
        options = f"log-level=none:qp={quantiser}:repeat-headers=1"
        context.options = {"preset": "veryfast", "x265-params": options}
    cut = np.ascontiguousarray(picture[:height, :width])
    frame = av.VideoFrame.from_ndarray(cut, format="bgr24").reformat(format="yuv420p")
    return b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])


def last_slice(data: bytes, codec: str) -> int:
    """Where the last coded slice begins, behind its start code (ITU-T H.264 7.4.1, H.265 7.4.2)."""
    found, at = 0, data.find(START_CODE)
    while at >= 0:
        at += len(START_CODE)
        kind = data[at] >> 1 & 0x3F if codec == "h265" else data[at] & 0x1F
        if kind < 32 if codec == "h265" else kind in {1, 5}:  # noqa: PLR2004  below: coded slices
            found = at
        at = data.find(START_CODE, at)
    return found


def _key_frame(data: bytes, codec: str, picture: BgrImage) -> KeyFrame:
    return KeyFrame(
        codec=ENCODERS[codec][1], data=data, taken_at=START, media_time_s=None, sha256="",
        size_px=(picture.shape[1], picture.shape[0]),
    )  # fmt: skip


def _enlarged(picture: BgrImage) -> BgrImage:
    scale = max(1.0, LEAST_WIDTH_PX / picture.shape[1])
    size = round(picture.shape[1] * scale), round(picture.shape[0] * scale)
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC), np.uint8)


def _is_seen(picture: BgrImage, whole: BgrImage) -> bool:
    height, width = picture.shape[:2]
    apart = cv2.absdiff(picture, np.ascontiguousarray(whole[:height, :width])).max(axis=2)
    mean = cv2.blur(apart.astype(np.float32), (MACROBLOCK_PX, MACROBLOCK_PX))
    return float((mean > SEEN[0]).mean()) >= SEEN[1]


def _flip(data: bytearray, first: int, rng: Rng, *, number: int) -> None:
    for _ in range(number):
        at = int(rng.integers(first, _end(data, first)))
        data[at] ^= int(rng.integers(1, 256))


def _lose(data: bytearray, first: int, rng: Rng, *, number: int) -> None:
    for _ in range(number):
        at = int(rng.integers(first, max(first + 1, _end(data, first) - PACKET)))
        del data[at : at + PACKET]


def _cut_off(data: bytearray, first: int, rng: Rng) -> None:
    del data[first + int((len(data) - first) * rng.uniform(0.3, LAST)) :]


def _end(data: bytearray, first: int) -> int:
    return first + int((len(data) - first) * LAST)


DAMAGES: Final[Mapping[str, Damage]] = {
    "a byte flipped": partial(_flip, number=1),
    "three bytes flipped": partial(_flip, number=3),
    "a packet lost": partial(_lose, number=1),
    "two packets lost": partial(_lose, number=2),
    "cut off": _cut_off,
}
