"""What is usual: small, pure, and readable back from whatever bytes the store returns."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from patrol.vision.quality import QualityHistory, diagnose
from patrol.vision.quality.baseline import KEPT_SAMPLES, ROW_WIDTH

Picture = NDArray[np.uint8]


def test_there_and_back(baseline: QualityHistory) -> None:
    back = QualityHistory.from_bytes(baseline.to_bytes())
    assert np.array_equal(back.rows, baseline.rows, equal_nan=True)
    assert (back.light, back.hours) == (baseline.light, baseline.hours)


def test_it_stays_small(street: list[Picture]) -> None:
    history, report = QualityHistory(), diagnose([street[0]])
    for _ in range(2 * KEPT_SAMPLES):
        history = history.learn(report)
    assert len(history.rows) == len(history.hours) == KEPT_SAMPLES
    assert len(history.to_bytes()) < 10_000


def test_learning_changes_nothing_behind_ones_back(street: list[Picture]) -> None:
    first = QualityHistory().learn(diagnose([street[0]]))
    before = first.to_bytes()
    first.learn(diagnose([street[5]]))
    assert first.to_bytes() == before


def test_a_faulty_picture_teaches_only_when_a_person_accepts_it(
    street: list[Picture], baseline: QualityHistory
) -> None:
    dark = (street[0] * 0.15).astype(np.uint8)
    report = diagnose([dark], history=baseline)
    assert report.faults == ("too_dark",)
    assert baseline.learn(report) is baseline
    assert len(baseline.learn(report, accepted=True).rows) == len(baseline.rows) + 1


def test_what_was_accepted_is_a_fault_no_longer(street: list[Picture]) -> None:
    rng = np.random.default_rng(2)
    red = [np.clip(f * (0.7, 0.9, 1.4), 0, 255).astype(np.uint8) for f in street[:6]]
    history = QualityHistory()
    for picture in red[:4]:
        history = history.learn(diagnose([picture]), accepted=True)
    shaken = np.clip(red[5] + rng.normal(0, 1, red[5].shape), 0, 255).astype(np.uint8)
    assert diagnose([shaken], history=history).faults == ()


@given(st.binary(max_size=400))
def test_any_bytes_read_as_a_history(blob: bytes) -> None:
    assert len(QualityHistory.from_bytes(blob).rows) == 0


@pytest.mark.parametrize("cut", [1, 8, 100])
def test_torn_bytes_are_an_empty_history(cut: int, baseline: QualityHistory) -> None:
    assert len(QualityHistory.from_bytes(baseline.to_bytes()[:-cut]).rows) == 0
    assert len(QualityHistory.from_bytes(b"PVQ\xff" + baseline.to_bytes()[4:]).rows) == 0


def test_a_history_of_nothing_but_nan_accuses_nobody(street: list[Picture]) -> None:
    rows = np.full((7, ROW_WIDTH), np.nan, np.float16)
    history = QualityHistory(rows=rows, hours=bytes(7))
    report = diagnose([street[0]], history=history)
    assert report.faults == ()
    assert report.any_usable
