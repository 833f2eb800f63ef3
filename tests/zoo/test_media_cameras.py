"""Each camera of the zoo gives the picture that was encoded, or the reason that is right."""

import asyncio

import numpy as np
import pytest

from patrol.vision.quality import diagnose
from streams.decode import decode
from streams.errors import StreamError
from streams.model import Sample, VisitOptions, WallClock
from tests.zoo.cameras import ZOO, Expected, Reason, ZooCamera
from tests.zoo.serving import VISIT, visit

SHORT = VisitOptions(pictures=2, spacing_s=0.5, visit_timeout_s=1.5, silence_timeout_s=1)


@pytest.mark.parametrize("camera", ZOO, ids=lambda camera: camera.name)
def test_camera(camera: ZooCamera) -> None:
    if isinstance(camera.expects, Reason):
        with pytest.raises(StreamError, match=camera.expects.words) as caught:
            asyncio.run(visit(camera.server(), SHORT))
        assert type(caught.value) is camera.expects.kind
        return
    server = camera.server()
    sample = asyncio.run(visit(server, VISIT))
    assert len(sample.key_frames) == 2
    for frame in sample.key_frames:
        picture = decode(frame)
        assert not picture.corrupt
        assert any(np.array_equal(picture.bgr, known) for known in server.clip.pictures)
    _check_clocks(sample, camera.expects)


def _check_clocks(sample: Sample, expected: Expected) -> None:
    facts = sample.facts
    found = Expected(
        freshness=sample.freshness,
        media_clock=facts.media_clock,
        wall_clock=facts.wall_clock,
        interval=facts.key_frame_interval_s is not None,
    )
    assert found == expected
    assert (facts.clock_offset_s is not None) == (facts.wall_clock is WallClock.TIME_OF_DAY)
    pictures = [decode(frame).bgr for frame in sample.key_frames]
    report = diagnose(pictures, freshness=sample.freshness, timings=facts)
    assert not {"freeze", "slow_keyframe", "clock_skew"} & set(report.faults)


def test_names_are_told_apart() -> None:
    assert len({camera.name for camera in ZOO}) == len(ZOO) >= 40
