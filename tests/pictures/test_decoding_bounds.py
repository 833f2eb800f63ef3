"""What decoding bytes from outside may cost, measured in a process of its own."""

import re
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest

from patrol.pixels import PictureTooLarge, decode_jpeg, decode_picture
from patrol.web.thumbnails import normalized_photo, shrunk_jpeg
from streams.decode import decode
from streams.errors import PICTURE_TOO_LARGE, Unreadable
from streams.model import Codec, KeyFrame
from streams.rtsp import h264, h265
from tests.support import hostile_pictures as hostile
from tests.support.peak_memory import added_peak_mb

ROOT = Path(__file__).parents[2]
UPLOAD = (
    "import sys; from patrol.web.thumbnails import normalized_photo; data = sys.stdin.buffer.read()"
)
CAMERA = """
import sys; from datetime import UTC, datetime
from streams.decode import decode; from streams.errors import Unreadable
from streams.model import Codec, KeyFrame
data = sys.stdin.buffer.read()
frame = KeyFrame(
    codec=Codec.MJPEG, data=data, taken_at=datetime.now(UTC), media_time_s=None, sha256=""
)
"""
HOSTILE = {
    "png": hostile.png(32_700, 32_700, depth=1),
    "png-16": hostile.png(16_000, 2_100, depth=16),
    "png-interlaced": hostile.png(32_700, 32_700, interlaced=True),
    "jpeg": hostile.jpeg(16_000, 16_000),
    "jpeg-progressive": hostile.jpeg(65_500, 65_500, progressive=True),
    "jpeg-narrow": hostile.jpeg(65_500, 600),
    "jpeg-scans": hostile.jpeg(5_000, 5_000, progressive=True, scans=3000),
    "webp": hostile.webp(16_383, 16_383),
    "webp-animated": hostile.webp(16_383, 16_383, animated=True),
    "webp-animated-small": hostile.webp(640, 480, animated=True),
    "png-animated": hostile.animated_png(640, 480),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_upload_costs_no_memory(name: str) -> None:
    """Refused by its header, whatever follows: no decoder sees it."""
    data = HOSTILE[name]
    assert len(data) < 1_000_000
    for read in (decode_picture, normalized_photo, lambda one: shrunk_jpeg(one, 240, 60)):
        with pytest.raises(ValueError, match="picture"):
            read(data)
    assert decode_jpeg(data) is None
    code = "try: normalized_photo(data)\nexcept ValueError: pass\nelse: sys.exit('decoded')"
    assert added_peak_mb(UPLOAD, code, stdin=data) < 8


@pytest.mark.parametrize("name", ["jpeg", "jpeg-progressive", "jpeg-narrow"])
def test_a_hostile_picture_of_a_camera_costs_no_memory(name: str) -> None:
    code = "try: decode(frame)\nexcept Unreadable: pass\nelse: sys.exit('decoded')"
    assert added_peak_mb(CAMERA, code, stdin=HOSTILE[name]) < 8


@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp"])
def test_the_largest_photo_that_is_taken_stays_within_its_number(ending: str) -> None:
    """32 MP: telephones' largest and the largest surveillance cameras'."""
    ramp = np.tile(np.arange(6400, dtype=np.uint8), (5000, 1))
    options = [cv2.IMWRITE_JPEG_PROGRESSIVE, 1] if ending == ".jpg" else []
    data = cv2.imencode(ending, cv2.merge([ramp, ramp, ramp]), options)[1].tobytes()
    code = "assert normalized_photo(data)[1:] == (1600, 1250)"
    assert added_peak_mb(UPLOAD, code, stdin=data) < 330


def key(codec: Codec, data: bytes) -> KeyFrame:
    taken_at = datetime(2026, 11, 22, tzinfo=UTC)
    return KeyFrame(codec=codec, data=data, taken_at=taken_at, media_time_s=None, sha256="")


def test_the_refusal_of_a_cameras_picture_has_kind_reason_and_words() -> None:
    with pytest.raises(Unreadable, match=r"16000×16000 pixels, 32 MP") as refused:
        decode(key(Codec.MJPEG, HOSTILE["jpeg"]))
    assert (refused.value.kind, refused.value.reason) == ("unreadable", PICTURE_TOO_LARGE)
    with pytest.raises(PictureTooLarge):
        decode_picture(HOSTILE["png"])


def huge_h264() -> bytes:
    """SPS (baseline, 1024 × 1024 macroblocks = 16,384 × 16,384), PPS, the start of an IDR slice."""

    def ue(value: int) -> str:
        code = f"{value + 1:b}"
        return "0" * (len(code) - 1) + code

    fields = [0, 0, 2, 0]  # id, log2_max_frame_num-4, poc type 2, one reference
    bits = "".join(map(ue, fields)) + "0" + ue(1023) + ue(1023) + "1" + "1" + "0" + "0" + "1"
    bits += "0" * (-len(bits) % 8)
    sps = bytes((0x67, 66, 0xC0, 62)) + int(bits, 2).to_bytes(len(bits) // 8, "big")
    pps = b"\x68\xce\x3c\x80"
    return b"".join(b"\0\0\0\1" + nal for nal in (sps, pps, b"\x65\x88\x84" + bytes(range(1, 90))))


def test_a_stream_that_announces_16384_x_16384_is_refused_by_its_parameter_set() -> None:
    data = huge_h264()
    sps = data.split(b"\0\0\0\1")[1]
    assert h264.FORMAT.size_px(sps) == (16_384, 16_384)
    with pytest.raises(Unreadable, match=r"16384×16384") as refused:
        decode(key(Codec.H264, data))
    assert refused.value.reason == PICTURE_TOO_LARGE
    assert h265.FORMAT.size_kind == 33  # read by the same path


def test_opencvs_decoders_are_called_in_one_module_alone() -> None:
    """A new caller of imdecode would pass by the limits.

    osd_clock reads the package's own sheet; VideoCapture is used on files that a developer names.
    """
    calls = {
        str(path.relative_to(ROOT))
        for package in ("patrol", "streams")
        for path in (ROOT / package).rglob("*.py")
        if re.search(r"cv2\.(imdecode|imread)\w*\(", path.read_text())
    }
    assert calls == {"patrol/pixels.py", "patrol/vision/osd_clock.py"}


def test_opencv_has_its_net_before_it_is_loaded() -> None:
    setup = "import patrol, sys; assert 'cv2' not in sys.modules; import cv2, numpy"
    code = """
data = numpy.frombuffer(sys.stdin.buffer.read(), numpy.uint8)
try: picture = cv2.imdecode(data, 1)
except cv2.error: picture = None
assert picture is None"""
    assert added_peak_mb(setup, code, stdin=HOSTILE["png"]) < 60
