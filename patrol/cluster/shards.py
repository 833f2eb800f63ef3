"""Shards: the cameras of one link that a worker visits together, as plain data for the job queue.

Pure. A shard holds ids, times and the versions of references; never a picture, an address or a
password. Its priority puts key sites first over all workers.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from patrol.domain.camera import Camera, Priority
from patrol.domain.ids import CameraId, LinkId, RoundId
from patrol.domain.observation import Light
from patrol.domain.round import PlannedVisit

VERSION: Final = 1  # of the plain data; a worker one version behind ignores fields it does not know
KEY_PRIORITY: Final = 100
ORDINARY_PRIORITY: Final = 0
References = Mapping[Light, str]  # light → sha256 of the reference as it stood when it was sent


class NotAShard(ValueError):
    """A job whose data this version cannot read; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """Cameras behind one link that one job visits."""

    site: str
    round: RoundId
    plan: str
    link: LinkId
    cameras: tuple[CameraId, ...]
    finish_by: datetime  # UTC; nothing is visited after it
    priority: int = ORDINARY_PRIORITY
    references: Mapping[CameraId, References] = field(default_factory=dict)

    def to_data(self) -> dict[str, Any]:
        """The job's arguments."""
        return {
            "version": VERSION,
            "site": self.site,
            "round": self.round,
            "plan": self.plan,
            "link": self.link,
            "cameras": list(self.cameras),
            "finish_by": self.finish_by.astimezone(UTC).isoformat(),
            "priority": self.priority,
            "references": {
                camera: {str(light): version for light, version in by_light.items()}
                for camera, by_light in self.references.items()
            },
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> "Shard":
        """The shard of a job's arguments. Raises NotAShard."""
        try:
            lights = {str(light): light for light in Light}
            return cls(
                site=str(data["site"]),
                round=RoundId(data["round"]),
                plan=str(data["plan"]),
                link=LinkId(data["link"]),
                cameras=tuple(CameraId(str(one)) for one in data["cameras"]),
                finish_by=datetime.fromisoformat(data["finish_by"]),
                priority=int(data.get("priority", ORDINARY_PRIORITY)),
                references={
                    CameraId(camera): {
                        lights[name]: str(version)
                        for name, version in by_light.items()
                        if name in lights
                    }
                    for camera, by_light in data.get("references", {}).items()
                },
            )
        except (KeyError, TypeError, ValueError, AttributeError) as exc:
            raise NotAShard(f"{type(exc).__name__}: {exc}") from None


def cut_into_shards(
    visits: Sequence[PlannedVisit],
    cameras: Mapping[CameraId, Camera],
    *,
    site: str,
    plan: str,
    finish_by: datetime,
    most_cameras: int,
) -> list[Shard]:
    """The visits of a round as shards, key sites apart and first; each visit in exactly one.

    Within a shard cameras keep the order of the plan.
    """
    groups: dict[tuple[int, LinkId], list[PlannedVisit]] = defaultdict(list)
    for visit in visits:
        camera = cameras[visit.camera]
        groups[priority_of(camera), camera.link].append(visit)
    shards = []
    for (priority, link), of_link in groups.items():
        for some in _parts(of_link, most_cameras):
            shard = Shard(
                site=site, round=some[0].round, plan=plan, link=link,
                cameras=tuple(visit.camera for visit in some), finish_by=finish_by,
                priority=priority,
            )  # fmt: skip
            shards.append(shard)
    return sorted(shards, key=lambda shard: -shard.priority)


def priority_of(camera: Camera) -> int:
    """The priority of the camera's shard."""
    return KEY_PRIORITY if camera.priority is Priority.KEY else ORDINARY_PRIORITY


def _parts(visits: Sequence[PlannedVisit], most: int) -> Iterable[Sequence[PlannedVisit]]:
    """Parts of about the same size, none larger than `most`."""
    count = -(-len(visits) // most)
    size = -(-len(visits) // count)
    return (visits[start : start + size] for start in range(0, len(visits), size))
