"""JPEG pictures cut out of a byte stream, however the bytes come."""

from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.jpeg import SOI, JpegPart, JpegReader, size_px


def encode(*parameters: int, size: tuple[int, int] = (24, 40)) -> bytes:
    picture = np.random.default_rng(3).integers(0, 255, (*size, 3), dtype=np.uint8)
    return cv2.imencode(".jpg", picture, parameters)[1].tobytes()


PLAIN = encode()
RESTARTS = encode(cv2.IMWRITE_JPEG_RST_INTERVAL, 2)
PROGRESSIVE = encode(cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
FILLED = PLAIN[:2] + b"\xff\xff" + PLAIN[2:]
COMMENT = b"\xff\xfe\x00\x0a" + SOI + b"\xd9\xff\xd9\x00\x01"
THUMBNAIL = PLAIN[:2] + COMMENT + PLAIN[2:]
PICTURES = (PLAIN, RESTARTS, PROGRESSIVE, FILLED, THUMBNAIL)
BETWEEN = st.one_of(
    st.binary(max_size=40).filter(lambda noise: b"\xff" not in noise),
    st.just(b"\r\n--frame\r\nContent-Length: 9\r\n\r\n"),
)


def read(data: bytes, cuts: set[int]) -> list[bytes]:
    reader, found = JpegReader(), []
    edges = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    for begin, end in pairwise(edges):
        found += reader.feed(data[begin:end])
    return found


@given(
    st.lists(st.tuples(BETWEEN, st.sampled_from(PICTURES)), max_size=5),
    BETWEEN,
    st.sets(st.integers(1, 8000), max_size=60),
)
def test_any_chunks_give_the_same_pictures(
    parts: list[tuple[bytes, bytes]], tail: bytes, cuts: set[int]
) -> None:
    data = b"".join(between + picture for between, picture in parts) + tail
    assert read(data, cuts) == [picture for _, picture in parts]


@pytest.mark.parametrize("cut_at", [30, 200, len(PLAIN) - 300, len(PLAIN) - 2])
def test_a_picture_that_is_cut_off_does_not_cost_the_later_ones(cut_at: int) -> None:
    data = PLAIN[:cut_at] + b"\r\n--frame\r\n\r\n" + RESTARTS + PLAIN + PLAIN
    assert read(data, set())[-2:] == [PLAIN, PLAIN]


@given(st.binary(max_size=400), st.sets(st.integers(1, 400), max_size=9))
def test_noise_is_passed_over(noise: bytes, cuts: set[int]) -> None:
    read(SOI + noise, cuts)
    read(noise, cuts)


@pytest.mark.parametrize(("length", "part"), [
    (1, JpegPart.OUTSIDE), (10, JpegPart.HEADERS), (200, JpegPart.HEADERS),
    (len(PLAIN) - 2, JpegPart.SCAN), (len(PLAIN), JpegPart.OUTSIDE),
])  # fmt: skip
def test_where_the_bytes_end(length: int, part: JpegPart) -> None:
    reader = JpegReader()
    reader.feed(PLAIN[:length])
    assert reader.part is part
    assert reader.unfinished == (b"" if part is JpegPart.OUTSIDE else PLAIN[:length])


@pytest.mark.parametrize("picture", PICTURES)
def test_sizes(picture: bytes) -> None:
    assert size_px(picture) == (40, 24)


@pytest.mark.parametrize("data", [b"", SOI, PLAIN[:40], b"\xff\xd8\xff\xda\x00\x02" + bytes(20)])
def test_no_size(data: bytes) -> None:
    assert size_px(data) is None
