"""Settle health at a round's end: outages begin and end, silent cameras are announced.

One cause, one notice: a link or village that is down is announced once, on a topic of its own, and
is one finding for the maintainer; its cameras are not announced one by one. Its recovery is
announced once too, and every camera that is still silent then is announced for itself. The
maintenance queue (troubles) follows. Runs inside the transaction that closes the round.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

import structlog

from patrol.domain.camera import Camera
from patrol.domain.finding import Finding
from patrol.domain.health import (
    NO_ANSWER_FAILURES,
    RECOVERED,
    CameraCondition,
    CameraHealth,
    Trouble,
    TroubleKind,
    should_announce,
)
from patrol.domain.ids import CameraId, GridCode, RoundId
from patrol.domain.labels import OUTAGE_GROUPS
from patrol.domain.observation import Subject
from patrol.domain.outage import (
    CameraReachability,
    GroupOutage,
    Outage,
    OutageGroup,
    groups_down,
    has_recovered,
    members_of,
    silent_count,
)
from patrol.domain.priority import Level
from patrol.domain.registry import GridTree
from patrol.domain.round import VisitOutcome
from patrol.review.blind_sample import next_finding_id
from patrol.rounds.recorder import HealthNotifier
from patrol.store import UnitOfWork

log = structlog.get_logger(__name__)

COVERED = "part of an outage"
DOWN = "down"
EQUIPMENT = "equipment"  # the category of every camera fault
GROUPS = {TroubleKind.LINK: OutageGroup.LINK, TroubleKind.VILLAGE: OutageGroup.VILLAGE}
UNVISITED = (VisitOutcome.PENDING, VisitOutcome.MISSED)


def record_round_health(
    uow: UnitOfWork,
    round_id: RoundId,
    cameras: Mapping[CameraId, Camera],
    tree: GridTree,
    *,
    notifier: HealthNotifier,
    now: datetime,
) -> int:
    """Write what the round shows about health; how many messages that queued."""
    return _HealthRecording(
        uow=uow, round=round_id, cameras=cameras, tree=tree, notifier=notifier, now=now
    ).run()


@dataclass(slots=True, kw_only=True)
class _HealthRecording:
    """One settlement, inside the caller's transaction."""

    uow: UnitOfWork
    round: RoundId
    cameras: Mapping[CameraId, Camera]
    tree: GridTree
    notifier: HealthNotifier
    now: datetime
    messages: int = 0
    unhealthy: Mapping[CameraId, CameraHealth] = field(default_factory=dict)
    covered: set[CameraId] = field(default_factory=set)

    def run(self) -> int:
        reachability = self._reachability()
        for trouble in self.uow.troubles.list_open():
            self._end_outage(trouble, reachability)
        for down in groups_down(reachability, self.notifier.policy):
            self._begin_outage(down)
        self.unhealthy = self.uow.health.unhealthy()
        troubles = self.uow.troubles.list_open()
        outages = {(t.kind, t.subject) for t in troubles if t.kind in GROUPS}
        self.covered = {
            ident for ident, camera in self.cameras.items() if self._is_covered(camera, outages)
        }
        self._announce_silent()
        self._update_camera_troubles(
            {t.subject: t for t in troubles if t.kind is TroubleKind.CAMERA}
        )
        return self.messages

    def _reachability(self) -> list[CameraReachability]:
        return [
            CameraReachability(
                camera=ident,
                link=self.cameras[ident].link,
                village=self.tree.village_of(self.cameras[ident].grid) or "",
                failed=outcome is VisitOutcome.NOT_VIEWABLE and failure in NO_ANSWER_FAILURES,
            )
            for ident, outcome, failure in self.uow.rounds.outcomes(self.round)
            if outcome not in UNVISITED and ident in self.cameras
        ]

    def _end_outage(self, trouble: Trouble, reachability: list[CameraReachability]) -> None:
        group = GROUPS.get(trouble.kind)
        if group is None:
            return
        members = members_of(reachability, group, trouble.subject)
        if not has_recovered(members, self.notifier.policy):
            return
        self.uow.troubles.put(trouble.close(RECOVERED, self.now))
        zh, en = OUTAGE_GROUPS[group]
        name = self._group_name(trouble.subject)
        why = f"{zh}“{name}”已恢复 ({en} {trouble.subject} is back)"
        self.messages += self.notifier.announce_outage(
            self.uow,
            Outage(
                group=group,
                subject=trouble.subject,
                name=name,
                down=False,
                silent=silent_count(members),
                visited=len(members),
                why=why,
            ),
            self.now,
        )
        log.info("outage over", kind=str(group), subject=trouble.subject)

    def _begin_outage(self, down: GroupOutage) -> None:
        representative, (zh, en) = self._representative(down), OUTAGE_GROUPS[down.group]
        count = f"{len(down.cameras)}/{down.visited}"
        why = (
            f"{zh}“{self._group_name(down.subject)}”中断：{count} 路无应答，不再逐路通知"
            f" ({en} {down.subject} is down: {count} cameras do not answer)"
        )
        others = tuple(camera for camera in down.cameras if camera != representative)
        opened = self.uow.troubles.open(
            Trouble(
                kind=TroubleKind(down.group),
                subject=down.subject,
                state=DOWN,
                since=self.now,
                opened_at=self.now,
                why=why,
                cameras=(representative, *others),
            )
        )
        if opened is None:
            return  # open since an earlier round, and announced then
        self.uow.findings.add(self._outage_finding(down, self.cameras[representative], why))
        self.messages += self.notifier.announce_outage(
            self.uow,
            Outage(
                group=down.group,
                subject=down.subject,
                name=self._group_name(down.subject),
                down=True,
                silent=len(down.cameras),
                visited=down.visited,
                why=why,
            ),
            self.now,
        )
        log.warning("outage", kind=str(down.group), subject=down.subject, cameras=count)

    def _representative(self, down: GroupOutage) -> CameraId:
        """The camera whose finding stands for the group: one that has no open fault of its own."""
        for camera in down.cameras:
            case = self.uow.cases.open_like(camera, EQUIPMENT)
            if case is None and self.uow.findings.open_like(camera, EQUIPMENT) is None:
                return camera
        return down.cameras[0]

    def _outage_finding(self, down: GroupOutage, camera: Camera, why: str) -> Finding:
        """The one finding of an outage; it reaches the maintainer as any camera fault does."""
        return Finding(
            id=next_finding_id(self.uow),
            camera=camera.id,
            grid=GridCode(down.subject) if down.group is OutageGroup.VILLAGE else camera.grid,
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
        health = self.unhealthy.get(camera.id)
        if (
            health is None
            or health.state != CameraCondition.OFFLINE
            or health.why not in NO_ANSWER_FAILURES
        ):
            return False
        village = self.tree.village_of(camera.grid) or ""
        return not outages.isdisjoint(
            {(TroubleKind.LINK, str(camera.link)), (TroubleKind.VILLAGE, village)}
        )

    def _announce_silent(self) -> None:
        withheld = 0
        for ident, health in self.unhealthy.items():
            silent = ident in self.cameras and health.state == CameraCondition.OFFLINE
            if not silent or not should_announce(health):
                continue
            if ident in self.covered:
                withheld += 1
                continue
            self.uow.health.save(ident, replace(health, announced=health.state), changed=False)
            self.messages += self.notifier.announce(self.uow, ident, health, self.now)
        if withheld:
            log.info("not told one by one", cameras=withheld, why=COVERED)

    def _update_camera_troubles(self, open_troubles: Mapping[str, Trouble]) -> None:
        """One open trouble for each offline or faulty camera that no outage covers."""
        unhealthy = {
            ident: health
            for ident, health in self.unhealthy.items()
            if ident in self.cameras and ident not in self.covered
        }
        for subject, trouble in open_troubles.items():
            health = unhealthy.pop(CameraId(subject), None)
            if health is None:
                over = trouble.close(self._close_reason(CameraId(subject)), self.now)
                self.uow.troubles.put(over)
            elif (health.state, health.why) != (trouble.state, trouble.why):
                self.uow.troubles.put(replace(trouble, state=health.state, why=health.why))
        for ident, health in unhealthy.items():
            self.uow.troubles.open(
                Trouble(
                    kind=TroubleKind.CAMERA,
                    subject=ident,
                    state=health.state,
                    since=health.since,
                    opened_at=self.now,
                    why=health.why,
                    cameras=(ident,),
                    case=next((one.id for one in self.uow.cases.open_about_camera(ident)), None),
                )
            )

    def _close_reason(self, camera: CameraId) -> str:
        if camera in self.covered:
            return COVERED
        return RECOVERED if camera in self.cameras else "left the registry"

    def _group_name(self, subject: str) -> str:
        """The name of a village; of a link its identifier."""
        grid = self.tree.grids.get(GridCode(subject))
        return grid.name if grid is not None else subject
