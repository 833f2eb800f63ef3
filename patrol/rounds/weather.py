"""Propose one finding for what many cameras of a round show at once: snow, dust, fog, other light.

A visit that finds the whole picture changed proposes nothing by itself: only at the round's end is
it known whether that concerns one camera or the town. Then each cause that enough cameras share
becomes one finding, at the smallest grid that holds them all; what is not shared becomes the
camera's own finding by the ordinary rules. Runs inside the transaction that closes the round, and
costs one indexed query where no picture changed as a whole.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from patrol.domain.camera import Camera
from patrol.domain.finding import Finding, Origin
from patrol.domain.ids import CameraId, GridCode
from patrol.domain.observation import FindingRule, Observation
from patrol.domain.priority import Level
from patrol.domain.registry import GridTree
from patrol.domain.round import Round
from patrol.domain.suppression import Suppression
from patrol.review.blind_sample import next_finding_id
from patrol.rounds.recorder import (
    CategoryCandidate,
    RecorderPolicy,
    merge_observation,
    propose_finding,
    save_finding,
)
from patrol.store import UnitOfWork
from patrol.vision.change import Cause, CauseGroup, FrameWide, group_by_cause
from patrol.vision.observations import FRAME_WIDE_GAUGE

COMPARED_READING: Final = (
    "changed"  # a visit has this reading when there was a reference to compare with
)
NO_LIMIT: Final = 100_000  # more than wait or are open in any town


@dataclass(frozen=True, slots=True, kw_only=True)
class _SharedFindingContext:
    """The ended round and its transaction, for the functions below."""

    uow: UnitOfWork
    a_round: Round
    cameras: Mapping[CameraId, Camera]
    tree: GridTree
    policy: RecorderPolicy
    now: datetime
    seen: Mapping[CameraId, Observation]
    suppressions: Sequence[Suppression]

    def is_suppressed(self, observation: Observation) -> bool:
        """Whether an active suppression covers the observation."""
        return any(
            known.camera == observation.camera
            and known.applies_to(observation.kind, observation.box, self.now)
            for known in self.suppressions
        )


def propose_shared_findings(
    uow: UnitOfWork,
    a_round: Round,
    cameras: Mapping[CameraId, Camera],
    tree: GridTree,
    *,
    policy: RecorderPolicy,
    now: datetime,
) -> int:
    """Propose what the round's frame-wide observations amount to; how many findings that made."""
    observations = uow.findings.observed(a_round.id, gauge=FRAME_WIDE_GAUGE)
    seen = {one.camera: one for one in observations if one.camera in cameras}
    if not seen:
        return 0
    compared = uow.findings.cameras_measured(a_round.id, COMPARED_READING)
    groups = group_by_cause(
        (camera, _frame_wide_of(seen.get(camera))) for camera in sorted(compared | seen.keys())
    )
    shared = {camera for one in groups for camera in one.cameras}
    context = _SharedFindingContext(
        uow=uow,
        a_round=a_round,
        cameras=cameras,
        tree=tree,
        policy=policy,
        now=now,
        seen=seen,
        suppressions=uow.suppressions.active(now),
    )
    made = sum(_propose_shared(context, one) for one in groups)
    return made + sum(_propose_own(context, seen[one]) for one in sorted(seen.keys() - shared))


def _frame_wide_of(seen: Observation | None) -> FrameWide | None:
    if seen is None:
        return None
    return FrameWide(cause=Cause(seen.label), changed=seen.value, score=seen.score)


def _propose_shared(context: _SharedFindingContext, shared: CauseGroup[CameraId]) -> bool:
    """One finding for all of them; False where it is known, dismissed or not wanted."""
    policy, members = context.policy, [context.seen[camera] for camera in shared.cameras]
    # Without a rule of the site one camera's weather is no finding; the whole town's is.
    default_rule = FindingRule(
        kind=shared.kind, category=shared.kind, level=Level.ORDINARY, min_score=0.0
    )
    rule = policy.rules.by_kind.get(shared.kind, default_rule)
    if not rule.enabled or shared.score < rule.min_score:
        return False
    if any(context.is_suppressed(one) for one in members) or _merge_shared_into_open(
        context, shared, rule.category
    ):
        return False
    clearest = max(members, key=lambda one: (one.score, one.camera))
    finding = Finding(
        id=next_finding_id(context.uow),
        camera=clearest.camera,
        grid=_common_grid(context, shared.cameras, clearest.camera),
        round=context.a_round.id,
        subject=clearest.subject,
        kind=shared.kind,
        score=shared.score,
        found_at=clearest.at,
        why=shared.label,
        level=rule.level,
        category=rule.category,
        picture=clearest.picture,
        unreviewed_ok=rule.unreviewed,
        gauge=clearest.gauge,
    )
    save_finding(context.uow, finding, policy, context.now)
    return True


def _merge_shared_into_open(
    context: _SharedFindingContext, shared: CauseGroup[CameraId], category: str
) -> bool:
    """Whether an open case or waiting finding of these cameras took it: it goes on snowing."""
    uow, members = context.uow, set(shared.cameras)
    for case in uow.cases.list(open_only=True, limit=NO_LIMIT):
        if case.camera in members and case.category == category:
            merge_observation(uow, case, shared.label, context.policy, context.now)
            return True
    for finding in uow.findings.queue(limit=NO_LIMIT):
        by_machine = finding.origin is Origin.MACHINE
        if by_machine and finding.camera in members and finding.category == category:
            grid = _common_grid(context, shared.cameras, finding.camera)
            score = max(finding.score, shared.score)
            uow.findings.put(
                replace(finding, count=finding.count + 1, score=score, why=shared.label, grid=grid)
            )
            return True
    return False


def _propose_own(context: _SharedFindingContext, observation: Observation) -> bool:
    """A change that no other camera shares: the camera's own finding, by the ordinary rules."""
    uow, policy = context.uow, context.policy
    camera, rule = context.cameras.get(observation.camera), policy.rules.rule_for(observation)
    if camera is None or rule is None or context.is_suppressed(observation):
        return False

    def persists(seen: Observation, min_visits: int) -> bool:
        recent = uow.findings.recent_kinds(seen.camera, visits=min_visits)  # this round's is one
        return len(recent) == min_visits and all(
            (seen.kind, seen.zone) in kinds for kinds in recent
        )

    return propose_finding(
        uow,
        CategoryCandidate(observation, rule),
        camera=camera,
        persists=persists,
        policy=policy,
        now=context.now,
    ).is_new


def _common_grid(
    context: _SharedFindingContext, members: Sequence[CameraId], clearest: CameraId
) -> GridCode:
    """The smallest grid that holds all of them, a village or the town; else the clearest's own."""
    grids = {context.cameras[one].grid for one in members}
    return context.tree.smallest_common(grids) or context.cameras[clearest].grid
