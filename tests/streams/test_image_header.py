"""Headers of JPEG, PNG and WebP: sizes, scans, animations; nothing of the pixels is read."""

import cv2
import numpy as np
import pytest

from streams.image_header import ImageFormat, read_image_header
from tests.support import hostile_pictures as hostile


@pytest.mark.parametrize(
    ("ending", "options", "kind"),
    [
        (".jpg", [], ImageFormat.JPEG),
        (".jpg", [cv2.IMWRITE_JPEG_PROGRESSIVE, 1], ImageFormat.JPEG),
        (".png", [], ImageFormat.PNG),
        (".webp", [], ImageFormat.WEBP),  # lossless: VP8L
        (".webp", [cv2.IMWRITE_WEBP_QUALITY, 80], ImageFormat.WEBP),  # VP8
    ],
)
@pytest.mark.parametrize("size", [(1, 1), (640, 480), (33, 1999)])
def test_the_size_of_real_pictures(
    ending: str, options: list[int], kind: ImageFormat, size: tuple[int, int]
) -> None:
    width, height = size
    rng = np.random.default_rng(3)
    picture = rng.integers(0, 255, (height, width, 3), dtype=np.uint8)
    header = read_image_header(cv2.imencode(ending, picture, options)[1].tobytes())
    assert header is not None
    assert (header.format, header.width_px, header.height_px) == (kind, width, height)
    assert not header.animated


def test_hostile_headers_are_read_as_they_announce() -> None:
    for data in (
        hostile.png(32_700, 300),
        hostile.jpeg(32_700, 300),
        hostile.jpeg(32_700, 300, progressive=True),
        hostile.webp(32_700, 300),
        hostile.webp(32_700, 300, animated=True),
        hostile.animated_png(32_700, 300),
    ):
        header = read_image_header(data)
        assert header is not None
        assert (header.width_px, header.height_px) == (32_700, 300)
    many = read_image_header(hostile.jpeg(64, 64, scans=2000))
    assert many is not None
    assert many.scans == 2000


@pytest.mark.parametrize(
    "animated", [hostile.webp(64, 64, animated=True), hostile.animated_png(64, 64)]
)
def test_animations_are_marked(animated: bytes) -> None:
    header = read_image_header(animated)
    assert header is not None
    assert header.animated


def test_no_prefix_of_a_picture_and_no_noise_breaks_the_reader() -> None:
    rng = np.random.default_rng(5)
    for whole in (hostile.png(64, 64), hostile.jpeg(64, 64), hostile.webp(64, 64)):
        for end in range(len(whole)):
            read_image_header(whole[:end])
        for _ in range(300):
            noisy = bytearray(whole)
            for at in rng.integers(0, len(noisy), 8):
                noisy[at] = int(rng.integers(0, 256))
            read_image_header(bytes(noisy))
    assert read_image_header(b"") is None
    assert read_image_header(b"BM" + bytes(60)) is None  # a format that is not decoded
