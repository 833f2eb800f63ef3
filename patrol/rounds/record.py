"""Write one visit into the books: visit, observations, findings, health, messages — together.

Everything here happens inside one unit of work that the caller opened and will commit. A visit
that was recorded before (another run of the same round) changes nothing.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from operator import attrgetter

from patrol.domain import category as categories
from patrol.domain.camera import Camera
from patrol.domain.case import Case, CaseEvent
from patrol.domain.finding import Finding
from patrol.domain.ids import CameraId, FindingId
from patrol.domain.observation import Observation
from patrol.domain.round import VisitOutcome
from patrol.domain.rules import Rule, Rules
from patrol.rounds.health import HealthDesk, note_visit
from patrol.rounds.judge import Judged
from patrol.rounds.progress import Recorded
from patrol.rounds.words import why_found
from patrol.store import UnitOfWork
from patrol.vision.observe_scene import FRAME_WIDE_GAUGE

LONGEST_RULE = 4  # visits; two days are as long as a rule can ask for
MACHINE = "patrol"  # who acted, where no person did

AutoConfirm = Callable[[UnitOfWork, FindingId, datetime], int]  # → messages queued


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordPolicy:
    """What the recorder needs to know of the site."""

    rules: Rules
    health: HealthDesk
    auto_confirm: AutoConfirm  # for kinds that the site's rules let out unreviewed
    keep_evidence: timedelta  # a picture that a finding stands on outlives ordinary samples


def record(
    uow: UnitOfWork, judged: Judged, *, camera: Camera, now: datetime, policy: RecordPolicy
) -> Recorded:
    """Write it all; the caller commits. A repeat of a recorded visit is a no-op."""
    visit = judged.visit
    persistent = _persistence(uow, camera, judged.observations)
    if not uow.rounds.record(visit):
        return Recorded(outcome=visit.outcome)
    uow.findings.observe(judged.observations)
    for light, blob in judged.memories.items():
        uow.memories.put(camera.id, light, blob, now)
    if visit.outcome is not VisitOutcome.MISSED:
        uow.access.append(
            at=now, who=MACHINE, what="visit", camera=camera.id, why=visit.round or "second look"
        )
    messages = note_visit(uow, visit, policy.health, now)
    proposed = _not_held_back(uow, judged.observations, camera.id, now)
    findings = 0
    own = [one for one in proposed if one.gauge != FRAME_WIDE_GAUGE]  # the rest: grouping.py
    for lead in _by_category(own, policy.rules):
        made = find(uow, lead, camera=camera, persistent=persistent)
        if made is not None:
            findings += 1
            messages += enter(uow, made, policy, now)
    return Recorded(
        outcome=visit.outcome,
        findings=findings,
        messages=messages,
        held_back=len(judged.observations) - len(proposed),
    )


def _not_held_back(
    uow: UnitOfWork, observations: Sequence[Observation], camera: CameraId, now: datetime
) -> Sequence[Observation]:
    """Those that no standing suppression covers; the covered are in the books and go no further."""
    standing = uow.suppressions.standing(now, camera=camera) if observations else ()
    return [
        one for one in observations if not any(s.holds(one.kind, one.box, now) for s in standing)
    ]


@dataclass(frozen=True, slots=True)
class Lead:
    """The best observation of one category at one visit, with its rule."""

    best: Observation
    rule: Rule


def enter(uow: UnitOfWork, made: Finding, policy: RecordPolicy, now: datetime) -> int:
    """Write a new finding and what follows from it; how many messages that queued."""
    uow.findings.add(made)
    if made.picture is not None:
        until = made.found_at + policy.keep_evidence
        uow.pictures.keep(made.picture, purpose="evidence", until=until)
    return policy.auto_confirm(uow, made.id, now) if made.unreviewed_ok else 0


def _by_category(observations: Iterable[Observation], rules: Rules) -> list[Lead]:
    """One lead a category: three cars in one zone are one lead."""
    leads: dict[str, Lead] = {}
    for observation in sorted(observations, key=attrgetter("score"), reverse=True):
        rule = rules.rule_for(observation)
        if rule is not None:
            leads.setdefault(rule.category, Lead(observation, rule))
    return list(leads.values())


def _persistence(
    uow: UnitOfWork, camera: Camera, seen: Sequence[Observation]
) -> Callable[[Observation, int], bool]:
    """Answers whether the visits before this one showed the same; read before it is recorded."""
    most = max((zone.min_visits for zone in camera.areas.zones), default=1)
    visits = max(most, LONGEST_RULE) - 1
    history = uow.findings.recent_kinds(camera.id, visits=visits) if seen else ()

    def persists(observation: Observation, min_visits: int) -> bool:
        needed = history[: min_visits - 1]
        sign = (observation.kind, observation.zone)
        return len(needed) == min_visits - 1 and all(sign in seen for seen in needed)

    return persists


def find(
    uow: UnitOfWork, lead: Lead, *, camera: Camera, persistent: Callable[[Observation, int], bool]
) -> Finding | None:
    """A finding to enter, or None: not persistent yet, or counted where it is already known."""
    best, rule = lead.best, lead.rule
    zone = next((zone for zone in camera.areas.zones if zone.name == best.zone), None)
    min_visits = max(rule.min_visits, zone.min_visits if zone else 1)
    if not persistent(best, min(min_visits, LONGEST_RULE)):
        return None
    if _count_where_known(uow, best, rule.category, camera.id):
        return None
    return Finding(
        id=FindingId(f"F{uow.next_number('finding'):06d}"),
        camera=camera.id,
        grid=camera.grid,
        round=best.round,
        subject=best.subject,
        kind=best.kind,
        score=best.score,
        found_at=best.at,
        why=why_found(best),
        level=rule.level,
        category=rule.category if rule.category in categories.BY_ID else "other",
        picture=best.picture,
        box=best.box,
        zone=best.zone,
        unreviewed_ok=rule.unreviewed,
    )


def _count_where_known(uow: UnitOfWork, best: Observation, category: str, camera: CameraId) -> bool:
    """Same camera and category: an open case or a waiting finding takes it (domain.md)."""
    case: Case | None = uow.cases.open_like(camera, category)
    if case is not None:
        merged = case.move(CaseEvent.MERGE, at=best.at, by=MACHINE, note=best.kind)
        uow.cases.put(replace(merged, count=case.count + 1))
        return True
    waiting = uow.findings.open_like(camera, category)
    if waiting is not None:
        uow.findings.put(
            replace(waiting, count=waiting.count + 1, score=max(waiting.score, best.score))
        )
        return True
    return False
