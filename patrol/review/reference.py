"""What a camera's pictures are compared with, and a person's acceptance of a newer one.

For a camera that was moved on purpose or a yard that was rebuilt: the newest usable stored picture
becomes the reference. No connection is made, so the person accepts a picture that can be looked at;
the acceptance is logged. Used by the console's reference page and `patrol camera accept`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from patrol.domain.camera import Camera, area_hash
from patrol.domain.consent import visit_refusal
from patrol.domain.errors import Failed
from patrol.domain.ids import CameraId, PictureId
from patrol.domain.observation import Light
from patrol.domain.round import AREA_HASH_FACT, StoredPicture
from patrol.ports import PictureStore
from patrol.store import Store, UnitOfWork
from patrol.vision.camera_memory import CameraMemory, memory_with_reference
from patrol.vision.change.compare import AREA_CHANGED
from patrol.vision.reference import SceneState
from patrol.vision.types import VisionThresholds

MAX_VISITS_BACK = 10  # visits; five days. An older picture does not show how it looks now


class ReferenceNotAccepted(Failed):
    """No consent, or no picture to accept; the text says which, `code` is its short form."""

    def __init__(self, camera: CameraId, text: str, code: str) -> None:
        super().__init__(f"camera {camera}: {text}")
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedReference:
    """The picture that a camera is compared with from now on, and who accepted it."""

    camera: CameraId
    light: Light
    picture: PictureId
    taken_at: datetime
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraReference:
    """The reference of a camera in one light, and whether it is in use."""

    light: Light
    state: str  # SceneState: learning, ready, suspended
    why: str  # it is suspended
    since: datetime | None
    samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceAcceptance:
    """Makes the newest usable picture of one camera its reference, on a person's decision."""

    store: Store
    evidence: PictureStore
    policy: VisionThresholds
    zone: ZoneInfo

    def __call__(
        self,
        camera_id: str,
        cameras: Mapping[CameraId, Camera],
        *,
        by: str,
        now: datetime,
        picture: PictureId | None = None,
    ) -> AcceptedReference:
        """Accept and log. Raises KeyError (no such camera), ReferenceNotAccepted.

        `picture`: the one that the person looked at; nothing is accepted when a newer one came.
        """
        camera = cameras[CameraId(camera_id)]
        with self.store.begin() as uow:  # it writes: no visit's memory comes in between
            refusal = visit_refusal(camera, now.astimezone(self.zone), uow.consents.terms(now))
            if refusal is not None:
                raise ReferenceNotAccepted(
                    camera.id, f"may not be looked through, {refusal}", str(refusal)
                )
            accepted = self._accept_newest(uow, camera, by, now)
            if picture is not None and accepted.picture != picture:
                raise ReferenceNotAccepted(
                    camera.id, "a newer picture has come, look at it first", "newer_picture"
                )
            uow.access.append(
                at=now, who=by, what="accept_as_normal", camera=camera.id,
                why=f"{accepted.light} picture {accepted.picture}",
            )  # fmt: skip
            uow.commit()
        return accepted

    def _accept_newest(
        self, uow: UnitOfWork, camera: Camera, by: str, now: datetime
    ) -> AcceptedReference:
        for light, picture in reference_candidates(uow, camera):
            try:
                jpeg = self.evidence.get(picture.sha256)
            except KeyError:
                continue  # the index knows more than the disk: `patrol db check` says so
            memory = memory_with_reference(
                jpeg, now, uow.memories.get(camera.id, light),
                light=light, areas=camera.areas, policy=self.policy,
            )  # fmt: skip
            if memory is not None:
                uow.memories.put(camera.id, light, memory, now, sampled_at=now)
                return AcceptedReference(
                    camera=camera.id,
                    light=light,
                    picture=picture.id,
                    taken_at=picture.taken_at,
                    by=by,
                )
        raise ReferenceNotAccepted(
            camera.id, f"no usable picture of its last {MAX_VISITS_BACK} visits", "no_picture"
        )


def reference_candidates(uow: UnitOfWork, camera: Camera) -> Iterator[tuple[Light, StoredPicture]]:
    """Stored usable pictures of the last visits, newest first.

    A picture taken before the visible area changed is black where the camera may look now, so it is
    no candidate.
    """
    current_area = area_hash(camera.areas.visible)
    for visit in uow.rounds.latest_visits(camera.id, limit=MAX_VISITS_BACK):
        if not visit.usable_pictures or visit.light not in set(Light):
            continue
        if (visit.facts or {}).get(AREA_HASH_FACT, current_area) != current_area:
            continue
        for picture in sorted(visit.pictures, key=lambda one: one.taken_at, reverse=True):
            if uow.pictures.get(picture.id) is not None:
                yield Light(visit.light), picture


def camera_references(uow: UnitOfWork, camera: Camera) -> list[CameraReference]:
    """The references of a camera, one for each light in which it was seen.

    A reference of another visible area counts as suspended before the next visit finds out.
    """
    memories = ((light, uow.memories.get(camera.id, light)) for light in Light)
    return [_camera_reference(camera, light, memory) for light, memory in memories if memory]


def reference_is_learning(uow: UnitOfWork, camera: CameraId, light: str) -> bool:
    """Whether the picture beside a finding is still being learned: it may show the problem itself.

    A camera without any memory has no picture to be compared with, and False.
    """
    memory = uow.memories.get(camera, Light(light)) if light in set(Light) else None
    if memory is None:
        return False
    scene = CameraMemory.from_bytes(memory, Light(light)).scene
    return scene is None or scene.state is SceneState.LEARNING


def _camera_reference(camera: Camera, light: Light, memory: bytes) -> CameraReference:
    scene = CameraMemory.from_bytes(memory, light).scene
    if scene is None:
        return CameraReference(
            light=light, state=SceneState.LEARNING, why="", since=None, samples=0
        )
    state, why = scene.state, scene.why
    if scene.model is not None and not scene.holds_for(camera.areas.visible):
        state, why = SceneState.SUSPENDED, AREA_CHANGED
    return CameraReference(
        light=light, state=state, why=why, since=scene.learned_at, samples=scene.accepted
    )
