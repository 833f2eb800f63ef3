"""Recheck: visit a camera again for a case that was reported handled, or a finding in doubt.

Within seconds, beside a round under way, not in the next one. The fresh visit is compared with what
the case or finding is about; visit, observations and picture are recorded with it.

A picture whose bytes equal one of an earlier visit of the same camera is no second look: some
recorder, proxy or camera sent what it had. Stored bytes are a function of the decoded pixels, so
this also holds where only the stream around them differs. It proves nothing, neither way, and a
person has to decide. Only a fault of the picture itself (black, "no signal") is still there in it.

A case: the site's `verification` names who decides, the machine or a person who is shown the
pictures before and after; a fault of the camera itself the machine decides, if it found it. A case
that came from a person's report or the blind sample is a person's to verify: the machine saw
nothing before, so its seeing nothing after proves nothing. A finding that a reviewer was unsure of
stays in the queue with the new picture; where the camera could not be visited it says so, and the
duty lead decides.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum, auto

import structlog

from patrol.cases.actions import apply_recheck, await_person, reschedule_recheck
from patrol.cases.equipment import is_from_machine
from patrol.domain.camera import Refusal
from patrol.domain.case import Case
from patrol.domain.finding import Finding, FindingRecheck, FindingState, Origin
from patrol.domain.ids import PictureId, Sha256
from patrol.domain.labels import UNNAMED_CHANGE
from patrol.domain.observation import Observation, Subject
from patrol.domain.round import VisitOutcome
from patrol.domain.verification import (
    MACHINE_SEES_NO_MORE,
    MACHINE_STILL_SEES,
    Verifier,
)
from patrol.messaging.payloads import PayloadBuilder
from patrol.ports import Clock
from patrol.rounds.guarded_visit import GuardedVisit
from patrol.rounds.recorder import ACTOR
from patrol.rounds.visit_judge import JudgedVisit
from patrol.store import Store, UnitOfWork

log = structlog.get_logger(__name__)

MAX_AT_ONCE = 8
SAME_PICTURE_NOTE = (
    "复看画面与此前画面完全相同，不能说明现场情况，请人工核实"
    " (the picture of the second look equals an earlier one bit for bit: it proves nothing,"
    " a person has to decide)"
)
NO_CAMERA_NOTE = "现场上报，无摄像头可看 (reported on the ground: no camera to look through)"


class RecheckResult(StrEnum):
    """What the fresh visit showed of a case or finding."""

    GONE = auto()
    STILL_THERE = auto()
    NOT_VIEWABLE = auto()
    SAME_PICTURE = auto()  # bit for bit one of an earlier visit


@dataclass(frozen=True, slots=True, kw_only=True)
class RecheckOutcome:
    """The result, with the visit that gave it."""

    result: RecheckResult
    visited: JudgedVisit
    why: str  # the measured value, or why the camera could not be seen; empty when it is gone
    picture: PictureId | None = None  # the newest that no earlier visit had


def compare_case(
    case: Case, visited: JudgedVisit, seen_before: frozenset[Sha256]
) -> RecheckOutcome:
    """Whether the fresh visit still shows what the case is about."""
    return compare_kind(case.kind or case.category, case.zone, visited, seen_before)


def compare_kind(
    kind: str, zone: str, visited: JudgedVisit, seen_before: frozenset[Sha256]
) -> RecheckOutcome:
    """STILL_THERE when the visit made an observation of the same kind in the same zone.

    `seen_before`: the contents that earlier visits of this camera took.
    """
    visit = visited.visit
    new = [one.id for one in visit.pictures if one.sha256 not in seen_before]
    picture = new[-1] if new else None
    if visit.outcome is VisitOutcome.NOT_VIEWABLE and not visit.faults:
        return RecheckOutcome(
            result=RecheckResult.NOT_VIEWABLE, visited=visited, why=visit.seen or visit.failure
        )
    same = [seen for seen in visited.observations if (seen.kind, seen.zone) == (kind, zone)]
    is_repeat = len(new) < len(visit.pictures)
    if is_repeat and visit.outcome.is_seen and not (same and same[0].subject is Subject.EQUIPMENT):
        return RecheckOutcome(
            result=RecheckResult.SAME_PICTURE, visited=visited, why=SAME_PICTURE_NOTE,
            picture=picture,
        )  # fmt: skip
    if same:
        why = f"{same[0].kind} {same[0].value:.3g}"
        return RecheckOutcome(
            result=RecheckResult.STILL_THERE, visited=visited, why=why, picture=picture
        )
    if visit.outcome is VisitOutcome.NOT_VIEWABLE:
        return RecheckOutcome(
            result=RecheckResult.NOT_VIEWABLE,
            visited=visited,
            why=" ".join(visit.faults),
            picture=picture,
        )
    return RecheckOutcome(result=RecheckResult.GONE, visited=visited, why="", picture=picture)


def case_recheck_text(recheck: RecheckOutcome) -> str:
    """What the machine saw of a case, for the person who decides; Chinese first."""
    if recheck.result is RecheckResult.SAME_PICTURE:
        return recheck.why
    if recheck.result is RecheckResult.GONE:
        return f"{MACHINE_SEES_NO_MORE} (the machine sees it no more)"
    return f"{MACHINE_STILL_SEES}：{recheck.why} (the machine still sees it: {recheck.why})"


def finding_recheck_text(finding: Finding, recheck: RecheckOutcome) -> str:
    """What the machine saw of a finding in doubt; Chinese first.

    Of a change without a name it states neither: that may be of the blind sample, on which the
    machine saw nothing before.
    """
    if recheck.result is RecheckResult.NOT_VIEWABLE:
        return recheck_failed_text(recheck.why)
    if recheck.result is RecheckResult.SAME_PICTURE:
        return recheck.why
    if finding.kind == UNNAMED_CHANGE:
        return "已复看，请看新画面 (looked again: see the new picture)"
    if recheck.result is RecheckResult.STILL_THERE:
        return f"已复看，仍检出：{recheck.why} (looked again, still there: {recheck.why})"
    other = _kinds(recheck.visited.observations)
    also_zh, also_en = (f"；另见 {other}", f"; also {other}") if other else ("", "")
    return f"已复看，未再检出{also_zh} (looked again, not seen any more{also_en})"


def recheck_failed_text(why: str) -> str:
    """That the camera could not be visited again, with the reason; Chinese first."""
    return f"未能复看：{why}；请值班长判断 (could not look again: {why}; the duty lead decides)"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRechecker:
    """Rechecks cases that were reported handled; each in a transaction of its own."""

    store: Store
    clock: Clock
    guarded_visit: GuardedVisit
    payloads: PayloadBuilder
    verifier: Verifier
    keep_evidence: timedelta

    def run_due(self) -> int:
        """Recheck the cases that are due; how many. Blocks."""
        with self.store.begin_read() as uow:
            due = uow.cases.recheck_due(self.clock.now(), limit=MAX_AT_ONCE)
        if due:
            asyncio.run(self._recheck_all(due))
        return len(due)

    async def _recheck_all(self, due: Sequence[Case]) -> None:
        await asyncio.gather(*(self._recheck(case) for case in due))

    async def _recheck(self, case: Case) -> None:
        if case.camera is None:
            await asyncio.to_thread(self._leave_to_person, case)
            return
        visited = await self.guarded_visit.visit(case.camera)
        await asyncio.to_thread(self._record, case, visited)

    def _leave_to_person(self, case: Case) -> None:
        with self.store.begin() as uow:
            now = self.clock.now()
            await_person(
                uow, case.id, by=ACTOR, now=now, payloads=self.payloads, after=None,
                note=NO_CAMERA_NOTE,
            )  # fmt: skip
            uow.commit()

    def _record(self, case: Case, visited: JudgedVisit | Refusal) -> None:
        now = self.clock.now()
        with self.store.begin() as uow:
            if isinstance(visited, Refusal):
                reschedule_recheck(
                    uow, case.id, by=ACTOR, now=now, why=str(visited), payloads=self.payloads
                )
            else:
                seen_before = uow.rounds.contents_seen_before(visited.visit)
                self._apply(uow, case, compare_case(case, visited, seen_before))
            uow.commit()

    def _apply(self, uow: UnitOfWork, case: Case, recheck: RecheckOutcome) -> None:
        now = self.clock.now()
        _record_visit(uow, recheck, f"look again at case {case.id}", now)
        if recheck.picture is not None:
            until = now + self.keep_evidence
            uow.pictures.keep(recheck.picture, purpose="after", until=until)
        log.info("looked again", case=case.id, seen=str(recheck.result), why=recheck.why)
        if recheck.result is RecheckResult.NOT_VIEWABLE:
            reschedule_recheck(
                uow, case.id, by=ACTOR, now=now, why=recheck.why, payloads=self.payloads
            )
        elif recheck.result is RecheckResult.SAME_PICTURE or self._person_decides(uow, case):
            note = case_recheck_text(recheck)
            await_person(
                uow, case.id, by=ACTOR, now=now, payloads=self.payloads, after=recheck.picture,
                note=note,
            )  # fmt: skip
        else:
            apply_recheck(
                uow, case.id, gone=recheck.result is RecheckResult.GONE, by=ACTOR, now=now,
                payloads=self.payloads, after=recheck.picture, note=recheck.why,
            )  # fmt: skip

    def _person_decides(self, uow: UnitOfWork, case: Case) -> bool:
        if case.subject is Subject.EQUIPMENT:  # the camera itself is the proof
            return not is_from_machine(uow, case)
        if self.verifier is Verifier.OPERATOR:
            return True
        return case.finding is not None and (
            uow.findings.get(case.finding).origin is not Origin.MACHINE
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingRechecker:
    """Rechecks findings that a reviewer was unsure of; each in a transaction of its own."""

    store: Store
    clock: Clock
    guarded_visit: GuardedVisit
    keep_evidence: timedelta

    def run_due(self) -> int:
        """Recheck the findings in doubt that were not rechecked yet; how many. Blocks."""
        with self.store.begin_read() as uow:
            unsure = uow.findings.unsure_without_recheck(limit=MAX_AT_ONCE)
        if unsure:
            asyncio.run(self._recheck_all(unsure))
        return len(unsure)

    async def _recheck_all(self, unsure: Sequence[Finding]) -> None:
        await asyncio.gather(*(self._recheck(finding) for finding in unsure))

    async def _recheck(self, finding: Finding) -> None:
        visited = await self.guarded_visit.visit(finding.camera)
        await asyncio.to_thread(self._record, finding, visited)

    def _record(self, unsure: Finding, visited: JudgedVisit | Refusal) -> None:
        now = self.clock.now()
        with self.store.begin() as uow:
            finding = uow.findings.get(unsure.id)
            again = FindingRecheck(at=now, why=recheck_failed_text(str(visited)))
            if isinstance(visited, JudgedVisit):
                seen_before = uow.rounds.contents_seen_before(visited.visit)
                recheck = compare_kind(finding.kind, finding.zone, visited, seen_before)
                again = replace(
                    again, why=finding_recheck_text(finding, recheck), picture=recheck.picture
                )
                _record_visit(uow, recheck, f"look again at finding {finding.id}", now)
                if recheck.picture is not None:
                    until = now + self.keep_evidence
                    uow.pictures.keep(recheck.picture, purpose="evidence", until=until)
            if finding.state is FindingState.UNSURE:  # else a person decided meanwhile
                uow.findings.put(replace(finding, recheck=again))
            uow.commit()
        log.info("looked again", finding=unsure.id, why=again.why)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recheckers:
    """Both recheckers; the service's scheduler runs each on its own."""

    cases: CaseRechecker
    findings: FindingRechecker

    @classmethod
    def create(
        cls,
        guarded_visit: GuardedVisit,
        payloads: PayloadBuilder,
        *,
        verifier: Verifier,
        keep_evidence: timedelta,
    ) -> "Recheckers":
        """Both recheckers on one guarded visit."""
        return cls(
            cases=CaseRechecker(
                store=guarded_visit.store,
                clock=guarded_visit.clock,
                guarded_visit=guarded_visit,
                payloads=payloads,
                verifier=verifier,
                keep_evidence=keep_evidence,
            ),
            findings=FindingRechecker(
                store=guarded_visit.store,
                clock=guarded_visit.clock,
                guarded_visit=guarded_visit,
                keep_evidence=keep_evidence,
            ),
        )


def _record_visit(uow: UnitOfWork, recheck: RecheckOutcome, why: str, now: datetime) -> None:
    visit = recheck.visited.visit
    uow.rounds.record_visit(visit)
    uow.findings.add_observations(recheck.visited.observations)
    uow.access.append(at=now, who=ACTOR, what="visit", camera=visit.camera, why=why)


def _kinds(observations: Sequence[Observation]) -> str:
    return " ".join(sorted({one.kind for one in observations}))
