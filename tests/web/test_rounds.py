"""Rounds on the pages: what was missed, what a person dismissed, what is refused to begin."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from patrol.domain.consent import TermsAction, TermsChange
from patrol.domain.finding import CONSENT_WITHDRAWN, Decision, Finding, FindingState
from patrol.domain.observation import Subject
from patrol.domain.priority import Level
from patrol.domain.round import PlannedVisit, Round, RoundEvent, Visit, VisitOutcome
from patrol.domain.schedule import StoppageScope
from patrol.web.i18n import Translator, round_reason, shown_outcome

LogIn = Callable[[str], httpx.Client]
ZONE = ZoneInfo("Asia/Shanghai")
PROBLEM, NORMAL = VisitOutcome.PROBLEM, VisitOutcome.NORMAL


@pytest.fixture
def visit(town: Any) -> Visit:
    """A camera's visit of the newest afternoon round, as one that showed something."""
    with town.store.begin_read() as uow:
        newest = uow.rounds.of_plan("afternoon", limit=1)[0]
        known = {finding.camera for finding in uow.findings.of_round(newest.id)}
        waiting = {finding.camera for finding in uow.findings.queue()}
        found: Visit = next(
            v for v in uow.rounds.visits(newest.id)
            if v.outcome is NORMAL and v.camera not in known | waiting
        )  # fmt: skip
    return replace(found, outcome=PROBLEM)


def finding_of(visit: Visit, town: Any, **changed: Any) -> Finding:
    plain: dict[str, Any] = {
        "id": "F700001", "camera": visit.camera, "grid": town.case.grid, "round": visit.round,
        "subject": Subject.SCENE, "kind": "scene_change", "category": "clutter", "score": 0.6,
        "found_at": visit.finished_at, "why": "?", "level": Level.NOTE,
    }  # fmt: skip
    return Finding(**{**plain, **changed})


def test_a_dismissed_finding_leaves_its_visit_normal(visit: Visit, town: Any) -> None:
    waiting = finding_of(visit, town)
    dismissed = replace(waiting, state=FindingState.DISMISSED)
    confirmed = replace(waiting, state=FindingState.CONFIRMED)
    aged = replace(waiting, state=FindingState.AGED)
    assert shown_outcome(visit, [dismissed]) is NORMAL
    assert shown_outcome(visit, [dismissed, dismissed]) is NORMAL
    for still in ([], [waiting], [confirmed], [aged], [dismissed, waiting], [dismissed, confirmed]):
        assert shown_outcome(visit, still) is PROBLEM
    faulty = replace(visit, faults=("blur",))
    assert shown_outcome(faulty, [dismissed]) is PROBLEM
    assert shown_outcome(faulty, [replace(dismissed, kind="blur")]) is NORMAL
    unseen = replace(visit, outcome=VisitOutcome.NOT_VIEWABLE)
    assert shown_outcome(unseen, [dismissed]) is VisitOutcome.NOT_VIEWABLE


@pytest.fixture
def two_rounds(town: Any, visit: Visit) -> tuple[Round, Round]:
    """Two rounds of one camera, long ago, both with something on the picture."""
    now = town.app.clock.now() - timedelta(days=300)
    made = []
    with town.store.begin() as uow:
        for number in (1, 2):
            at = now + timedelta(hours=6 * number)
            a_round = Round(
                id=f"20250101-afternoon-{uow.next_number('test-rounds')}", plan="afternoon",
                day=at.date(), planned_at=at, finish_by=at + timedelta(hours=1), planned=1,
                refused={},
            ).apply_event(RoundEvent.START, at=at)  # fmt: skip
            uow.rounds.add(a_round, [PlannedVisit(round=a_round.id, camera=visit.camera, order=0)])
            seen_at = at + timedelta(minutes=1)
            uow.rounds.record_visit(
                replace(visit, round=a_round.id, started_at=at, finished_at=seen_at, pictures=())
            )
            ended = a_round.apply_event(RoundEvent.FINISH, at=at + timedelta(minutes=5))
            uow.rounds.put(ended)
            made.append(ended)
        uow.commit()
    return made[0], made[1]


def tile(client: httpx.Client, a_round: Round) -> str:
    (found,) = re.findall(r'class="tile ([^"]*)"', client.get(f"/rounds/{a_round.id}").text)
    return str(found)


def test_the_wall_of_each_round_that_showed_it_loses_its_red(
    log_in: LogIn, town: Any, visit: Visit, two_rounds: tuple[Round, Round]
) -> None:
    """The second round counts it where it waits, and has no finding of its own."""
    first, second = two_rounds
    operator = log_in("operator")
    found_at = first.planned_at + timedelta(minutes=1)
    finding = finding_of(visit, town, id="F700002", round=first.id, found_at=found_at)
    with town.store.begin() as uow:
        uow.findings.add(finding)
        uow.commit()
    assert tile(operator, first).startswith("problem has-candidate")
    assert tile(operator, second) == "problem"
    decided_at = second.planned_at + timedelta(hours=1)
    with town.store.begin() as uow:
        uow.findings.put(
            finding.decide(Decision.DISMISS, by="operator", now=decided_at, reason="shadow")
        )
        uow.commit()
    assert tile(operator, first) == "normal has-dismissed"
    assert tile(operator, second) == "normal"
    page = operator.get(f"/rounds/{second.id}/camera/{visit.camera}").text
    assert "正常" in page.partition("<h2>")[0]


def test_a_finding_that_waits_is_shown_before_a_dismissed_worse_one(
    log_in: LogIn, town: Any, visit: Visit, two_rounds: tuple[Round, Round]
) -> None:
    first, _ = two_rounds
    with town.store.begin() as uow:
        worse = finding_of(visit, town, id="F700003", round=first.id, level=Level.PRESSING)
        uow.findings.add(replace(worse, state=FindingState.DISMISSED, decided_by="operator"))
        waits = finding_of(visit, town, id="F700004", round=first.id, category="sewage")
        uow.findings.add(waits)
        uow.commit()
    assert tile(log_in("operator"), first) == "problem has-candidate"
    with town.store.begin() as uow:
        now = town.app.clock.now()
        uow.findings.put(waits.decide(Decision.DISMISS, by="x", now=now, reason="other"))
        uow.commit()


def test_a_missed_round_was_not_visited(log_in: LogIn, town: Any) -> None:
    now = town.app.clock.now()
    plan = next(iter(town.app.site.settings.calendar.all_plans))
    with town.store.begin() as uow:
        cameras = list(town.app.registry.cameras)[:4]
        planned = Round(
            id=f"20990101-{plan}-{uow.next_number('test-rounds')}", plan=plan,
            day=now.astimezone(ZONE).date(), planned_at=now + timedelta(seconds=1),
            finish_by=now + timedelta(hours=1), planned=4, refused={},
        )  # fmt: skip
        places = [PlannedVisit(round=planned.id, camera=c, order=n) for n, c in enumerate(cameras)]
        uow.rounds.add(planned, places)
        reason = "the patrol was not running in its window"
        uow.rounds.miss_pending(planned.id, reason, now)
        uow.rounds.put(planned.apply_event(RoundEvent.MISS, at=now, reason=reason))
        uow.commit()
    card = log_in("operator").get("/").text.partition(f"/rounds/{planned.id}")[2]
    card = card.partition("</section>")[0]
    assert '<span class="big">0<i>/4</i>' in card
    assert 'aria-label="0/4"' in card
    assert "没有巡查" in card
    assert "结束" not in card
    assert "漏巡 4" in " ".join(card.split())
    assert "时段内服务没有运行" in card
    assert reason not in card
    wall = log_in("operator").get(f"/rounds/{planned.id}").text
    assert "时段内服务没有运行" in wall.partition('id="wall"')[0]


@pytest.mark.parametrize(
    ("reason", "zh", "en"),
    [
        ("", "", ""),
        ("paused by 王五: 平台割接: 夜间", "王五 暂停巡查：平台割接: 夜间",
         "paused by 王五: 平台割接: 夜间"),
        ("not finished in its window", "时限内没有巡完", "not finished in its window"),
        ("the patrol was not running that day, nor on the 12 days before it",
         "当日服务没有运行（此前 12 天亦然）",
         "the service did not run that day (nor on the 12 days before)"),
        ("OSError: disk full", "OSError: disk full", "OSError: disk full"),
    ],
)  # fmt: skip
def test_reasons_of_rounds_are_in_the_readers_language(reason: str, zh: str, en: str) -> None:
    assert round_reason(reason, Translator("zh", ZONE)) == zh
    assert round_reason(reason, Translator("en", ZONE)) == en


@contextmanager
def pause(town: Any, **fields: Any) -> Iterator[None]:
    now = town.app.clock.now()
    plain = {"scope": StoppageScope.ROUNDS, "subject": "", "start": now, "until": None,
             "reason": "平台割接", "by": "duty_lead", "now": now}  # fmt: skip
    with town.store.begin() as uow:
        number = uow.stoppages.add(**{**plain, **fields}).number
        uow.commit()
    yield
    with town.store.begin() as uow:
        uow.stoppages.end(number, by="test", now=town.app.clock.now())
        uow.commit()


def rounds_of(town: Any) -> list[str]:
    with town.store.begin_read() as uow:
        return [one.id for one in uow.rounds.of_plan("morning", limit=1000)]


def test_a_round_is_refused_with_why_and_until_when(log_in: LogIn, town: Any) -> None:
    supervisor, known = log_in("duty_lead"), rounds_of(town)
    until = town.app.clock.now() + timedelta(hours=2)
    for fields, words in (
        ({"until": until}, f"{until.astimezone(ZONE):%m-%d %H:%M}"),
        ({}, "有人恢复"),
    ):
        with pause(town, **fields):
            refused = supervisor.post("/api/rounds/morning/start")
            banner = supervisor.get("/").text.partition("巡查暂停")[2].partition("</a>")[0]
        assert ("至" in banner) is bool(fields)
        assert refused.status_code == 409
        said = refused.json()["words"]
        assert "已暂停" in said
        assert "平台割接" in said
        assert "duty_lead" in said
        assert words in said
    assert rounds_of(town) == known


def test_a_round_is_refused_while_another_is_under_way(log_in: LogIn, town: Any) -> None:
    known = rounds_of(town)
    with town.app.round_lock():
        refused = log_in("duty_lead").post("/api/rounds/morning/start")
    assert refused.status_code == 409
    assert "在进行" in refused.json()["words"]
    assert rounds_of(town) == known


def test_a_round_without_a_camera_is_refused_by_reason(log_in: LogIn, town: Any) -> None:
    known = rounds_of(town)
    links = {camera.link for camera in town.app.registry.cameras.values()}
    with town.store.begin() as uow:
        now = town.app.clock.now()
        numbers = [
            uow.stoppages.add(scope=StoppageScope.LINK, subject=link, start=now, until=None,
                              reason="检修", by="maintainer", now=now).number
            for link in links
        ]  # fmt: skip
        uow.commit()
    refused = log_in("duty_lead").post("/api/rounds/morning/start")
    with town.store.begin() as uow:
        for number in numbers:
            uow.stoppages.end(number, by="test", now=town.app.clock.now())
        uow.commit()
    assert refused.status_code == 409
    assert "维护中" in refused.json()["detail"]
    assert rounds_of(town) == known


@pytest.mark.parametrize("starts_in_h", [0, 5])
def test_ending_a_stoppage_asks_what_it_does(log_in: LogIn, town: Any, starts_in_h: int) -> None:
    future, start = starts_in_h > 0, town.app.clock.now() + timedelta(hours=starts_in_h)
    camera = next(iter(town.app.registry.cameras))
    with (
        pause(town, start=start),
        pause(town, start=start, scope=StoppageScope.CAMERA, subject=camera, reason="换镜头"),
    ):
        page = log_in("duty_lead").get("/stoppages").text
    questions = " ".join(re.findall(r'data-ask="([^"]*)"', page))
    assert "结束：" not in questions
    assert "换镜头" in questions
    assert ("取消" in questions) is future
    assert ("恢复全部巡查？" in questions) is not future
    assert ("下一轮起照常巡查" in questions) is not future


def test_doubt_about_a_paused_camera_says_that_nobody_looks_again(
    log_in: LogIn, town: Any, visit: Visit
) -> None:
    now = town.app.clock.now()
    finding = finding_of(visit, town, id="F700005", found_at=now)
    pause = TermsChange(action=TermsAction.PAUSE, until=now + timedelta(hours=1))
    with town.store.begin() as uow:
        uow.findings.add(finding)
        uow.consents.apply(visit.camera, pause, by="test", now=now)
        uow.commit()
    try:
        body = {"id": finding.id, "decision": "unsure", "note": "看不清"}
        answer = log_in("operator").post("/api/review/decide", json=body)
    finally:
        with town.store.begin() as uow:
            resume = TermsChange(action=TermsAction.RESUME)
            uow.consents.apply(visit.camera, resume, by="test", now=town.app.clock.now())
            uow.commit()
    assert answer.status_code == 200
    assert "不会复看" in answer.json()["words"]
    with town.store.begin() as uow:
        now = town.app.clock.now()
        doubted = uow.findings.get(finding.id)
        uow.findings.put(doubted.decide(Decision.DISMISS, by="x", now=now, reason="other"))
        uow.commit()


def test_a_finding_that_left_with_the_consent_is_not_decided(
    log_in: LogIn, town: Any, visit: Visit
) -> None:
    finding = finding_of(visit, town, id="F700006", found_at=town.app.clock.now())
    with town.store.begin() as uow:
        uow.findings.add(finding)
        uow.consents.withdraw(visit.camera, by="test", now=town.app.clock.now())
        uow.commit()
    try:
        body = {"id": finding.id, "decision": "unsure", "note": "看不清"}
        answer = log_in("operator").post("/api/review/decide", json=body)
    finally:
        with town.store.begin() as uow:
            uow.consents.restore(visit.camera, by="test", now=town.app.clock.now())
            uow.commit()
    assert answer.status_code == 409
    with town.store.begin_read() as uow:
        left = uow.findings.get(finding.id)
    assert (left.state, left.reason) == (FindingState.AGED, CONSENT_WITHDRAWN)
