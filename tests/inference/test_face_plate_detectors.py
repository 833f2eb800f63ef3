"""Faces and plates: how the models' answers are read, at any size; and the files that are not."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from patrol.inference.errors import ModelBroken, ModelMissing
from patrol.inference.face_plate_detectors import open_face_plate_detector
from patrol.inference.manifest import Layout, ModelSpec
from patrol.inference.onnx_shapes import with_free_sizes

F32 = NDArray[np.float32]
Place = Callable[..., ModelSpec]
PICTURE = np.zeros((40, 70, 3), np.uint8)  # padded to 96 × 64: the box is in fractions of 70 × 40


def maps(channels: int, *values: tuple[int, int, int, float], height: int = 16) -> F32:
    out = np.zeros((1, channels, height, 24), np.float32)
    for channel, row, column, value in values:
        out[0, channel, row, column] = value
    return out


def face_outputs(score: float = 0.9) -> Sequence[F32]:
    """One face: centre (8.6 + 0.5) × 4, (4.2 + 0.5) × 4 px, 12 × 16 px."""
    return [
        maps(1, (0, 4, 8, score), (0, 4, 9, score / 2)),
        maps(2, (0, 4, 8, np.log(4)), (1, 4, 8, np.log(3)), (0, 4, 9, np.log(4)), (1, 4, 9, 1.1)),
        maps(2, (0, 4, 8, 0.2), (1, 4, 8, 0.6)),
        maps(10),
    ]


def test_a_face_is_read_where_it_is(place: Place, tmp_path: Path) -> None:
    """The file says 32 × 32 alone; a picture of another size goes through all the same."""
    spec = place(Layout.CENTERFACE, face_outputs(), labels=["face"], size=32)
    finder = open_face_plate_detector(tmp_path, "tiny", manifest={"tiny": spec})
    (face,) = finder.detect(PICTURE)
    assert (face.label, face.score) == ("face", pytest.approx(0.9))
    expected = ((36.4 - 6) / 70, (18.8 - 8) / 40, 12 / 70, 16 / 40)
    assert face.box == pytest.approx(expected, abs=1e-3)


def test_what_scores_low_is_no_face(place: Place, tmp_path: Path) -> None:
    spec = place(Layout.CENTERFACE, face_outputs(0.2), labels=["face"], size=32)
    assert not open_face_plate_detector(tmp_path, "tiny", manifest={"tiny": spec}).detect(PICTURE)


def plate_outputs() -> Sequence[F32]:
    """64 × 96: 96, 24 and 6 cells of two anchors each; the 10th cell's larger one is a plate."""
    count = 2 * (12 * 8 + 6 * 4 + 3 * 2)
    loc, conf = np.zeros((1, count, 4), np.float32), np.zeros((1, count, 2), np.float32)
    conf[0, :, 0] = 1.0
    conf[0, 2 * 17 + 1] = (0.1, 0.9)  # column 5, row 1: centre 44, 12; side 48
    loc[0, 2 * 17 + 1] = (-1.0, 0.5, np.log(0.5) / 0.2, np.log(0.25) / 0.2)
    return [loc, conf, np.zeros((1, count, 8), np.float32)]


def test_a_plate_is_read_where_it_is(place: Place, tmp_path: Path) -> None:
    spec = place(Layout.RETINAFACE, plate_outputs(), labels=["plate"], size=64)
    finder = open_face_plate_detector(tmp_path, "tiny", manifest={"tiny": spec})
    (plate,) = finder.detect(PICTURE)
    x, y, width, height = 44 - 0.1 * 48, 12 + 0.05 * 48, 24, 12
    expected = ((x - width / 2) / 70, (y - height / 2) / 40, width / 70, height / 40)
    assert plate.box == pytest.approx(expected, abs=1e-3)
    assert plate.label == "plate"


def test_an_empty_picture_holds_nothing(place: Place, tmp_path: Path) -> None:
    spec = place(Layout.CENTERFACE, face_outputs(), labels=["face"], size=32)
    finder = open_face_plate_detector(tmp_path, "tiny", manifest={"tiny": spec})
    assert not finder.detect(np.zeros((0, 5, 3), np.uint8))


def test_a_file_that_is_not_there_or_not_the_one(place: Place, tmp_path: Path) -> None:
    spec = place(Layout.CENTERFACE, face_outputs(), labels=["face"], size=32)
    with pytest.raises(ModelMissing, match="models install"):
        open_face_plate_detector(tmp_path / "elsewhere", "tiny", manifest={"tiny": spec})
    (tmp_path / "tiny.onnx").write_bytes(b"altered")
    with pytest.raises(ModelBroken, match="sha256"):
        open_face_plate_detector(tmp_path, "tiny", manifest={"tiny": spec})


def test_a_model_of_another_layout_is_refused_by_name(place: Place, tmp_path: Path) -> None:
    answer = np.zeros((1, 21, 6), np.float32)
    spec = place(Layout.YOLOX, [answer], labels=["face"])
    with pytest.raises(ModelBroken, match=r"tiny.*neither faces nor plates"):
        open_face_plate_detector(tmp_path, "tiny", manifest={"tiny": spec})
    short = place(Layout.CENTERFACE, [answer], labels=["face"], size=32)
    with pytest.raises(ModelBroken, match="does not answer as layout centerface"):
        open_face_plate_detector(tmp_path, "tiny", manifest={"tiny": short})


@pytest.mark.parametrize("data", [b"\x3a", b"\x3a\x05abc", b"\x08"])
def test_freeing_the_sizes_of_no_onnx_file(data: bytes) -> None:
    with pytest.raises(ValueError, match="not an ONNX file"):
        with_free_sizes(data)


def test_freeing_the_sizes_leaves_everything_else(
    make_onnx: Callable[[Sequence[int], Sequence[F32]], bytes],
) -> None:
    before = make_onnx((10, 3, 32, 32), face_outputs())
    after = with_free_sizes(before)
    for output in face_outputs():
        assert output.tobytes() in after
    assert with_free_sizes(after) == after
    assert b"free2" in after
    assert b"free1" not in after, "the channels stay"
