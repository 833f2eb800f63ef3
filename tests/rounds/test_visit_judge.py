"""A sample becomes a judged visit."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import cv2
import numpy as np

from patrol.domain.ids import CameraId
from patrol.domain.observation import Light
from patrol.domain.round import MEMORY_DISCARDED_FACT
from patrol.pictures import JpegEncoder
from patrol.rounds.visit_judge import VisitJudge, VisitStart
from patrol.vision.types import VisionThresholds
from simulators.small_site import camera
from streams.model import Codec, Freshness, KeyFrame, Sample, StreamFacts
from tests.support.clock import ManualClock
from tests.support.logs import captured_logs
from tests.support.memory_pictures import MemoryPictureStore

NOON = datetime(2026, 11, 22, 4, tzinfo=UTC)
CAMERAS = [camera(CameraId(f"6209020401132700000{number}")) for number in (1, 2)]


def sample() -> Sample:
    yard = np.random.default_rng(0).integers(60, 190, (90, 160, 3), np.uint8)
    _, jpeg = cv2.imencode(".jpg", cv2.resize(yard, (640, 360)))
    key_frame = KeyFrame(
        codec=Codec.MJPEG, data=bytes(jpeg), taken_at=NOON, media_time_s=0.0, sha256="0" * 64
    )
    facts = StreamFacts(transport="rtsp+tcp", codec="mjpeg", bytes_received=1000, visit_s=1.0)
    return Sample(key_frames=(key_frame,), facts=facts, freshness=Freshness.SINGLE)


def test_a_discarded_memory_is_logged_once_per_camera_and_reason() -> None:
    judge = VisitJudge(
        detector=None,
        policy=VisionThresholds(),
        evidence=MemoryPictureStore(),
        encode=JpegEncoder(),
        load_memories=lambda _camera: {Light.DAY: b"PEYE of a version that nobody knows"},
        clock=ManualClock(NOON),
        zone=ZoneInfo("Asia/Shanghai"),
        keep_for=timedelta(days=7),
    )
    with captured_logs() as lines:
        for visited in (CAMERAS[0], CAMERAS[0], CAMERAS[1]):
            visit = judge(visited, VisitStart(round=None, at=NOON), sample()).visit
            assert visit.usable_pictures
            assert visit.facts[MEMORY_DISCARDED_FACT] == "memory of another version"
    discarded = [line for line in lines if line["event"] == "camera memory discarded"]
    assert [line["camera"] for line in discarded] == [one.id for one in CAMERAS]
    assert {(line["light"], line["reason"]) for line in discarded} == {
        ("day", "memory of another version")
    }
