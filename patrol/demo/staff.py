"""The simulated staff of the demonstration: an operator and a shift supervisor at work.

They decide findings, send cases out, verify what was handled and enter a leave, until only what is
left to the visitor is open. They know only what real ones would.
"""

import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console

from patrol.app import Application
from patrol.app.finding_service import FindingService
from patrol.app.town_service import TownService
from patrol.cases import actions
from patrol.domain.broadcast import BroadcastEvent
from patrol.domain.case import Case, CaseEvent, CaseState
from patrol.domain.finding import FilingSource, Finding
from patrol.domain.hand_off import HandOffEvent
from patrol.domain.ids import CameraId, GridCode
from patrol.domain.observation import Subject
from patrol.domain.priority import Level
from patrol.domain.reader_language import translate
from patrol.domain.registry import Role
from patrol.domain.registry_change import RegistryTable
from patrol.domain.routing import person_with_role
from patrol.domain.teams import owner_of
from patrol.reports.demo_terminal import demo_outcome
from patrol.reports.terminal import (
    progress_display,
)
from patrol.review.own_findings import FilingForm, FilingTarget
from patrol.rounds.adhoc import AdhocSelection
from patrol.rounds.planner import NothingToVisit
from patrol.store import check
from simulators.people.leaders import ReplySimulator
from simulators.people.operator import SimulatedOperator, decide_finding, is_still_there
from simulators.people.patrollers import (
    ground_outcome,
    patrol_todays_roster,
    report_from_the_ground,
)
from simulators.people.visitor import LeftToVisitor, group_on_leave
from simulators.rtsp_farm.control import FarmControl
from simulators.rtsp_farm.process import RunningFarm

OPERATOR: Final = "值班员"
SUPERVISOR: Final = "值班长"
POLL_S: Final = 0.3
MAX_CASES: Final = 10_000  # of a demonstration: far more than its rounds make
CASES_WITHIN_S: Final = 180.0


@dataclass
class SimulatedStaff:
    """The simulated operator: decides findings and cases until only the visitor's are open."""

    app: Application
    control: FarmControl
    left: LeftToVisitor

    def visit_first(self, farm: RunningFarm, err: Console, stop: threading.Event) -> None:
        """Visit what the farm serves already, then wait until it has encoded all its streams.

        The cameras are sound, so that nothing is found of them; the console has pictures meanwhile.
        """
        if not farm.first:
            return
        chosen = AdhocSelection(cameras=frozenset(map(CameraId, farm.first)))
        with (
            suppress(NothingToVisit),
            progress_display(err, self.app.site.settings.site.tz) as show,
        ):
            self.app.run_round("morning", adhoc=chosen, on_progress=show, stop=stop)
        err.print(
            translate(
                "[dim]首批画面已到，其余视频流编码中 …[/]",
                "[dim]The first pictures are there; the other streams are encoded …[/]",
            )
        )
        while not stop.is_set() and not farm.all_served.wait(POLL_S):
            pass

    def run_day(self, err: Console, stop: threading.Event) -> dict[str, Any]:
        """One round, the operator's decisions, and the cases to their end."""
        with progress_display(err, self.app.site.settings.site.tz) as show:
            summary = self.app.run_round("morning", on_progress=show, stop=stop)
        self._enter_leave()
        self._answer_a_call()
        patrol_todays_roster(self.app)
        report_from_the_ground(self.app, operator=OPERATOR)
        with err.status(translate("值班员审核、网格长处置中 …", "operator and leaders at work …")):
            self._until_closed(stop)
        return summary

    @property
    def _group(self) -> GridCode:
        """The group in which the leave and the call of the demonstration are."""
        return group_on_leave(self.app.registry)

    def _enter_leave(self) -> None:
        """The group's leader is on leave today; a grid worker stands in and gets its cases."""
        registry, today = self.app.registry, self.app.clock.now()
        leader = person_with_role(registry, self._group, Role.GRID_LEADER)
        worker = person_with_role(registry, self._group, Role.GRID_WORKER)
        if leader is None or worker is None:
            return
        day = today.astimezone(self.app.site.settings.site.tz).date().isoformat()
        cells = {"person_id": leader.id, "from": day, "until": day, "substitute": worker.id}
        self.app.people_tables.put_row(RegistryTable.LEAVE, cells, by=SUPERVISOR, why="病假")

    def _answer_a_call(self) -> None:
        """A caller reports a fire: own finding, case, loudspeaker, police; all of them answer."""
        town, group = TownService(self.app), self._group
        call = FilingForm(
            category="open_flame", source=FilingSource.PHONE, grid=group, level=Level.URGENT,
            text="村民来电：打麦场边冒烟", place="打麦场",
        )  # fmt: skip
        filed = FindingService(self.app).file(
            call, by=OPERATOR, target=FilingTarget.CASE, phoned="网格长接的，马上去"
        )
        if filed.case is None:
            return
        asked = town.ask_broadcast(filed.case.id, by=OPERATOR, template="warn")
        town.decide_broadcast(asked.id, BroadcastEvent.APPROVE, by=SUPERVISOR)
        town.played(asked.id, BroadcastEvent.PLAYED, speaker=asked.speaker)
        given = town.hand_off(filed.case.id, "police", by=OPERATOR, why="请派出所到场警戒")
        town.answer(given.id, HandOffEvent.ANSWER, by="department:police", text="已到场警戒")

    def outcome(self, leaders: ReplySimulator) -> dict[str, Any]:
        """The results, counted in the store."""
        registry = self.app.registry
        with self.app.store.begin_read() as uow:
            found = demo_outcome(uow)
            handed = [one for one in uow.hand_offs.list() if one.answered_at]
            played = [one for one in uow.broadcasts.list() if one.played_at]
            cases = uow.cases.list(limit=MAX_CASES)
        problems = check(self.app.site.settings.database)
        return {
            **found,
            "leaders_said": dict(leaders.sent),
            "hand_offs_answered": len(handed),
            "broadcasts_played": len(played),
            "on_leave": len(registry.leaves),
            "answered_by_substitutes": sum(
                owner_of(case) in registry.absent.values() for case in cases
            ),
            **ground_outcome(self.app),
            "store_problems": [str(problem) for problem in problems],
        }

    def _until_closed(self, stop: threading.Event) -> None:
        deadline_s = self.app.clock.monotonic_s() + CASES_WITHIN_S
        while not stop.is_set() and self.app.clock.monotonic_s() < deadline_s:
            self._decide()
            self._verify()
            with self.app.store.begin_read() as uow:
                ours = [
                    case
                    for case in uow.cases.list(open_only=True)
                    if case.id not in self.left.open_cases
                ]
                waiting = [one for one in uow.findings.queue() if not self.left.holds(one.id)]
                idle = not ours and not waiting and not uow.outbox.unsent()
            if idle and not self._leave_cases_open():
                return
            for case in ours:
                if case.state is CaseState.RETURNED and not self.left.keeps(case):
                    self._handle_returned(case)
            stop.wait(POLL_S)

    def _leave_cases_open(self) -> bool:
        """Make cases of the reserve until enough stay open; whether any of it is left to decide."""
        with self.app.store.begin_read() as uow:
            still_open = {case.id for case in uow.cases.list(open_only=True)}
            reserve = [one for one in uow.findings.queue() if one.id in self.left.reserve]
        missing = self.left.forget_closed(still_open)
        for finding in reserve[:missing]:
            decision = decide_finding(finding, self.control.truth(finding.camera))
            case = self.app.confirm(finding.id, by=OPERATOR, category=decision.category)
            self.left.leave_unanswered(case.id)
        self.left.reserve = frozenset()
        return bool(reserve[missing:])

    def _decide(self) -> None:
        operator = SimulatedOperator(
            truth_of=self.control.truth, confirm=self._confirm, dismiss=self._dismiss
        )
        with self.app.store.begin_read() as uow:
            queue: Sequence[Finding] = uow.findings.queue()
        self.left.choose_findings(queue, self._is_confirmed)
        operator.decide_all(one for one in queue if not self.left.holds(one.id))

    def _is_confirmed(self, finding: Finding) -> bool:
        return decide_finding(finding, self.control.truth(finding.camera)).confirm

    def _confirm(self, finding: Finding, category: str) -> None:
        self.app.confirm(finding.id, by=OPERATOR, category=category)

    def _dismiss(self, finding: Finding, reason: str) -> None:
        self.app.dismiss(finding.id, by=OPERATOR, reason=reason)

    def _verify(self) -> None:
        """Verify handled cases; the operator knows whether the problem is gone."""
        for pending in self.app.to_verify():
            with self.app.store.begin_read() as uow:
                case = uow.cases.get(pending.case)
            if not self.left.keeps(case):
                self.app.verify(case.id, gone=not self._is_real(case), by=OPERATOR)

    def _is_real(self, case: Case) -> bool:
        """Whether the case's own subject is still there, whatever else its camera shows."""
        truth = self.control.truth(case.camera) if case.camera else {}
        return is_still_there(case.subject, case.category, truth)

    def _handle_returned(self, case: Case) -> None:
        """Send a returned case one grid up when its problem is real, else close it."""
        real = self._is_real(case)
        parent = self.app.registry.tree.grids[case.grid].parent
        with self.app.store.begin() as uow:
            if real and parent is not None and case.subject is Subject.SCENE:
                actions.reassign_case(
                    uow,
                    case.id,
                    parent,
                    by=OPERATOR,
                    now=self.app.clock.now(),
                    registry=self.app.registry,
                    payloads=self.app.payloads,
                    note="转上级处理",
                )
            else:
                actions.end_case(
                    uow,
                    case.id,
                    CaseEvent.CLOSE,
                    by=OPERATOR,
                    now=self.app.clock.now(),
                    payloads=self.app.payloads,
                    note="现场核实为误报",
                )
            uow.commit()
        self.app.wake_relays()
