"""Which stream of a camera is judged, and where its evidence comes from."""

from dataclasses import replace

import pytest

from patrol.domain.sampling import CameraSampling, SamplingPolicy
from streams.address import StreamAddress, StreamChoice
from tests.domain.test_registry import CAMERA as WITHOUT_SUB

MAIN, SUB = StreamChoice.MAIN, StreamChoice.SUB
CAMERA = replace(WITHOUT_SUB, sub_stream=StreamAddress.parse("rtsp://192.0.2.7/sub"))


@pytest.mark.parametrize(
    ("site", "judged", "evidence"),
    [
        (CameraSampling(), MAIN, None),
        (CameraSampling(stream=SUB), SUB, None),
        (CameraSampling(stream=SUB, evidence=MAIN), SUB, MAIN),
        (CameraSampling(stream=MAIN, evidence=MAIN), MAIN, None),
        (CameraSampling(stream=SUB, evidence=SUB), SUB, None),
    ],
)
def test_evidence_is_fetched_only_from_another_stream(
    site: CameraSampling, judged: StreamChoice, evidence: StreamChoice | None
) -> None:
    policy = SamplingPolicy(site=site)
    assert policy.judged_stream(CAMERA) is judged
    assert policy.evidence_stream(CAMERA) is evidence
    assert policy.clearest_stream(CAMERA) is (evidence or judged)


def test_a_camera_without_a_sub_stream_is_judged_by_its_main_one_and_fetched_once() -> None:
    policy = SamplingPolicy(site=CameraSampling(stream=SUB, evidence=MAIN))
    camera = replace(CAMERA, sub_stream=None)
    assert camera.stream(policy.judged_stream(camera)) == camera.main_stream
    assert policy.evidence_stream(camera) is None


def test_a_cameras_own_streams_take_the_place_of_the_sites() -> None:
    own = {CAMERA.id: CameraSampling(stream=MAIN)}
    policy = SamplingPolicy(site=CameraSampling(stream=SUB, evidence=MAIN), cameras=own)
    assert policy.judged_stream(CAMERA) is MAIN
    assert policy.evidence_stream(CAMERA) is None
