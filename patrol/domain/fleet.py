"""The fleet's rates: online, intact — each with its whole, and with what it leaves out. Pure.

Left out and said: cameras without consent (paused, withdrawn, expired), indoor or of unknown
placement, in maintenance, and those that no visit has reached yet. Retired ones are not in the
registry; their stories are counted beside it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from patrol.domain.camera import Camera, Priority
from patrol.domain.health import Condition, Story
from patrol.domain.ids import CameraId

NEVER_VISITED = "never_visited"
TARGET_KEY = 0.98  # public targets of the intact rate (domain.md): key areas, elsewhere
TARGET = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Counted from the stories of the cameras that are to be seen at all."""

    registered: int
    left_out: Mapping[str, int]  # why → cameras
    online: int  # without a fault
    faulty: int  # online, with one
    offline: int
    suspect: int  # of all three: failed lately, not yet called offline
    grades: Mapping[str, int]  # connection, of those seen well

    @property
    def counted(self) -> int:
        """The whole of both rates."""
        return self.online + self.faulty + self.offline

    @property
    def online_rate(self) -> float | None:
        """在线率; None of nothing."""
        return (self.online + self.faulty) / self.counted if self.counted else None

    @property
    def intact_rate(self) -> float | None:
        """完好率: online and qualified; None of nothing."""
        return self.online / self.counted if self.counted else None


def fleet_of(
    cameras: Iterable[Camera],
    stories: Mapping[CameraId, Story],
    why_left_out: Mapping[CameraId, str],
) -> Fleet:
    """The fleet, or the part of it that `cameras` are."""
    everyone = list(cameras)
    left_out: Counter[str] = Counter()
    counted: list[Story] = []
    for camera in everyone:
        story, why = stories.get(camera.id), why_left_out.get(camera.id)
        if why is not None or story is None:
            left_out[why or NEVER_VISITED] += 1
        else:
            counted.append(story)
    states = Counter(story.state for story in counted)
    return Fleet(
        registered=len(everyone),
        left_out=dict(sorted(left_out.items())),
        online=states[Condition.ONLINE],
        faulty=states[Condition.FAULTY],
        offline=states[Condition.OFFLINE],
        suspect=sum(story.is_suspect for story in counted),
        grades=dict(sorted(Counter(story.grade for story in counted if story.grade).items())),
    )


def key_and_rest(cameras: Iterable[Camera]) -> tuple[list[Camera], list[Camera]]:
    """Key sites have a target of their own."""
    everyone = list(cameras)
    key = [camera for camera in everyone if camera.priority is Priority.KEY]
    return key, [camera for camera in everyone if camera.priority is not Priority.KEY]
