"""A doubt gets a fresh look: whoever was unsure of a lead has a new picture of it in a minute.

The visit, its observations and its picture go into the books; the lead goes on waiting in the
queue, marked as looked again. Where nobody could look it says so, and the duty lead decides.

Look again at what a case or a doubted lead was about, and tell whether it is still there.

Pure judgement over a fresh visit; what follows from it is the dispatch and the review room's.

Verification by looking again: cases that were reported handled get a fresh visit.

Who decides on what it shows is the site's (domain.verdict): the machine, or a person to whom before
and after are shown. A case that came from a person's eye alone is a person's to verify: on such a
picture the machine saw nothing before, so its seeing nothing after says nothing.

Second looks put together: one glass, and who looks through it — cases and doubted leads.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum, auto

import structlog

from patrol.cases.actions import apply_recheck, await_person, reschedule_recheck
from patrol.domain.camera import Refusal
from patrol.domain.case import Case
from patrol.domain.finding import Finding, FindingRecheck, FindingState, Origin
from patrol.domain.ids import Sha256
from patrol.domain.labels import UNNAMED_CHANGE
from patrol.domain.observation import Observation
from patrol.domain.round import VisitOutcome
from patrol.domain.verification import Verifier
from patrol.messaging.payloads import PayloadBuilder
from patrol.ports import Clock
from patrol.rounds.guarded_visit import GuardedVisit
from patrol.rounds.judge import JudgedVisit
from patrol.store import Store, UnitOfWork


class RecheckResult(StrEnum):
    """What the second look showed."""

    GONE = auto()
    STILL_THERE = auto()
    NOT_VIEWABLE = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Recheck:
    """The answer, with the visit that gave it."""

    result: RecheckResult
    visited: JudgedVisit
    why: str
    picture: Sha256 | None = None


def compare_case(case: Case, visited: JudgedVisit) -> Recheck:
    """Whether what the case is about is still there."""
    return compare_kind(case.kind or case.category, case.zone, visited)


def compare_kind(kind: str, zone: str, visited: JudgedVisit) -> Recheck:
    """Still there when the fresh look makes the same kind of observation in the same zone."""
    visit = visited.visit
    picture = visit.pictures[-1].sha256 if visit.pictures else None
    if visit.outcome is VisitOutcome.NOT_VIEWABLE and not visit.faults:
        return Recheck(
            result=RecheckResult.NOT_VIEWABLE, visited=visited, why=visit.seen or visit.failure
        )
    same = [seen for seen in visited.observations if (seen.kind, seen.zone) == (kind, zone)]
    if same:
        why = f"{same[0].kind} {same[0].value:.3g}"
        return Recheck(result=RecheckResult.STILL_THERE, visited=visited, why=why, picture=picture)
    if visit.outcome is VisitOutcome.NOT_VIEWABLE:
        return Recheck(
            result=RecheckResult.NOT_VIEWABLE,
            visited=visited,
            why=" ".join(visit.faults),
            picture=picture,
        )
    return Recheck(result=RecheckResult.GONE, visited=visited, why="", picture=picture)


def case_recheck_text(recheck: Recheck) -> str:
    """What the machine saw, for the person who decides; Chinese first."""
    if recheck.result is RecheckResult.GONE:
        return "机器未再检出 (the machine sees it no more)"
    return f"机器仍检出:{recheck.why} (the machine still sees it: {recheck.why})"


def finding_recheck_text(finding: Finding, recheck: Recheck) -> str:
    """The same for a doubted lead.

    Of a change without a name nothing is said either way: it may be of the blind sample, on which
    the machine saw nothing before.
    """
    if recheck.result is RecheckResult.NOT_VIEWABLE:
        return recheck_failed_text(recheck.why)
    if finding.kind == UNNAMED_CHANGE:
        return "已复看,请看新画面 (looked again: see the new picture)"
    if recheck.result is RecheckResult.STILL_THERE:
        return f"已复看,仍检出:{recheck.why} (looked again, still there: {recheck.why})"
    other = _kinds(recheck.visited.observations)
    also = f";另见 {other}" if other else ""
    return f"已复看,未再检出{also} (looked again, not seen any more{also})"


def recheck_failed_text(why: str) -> str:
    """Nobody could look again."""
    return f"未能复看:{why};请值班长判断 (could not look again: {why}; the duty lead decides)"


def _kinds(observations: Sequence[Observation]) -> str:
    return " ".join(sorted({one.kind for one in observations}))


log = structlog.get_logger(__name__)

MAX_AT_ONCE = 8
ACTOR = "patrol"


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingRechecker:
    """Rung by the bell; each lead is written in a transaction of its own."""

    store: Store
    clock: Clock
    guarded_visit: GuardedVisit
    keep_evidence: timedelta

    def run_due(self) -> int:
        """Look again at what somebody doubts; at how many."""
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
                recheck = compare_kind(finding.kind, finding.zone, visited)
                again = replace(
                    again, why=finding_recheck_text(finding, recheck), picture=recheck.picture
                )
                uow.rounds.record_visit(visited.visit)
                uow.findings.add_observations(visited.observations)
                why = f"look again at finding {finding.id}"
                uow.access.append(at=now, who=ACTOR, what="visit", camera=finding.camera, why=why)
            if again.picture is not None:
                until = now + self.keep_evidence
                uow.pictures.keep(again.picture, purpose="evidence", until=until)
            if finding.state is FindingState.UNSURE:  # else a person was faster
                uow.findings.put(replace(finding, recheck=again))
            uow.commit()
        log.info("looked again", finding=unsure.id, why=again.why)


# looks beside a round under way; a case waits seconds, not a round

NO_CAMERA_NOTE = "现场上报,无摄像头可看 (reported on the ground: no camera to look through)"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRechecker:
    """Rung by the bell; each case is decided in a transaction of its own."""

    store: Store
    clock: Clock
    guarded_visit: GuardedVisit
    payloads: PayloadBuilder
    verifier: Verifier
    keep_evidence: timedelta

    def run_due(self) -> int:
        """Look again wherever it is due; how many cases were looked at."""
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
            await_person(uow, case.id, by=ACTOR, now=now, after=None, note=NO_CAMERA_NOTE)
            uow.commit()

    def _record(self, case: Case, visited: JudgedVisit | Refusal) -> None:
        now = self.clock.now()
        with self.store.begin() as uow:
            if isinstance(visited, Refusal):
                reschedule_recheck(
                    uow, case.id, by=ACTOR, now=now, why=str(visited), payloads=self.payloads
                )
            else:
                self._apply(uow, case, compare_case(case, visited))
            uow.commit()

    def _apply(self, uow: UnitOfWork, case: Case, recheck: Recheck) -> None:
        now, visit = self.clock.now(), recheck.visited.visit
        uow.rounds.record_visit(visit)
        uow.findings.add_observations(recheck.visited.observations)
        why = f"look again at case {case.id}"
        uow.access.append(at=now, who=ACTOR, what="visit", camera=visit.camera, why=why)
        if recheck.picture is not None:
            until = now + self.keep_evidence
            uow.pictures.keep(recheck.picture, purpose="after", until=until)
        log.info("looked again", case=case.id, seen=str(recheck.result), why=recheck.why)
        if recheck.result is RecheckResult.NOT_VIEWABLE:
            reschedule_recheck(
                uow, case.id, by=ACTOR, now=now, why=recheck.why, payloads=self.payloads
            )
        elif self._person_decides(uow, case):
            note = case_recheck_text(recheck)
            await_person(uow, case.id, by=ACTOR, now=now, after=recheck.picture, note=note)
        else:
            apply_recheck(
                uow, case.id, gone=recheck.result is RecheckResult.GONE, by=ACTOR, now=now,
                payloads=self.payloads, after=recheck.picture, note=recheck.why,
            )  # fmt: skip

    def _person_decides(self, uow: UnitOfWork, case: Case) -> bool:
        if self.verifier is Verifier.OPERATOR:
            return True
        return case.finding is not None and (
            uow.findings.get(case.finding).origin is not Origin.MACHINE
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rechecks:
    """Rung by the bell, each on its own."""

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
    ) -> "Rechecks":
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
