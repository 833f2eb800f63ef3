"""Key frames that arrive damaged: made as networks make them, decoded as a visit does."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from patrol.evaluation.damaged_streams import (
    DAMAGES,
    ENCODERS,
    PACKET,
    damaged_cases,
    encode_key_frame,
    last_slice,
)
from patrol.evaluation.real_results import judge_cases
from patrol.evaluation.real_scenes import RealScene

Picture = NDArray[np.uint8]


@pytest.fixture(scope="module")
def view() -> Picture:
    rng = np.random.default_rng(3)
    coarse = cv2.resize(rng.uniform(40, 190, (9, 12, 3)).astype(np.float32), (640, 360))
    fine = cv2.resize(rng.normal(0, 16, (180, 320, 3)).astype(np.float32), (640, 360))
    return np.asarray(np.clip(coarse + fine, 0, 255), np.uint8)


@pytest.mark.parametrize("codec", ENCODERS)
def test_a_damage_spoils_the_slice_and_leaves_the_parameter_sets(view: Picture, codec: str) -> None:
    whole = encode_key_frame(view, codec, np.random.default_rng(1))
    first = last_slice(whole, codec)
    assert whole[first - 3 : first] == b"\0\0\1"
    assert len(whole) - first > 10 * PACKET
    for how, damage in DAMAGES.items():
        data = bytearray(whole)
        damage(data, first + 40, np.random.default_rng(2))
        assert data[: first + 40] == whole[: first + 40], how
        assert data != whole, how
        assert (
            len(data)
            == len(whole) - PACKET * {"a packet lost": 1, "two packets lost": 2}.get(how, 0)
            or how == "cut off"
        )


def test_damage_is_counted_by_codec_and_kind_and_told(view: Picture) -> None:
    rows = judge_cases(damaged_cases([RealScene(name="view", frames=[[view]])]))
    assert {kind for kind, _, _ in rows} == {"damaged_h264", "damaged_h265"}
    assert {severity for _, severity, _ in rows} <= set(DAMAGES)
    assert sum(row.of for row in rows.values()) >= 8
    assert all(row.named == row.of for row in rows.values())
