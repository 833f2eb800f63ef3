"""The command centre's people in a simulated year: operators and the duty lead.

They use the same review and dispatch functions as the console. Now and then they are unsure, leave
a lead lying, decide at the same moment, or ask for a pause.
"""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeVar

from patrol.dispatch import approvals, desk
from patrol.dispatch.verification import look_failed, verified
from patrol.dispatch.wire import Wire
from patrol.domain.approval import NotPossible
from patrol.domain.case import Case, CaseEvent, CaseState, IllegalMove, Request, Wish
from patrol.domain.finding import AlreadyDecided, DismissReason, Finding
from patrol.domain.grid import GridLevel
from patrol.domain.ids import CameraId, CaseId, GridCode
from patrol.domain.observation import Subject
from patrol.domain.registry import Registry
from patrol.review import confirm, queue, unsure
from patrol.review.ageing import AGEING
from patrol.review.teach import dismiss_and_teach
from patrol.store import Store, UnitOfWork
from simulators.year_town import Truth

T = TypeVar("T")
OPERATOR: Final = "zhang"
SECOND: Final = "li"
LEAD: Final = "wang"
LEFT_LYING: Final = 0.05  # of the queue at each sitting; level I and II never
OVERLOOKED: Final = 0.005  # never decided by anybody: they age
DOUBTED: Final = 0.03
DECIDED_TWICE: Final = 0.01  # somebody else pressed the key a moment later
BLIND: Final = 0.04  # of the second looks: the camera does not answer
PAUSED: Final = 0.01  # of the open cases at each sitting
VOIDED: Final = 0.004
LONGEST_SITTING: Final = 200


@dataclass
class Desk:
    """`review`, `look_again`, `clear_desk`: each as often as life does it."""

    store: Store
    wire: Wire
    registry: Registry
    truth: Truth
    about: dict[str, tuple[CameraId, str] | None]
    rng: random.Random
    done: Counter[str] = field(default_factory=Counter)

    def review(self, now: datetime) -> None:
        """The queue from its top."""
        with self.store.begin_read() as uow:
            waiting = [line.finding for line in queue(uow, now)]
        for finding in waiting[:LONGEST_SITTING]:
            dice = self.rng.random()
            if finding.level in AGEING and (dice < LEFT_LYING or _is_overlooked(finding)):
                continue
            if dice < LEFT_LYING + DOUBTED and not finding.decided_by:
                self._doubt(finding, now)
                continue
            self._decide(finding, now, OPERATOR)
            if self.rng.random() < DECIDED_TWICE:
                self._too_late(finding, now)

    def look_again(self, now: datetime) -> list[Case]:
        """Through the same camera, wherever it is due."""
        with self.store.begin_read() as uow:
            due = uow.cases.look_due(now)
        return [self._look_at(case, now) for case in due]

    def clear_desk(self, now: datetime) -> None:
        """What waits for the centre: returns, wishes, pauses, silence, verification."""
        with self.store.begin_read() as uow:
            waiting = uow.cases.list(open_only=True, limit=10_000)
        for case in waiting:
            step = self._step(case, now)
            if step is not None:
                self._in_one(step)

    def _doubt(self, finding: Finding, now: datetime) -> None:
        self._in_one(lambda uow: unsure(uow, finding.id, by=OPERATOR, now=now))

    def _look_at(self, case: Case, now: datetime) -> Case:
        return self._in_one(lambda uow: self._look(uow, case, now))

    def _decide(self, finding: Finding, now: datetime, by: str) -> None:
        if not self.truth.is_true(finding):
            reason = self.rng.choice(list(DismissReason))
            self._in_one(
                lambda uow: dismiss_and_teach(uow, finding.id, by=by, now=now, reason=reason)
            )
            return
        case = self._in_one(
            lambda uow: confirm(
                uow, finding.id, by=by, now=now, registry=self.registry, announcer=self.wire
            )
        )
        self.about[case.id] = (finding.camera, finding.category)

    def _too_late(self, finding: Finding, now: datetime) -> None:
        try:
            self._decide(finding, now, SECOND)
        except AlreadyDecided as exc:
            self.done["heard who was first"] += OPERATOR in str(exc)
        else:
            raise AssertionError(f"{finding.id} was decided twice")

    def _look(self, uow: UnitOfWork, case: Case, now: datetime) -> Case:
        if case.camera is None or self.rng.random() < BLIND:
            why = "offline"
            return look_failed(uow, case.id, by="patrol", now=now, why=why, announcer=self.wire)
        gone = not self.truth.is_there(case.camera, case.category)
        return verified(uow, case.id, gone=gone, by="patrol", now=now, announcer=self.wire)

    def _step(self, case: Case, now: datetime) -> Callable[[UnitOfWork], object] | None:
        if case.request is not None:
            return lambda uow: self._answer(uow, case, now)
        if case.suspension is not None:
            over = now - case.suspension.since > timedelta(days=7)
            return (lambda uow: self._resume(uow, case.id, now)) if over else None
        if case.state is CaseState.RETURNED:
            return lambda uow: self._returned(uow, case, now)
        if case.ladder_due_at is None and case.look_due_at is None:
            return lambda uow: self._remind(uow, case, now)
        dice = self.rng.random()
        if dice < PAUSED + VOIDED:
            wish = Wish.SUSPENSION if dice < PAUSED else Wish.VOID
            return lambda uow: self._ask(uow, case, wish, now)
        return None

    def _answer(self, uow: UnitOfWork, case: Case, now: datetime) -> None:
        try:
            approvals.grant(uow, case.id, by=LEAD, now=now, announcer=self.wire)
            self.done["granted"] += 1
        except NotPossible:
            approvals.refuse(uow, case.id, by=LEAD, now=now, note="现已不可")
            self.done["refused"] += 1

    def _resume(self, uow: UnitOfWork, case: CaseId, now: datetime) -> None:
        approvals.resume(uow, case, by=LEAD, now=now, announcer=self.wire)

    def _ask(self, uow: UnitOfWork, case: Case, wish: Wish, now: datetime) -> None:
        request = Request(wish=wish, by=OPERATOR, at=now, why="大雪封路")
        try:
            approvals.ask(uow, case.id, request)
        except NotPossible:
            self.done["could not be asked"] += 1

    def _returned(self, uow: UnitOfWork, case: Case, now: datetime) -> None:
        if case.entries[-1].note.startswith("not_my_grid"):
            to = self.rng.choice(self._groups(case.grid))
            registry = self.registry
            desk.reassign(uow, case.id, to, by=OPERATOR, now=now, registry=registry, wire=self.wire)
            return
        if case.camera is not None:
            self.truth.cleared(case.camera, case.category)
        self._end(uow, case, CaseEvent.CLOSE, now)

    def _remind(self, uow: UnitOfWork, case: Case, now: datetime) -> None:
        """A person looks (nobody else can), or phones whoever has it and was silent for days."""
        if case.state is CaseState.FED_BACK:
            gone = self.rng.random() < 0.9  # noqa: PLR2004  most of it is really done
            verified(uow, case.id, gone=gone, by=OPERATOR, now=now, announcer=self.wire)
        elif now - case.entries[-1].at > timedelta(days=2):
            try:
                self._end_or_send(uow, case, now)
            except IllegalMove:
                self.done["nothing possible"] += 1

    def _end_or_send(self, uow: UnitOfWork, case: Case, now: datetime) -> None:
        if case.subject is Subject.EQUIPMENT or case.state is CaseState.REWORK:
            self._end(uow, case, CaseEvent.VOID, now)
            return
        to = self.rng.choice(self._groups(case.grid))
        registry = self.registry
        desk.reassign(uow, case.id, to, by=OPERATOR, now=now, registry=registry, wire=self.wire)

    def _end(self, uow: UnitOfWork, case: Case, event: CaseEvent, now: datetime) -> None:
        desk.end(uow, case.id, event, by=OPERATOR, now=now, wire=self.wire, note="电话核实")

    def _groups(self, other_than: GridCode) -> Sequence[GridCode]:
        grids = self.registry.tree.grids.values()
        return [g.code for g in grids if g.level is GridLevel.GROUP and g.code != other_than]

    def _in_one(self, work: Callable[[UnitOfWork], T]) -> T:
        with self.store.begin() as uow:
            result = work(uow)
            uow.commit()
        return result


def _is_overlooked(finding: Finding) -> bool:
    return random.Random(finding.id).random() < OVERLOOKED  # noqa: S311  a play, and it must repeat
