"""What the stream tells, and the clock: slow key frames, a wrong clock, infrared at noon."""

from dataclasses import dataclass
from datetime import time

import numpy as np
import pytest
from numpy.typing import NDArray

from patrol.domain.observation import Light
from patrol.vision.quality import QualityHistory, detect_light, diagnose

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Timings:
    key_frame_interval_s: float | None = None
    clock_offset_s: float | None = None


@pytest.mark.parametrize(("timings", "faults"), [
    (Timings(), ()),
    (Timings(key_frame_interval_s=4.0), ()),
    (Timings(key_frame_interval_s=10.0), ("slow_keyframe",)),
    (Timings(clock_offset_s=-59.0), ()),
    (Timings(clock_offset_s=-61.0), ("clock_skew",)),
    (Timings(clock_offset_s=86400.0), ("clock_skew",)),
    (Timings(clock_offset_s=float("nan")), ()),
    (Timings(clock_offset_s=-8.5e8), ("clock_skew",)),
    (Timings(clock_offset_s=-2.2e9), ()),
    (Timings(clock_offset_s=-4e9), ()),
    (Timings(key_frame_interval_s=float("inf")), ()),
    (Timings(key_frame_interval_s=-9000.0), ()),
])  # fmt: skip
def test_timings(timings: Timings, faults: tuple[str, ...], street: list[Picture]) -> None:
    report = diagnose([street[0]], timings=timings)
    assert report.faults == faults
    assert report.any_usable


def grey(frame: Picture) -> Picture:
    return np.repeat(frame[:, :, 1:2], 3, axis=2)


def learned(frames: list[Picture], at: time) -> QualityHistory:
    history = QualityHistory()
    for frame in frames:
        history = history.learn(diagnose([frame], now_local=at), accepted=True)
    return history


@pytest.mark.parametrize(("history_of", "learned_at", "now", "stuck"), [
    pytest.param("colour", time(12), time(12), True, id="colour by habit, grey at noon"),
    pytest.param("grey", time(21), time(12), True, id="grey by night, grey at noon"),
    pytest.param("grey", time(12), time(13), False, id="grey by habit"),
    pytest.param("grey", time(21), time(22), False, id="grey at night"),
    pytest.param("colour", time(12), time(8), False, id="dawn may be dark in winter"),
])  # fmt: skip
def test_infrared_stuck(
    history_of: str, learned_at: time, now: time, street: list[Picture], *, stuck: bool
) -> None:
    frames = street[:4] if history_of == "colour" else [grey(f) for f in street[:4]]
    report = diagnose([grey(street[8])], history=learned(frames, learned_at), now_local=now)
    assert ("infrared_stuck" in report.faults) is stuck


def test_without_a_memory_a_grey_camera_is_not_accused(street: list[Picture]) -> None:
    assert diagnose([grey(street[0])], now_local=time(12)).faults == ()


def test_light(street: list[Picture]) -> None:
    assert detect_light([street[0]]) is Light.DAY
    assert detect_light([grey(street[0])]) is Light.INFRARED
    tinted = np.clip(grey(street[0]) + np.array((12, 0, 9)), 0, 255).astype(np.uint8)
    assert detect_light([tinted]) is Light.INFRARED
    assert detect_light([]) is Light.DAY
