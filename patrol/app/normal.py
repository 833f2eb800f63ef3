"""Accept as the new normal: the newest usable stored picture of a camera becomes its reference.

For a camera that was moved on purpose, or a yard that was rebuilt: no new connection is made, and
what was accepted is a picture that the person could look at. Written down in the access log.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from patrol.domain.camera import Camera
from patrol.domain.ids import CameraId, Sha256
from patrol.domain.observation import Light
from patrol.domain.round import StoredPicture
from patrol.domain.zone import area_mark
from patrol.ports import EvidenceStore
from patrol.rounds.judge import AREA
from patrol.rounds.plan import why_refused
from patrol.store import Store, UnitOfWork
from patrol.vision.accept import accept
from patrol.vision.sight import EyePolicy

LOOK_BACK = 10  # visits; five days. An older picture does not show how it looks now


class NotAccepted(Exception):
    """No consent, or nothing to accept; says which. `code`: the same in one word."""

    def __init__(self, camera: CameraId, words: str, code: str) -> None:
        super().__init__(f"camera {camera}: {words}")
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class NewNormal:
    """What the camera is compared with from now on."""

    camera: CameraId
    light: Light
    picture: Sha256
    taken_at: datetime
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """Does it; every call is one person's word about one camera."""

    store: Store
    evidence: EvidenceStore
    policy: EyePolicy
    zone: ZoneInfo

    def __call__(
        self,
        camera_id: str,
        cameras: Mapping[CameraId, Camera],
        *,
        by: str,
        now: datetime,
        picture: Sha256 | None = None,
    ) -> NewNormal:
        """Raises KeyError (no such camera), NotAccepted.

        `picture`: the one that was looked at; when another one is the newest by now, nothing is
        accepted.
        """
        camera = cameras[CameraId(camera_id)]
        with self.store.begin() as uow:  # it writes: no visit's memory comes in between
            refusal = why_refused(
                camera, now.astimezone(self.zone).date(), uow.consents.withdrawn()
            )
            if refusal is not None:
                raise NotAccepted(camera.id, f"may not be looked through, {refusal}", str(refusal))
            normal = self._newest(uow, camera, by, now)
            if picture is not None and normal.picture != picture:
                raise NotAccepted(
                    camera.id, "a newer picture has come, look at it first", "newer_picture"
                )
            uow.access.append(
                at=now, who=by, what="accept_as_normal", camera=camera.id,
                why=f"{normal.light} picture {normal.picture}",
            )  # fmt: skip
            uow.commit()
        return normal

    def _newest(self, uow: UnitOfWork, camera: Camera, by: str, now: datetime) -> NewNormal:
        for light, picture in candidates(uow, camera):
            try:
                jpeg = self.evidence.get(picture.sha256)
            except KeyError:
                continue  # the index knows more than the disk: `patrol db check` says so
            memory = accept(
                jpeg, now, uow.memories.get(camera.id, light),
                light=light, areas=camera.areas, policy=self.policy,
            )  # fmt: skip
            if memory is not None:
                uow.memories.put(camera.id, light, memory, now)
                return NewNormal(
                    camera=camera.id,
                    light=light,
                    picture=picture.sha256,
                    taken_at=picture.taken_at,
                    by=by,
                )
        raise NotAccepted(
            camera.id, f"no usable picture of its last {LOOK_BACK} visits", "no_picture"
        )


def candidates(uow: UnitOfWork, camera: Camera) -> Iterator[tuple[Light, StoredPicture]]:
    """Pictures that still exist, newest first, of visits that saw something.

    What was taken before the visible area changed is black where one may look now, so it is no
    candidate.
    """
    mark = area_mark(camera.areas.visible)
    for visit in uow.rounds.latest_visits(camera.id, limit=LOOK_BACK):
        if not visit.usable_pictures or visit.light not in set(Light):
            continue
        if (visit.facts or {}).get(AREA, mark) != mark:
            continue
        for picture in sorted(visit.pictures, key=lambda one: one.taken_at, reverse=True):
            if uow.pictures.get(picture.sha256) is not None:
                yield Light(visit.light), picture
