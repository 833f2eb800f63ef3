"""Health in the books: each visit moves its camera's story; a change that needs no company is told.

A picture fault and a recovery are told at once. Who fell silent is told when the round ends
(outages.py), because only then is it known whether the camera, its link or its village is down.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime

from patrol.dispatch.wire import Wire
from patrol.domain.camera import Camera
from patrol.domain.grid import GridLevel, GridTree
from patrol.domain.health import Condition, HealthPolicy, Story, is_news, look_of, next_story
from patrol.domain.ids import CameraId
from patrol.domain.outage import Outage
from patrol.domain.round import Visit
from patrol.store import UnitOfWork


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthDesk:
    """What telling health needs of the house."""

    announcer: Wire
    policy: HealthPolicy = field(default_factory=HealthPolicy)
    tree: GridTree = field(default_factory=lambda: GridTree(grids={}))

    def village_of(self, camera: Camera) -> str:
        """The village that it stands in; empty where the tree knows none."""
        if camera.grid not in self.tree.grids:
            return ""
        path = self.tree.path_up(camera.grid)
        return next((grid.code for grid in path if grid.level is GridLevel.VILLAGE), "")

    def tell(self, uow: UnitOfWork, camera: CameraId, story: Story, now: datetime) -> int:
        """Queue the change; how many messages that made."""
        message = self.announcer.health(camera, story.state, story.since, story.why, now)
        return int(uow.outbox.add(message))

    def tell_outage(self, uow: UnitOfWork, outage: Outage, now: datetime) -> int:
        """Queue the one word for all cameras of a group; how many messages that made."""
        return int(uow.outbox.add(self.announcer.outage(outage, now)))


def note_visit(uow: UnitOfWork, visit: Visit, desk: HealthDesk, now: datetime) -> int:
    """Move the camera's story; how many messages that made. Silence waits for the round's end."""
    look = look_of(visit, desk.policy)
    if look is None:
        return 0
    known = uow.health.story(visit.camera)
    story = next_story(known, look, desk.policy)
    tell = story.state != Condition.OFFLINE and is_news(story)
    if tell or story.state == Condition.ONLINE:
        story = replace(story, told=story.state)
    if story != known:
        differs = known is None or (known.state, known.why) != (story.state, story.why)
        uow.health.put_story(visit.camera, story, changed=differs)
    return desk.tell(uow, visit.camera, story, now) if tell else 0
