"""A decoder's planes show the same picture as the BGR that is made of them."""

from datetime import UTC, datetime
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from patrol.pixels import PicturePyramid, decode_picture, half_size
from patrol.vision.judge import masked_pyramid
from patrol.vision.mask import exact_visible_mask
from patrol.vision.quality import diagnose
from patrol.vision.quality.image_views import picture_view
from streams.decode import decode, decode_frame
from streams.model import BgrImage, Codec, DecodedFrame, KeyFrame

NOON = datetime(2026, 11, 22, 4, tzinfo=UTC)
MATRICES = {"undef": "ITU601", "bt709": "ITU709", "bt470bg": "ITU601"}


def coloured_yard(size_px: tuple[int, int], seed: int = 5) -> BgrImage:
    """Soft areas of many colours, edges and a little noise."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(20, 235, (9, 16, 3), np.uint8)
    bgr = cv2.resize(coarse, size_px, interpolation=cv2.INTER_CUBIC)
    for _ in range(40):
        x, y = (int(rng.integers(0, side)) for side in size_px)
        cv2.rectangle(bgr, (x, y), (x + 60, y + 40), rng.integers(10, 245, 3).tolist(), -1)
    noise = rng.normal(0, 2, (*bgr.shape[:2], 1))
    return np.clip(bgr + noise, 0, 255).astype(np.uint8)


def key_frame(
    bgr: BgrImage, *, matrix: str = "undef", full_range: bool = False, pix_fmt: str = "yuv420p"
) -> KeyFrame:
    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.height, encoder.width = bgr.shape[:2]
    encoder.pix_fmt = "yuvj420p" if full_range else pix_fmt
    encoder.time_base = Fraction(1, 15)
    marks = f"colormatrix={matrix}:fullrange={'on' if full_range else 'off'}"
    encoder.options = {"crf": "14", "preset": "ultrafast", "x264-params": marks}
    frame = VideoFrame.from_ndarray(bgr, format="bgr24").reformat(
        format=encoder.pix_fmt, dst_colorspace=MATRICES[matrix]
    )
    frame.pts = 0
    packets = [*encoder.encode(frame), *encoder.encode(None)]
    data = b"".join(bytes(packet) for packet in packets)
    return KeyFrame(
        codec=Codec.H264, data=data, taken_at=NOON, media_time_s=0.0, sha256=str(len(data))
    )


def pyramid_of(frame: DecodedFrame) -> PicturePyramid:
    assert frame.planes is not None
    return PicturePyramid(planes=frame.planes, to_bgr=frame.to_bgr)


def apart(first: BgrImage, second: BgrImage) -> float:
    return float(np.abs(first.astype(np.int16) - second).mean())


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("matrix", MATRICES)
def test_every_size_is_the_one_made_of_bgr(matrix: str, *, full_range: bool) -> None:
    frame = decode_frame(
        key_frame(coloured_yard((1920, 1080)), matrix=matrix, full_range=full_range)
    )
    planes, whole = pyramid_of(frame), PicturePyramid(frame.to_bgr())
    assert planes.size_px == whole.size_px == (1920, 1080)
    assert planes.medium.shape == whole.medium.shape == (540, 960, 3)
    assert apart(planes.medium, whole.medium) < 2.0
    pictures = [decode_picture(one.encode_jpeg(90, 1280)[0]) for one in (planes, whole)]
    assert {one.shape for one in pictures} == {(720, 1280, 3)}
    assert apart(*pictures) < 2.5
    for ours, theirs in zip(
        planes.chroma_samples((240, 135)), whole.chroma_samples((240, 135)), strict=True
    ):
        assert apart(ours, theirs) < 3.0
    if matrix != "bt709":  # whose luma is another sum of the same colours
        assert apart(planes.full_range_luma(planes.coded_luma), whole.coded_luma) < 2.0


@pytest.mark.parametrize("size_px", [(1918, 1078), (1280, 720), (640, 360), (322, 182)])
def test_odd_and_small_sizes(size_px: tuple[int, int]) -> None:
    frame = decode_frame(key_frame(coloured_yard(size_px)))
    planes, whole = pyramid_of(frame), PicturePyramid(frame.to_bgr())
    assert planes.medium.shape == whole.medium.shape
    assert apart(planes.medium, whole.medium) < 2.5
    jpeg, size = planes.encode_jpeg(82, 1280)
    assert decode_picture(jpeg).shape[1::-1] == size == whole.encode_jpeg(82, 1280)[1]


def test_the_picture_outlives_the_next_one_of_the_same_decoder() -> None:
    first = decode_frame(key_frame(coloured_yard((640, 360), 1)))
    assert first.planes is not None
    before = first.planes.luma.copy()
    for seed in (2, 3):
        decode_frame(key_frame(coloured_yard((640, 360), seed)))
    assert np.array_equal(first.planes.luma, before)


def test_what_is_no_8_bit_420_comes_as_bgr() -> None:
    frame = decode_frame(key_frame(coloured_yard((640, 360)), pix_fmt="yuv444p"))
    assert frame.planes is None
    assert np.array_equal(frame.to_bgr(), frame.to_bgr())


def test_the_gauges_read_planes_as_they_read_bgr() -> None:
    """Two pictures of one view: no fault from either, and numbers that are nearly the same."""
    frames = [key_frame(coloured_yard((1920, 1080))), key_frame(coloured_yard((1920, 1080)))]
    by_planes = diagnose([pyramid_of(decode_frame(frame)) for frame in frames])
    by_bgr = diagnose([decode(frame).bgr for frame in frames])
    assert by_planes.faults == by_bgr.faults
    for ours, theirs in zip(by_planes.readings, by_bgr.readings, strict=True):
        assert (ours.kind, ours.over) == (theirs.kind, theirs.over)
        assert ours.value == pytest.approx(theirs.value, rel=0.15, abs=1.5)


def test_each_size_of_luma_is_made_once_for_gauges_and_medium() -> None:
    pyramid = pyramid_of(decode_frame(key_frame(coloured_yard((1920, 1080)))))
    assert pyramid.halved_luma(0) is pyramid.coded_luma
    quarter = pyramid.halved_luma(2)
    assert pyramid.halved_luma(2) is quarter
    assert np.array_equal(quarter, half_size(pyramid.halved_luma(1)))
    view = picture_view(pyramid, None)
    assert np.array_equal(view.luma, pyramid.full_range_luma(quarter))


def test_a_masked_frame_shows_what_a_masked_picture_does() -> None:
    visible = ((0.0, 0.0), (0.7, 0.0), (1.0, 0.4), (1.0, 1.0), (0.0, 1.0))
    frame = decode_frame(key_frame(coloured_yard((1280, 720))))
    whole = masked_pyramid(PicturePyramid(frame.to_bgr()), visible)
    planes = masked_pyramid(pyramid_of(frame), visible)
    assert planes.planes is not None
    hidden = exact_visible_mask(visible, (1280, 720)) == 0
    assert not planes.bgr[hidden].any()
    assert apart(planes.bgr, whole.bgr) < 0.5  # next to the edge alone, where colour is shared
    assert apart(planes.medium, whole.medium) < 2.5
    ours, theirs = (diagnose([one], visible=visible) for one in (planes, whole))
    assert (ours.faults, ours.usable, ours.light) == (theirs.faults, theirs.usable, theirs.light)
