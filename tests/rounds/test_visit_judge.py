"""A sample becomes a judged visit."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import cv2
import numpy as np

from patrol.domain.camera import PictureAreas, Refusal
from patrol.domain.ids import CameraId
from patrol.domain.observation import Light, Observation, Subject
from patrol.domain.round import MEMORY_DISCARDED_FACT
from patrol.pictures import JpegEncoder
from patrol.pixels import decode_picture
from patrol.rounds.visit_judge import EvidenceMissing, JudgedVisit, VisitJudge, VisitStart
from patrol.vision.types import VisionThresholds
from simulators.small_site import camera
from streams.errors import WentSilent
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
    facts = StreamFacts(transport="rtsp+tcp", codec="mjpeg", bytes_received=1000,
                        key_frame_bytes=len(jpeg), visit_s=1.0)  # fmt: skip
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


def judge_into(evidence: MemoryPictureStore) -> VisitJudge:
    return VisitJudge(
        detector=None,
        policy=VisionThresholds(),
        evidence=evidence,
        encode=JpegEncoder(),
        load_memories=lambda _camera: {},
        clock=ManualClock(NOON),
        zone=ZoneInfo("Asia/Shanghai"),
        keep_for=timedelta(days=7),
    )


def found_in(visited: JudgedVisit) -> JudgedVisit:
    seen = Observation(
        camera=visited.visit.camera, round=None, at=NOON, subject=Subject.SCENE,
        kind="blocking_vehicle", score=0.9, value=0.9, threshold=0.5, gauge="test/1",
        picture=visited.visit.pictures[0].id,
    )  # fmt: skip
    return replace(visited, observations=(seen,))


def test_evidence_is_masked_stored_and_what_the_findings_show() -> None:
    store = MemoryPictureStore()
    half = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
    masked = replace(CAMERAS[0], areas=PictureAreas(visible=half))
    judge = judge_into(store)
    visited = found_in(judge(masked, VisitStart(round=None, at=NOON), sample()))
    with_evidence = judge.add_evidence(masked, visited, sample())
    before, main = with_evidence.visit.pictures
    assert before == visited.visit.pictures[0]
    assert with_evidence.observations[0].picture == main.id
    picture = decode_picture(store.get(main.sha256))
    assert picture[:, 340:].max() < 12 < picture[:, :300].max()
    facts = with_evidence.visit.facts or {}
    assert facts["bytes_received"] == 2000
    assert facts["key_frame_bytes"] == 2 * len(sample().key_frames[0].data)


def test_without_the_evidence_stream_the_judged_pictures_stay_the_evidence() -> None:
    judge = judge_into(MemoryPictureStore())
    visited = found_in(judge(CAMERAS[0], VisitStart(round=None, at=NOON), sample()))
    for why in (WentSilent("silent"), Refusal.CONSENT_WITHDRAWN):
        kept = judge.add_evidence(CAMERAS[0], visited, EvidenceMissing(why=why))
        assert kept.observations == visited.observations
        assert kept.visit.pictures == visited.visit.pictures
        kind = why.kind if isinstance(why, WentSilent) else str(why)
        assert (kept.visit.facts or {})["evidence"] == f"missing: {kind}"
    broken = replace(sample().key_frames[0], data=b"\xff\xd8 no picture")
    undecodable = replace(sample(), key_frames=(broken,))
    kept = judge.add_evidence(CAMERAS[0], visited, undecodable)
    assert (kept.visit.facts or {})["evidence"] == "missing: unreadable"
