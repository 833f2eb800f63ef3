"""A round's end for health: outages begin and end, the silent are told, the queue is put in order.

One cause, one notice: a link or village that is down is told once, on a topic of its own, and is
one lead for the maintainer; its cameras are not told one by one. When it is back, that is told
once, and whoever is still silent then stands for itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

import structlog

from patrol.domain.camera import Camera
from patrol.domain.finding import Finding
from patrol.domain.health import NETWORK, Condition, Story, is_news
from patrol.domain.ids import CameraId, FindingId, GridCode, RoundId
from patrol.domain.levels import Level
from patrol.domain.observation import Subject
from patrol.domain.outage import (
    Down,
    Group,
    Outage,
    Probe,
    groups_down,
    is_back,
    members_of,
    silent_of,
)
from patrol.domain.round import VisitOutcome
from patrol.domain.trouble import Trouble, TroubleKind
from patrol.rounds.health import HealthDesk
from patrol.store import UnitOfWork

log = structlog.get_logger(__name__)

RECOVERED = "recovered"
COVERED = "part of an outage"
DOWN = "down"
EQUIPMENT = "equipment"  # the category of every camera fault
GROUPS = {TroubleKind.LINK: Group.LINK, TroubleKind.VILLAGE: Group.VILLAGE}
NAMES = {Group.LINK: ("链路", "link"), Group.VILLAGE: ("全村", "village")}
UNVISITED = (VisitOutcome.PENDING, VisitOutcome.MISSED)


def settle(
    uow: UnitOfWork,
    round_id: RoundId,
    cameras: Mapping[CameraId, Camera],
    desk: HealthDesk,
    now: datetime,
) -> int:
    """Everything that a round's end says about health; how many messages that made."""
    return _RoundEnd(uow=uow, round=round_id, cameras=cameras, desk=desk, now=now).settle()


@dataclass(slots=True, kw_only=True)
class _RoundEnd:
    """One settlement, inside the caller's transaction."""

    uow: UnitOfWork
    round: RoundId
    cameras: Mapping[CameraId, Camera]
    desk: HealthDesk
    now: datetime
    messages: int = 0
    stories: Mapping[CameraId, Story] = field(default_factory=dict)
    covered: set[CameraId] = field(default_factory=set)

    def settle(self) -> int:
        probes = self._probes()
        for trouble in self.uow.troubles.standing():
            self._end_outage(trouble, probes)
        for down in groups_down(probes, self.desk.policy):
            self._begin_outage(down)
        self.stories = self.uow.health.stories()
        standing = self.uow.troubles.standing()
        outages = {(t.kind, t.subject) for t in standing if t.kind in GROUPS}
        self.covered = {
            ident for ident, camera in self.cameras.items() if self._is_covered(camera, outages)
        }
        self._tell_silent()
        self._order_queue({t.subject: t for t in standing if t.kind is TroubleKind.CAMERA})
        return self.messages

    def _probes(self) -> list[Probe]:
        return [
            Probe(
                camera=ident,
                link=self.cameras[ident].link,
                village=self.desk.village_of(self.cameras[ident]),
                failed=outcome is VisitOutcome.NOT_VIEWABLE and failure in NETWORK,
            )
            for ident, outcome, failure in self.uow.rounds.outcomes(self.round)
            if outcome not in UNVISITED and ident in self.cameras
        ]

    def _end_outage(self, trouble: Trouble, probes: list[Probe]) -> None:
        group = GROUPS.get(trouble.kind)
        if group is None:
            return
        members = members_of(probes, group, trouble.subject)
        if not is_back(members, self.desk.policy):
            return
        self.uow.troubles.put(trouble.close(RECOVERED, self.now))
        zh, en = NAMES[group]
        name = self._name(trouble.subject)
        why = f"{zh}「{name}」已恢复 ({en} {trouble.subject} is back)"
        self.messages += self.desk.tell_outage(
            self.uow,
            Outage(
                group=group,
                subject=trouble.subject,
                name=name,
                down=False,
                silent=silent_of(members),
                visited=len(members),
                why=why,
            ),
            self.now,
        )
        log.info("outage over", kind=str(group), subject=trouble.subject)

    def _begin_outage(self, down: Down) -> None:
        speaker, (zh, en) = self._speaker(down), NAMES[down.group]
        count = f"{len(down.cameras)}/{down.visited}"
        why = (
            f"{zh}「{self._name(down.subject)}」中断:{count} 路无应答,不再逐路通知"
            f" ({en} {down.subject} is down: {count} cameras do not answer)"
        )
        others = tuple(camera for camera in down.cameras if camera != speaker)
        opened = self.uow.troubles.open(
            Trouble(
                kind=TroubleKind(down.group),
                subject=down.subject,
                state=DOWN,
                since=self.now,
                opened_at=self.now,
                why=why,
                cameras=(speaker, *others),
            )
        )
        if opened is None:
            return  # it stands since an earlier round: told once
        self.uow.findings.add(self._lead(down, self.cameras[speaker], why))
        self.messages += self.desk.tell_outage(
            self.uow,
            Outage(
                group=down.group,
                subject=down.subject,
                name=self._name(down.subject),
                down=True,
                silent=len(down.cameras),
                visited=down.visited,
                why=why,
            ),
            self.now,
        )
        log.warning("outage", kind=str(down.group), subject=down.subject, cameras=count)

    def _speaker(self, down: Down) -> CameraId:
        """Whose lead stands for the group: a camera that has no open fault of its own."""
        for camera in down.cameras:
            case = self.uow.cases.open_like(camera, EQUIPMENT)
            if case is None and self.uow.findings.open_like(camera, EQUIPMENT) is None:
                return camera
        return down.cameras[0]

    def _lead(self, down: Down, camera: Camera, why: str) -> Finding:
        """The one lead of an outage, on its way to the maintainer as any camera fault."""
        return Finding(
            id=FindingId(f"F{self.uow.next_number('finding'):06d}"),
            camera=camera.id,
            grid=GridCode(down.subject) if down.group is Group.VILLAGE else camera.grid,
            round=self.round,
            subject=Subject.EQUIPMENT,
            kind=f"{down.group}_down",
            score=len(down.cameras) / down.visited,
            found_at=self.now,
            why=why,
            level=Level.NOTE,
            category=EQUIPMENT,
        )

    def _is_covered(self, camera: Camera, outages: set[tuple[TroubleKind, str]]) -> bool:
        """Silent for a reason of the network, behind a link or in a village that is down."""
        story = self.stories.get(camera.id)
        if story is None or story.state != Condition.OFFLINE or story.why not in NETWORK:
            return False
        village = self.desk.village_of(camera)
        return not outages.isdisjoint(
            {(TroubleKind.LINK, str(camera.link)), (TroubleKind.VILLAGE, village)}
        )

    def _tell_silent(self) -> None:
        withheld = 0
        for ident, story in self.stories.items():
            silent = ident in self.cameras and story.state == Condition.OFFLINE
            if not silent or not is_news(story):
                continue
            if ident in self.covered:
                withheld += 1
                continue
            self.uow.health.put_story(ident, replace(story, told=story.state), changed=False)
            self.messages += self.desk.tell(self.uow, ident, story, self.now)
        if withheld:
            log.info("not told one by one", cameras=withheld, why=COVERED)

    def _order_queue(self, standing: Mapping[str, Trouble]) -> None:
        """A camera that is offline or faulty has one trouble, unless an outage has it."""
        sick = {
            ident: story
            for ident, story in self.stories.items()
            if story.state != Condition.ONLINE
            and ident in self.cameras
            and ident not in self.covered
        }
        for subject, trouble in standing.items():
            story = sick.pop(CameraId(subject), None)
            if story is None:
                over = trouble.close(self._why_over(CameraId(subject)), self.now)
                self.uow.troubles.put(over)
            elif (story.state, story.why) != (trouble.state, trouble.why):
                self.uow.troubles.put(replace(trouble, state=story.state, why=story.why))
        for ident, story in sick.items():
            self.uow.troubles.open(
                Trouble(
                    kind=TroubleKind.CAMERA,
                    subject=ident,
                    state=story.state,
                    since=story.since,
                    opened_at=self.now,
                    why=story.why,
                    cameras=(ident,),
                )
            )

    def _why_over(self, camera: CameraId) -> str:
        if camera in self.covered:
            return COVERED
        return RECOVERED if camera in self.cameras else "left the registry"

    def _name(self, subject: str) -> str:
        """A village by its name, a link by its identifier."""
        grid = self.desk.tree.grids.get(GridCode(subject))
        return grid.name if grid is not None else subject
