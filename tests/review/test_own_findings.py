"""Own findings, undone decisions, alarms of unreviewed findings, duties of rounds."""

from dataclasses import replace
from datetime import UTC, timedelta
from typing import Any

import pytest

from patrol.domain.account import Account, AccountRole
from patrol.domain.case import CaseEvent, CaseState
from patrol.domain.finding import FilingSource, FindingState, IllegalUndo, Origin
from patrol.domain.ids import CameraId, FindingId, GridCode, PictureId, RoundId
from patrol.domain.observation import FindingRule, FindingRules
from patrol.domain.outbox import DeliveryState
from patrol.domain.priority import Level
from patrol.domain.review_alarm import AlarmStep, ReviewAlarmPolicy
from patrol.domain.round import Round
from patrol.domain.round_duty import NotRoundOwner, owners_of
from patrol.review import dismiss, unsure
from patrol.review.alarms import ReviewAlarm, ReviewAlarmWorker, alarming
from patrol.review.decided import decided_filter
from patrol.review.decisions import dismiss_and_suppress
from patrol.review.own_findings import (
    CannotFile,
    FilingForm,
    file_finding,
    parse_box,
    usual_level,
)
from patrol.review.undo import NotOwnDecision, undo_decision
from patrol.rounds import duty
from patrol.store import Store
from patrol.store.findings import DecidedFilter
from simulators import small_site
from tests.support.case_system import CaseSystem
from tests.support.store import new_store

NOON = small_site.NOON
REGISTRY = small_site.registry()
CAMERA = next(iter(REGISTRY.cameras))
RULES = FindingRules()
F1 = FindingId("F000001")
WALL = FilingForm(category="dumping", source=FilingSource.WALL, camera=CAMERA)


@pytest.fixture
def store() -> Store:
    return new_store()


def filed(store: Store, form: FilingForm, **more: Any) -> Any:
    with store.begin() as uow:
        finding = file_finding(
            uow, form, by="op", now=NOON, registry=REGISTRY, rules=more.get("rules", RULES)
        )
        uow.commit()
    return finding


def test_an_own_finding_waits_in_the_queue_and_is_not_the_machines(store: Store) -> None:
    finding = filed(store, replace(WALL, text="沟边有垃圾"))
    assert (finding.origin, finding.state) == (Origin.OPERATOR, FindingState.CANDIDATE)
    assert (finding.filed_by, finding.filed_from) == ("op", "wall")
    with store.begin_read() as uow:
        assert [one.id for one in uow.findings.queue()] == [finding.id]
        assert uow.findings.open_like(CAMERA, "dumping") is None  # the machine's alone
        assert uow.findings.filed_between(NOON, NOON + timedelta(seconds=1)) == [finding]
        assert uow.findings.filed_between(NOON - timedelta(days=1), NOON) == []
        assert [entry.what for entry in uow.finding_history.of_finding(finding.id)] == ["file"]
        entries = uow.access.entries(limit=5)
    assert [(one.what, one.who, one.camera) for one in entries] == [("file_finding", "op", CAMERA)]


def test_a_telephone_call_needs_no_camera_and_no_picture(store: Store) -> None:
    call = FilingForm(
        category="open_flame", source=FilingSource.PHONE, grid=GridCode(small_site.GROUP),
        text="村民来电:麦场冒烟", place="麦场",
    )  # fmt: skip
    finding = filed(store, call)
    assert (finding.camera, finding.grid, finding.place) == ("", small_site.GROUP, "麦场")
    assert finding.level is usual_level("open_flame", RULES)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"category": "gathering"}, "category"),
        ({"camera": CameraId("1" * 20)}, "camera"),
        ({"camera": None}, "camera"),
        ({"box": (0.1, 0.1, 0.2, 0.2)}, "box"),
        ({"picture": PictureId("f" * 64)}, "picture"),
        ({"round": RoundId("20261122-noon-9")}, "round"),
        ({"camera": None, "source": FilingSource.PHONE}, "grid"),
        ({"camera": None, "source": FilingSource.PHONE, "grid": GridCode("9" * 15)}, "grid"),
        ({"camera": None, "source": FilingSource.PHONE, "grid": small_site.GROUP}, "text"),
    ],
)
def test_what_cannot_be_names_its_field(store: Store, change: dict[str, Any], field: str) -> None:
    form = replace(WALL, **change)
    if form.camera is None and form.grid is None:
        form = replace(form, grid=GridCode(small_site.GROUP) if field == "camera" else None)
    with pytest.raises(CannotFile, match=f"^{field}"):
        filed(store, form)
    with store.begin_read() as uow:
        assert uow.findings.queue() == []


@pytest.mark.parametrize("text", ["0.1,0.2", "a,b,c,d", "0.9,0.9,0.2,0.2", "nan,0,1,1", "0,0,0,1"])
def test_a_box_lies_within_the_picture(text: str, store: Store) -> None:
    def file() -> None:
        filed(store, replace(WALL, box=parse_box(text), picture=PictureId("f" * 64)))

    with pytest.raises(CannotFile, match="box"):
        file()


def test_the_level_follows_the_rules_and_may_be_chosen(store: Store) -> None:
    urgent = FindingRule(kind="dumping", category="dumping", level=Level.URGENT)
    rules = FindingRules(by_kind={**RULES.by_kind, "dumping": urgent})
    assert filed(store, WALL, rules=rules).level is Level.URGENT
    assert filed(store, replace(WALL, level=Level.NOTE), rules=rules).level is Level.NOTE
    assert usual_level("clutter", RULES) is Level.ORDINARY


def undo(store: Store, finding: str = F1, *, by: str = "op", later: float = 5, **more: Any) -> Any:
    with store.begin() as uow:
        done = undo_decision(
            uow, FindingId(finding), by=by, now=NOON + timedelta(minutes=later),
            may_undo_others=more.get("lead", False),
        )  # fmt: skip
        uow.commit()
    return done


@pytest.fixture
def dismissed(store: Store) -> Store:
    with store.begin() as uow:
        uow.findings.add(small_site.finding())
        dismiss_and_suppress(uow, F1, by="op", now=NOON, reason="shadow")
        uow.commit()
    return store


def test_a_dismissal_is_undone_with_its_suppression(dismissed: Store) -> None:
    with dismissed.begin_read() as uow:
        assert uow.suppressions.active(NOON)
    assert undo(dismissed).state is FindingState.CANDIDATE
    with dismissed.begin_read() as uow:
        assert uow.suppressions.active(NOON + timedelta(minutes=6)) == []
        (entry,) = uow.finding_history.of_finding(F1)
        assert "dismissed by op" in entry.note
        assert "shadow" in entry.note
    with pytest.raises(IllegalUndo, match="not decided"):
        undo(dismissed)


def test_an_hour_later_it_stands(dismissed: Store) -> None:
    with pytest.raises(IllegalUndo, match="60 minutes"):
        undo(dismissed, later=60.1)


def test_another_person_undoes_it_only_as_duty_lead(dismissed: Store) -> None:
    with pytest.raises(NotOwnDecision, match="op"):
        undo(dismissed, by="other")
    assert undo(dismissed, by="chief", lead=True).is_open


def test_a_confirmation_is_undone_before_it_is_sent(case_system: CaseSystem) -> None:
    case = case_system.confirm()
    assert undo(case_system.store).case is None
    with case_system.store.begin_read() as uow:
        assert uow.cases.get(case.id).state is CaseState.VOIDED
        assert {one.state for one in uow.outbox.of_case(case.id)} == {DeliveryState.EXPIRED}


def test_a_confirmation_that_was_sent_stands(case_system: CaseSystem) -> None:
    case = case_system.confirm()
    case_system.relay.run_until_empty(5)
    with pytest.raises(IllegalUndo, match="sent already"):
        undo(case_system.store)
    with case_system.store.begin_read() as uow:
        assert uow.cases.get(case.id).is_open


def test_a_merge_is_counted_back(case_system: CaseSystem) -> None:
    first = case_system.confirm()
    again = replace(small_site.finding(), id=FindingId("F000002"))
    case_system.clock.sleep(60)
    assert case_system.confirm(again).count == 2
    assert undo(case_system.store, "F000002").is_open
    with case_system.store.begin_read() as uow:
        case = uow.cases.get(first.id)
    assert (case.count, case.entries[-1].what) == (1, CaseEvent.UNMERGE)


def test_decided_findings_are_found_by_decider_day_and_text(dismissed: Store) -> None:
    def ids(**wanted: Any) -> list[str]:
        with dismissed.begin_read() as uow:
            found = uow.findings.decided(DecidedFilter(**wanted))
            assert uow.findings.count_decided(DecidedFilter(**wanted)) == len(found)
            return [one.id for one in found]

    assert ids() == ids(by="op") == ids(text="SHADOW") == ids(since=NOON) == [F1]
    assert ids(by="other") == ids(text="%") == ids(until=NOON) == []
    assert ids(text="x", cameras=[small_site.finding().camera]) == [F1]


def test_a_text_counts_in_names_of_cameras_and_categories() -> None:
    camera = small_site.finding().camera
    name = REGISTRY.cameras[camera].name
    assert camera in decided_filter(f" {name} ", REGISTRY.cameras, UTC).cameras
    assert decided_filter("其他", REGISTRY.cameras, UTC).categories == ["other"]
    assert "other" in decided_filter("OTHER", REGISTRY.cameras, UTC).categories
    assert decided_filter(" ", REGISTRY.cameras, UTC) == DecidedFilter(cameras=[], categories=[])
    day = decided_filter("", REGISTRY, NOON.tzinfo or UTC, day=NOON.date())
    assert day.since is not None
    assert day.until is not None
    assert day.since <= NOON < day.until == day.since + timedelta(days=1)


class TestAlarm:
    def worker(self, store: Store, queued: list[ReviewAlarm]) -> ReviewAlarmWorker:
        def queue(_uow: Any, alarm: ReviewAlarm, _now: Any) -> int:
            queued.append(alarm)
            return 1

        policy = ReviewAlarmPolicy()
        return ReviewAlarmWorker(store=store, registry=REGISTRY, policy=policy, queue_alarm=queue)

    def test_first_the_duty_lead_then_the_town_each_once(self, store: Store) -> None:
        queued: list[ReviewAlarm] = []
        worker = self.worker(store, queued)
        with store.begin() as uow:
            uow.findings.add(replace(small_site.finding(), level=Level.URGENT, found_at=NOON))
            uow.accounts.put(
                Account(name="chief", duty=AccountRole.SHIFT_SUPERVISOR, shown_as="王班长",
                        password="x", created_at=NOON)
            )  # fmt: skip
            uow.commit()
        for minutes in (0, 2.9, 3, 3.1, 6, 7, 600):
            worker.run_due(NOON + timedelta(minutes=minutes))
        assert [one.step for one in queued[:1]] == [AlarmStep.DUTY_LEAD]
        assert queued[0].recipient.name == "王班长"
        assert {one.step for one in queued[1:]} == {AlarmStep.TOWN_DUTY}
        with store.begin_read() as uow:
            notes = [one.what for one in uow.finding_history.of_finding(F1)]
        assert notes == ["alarm", "alarm"]

    def test_unsure_does_not_stop_it_and_a_decision_does(self, store: Store) -> None:
        queued: list[ReviewAlarm] = []
        worker = self.worker(store, queued)
        with store.begin() as uow:
            uow.findings.add(replace(small_site.finding(), level=Level.PRESSING, found_at=NOON))
            unsure(uow, F1, by="op", now=NOON)
            uow.commit()
        worker.run_due(NOON + timedelta(minutes=10))
        assert [one.step for one in queued] == [AlarmStep.DUTY_LEAD]
        with store.begin() as uow:
            dismiss(uow, F1, by="other", now=NOON, reason="animal")
            uow.commit()
        assert worker.run_due(NOON + timedelta(hours=3)) == 0

    @pytest.mark.parametrize("level", [Level.ORDINARY, Level.NOTE])
    def test_other_levels_never_alarm(self, level: Level) -> None:
        finding = replace(small_site.finding(), level=level, found_at=NOON)
        assert alarming([finding], ReviewAlarmPolicy(), NOON + timedelta(days=2)) == []


def test_a_round_belongs_to_who_signed_on(store: Store) -> None:
    round_id = RoundId("20261122-morning-1")
    planned = Round(
        id=round_id, plan="morning", day=NOON.date(), planned_at=NOON, finish_by=NOON, planned=0,
        refused={},
    )  # fmt: skip
    with store.begin() as uow:
        uow.rounds.add(planned, ())
        for name in ("anna", "ben"):
            uow.accounts.put(
                Account(name=name, duty=AccountRole.OPERATOR, shown_as=name, password="x",
                        created_at=NOON)
            )  # fmt: skip
        duty.sign_on(uow, round_id, who="anna", now=NOON, may_take_over=False)
        with pytest.raises(NotRoundOwner, match="anna"):
            duty.sign_on(uow, round_id, who="ben", now=NOON, may_take_over=False)
        with pytest.raises(NotRoundOwner, match="anna"):
            duty.hand_over(uow, round_id, who="ben", to="anna", now=NOON)
        with pytest.raises(duty.NoSuchColleague, match="carl"):
            duty.hand_over(uow, round_id, who="anna", to="carl", now=NOON)
        duty.hand_over(uow, round_id, who="anna", to="ben", now=NOON)
        uow.commit()
    with store.begin_read() as uow:
        assert owners_of(uow.round_duties.of_round(round_id)) == ("anna", "ben")
    with store.begin() as uow, pytest.raises(KeyError):
        duty.sign_on(uow, RoundId("none"), who="anna", now=NOON, may_take_over=True)
