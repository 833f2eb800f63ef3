"""So it looks from now on: a stored picture becomes the reference, where a person may say so."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from patrol.domain.camera import Camera, Consent, ConsentState, PictureAreas, Placement, area_hash
from patrol.domain.ids import CameraId, GridCode, LinkId, PictureId
from patrol.domain.observation import Light
from patrol.domain.round import AREA_HASH_FACT, StoredPicture, Visit, VisitOutcome
from patrol.pictures import FilePictureStore, JpegEncoder
from patrol.review.reference import AcceptedReference, ReferenceAcceptance, ReferenceNotAccepted
from patrol.store import Store
from patrol.vision.camera_memory import CameraMemory
from patrol.vision.judge import judge_visit
from patrol.vision.reference import SceneMemory, SceneState
from patrol.vision.types import VisionThresholds, VisitInput, VisitJudgement
from streams.address import StreamAddress
from tests.support.store import new_store

START = datetime(2026, 6, 1, 2, 0, tzinfo=UTC)
HALF_A_DAY = timedelta(hours=12)
CAMERA = Camera(
    id=CameraId("62090204011327000001"), name="村口", place="村口", link=LinkId("a"),
    grid=GridCode("620902104203001"), placement=Placement.OUTDOOR,
    main_stream=StreamAddress.parse("rtsp://127.0.0.1/1"),
    consent=Consent(state=ConsentState.GRANTED, until=date(2027, 1, 1)),
)  # fmt: skip
Picture = NDArray[np.uint8]


def yard(seed: int, aside: int = 0) -> Picture:
    """A textured yard with edges, and fresh noise for every seed; `aside`: the camera moved."""
    rng = np.random.default_rng(4)
    made = cv2.resize(rng.normal(115, 30, (60, 107)).astype(np.float32), (640, 360))
    picture = np.dstack([made * 0.8, made, made * 1.1])
    for x in range(20, 640, 70):
        cv2.rectangle(picture, (x, 40), (x + 34, 95), (60, 70, 85), -1)
        cv2.line(picture, (x, 110), (x + 50, 350), (185, 185, 180), 2)
    grain = np.random.default_rng(seed).normal(0, 2.5, picture.shape)
    return np.roll(np.clip(picture + grain, 0, 255).astype(np.uint8), aside, axis=1)


@dataclass
class Life:
    """A camera's visits, judged and written as in service."""

    evidence: FilePictureStore
    store: Store = field(default_factory=new_store)
    camera: Camera = CAMERA
    turn: int = 0

    @property
    def now(self) -> datetime:
        return START + self.turn * HALF_A_DAY

    def visit(self, *pictures: Picture) -> VisitJudgement:
        self.turn += 1
        seen = judge_visit(VisitInput(
            camera=CAMERA.id, round=None, pictures=[p.copy() for p in pictures], at=self.now,
            local=self.now, memories=self.memories(), freshness="live", areas=self.camera.areas,
        ))  # fmt: skip
        with self.store.begin() as uow:
            uow.rounds.record_visit(self._visit(seen, [self._stored(p) for p in pictures]))
            for light, blob in seen.memories.items():
                uow.memories.put(CAMERA.id, light, blob, self.now)
            uow.commit()
        return seen

    def _visit(self, seen: VisitJudgement, stored: Sequence[StoredPicture]) -> Visit:
        outcome = VisitOutcome.NORMAL if any(seen.usable) else VisitOutcome.NOT_VIEWABLE
        return Visit(
            round=None, camera=CAMERA.id, outcome=outcome, started_at=self.now,
            finished_at=self.now, usable_pictures=sum(seen.usable), light=str(seen.light),
            pictures=tuple(stored), facts={AREA_HASH_FACT: area_hash(self.camera.areas.visible)},
        )  # fmt: skip

    def _stored(self, picture: Picture) -> StoredPicture:
        jpeg, (width, height) = JpegEncoder()(picture)
        return StoredPicture(
            sha256=self.evidence.put(jpeg), camera=CAMERA.id, taken_at=self.now, width_px=width,
            height_px=height, bytes=len(jpeg), purpose="sample",
            delete_after=self.now + timedelta(days=7),
        )  # fmt: skip

    def memories(self) -> dict[Light, bytes]:
        with self.store.begin_read() as uow:
            blobs = {light: uow.memories.get(CAMERA.id, light) for light in Light}
        return {light: blob for light, blob in blobs.items() if blob is not None}

    def scene(self) -> SceneMemory:
        found = CameraMemory.from_bytes(self.memories()[Light.DAY], Light.DAY).scene
        assert found is not None
        return found

    def accept(self, picture: PictureId | None = None) -> AcceptedReference:
        accept = ReferenceAcceptance(
            store=self.store, evidence=self.evidence, policy=VisionThresholds(),
            zone=ZoneInfo("Asia/Shanghai"),
        )  # fmt: skip
        return accept(CAMERA.id, {CAMERA.id: self.camera}, by="wang", now=self.now, picture=picture)


@pytest.fixture
def life(tmp_path: Path) -> Life:
    """A camera that learned its yard, and then was turned aside."""
    life = Life(FilePictureStore(tmp_path))
    for seed in range(0, 16, 2):
        life.visit(yard(seed), yard(seed + 1))
    assert life.visit(yard(50, aside=60)).faults == ("scene_shift",)
    return life


def test_the_newest_picture_is_the_reference_from_now_on(life: Life) -> None:
    history = CameraMemory.from_bytes(life.memories()[Light.DAY], Light.DAY).history
    normal = life.accept()
    assert (normal.light, normal.taken_at, normal.by) == (Light.DAY, life.now, "wang")
    known = CameraMemory.from_bytes(life.memories()[Light.DAY], Light.DAY)
    assert known.scene is not None
    assert known.scene.state is SceneState.READY
    assert len(known.history.rows) == len(history.rows) + 1, "what the gauges learned stays"
    assert life.visit(yard(60, aside=60), yard(61, aside=60)).faults == ()
    assert life.visit(yard(62), yard(63)).faults == ("scene_shift",), "the old place is wrong now"


def test_who_said_so_is_in_the_access_log(life: Life) -> None:
    normal = life.accept()
    with life.store.begin_read() as uow:
        (entry,) = uow.access.entries(camera=CAMERA.id)
    assert (entry.who, entry.what) == ("wang", "accept_as_normal")
    assert normal.picture in entry.why


def test_a_black_picture_is_passed_over(life: Life) -> None:
    when = life.now
    life.visit(np.zeros((360, 640, 3), np.uint8))
    assert life.accept().taken_at == when


def test_a_picture_that_is_gone_is_passed_over(life: Life) -> None:
    when = life.now
    life.visit(yard(70, aside=60))
    with life.store.begin() as uow:
        (newest,) = uow.rounds.latest_visits(CAMERA.id, limit=1)
        uow.pictures.record_deletion(newest.pictures[0].id, life.now)
        uow.commit()
    assert life.accept().taken_at == when


def test_only_what_was_taken_in_the_present_visible_area_is_accepted(life: Life) -> None:
    life.camera = replace(CAMERA, areas=PictureAreas(visible=((0, 0), (1, 0), (1, 0.9), (0, 0.9))))
    with pytest.raises(ReferenceNotAccepted, match="no usable picture"):
        life.accept()
    life.visit(yard(80, aside=60), yard(81, aside=60))
    assert life.scene().state is SceneState.SUSPENDED, "made in another area"
    assert life.accept().taken_at == life.now
    assert life.scene().state is SceneState.READY
    assert life.visit(yard(82, aside=60), yard(83, aside=60)).faults == ()


def test_a_newer_picture_than_the_one_looked_at_is_not_accepted(life: Life) -> None:
    with life.store.begin_read() as uow:
        looked_at = uow.rounds.latest_visits(CAMERA.id, limit=1)[0].pictures[-1].id
    life.visit(yard(84, aside=60))
    with pytest.raises(ReferenceNotAccepted, match="newer picture"):
        life.accept(looked_at)


@pytest.mark.parametrize(("camera", "withdrawn", "why"), [
    pytest.param(replace(CAMERA, placement=Placement.INDOOR), False, "indoor", id="indoors"),
    pytest.param(
        replace(CAMERA, consent=Consent(state=ConsentState.GRANTED, until=date(2026, 5, 1))),
        False, "consent_expired", id="consent is over",
    ),
    pytest.param(CAMERA, True, "consent_withdrawn", id="withdrawn a moment ago"),
])  # fmt: skip
def test_without_consent_nothing_is_accepted(
    life: Life,
    camera: Camera,
    withdrawn: bool,  # noqa: FBT001  a row of the table
    why: str,
) -> None:
    assert life.memories()
    life.camera = camera
    with life.store.begin() as uow:
        if withdrawn:
            uow.consents.withdraw(CAMERA.id, by="household", now=life.now)
        uow.commit()
    before = life.memories()
    assert (before == {}) is withdrawn, "a withdrawal deletes the references, nothing else does"
    with pytest.raises(ReferenceNotAccepted, match=why):
        life.accept()
    assert life.memories() == before


def test_a_camera_without_a_picture_has_nothing_to_accept(tmp_path: Path) -> None:
    with pytest.raises(ReferenceNotAccepted, match="no usable picture"):
        Life(FilePictureStore(tmp_path)).accept()
