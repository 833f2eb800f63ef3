"""One cause, one lead: what a whole round's pictures have in common is proposed once.

A visit that finds the whole picture changed (snow, dust, fog, other light) proposes nothing by
itself: only the round's end knows whether it is one camera's affair or the town's. Then each cause
that enough cameras share becomes one finding, at the smallest grid that holds them all; what is not
shared becomes the camera's own finding by the ordinary rules. Runs inside the transaction that
closes the round, and costs one indexed query where no picture changed as a whole.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from patrol.domain.camera import Camera
from patrol.domain.case import CaseEvent
from patrol.domain.finding import Finding, Origin
from patrol.domain.ids import CameraId, FindingId, GridCode
from patrol.domain.levels import Level
from patrol.domain.observation import Observation
from patrol.domain.round import Round
from patrol.domain.rules import Rule
from patrol.domain.suppression import Suppression
from patrol.rounds.record import MACHINE, Lead, RecordPolicy, enter, find
from patrol.store import UnitOfWork
from patrol.vision.change import Cause, FrameWide, Grouped, group
from patrol.vision.observe_scene import FRAME_WIDE_GAUGE

COMPARED: Final = "changed"  # a visit has this reading when there was a reference to compare with
ALL: Final = 100_000  # more than wait or are open in any town


@dataclass(frozen=True, slots=True, kw_only=True)
class _Round:
    """What the rules below need of the round that ends."""

    uow: UnitOfWork
    a_round: Round
    cameras: Mapping[CameraId, Camera]
    policy: RecordPolicy
    now: datetime
    seen: Mapping[CameraId, Observation]
    standing: Sequence[Suppression]

    def held_back(self, one: Observation) -> bool:
        """Whether a dismissal taught not to propose this."""
        return any(
            known.camera == one.camera and known.holds(one.kind, one.box, self.now)
            for known in self.standing
        )


def gather(
    uow: UnitOfWork,
    a_round: Round,
    cameras: Mapping[CameraId, Camera],
    policy: RecordPolicy,
    now: datetime,
) -> int:
    """Propose what the round's frame-wide observations amount to; how many findings that made."""
    wide = uow.findings.observed(a_round.id, gauge=FRAME_WIDE_GAUGE)
    seen = {one.camera: one for one in wide if one.camera in cameras}
    if not seen:
        return 0
    visits = uow.rounds.visits(a_round.id)
    compared = {visit.camera for visit in visits if COMPARED in (visit.readings or {})}
    groups = group((camera, _wide(seen.get(camera))) for camera in sorted(compared | seen.keys()))
    shared = {camera for one in groups for camera in one.cameras}
    the_round = _Round(
        uow=uow,
        a_round=a_round,
        cameras=cameras,
        policy=policy,
        now=now,
        seen=seen,
        standing=uow.suppressions.standing(now),
    )
    made = sum(_propose(the_round, one) for one in groups)
    return made + sum(_propose_own(the_round, seen[one]) for one in sorted(seen.keys() - shared))


def _wide(seen: Observation | None) -> FrameWide | None:
    if seen is None:
        return None
    return FrameWide(cause=Cause(seen.label), changed=seen.value, score=seen.score)


def _propose(the_round: _Round, shared: Grouped[CameraId]) -> bool:
    """One finding for all of them; False where it is known, dismissed or not wanted."""
    policy, members = the_round.policy, [the_round.seen[camera] for camera in shared.cameras]
    # Without a rule of the site one camera's weather is no lead; the whole town's is.
    plain = Rule(kind=shared.kind, category=shared.kind, level=Level.ORDINARY, min_score=0.0)
    rule = policy.rules.by_kind.get(shared.kind, plain)
    if not rule.enabled or shared.score < rule.min_score:
        return False
    if any(the_round.held_back(one) for one in members) or _known(the_round, shared, rule.category):
        return False
    clearest = max(members, key=lambda one: (one.score, one.camera))
    finding = Finding(
        id=FindingId(f"F{the_round.uow.next_number('finding'):06d}"),
        camera=clearest.camera,
        grid=_grid(the_round, shared.cameras, clearest.camera),
        round=the_round.a_round.id,
        subject=clearest.subject,
        kind=shared.kind,
        score=shared.score,
        found_at=clearest.at,
        why=shared.words,
        level=rule.level,
        category=rule.category,
        picture=clearest.picture,
        unreviewed_ok=rule.unreviewed,
    )
    enter(the_round.uow, finding, policy, the_round.now)
    return True


def _known(the_round: _Round, shared: Grouped[CameraId], category: str) -> bool:
    """An open case or a waiting lead of any of these cameras takes it: it goes on snowing."""
    uow, members = the_round.uow, set(shared.cameras)
    for case in uow.cases.list(open_only=True, limit=ALL):
        if case.camera in members and case.category == category:
            merged = case.move(CaseEvent.MERGE, at=the_round.now, by=MACHINE, note=shared.words)
            uow.cases.put(replace(merged, count=case.count + 1))
            return True
    for lead in uow.findings.queue(limit=ALL):
        machines = lead.origin is Origin.MACHINE
        if machines and lead.camera in members and lead.category == category:
            grid = _grid(the_round, shared.cameras, lead.camera)
            score = max(lead.score, shared.score)
            uow.findings.put(
                replace(lead, count=lead.count + 1, score=score, why=shared.words, grid=grid)
            )
            return True
    return False


def _propose_own(the_round: _Round, one: Observation) -> bool:
    """Nobody shares it: the camera's own affair, by the ordinary rules."""
    uow, policy = the_round.uow, the_round.policy
    camera, rule = the_round.cameras.get(one.camera), policy.rules.rule_for(one)
    if camera is None or rule is None or the_round.held_back(one):
        return False

    def persists(seen: Observation, min_visits: int) -> bool:
        looks = uow.findings.recent_kinds(seen.camera, visits=min_visits)  # this round's is one
        return len(looks) == min_visits and all((seen.kind, seen.zone) in look for look in looks)

    finding = find(uow, Lead(one, rule), camera=camera, persistent=persists)
    if finding is not None:
        enter(uow, finding, policy, the_round.now)
    return finding is not None


def _grid(the_round: _Round, members: Sequence[CameraId], clearest: CameraId) -> GridCode:
    """The smallest grid that holds all of them: a village's weather, or the town's."""
    tree, cameras = the_round.policy.health.tree, the_round.cameras
    stand = {cameras[one].grid for one in members}
    if not stand <= tree.grids.keys():
        return cameras[clearest].grid
    paths = [[grid.code for grid in tree.path_up(code)] for code in sorted(stand)]
    shared = (code for code in paths[0] if all(code in path for path in paths))
    return next(shared, cameras[clearest].grid)
