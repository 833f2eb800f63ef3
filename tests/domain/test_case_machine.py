"""The case table and the ladder under any order of events and silences: a hypothesis machine. Pure.

The model is the table itself, folded over the history, and a ladder told in three sentences: it
only goes up, one rung at a time and never before its silence has run out; an answer stops it; when
the last rung was silent it supervises once and rests.
"""

from datetime import timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from patrol.domain.case import (
    CASE_TRANSITIONS,
    ENDED_STATES,
    CaseEvent,
    CaseState,
    IllegalCaseTransition,
)
from patrol.domain.case_opening import open_from_report
from patrol.domain.escalation import (
    EscalationReason,
    announced_grids,
    escalate_if_due,
    escalation_reason,
)
from patrol.domain.ids import CaseId
from patrol.domain.priority import Level
from simulators import small_site

ANSWERS = frozenset({CaseEvent.ACKNOWLEDGE, CaseEvent.ARRIVE, CaseEvent.FEED_BACK})


class CaseMachine(RuleBasedStateMachine):
    @initialize(level=st.sampled_from(list(Level)))
    def open(self, level: Level) -> None:
        self.now = small_site.NOON
        self.case = open_from_report(
            CaseId("C20261122-0001"),
            small_site.registry(),
            grid=small_site.GROUP,
            by="leader",
            now=self.now,
            category="dumping",
            level=level,
            place="渠边",
            text="倾倒垃圾",
        )
        self.past = self.case.entries
        self.steps_up = 0

    @rule(event=st.sampled_from(list(CaseEvent)))
    def something_happens(self, event: CaseEvent) -> None:
        before, target = self.case, CASE_TRANSITIONS.get((self.case.state, event))
        if target is None:
            with pytest.raises(IllegalCaseTransition):
                before.apply_event(event, at=self.now, by="somebody")
            return
        after = before.apply_event(event, at=self.now, by="somebody")
        assert after.state is target
        assert after.entries[:-1] == before.entries
        assert (after.entries[-1].what, after.entries[-1].state) == (event, target)
        if event in ANSWERS or target in ENDED_STATES:
            assert after.ladder_due_at is None
        if (
            target is CaseState.REWORK
            and before.state is not CaseState.REWORK
            and after.suspension is None
        ):
            assert after.ladder_due_at is not None
        self.case = after

    @rule(minutes=st.integers(1, 5000))
    def time_passes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)
        before, due = self.case, self.case.ladder_due_at
        step = escalate_if_due(before, self.now)
        assert step.moved is (before.is_open and due is not None and due <= self.now)
        if not step.moved:
            assert step.case == before
            return
        self.steps_up += 1
        self.case = step.case
        assert step.case.revision == before.revision + 1, "it must be told again"
        assert step.case.state is before.state
        if step.reason is EscalationReason.SILENCE:
            assert step.case.rung == before.rung + 1
            assert step.case.ladder_due_at is not None
            assert step.case.ladder_due_at > self.now
            assert set(announced_grids(before)) <= set(announced_grids(step.case))
        else:
            assert step.case.rung == before.rung == len(before.policy.ladder) - 1
            assert step.case.ladder_due_at is None
            assert step.case.entries[-1].what is CaseEvent.SUPERVISE

    @invariant()
    def history_only_grows_and_ends_here(self) -> None:
        entries = self.case.entries
        assert entries[: len(self.past)] == self.past
        state = CaseState.DISPATCHED
        for entry in entries[1:]:
            state = CASE_TRANSITIONS[state, entry.what]
            assert entry.state is state
        assert self.case.state is state
        assert [entry.at for entry in entries] == sorted(entry.at for entry in entries)
        self.past = entries

    @invariant()
    def the_ladder_is_within_its_rungs(self) -> None:
        assert 0 <= self.case.rung < len(self.case.policy.ladder)
        assert self.case.rung <= self.steps_up

    @invariant()
    def an_ended_or_answered_case_escalates_no_more(self) -> None:
        if not self.case.is_open:
            assert (
                escalation_reason(self.case, self.now + timedelta(days=999))
                is EscalationReason.ENDED
            )
        elif self.case.ladder_due_at is None:
            assert (
                escalation_reason(self.case, self.now + timedelta(days=999))
                is EscalationReason.ANSWERED
            )


TestCaseMachine = CaseMachine.TestCase
TestCaseMachine.settings = settings(
    max_examples=30, stateful_step_count=40, deadline=None, derandomize=True
)
