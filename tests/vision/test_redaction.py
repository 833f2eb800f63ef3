"""What leaves: the right piece, hidden for good, marked; measured on the pixels that leave."""

from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from patrol.domain.observation import Box
from patrol.ports import Detection
from patrol.vision.geometry import PixelRect
from patrol.vision.redaction import (
    FACE_CELLS,
    PLATE_CELLS,
    PrivacyDetectors,
    RedactionMode,
    Watermark,
    crop_around,
    crop_tiles,
    find_private,
    pixelate,
    redact,
    searched_around,
)

U8 = NDArray[np.uint8]
MARK = Watermark(
    site="上坝镇", case="C20261122-0007", at="2026-11-22 11:58", recipient="leader-203001"
)


class Fixed:
    """Sees the same thing at the same place of the whole picture, wherever it is asked to look."""

    gauge = "fixed/1"

    def __init__(self, label: str = "face", *boxes: Box, score: float = 0.9) -> None:
        self.answer = [Detection(label=label, score=score, box=box) for box in boxes]
        self.looked: list[tuple[int, int]] = []

    def detect(self, bgr: U8) -> Sequence[Detection]:
        self.looked.append((bgr.shape[1], bgr.shape[0]))
        return self.answer


def finders(
    faces: Fixed | None = None, plates: Fixed | None = None, persons: Fixed | None = None
) -> PrivacyDetectors:
    return PrivacyDetectors(
        faces=faces or Fixed(), plates=plates or Fixed(), persons=persons or Fixed()
    )


def noise(width: int = 1280, height: int = 720) -> U8:
    return np.random.default_rng(5).integers(0, 255, (height, width, 3)).astype(np.uint8)


def jpeg(bgr: U8) -> bytes:
    return bytes(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 95])[1])


def opened(data: bytes) -> U8:
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return np.asarray(picture, np.uint8)


def detail(bgr: U8) -> float:
    """High-frequency energy."""
    return float(cv2.Laplacian(cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY), cv2.CV_32F).var())


@pytest.mark.parametrize("cells", [FACE_CELLS, PLATE_CELLS])
def test_nothing_fine_is_left_and_nothing_else_is_touched(cells: int) -> None:
    before = noise()
    after = before.copy()
    pixelate(after, (0.25, 0.25, 0.125, 0.25), grow=0.0, cells=cells)
    inside = slice(180, 360), slice(320, 480)
    assert detail(after[inside]) < 0.001 * detail(before[inside])
    after[180:361, 320:481] = before[180:361, 320:481]
    assert np.array_equal(after, before)


def test_two_different_plates_leave_the_same_smudge() -> None:
    """A fine mosaic of a plate can be guessed by trying all numbers; this one holds no number."""
    left: list[U8] = []
    for number in ("F8T3K6", "F0L7A1"):
        plate = np.full((120, 440, 3), (150, 60, 10), np.uint8)
        cv2.putText(plate, number, (20, 95), cv2.FONT_HERSHEY_SIMPLEX, 3.2, (255, 255, 255), 9)
        small = np.asarray(cv2.resize(plate, (88, 24), interpolation=cv2.INTER_AREA), np.uint8)
        pixelate(small, (0.0, 0.0, 1.0, 1.0), grow=0.0, cells=PLATE_CELLS)
        left.append(small)
    assert np.abs(left[0].astype(int) - left[1]).max() <= 16


@pytest.mark.parametrize(
    "box",
    [
        pytest.param((-0.2, -0.2, 0.3, 0.3), id="over the corner"),
        pytest.param((0.9, 0.9, 0.5, 0.5), id="over the other"),
        pytest.param((1.5, 1.5, 0.1, 0.1), id="outside"),
        pytest.param((0.5, 0.5, 0.0, 0.0), id="a point"),
    ],
)
def test_a_box_at_the_edge_is_hidden_as_far_as_there_is_a_picture(box: Box) -> None:
    picture = noise(64, 48)
    pixelate(picture, box, grow=0.3, cells=4)
    assert picture.shape == (48, 64, 3)


def test_the_piece_around_the_box_leaves_and_no_more() -> None:
    picture = noise()
    picture[:, :640] = (0, 0, 255)  # the neighbour's yard is red
    sent = redact(jpeg(picture), (0.8, 0.4, 0.05, 0.1), MARK, finders())
    assert sent.mode is RedactionMode.BLURRED
    left = opened(sent.jpeg)
    assert left.shape[1] == 520  # 384 px of the picture, enlarged so that the mark can be read
    blue, green, red = left[:200].reshape(-1, 3).mean(axis=0)
    assert abs(red - green) < 25
    assert abs(red - blue) < 25


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        pytest.param(None, (0, 0, 1000, 500), id="no box: all of it"),
        pytest.param((0.4, 0.4, 0.2, 0.2), (280, 140, 720, 360), id="with its surroundings"),
        pytest.param((0.5, 0.5, 0.01, 0.01), (355, 178, 655, 328), id="a small thing"),
        pytest.param((0.0, 0.9, 0.1, 0.1), (0, 350, 300, 500), id="in a corner: moved, not less"),
        pytest.param((0.0, 0.0, 1.0, 1.0), (0, 0, 1000, 500), id="everything"),
    ],
)
def test_the_window(box: Box | None, expected: tuple[int, int, int, int]) -> None:
    assert tuple(crop_around(box, 1000, 500)) == expected


def test_tiles_cover_the_window_and_overlap() -> None:
    window = PixelRect(100, 50, 1380, 770)
    pieces = crop_tiles(window, 640)
    covered = np.zeros((900, 1500), int)
    for piece in pieces:
        covered[piece.top : piece.bottom, piece.left : piece.right] += 1
    assert covered[50:770, 100:1380].min() == 1
    assert covered.sum() > 1280 * 720 * 1.3
    assert covered[:50].sum() == covered[:, :100].sum() == covered[:, 1380:].sum() == 0
    assert searched_around(window, 1400, 800) == PixelRect(0, 0, 1400, 800)


def test_faces_are_looked_for_at_two_scales_and_beyond_the_cut() -> None:
    faces = Fixed()
    redact(jpeg(noise()), (0.45, 0.45, 0.1, 0.1), MARK, finders(faces))
    # 384 px leave, 128 px more on each side are looked at, enlarged and made smaller
    assert [width for width, _ in faces.looked] == [960, 480]


PERSONS = [
    pytest.param((0.5, 0.4, 0.1, 0.5), (0.5, 0.36, 0.1, 0.16), id="upright: the head"),
    pytest.param((0.5, 0.4, 0.4, 0.25), (0.5, 0.4, 0.4, 0.15), id="sitting: the upper part"),
    pytest.param((0.4, 0.6, 0.7, 0.2), (0.4, 0.6, 0.7, 0.2), id="lying: all of him"),
]


@pytest.mark.parametrize(("person", "head"), PERSONS)
def test_of_every_person_the_head_is_hidden_without_any_face_found(person: Box, head: Box) -> None:
    whole = PixelRect(0, 0, 320, 640)  # boxes are fractions: the picture's own shape counts
    found = find_private(
        noise(320, 640), whole, finders(persons=Fixed("person", person)), sent_scale=1.0
    )
    assert not found.faces
    assert found.heads
    assert found.heads[0] == pytest.approx(head)


@pytest.mark.parametrize(
    ("persons", "heads"),
    [
        pytest.param(Fixed("person", (0.5, 0.5, 0.02, 0.06)), 0, id="too far away to be known"),
        pytest.param(Fixed("person", (0.5, 0.5, 0.1, 0.4), score=0.2), 0, id="a ghost"),
        pytest.param(Fixed("truck", (0.5, 0.5, 0.3, 0.4)), 0, id="no person"),
        pytest.param(Fixed("person", (0.5, 0.5, 0.05, 0.2)), 1, id="near enough"),
    ],
)
def test_which_persons_could_be_known(persons: Fixed, heads: int) -> None:
    found = find_private(
        noise(500, 500), PixelRect(0, 0, 500, 500), finders(persons=persons), sent_scale=1.0
    )
    assert len(found.heads) == heads


def test_without_a_model_nobody_can_be_known_in_any_of_it() -> None:
    """A face of an eighth of the picture's width has eight pixels."""
    picture = np.full((720, 1280, 3), 128, np.uint8)
    picture[200:400:8, 560:720] = 255  # strokes of a face 160 px wide
    picture[:, 1000:] = 20
    sent = redact(jpeg(picture), None, MARK, None)
    assert sent.mode is RedactionMode.COARSE
    left = opened(sent.jpeg)[:360]
    assert left.shape == (360, 640, 3)
    assert left[120:180, 290:350].std() < 0.25 * picture[240:360, 580:700].std()
    assert int(left[20, 50].mean()) - int(left[20, 600].mean()) > 80, "the place is still known"


def test_the_mark_names_case_time_and_receiver_over_all_of_it() -> None:
    flat = np.full((720, 1280, 3), 120, np.uint8)
    sent, other = (
        opened(redact(jpeg(flat), None, mark, finders()).jpeg)
        for mark in (MARK, Watermark(site="上坝镇", case="C20261122-0008", at="2026-11-22 11:58"))
    )
    foot = slice(540, None)
    assert sent.shape[0] > 540, "the foot stands below the picture, not on it"
    assert sent[foot].std() > 20
    assert np.abs(sent[foot].astype(int) - other[foot]).max() > 100, "another case reads otherwise"
    for third in range(3):  # the faint one is everywhere, and faint
        piece = sent[third * 180 : third * 180 + 180, :960].astype(int)
        assert np.abs(piece - 120).max() > 15
        assert np.abs(piece - 120).mean() < 4


def test_what_leaves_carries_no_metadata() -> None:
    exif = b"Exif\x00\x00MM\x00*\x00\x00\x00\x08GPS 39.6N 98.75E"
    plain = jpeg(noise(320, 240))
    written = plain[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + plain[2:]
    for models in (finders(), None):
        sent = redact(written, None, MARK, models).jpeg
        assert b"Exif" not in sent
        assert b"GPS" not in sent
        assert sent[2:4] == b"\xff\xe0", "JFIF and nothing before it"


@pytest.mark.parametrize("size", [(1, 1), (3, 700), (700, 3), (4000, 2250)])
def test_pictures_of_any_size(size: tuple[int, int]) -> None:
    seen = finders(Fixed("face", (0.1, 0.1, 0.5, 0.5)))
    for models in (seen, None):
        assert opened(redact(jpeg(noise(*size)), (0.4, 0.4, 0.1, 0.1), MARK, models).jpeg).size


def test_what_is_no_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="not a picture"):
        redact(b"nothing", None, MARK, None)
