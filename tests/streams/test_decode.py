"""Key frames into pictures: whole ones, damaged ones, and what is none."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import cv2
import numpy as np
import pytest

from streams.decode import decode
from streams.errors import Unreadable
from streams.model import Codec, KeyFrame

NOON = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)


def key(codec: Codec, data: bytes) -> KeyFrame:
    return KeyFrame(codec=codec, data=data, taken_at=NOON, media_time_s=4.0, sha256="")


def test_whole_pictures(h264: Any, h265: Any) -> None:
    for clip, codec in ((h264, Codec.H264), (h265, Codec.H265)):
        picture = decode(key(codec, clip.data))
        assert (picture.size_px, picture.corrupt) == (clip.size_px, False)
        assert (picture.taken_at, picture.media_time_s) == (NOON, 4.0)
        assert picture.bgr.dtype == np.uint8
        picture.bgr[:] = 0  # the receiver's own


def test_a_picture_stays_after_the_next_was_decoded(h264: Any, encoder: Any) -> None:
    first = decode(key(Codec.H264, h264.data))
    before = first.bgr.copy()
    decode(key(Codec.H264, encoder("libx264", size_px=(640, 480)).data))
    decode(key(Codec.H264, h264.data[:-400]))
    assert np.array_equal(first.bgr, before)
    assert np.array_equal(decode(key(Codec.H264, h264.data)).bgr, before)


@pytest.mark.parametrize("damage", ["end", "middle", "noise"])
def test_damage_is_marked(h264: Any, damage: str) -> None:
    data = bytearray(h264.data)
    middle = len(data) // 2
    if damage == "end":
        del data[middle:]
    elif damage == "middle":
        del data[middle : middle + 500]
    else:
        data[middle : middle + 300] = bytes(range(1, 151)) * 2
    picture = decode(key(Codec.H264, bytes(data)))
    assert (picture.corrupt, picture.size_px) == (True, h264.size_px)


def test_damage_of_h265_is_marked_where_libavcodec_notices_it(h265: Any) -> None:
    picture = decode(key(Codec.H265, h265.data[: len(h265.data) // 2]))
    assert (picture.corrupt, picture.size_px) == (True, h265.size_px)
    assert decode(key(Codec.H265, h265.data)).corrupt is False


@pytest.mark.parametrize("codec", [Codec.H264, Codec.H265, Codec.MJPEG])
@pytest.mark.parametrize("data", [b"", b"\x00\x00\x00\x01", b"no picture at all" * 9])
def test_what_is_no_picture(codec: Codec, data: bytes) -> None:
    with pytest.raises(Unreadable, match="do not decode"):
        decode(key(codec, data))


def test_an_unknown_codec() -> None:
    frame = KeyFrame(
        codec=Codec.OTHER, data=b"x", taken_at=NOON, media_time_s=None, sha256="", codec_name="nope"
    )
    with pytest.raises(Unreadable, match="no decoder for 'nope'"):
        decode(frame)


def test_jpeg_looks_as_opencv_reads_it() -> None:
    drawn = np.zeros((120, 160, 3), np.uint8)
    drawn[:, 80:] = (20, 200, 120)
    _, jpeg = cv2.imencode(".jpg", drawn, [cv2.IMWRITE_JPEG_QUALITY, 95])
    picture = decode(key(Codec.MJPEG, jpeg.tobytes()))
    theirs = cv2.imdecode(jpeg, cv2.IMREAD_COLOR)
    assert theirs is not None
    difference = np.abs(picture.bgr.astype(int) - theirs.astype(int))
    assert (picture.corrupt, picture.size_px) == (False, (160, 120))
    assert difference.mean() < 2


def test_many_threads_at_once(h264: Any, h265: Any) -> None:
    """Each thread its own decoders: what one does is not seen by another."""
    frames = [key(Codec.H264, h264.data), key(Codec.H265, h265.data)] * 20
    expected = [decode(frame).bgr for frame in frames[:2]]
    together = threading.Barrier(4)

    def work(frame: KeyFrame) -> Any:
        return decode(frame).bgr

    with ThreadPoolExecutor(4, initializer=together.wait) as pool:
        pictures = list(pool.map(work, frames))
    for number, picture in enumerate(pictures):
        assert np.array_equal(picture, expected[number % 2])
