"""Record one judged visit: visit, observations, findings, camera health, messages — together.

Everything here happens inside one unit of work that the caller opened and will commit. A visit
that was recorded before (in another run of the same round) changes nothing.

Each visit moves its camera's health. A picture fault and a recovery are announced at once; a camera
that fell silent is announced when the round ends (outages.py), because only then is it known
whether the camera, its link or its village is down.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from operator import attrgetter

from patrol.cases.equipment import settle_recovered
from patrol.cases.save_and_send import SendGate, merge_into_case, queued_message_count
from patrol.domain.camera import Camera
from patrol.domain.case import Case
from patrol.domain.finding import CATEGORY_BY_ID, Finding
from patrol.domain.health import (
    CameraCondition,
    CameraHealth,
    HealthPolicy,
    health_sample,
    next_health,
    should_announce,
)
from patrol.domain.ids import CameraId, FindingId, RoundId
from patrol.domain.labels import finding_reason
from patrol.domain.observation import FindingRule, FindingRules, Observation
from patrol.domain.outage import Outage
from patrol.domain.round import Visit, VisitOutcome
from patrol.messaging.payloads import PayloadBuilder
from patrol.review.blind_sample import next_finding_id
from patrol.rounds.progress import RecordedVisit
from patrol.rounds.visit_judge import JudgedVisit
from patrol.store import UnitOfWork
from patrol.store.cameras import NO_MEMORY, memory_version
from patrol.store.cluster import ResultOutcome
from patrol.vision.observations import FRAME_WIDE_GAUGE

MAX_RULE_VISITS = 4  # visits; two days are as long as a rule can ask for
ACTOR = "patrol"  # who acted, where no person did

AutoConfirm = Callable[[UnitOfWork, FindingId, datetime], int]  # → messages queued


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthNotifier:
    """Queues the messages about camera health and outages, by the site's policy."""

    payloads: PayloadBuilder
    policy: HealthPolicy = field(default_factory=HealthPolicy)

    def announce(
        self, uow: UnitOfWork, camera: CameraId, health: CameraHealth, now: datetime
    ) -> int:
        """Queue a camera's health as it is now; how many messages that made."""
        message = self.payloads.health_message(camera, health.state, health.since, health.why, now)
        return int(uow.outbox.add(message))

    def announce_outage(self, uow: UnitOfWork, outage: Outage, now: datetime) -> int:
        """Queue the one message about a whole link or village; how many messages that made."""
        return int(uow.outbox.add(self.payloads.outage_message(outage, now)))


@dataclass(frozen=True, slots=True, kw_only=True)
class RecorderPolicy:
    """The site's rules for what a visit leads to."""

    rules: FindingRules
    health: HealthNotifier
    auto_confirm: AutoConfirm  # for kinds that the site's rules send out unreviewed
    keep_evidence: timedelta  # a picture that a finding stands on outlives ordinary samples
    send_gate: SendGate  # for what is merged into open cases


def record_visit(
    uow: UnitOfWork, visited: JudgedVisit, *, camera: Camera, now: datetime, policy: RecorderPolicy
) -> RecordedVisit:
    """Write the visit and what follows from it; the caller commits. A repeat is a no-op."""
    visit = visited.visit
    persists = _persistence_check(uow, camera, visited.observations)
    if not uow.rounds.record_visit(visit):
        return RecordedVisit(outcome=visit.outcome, is_repeat=True)
    uow.findings.add_observations(visited.observations)
    is_stale = _put_memories(uow, visited, now)
    if visit.outcome is not VisitOutcome.MISSED:
        uow.access.append(
            at=now, who=ACTOR, what="visit", camera=camera.id, why=visit.round or "second look"
        )
    messages = record_health(uow, visit, policy.health, now)
    if is_seen_well(visit, policy.health.policy):
        settle_recovered(uow, camera.id, by=ACTOR, now=now, payloads=policy.health.payloads)
    proposed = _drop_suppressed(uow, visited.observations, camera.id, now)
    findings = 0
    # Frame-wide changes wait for the round's end (weather.py).
    own = [observation for observation in proposed if observation.gauge != FRAME_WIDE_GAUGE]
    for candidate in _candidates_by_category(own, policy.rules):
        proposal = propose_finding(
            uow, candidate, camera=camera, persists=persists, policy=policy, now=now
        )
        findings += proposal.is_new
        messages += proposal.messages
    return RecordedVisit(
        outcome=visit.outcome,
        findings=findings,
        messages=messages,
        suppressed=len(visited.observations) - len(proposed),
        is_stale=is_stale,
    )


def _put_memories(uow: UnitOfWork, visited: JudgedVisit, now: datetime) -> bool:
    """Store what the visit taught; left out, and told, where another taught that memory meanwhile.

    A visit of this process was judged against the memory as it is; a worker's names the version.
    """
    camera, stale = visited.visit.camera, False
    for light, blob in visited.memories.items():
        if visited.based_on is not None:
            known = uow.memories.get(camera, light)
            if memory_version(known) != visited.based_on.get(light, NO_MEMORY):
                stale = True
                continue
        uow.memories.put(camera, light, blob, now, sampled_at=visited.sampled_at)
    return stale


def settle_deliveries(
    uow: UnitOfWork, round_id: RoundId, group: Iterable[tuple[JudgedVisit, RecordedVisit]]
) -> None:
    """In the visits' own transaction: the workers' results are gone, and counted."""
    became: dict[int, list[ResultOutcome]] = {}
    for visited, recorded in group:
        if visited.delivery is not None:
            outcome = ResultOutcome.REPEATED if recorded.is_repeat else ResultOutcome.RECORDED
            stale = [ResultOutcome.STALE_REFERENCE] if recorded.is_stale else []
            became[visited.delivery] = [outcome, *stale]
    if became:
        uow.cluster.settle(round_id, became)


def is_seen_well(visit: Visit, policy: HealthPolicy) -> bool:
    """Whether the visit had a picture without a fault of the camera."""
    sample = health_sample(visit, policy)
    return sample is not None and sample.state is CameraCondition.ONLINE


def record_health(uow: UnitOfWork, visit: Visit, notifier: HealthNotifier, now: datetime) -> int:
    """Move the camera's health; how many messages that made. Silence waits for the round's end."""
    sample = health_sample(visit, notifier.policy)
    if sample is None:
        return 0
    known = uow.health.current(visit.camera)
    health = next_health(known, sample, notifier.policy)
    is_announced = health.state != CameraCondition.OFFLINE and should_announce(health)
    if is_announced or health.state == CameraCondition.ONLINE:
        health = replace(health, announced=health.state)
    if health != known:
        differs = known is None or (known.state, known.why) != (health.state, health.why)
        uow.health.save(visit.camera, health, changed=differs)
    return notifier.announce(uow, visit.camera, health, now) if is_announced else 0


def _drop_suppressed(
    uow: UnitOfWork, observations: Sequence[Observation], camera: CameraId, now: datetime
) -> Sequence[Observation]:
    """The observations that no active suppression covers; the covered ones stay recorded."""
    suppressions = uow.suppressions.active(now, camera=camera) if observations else ()
    return [
        one
        for one in observations
        if not any(s.applies_to(one.kind, one.box, now) for s in suppressions)
    ]


@dataclass(frozen=True, slots=True)
class CategoryCandidate:
    """The best observation of one category at one visit, with its rule."""

    best: Observation
    rule: FindingRule


def save_finding(uow: UnitOfWork, finding: Finding, policy: RecorderPolicy, now: datetime) -> int:
    """Write a new finding and what follows from it; how many messages that queued."""
    uow.findings.add(finding)
    if finding.picture is not None:
        until = finding.found_at + policy.keep_evidence
        uow.pictures.keep(finding.picture, purpose="evidence", until=until)
    return policy.auto_confirm(uow, finding.id, now) if finding.unreviewed_ok else 0


def _candidates_by_category(
    observations: Iterable[Observation], rules: FindingRules
) -> list[CategoryCandidate]:
    """The best observation of each category: three cars in one zone are one finding."""
    candidates: dict[str, CategoryCandidate] = {}
    for observation in sorted(observations, key=attrgetter("score"), reverse=True):
        rule = rules.rule_for(observation)
        if rule is not None:
            candidates.setdefault(rule.category, CategoryCandidate(observation, rule))
    return list(candidates.values())


def _persistence_check(
    uow: UnitOfWork, camera: Camera, seen: Sequence[Observation]
) -> Callable[[Observation, int], bool]:
    """Answers whether the visits before this one showed the same; read before it is recorded."""
    most = max((zone.min_visits for zone in camera.areas.zones), default=1)
    visits = max(most, MAX_RULE_VISITS) - 1
    history = uow.findings.recent_kinds(camera.id, visits=visits) if seen else ()

    def persists(observation: Observation, min_visits: int) -> bool:
        needed = history[: min_visits - 1]
        sign = (observation.kind, observation.zone)
        return len(needed) == min_visits - 1 and all(sign in seen for seen in needed)

    return persists


@dataclass(frozen=True, slots=True)
class ProposalResult:
    """What became of a candidate: whether a finding was entered, how many messages were queued."""

    is_new: bool = False
    messages: int = 0


def propose_finding(
    uow: UnitOfWork,
    candidate: CategoryCandidate,
    *,
    camera: Camera,
    persists: Callable[[Observation, int], bool],
    policy: RecorderPolicy,
    now: datetime,
) -> ProposalResult:
    """Enter a finding, unless it is not persistent yet or is counted where it is already known."""
    best, rule = candidate.best, candidate.rule
    zone = next((zone for zone in camera.areas.zones if zone.name == best.zone), None)
    min_visits = max(rule.min_visits, zone.min_visits if zone else 1)
    if not persists(best, min(min_visits, MAX_RULE_VISITS)):
        return ProposalResult()
    case = uow.cases.open_like(camera.id, rule.category)
    if case is not None:
        return ProposalResult(messages=merge_observation(uow, case, best.kind, policy, now))
    waiting = uow.findings.open_like(camera.id, rule.category)
    if waiting is not None:
        score = max(waiting.score, best.score)
        uow.findings.put(replace(waiting, count=waiting.count + 1, score=score))
        return ProposalResult()
    finding = _new_finding(uow, best, rule, camera)
    return ProposalResult(is_new=True, messages=save_finding(uow, finding, policy, now))


def merge_observation(
    uow: UnitOfWork, case: Case, note: str, policy: RecorderPolicy, now: datetime
) -> int:
    """Count what a round saw again in the open case; how many messages that queued."""
    merged = merge_into_case(
        uow,
        case,
        by=ACTOR,
        now=now,
        note=note,
        payloads=policy.health.payloads,
        send_gate=policy.send_gate,
    )
    return queued_message_count(merged)


def _new_finding(uow: UnitOfWork, best: Observation, rule: FindingRule, camera: Camera) -> Finding:
    return Finding(
        id=next_finding_id(uow),
        camera=camera.id,
        grid=camera.grid,
        round=best.round,
        subject=best.subject,
        kind=best.kind,
        score=best.score,
        found_at=best.at,
        why=finding_reason(best),
        level=rule.level,
        category=rule.category if rule.category in CATEGORY_BY_ID else "other",
        picture=best.picture,
        box=best.box,
        zone=best.zone,
        unreviewed_ok=rule.unreviewed,
        gauge=best.gauge,
    )
