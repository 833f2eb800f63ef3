"""A day at the desk in a real browser: every job takes at most three keys or clicks.

Words that are typed count as one entry, not as keys; what counts is how often a hand moves to do
the job once its page is open. The quick test plays each job once; the soak test plays the whole day
of the town: 624 cameras, two rounds, 10 own findings, 40 findings, 12 cases, 2 approvals, the
hand-over.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from patrol.administration.accounts import hash_password
from patrol.app import build
from patrol.clock import SystemClock
from patrol.domain.account import Account, AccountRole
from patrol.domain.approval import request_approval
from patrol.domain.case import Case, CaseEvent, CaseState
from patrol.domain.case_timers import ApprovalKind, ApprovalRequest
from patrol.domain.finding import FindingState
from patrol.domain.labels import UNNAMED_CHANGE
from patrol.domain.priority import Level
from patrol.settings import load_site
from patrol.settings.site_settings import ConsoleSettings
from patrol.web.server import serve
from simulators.town.history import write_history

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

MOST_MOVES = 3
PASSWORD = "correct-horse-9"
SCREEN = {"viewport": {"width": 1920, "height": 1080}}
ITEM = "#stage .item:not([hidden])[data-decidable]"


@dataclass
class Hand:
    """Counts the keys and clicks of each job on one page."""

    page: Page
    jobs: Counter[str] = field(default_factory=Counter)
    job: str = ""

    def begin(self, job: str) -> None:
        self.job = job
        self.jobs[job] = 0

    def key(self, key: str) -> None:
        self.jobs[self.job] += 1
        self.page.keyboard.press(key)

    def click(self, selector: str) -> None:
        self.jobs[self.job] += 1
        self.page.click(selector)

    def type(self, text: str) -> None:
        self.page.keyboard.type(text)

    def check(self) -> None:
        assert {job: n for job, n in self.jobs.items() if n > MOST_MOVES} == {}


def wait_decidable(page: Page) -> str:
    page.wait_for_selector(ITEM)
    return page.locator(ITEM).get_attribute("data-id") or ""


def judge(hand: Hand, *, real: bool) -> str:
    """Confirm (Enter), or dismiss (D and the number of the reason)."""
    ident = wait_decidable(hand.page)
    hand.begin("verdict, real" if real else "verdict, dismissed")
    hand.key("Enter" if real else "d")
    if not real:
        hand.page.wait_for_selector("#reasons[open]")
        hand.key("1")
    hand.page.wait_for_function(
        "id => document.querySelector('#stage .item:not([hidden])')?.dataset.id !== id", arg=ident
    )
    return ident


def file_from_wall(hand: Hand, number: int) -> None:
    tile = hand.page.locator("#wall .tile").nth(number)
    tile.hover()
    hand.begin("file a finding")
    hand.key("f")
    hand.page.wait_for_selector("#own-finding[data-ready=wall]")
    hand.key("f")
    hand.key("Enter")
    expect(hand.page.locator("#own-finding")).not_to_be_visible()


def open_cases(store: Any) -> list[Case]:
    with store.begin_read() as uow:
        running = uow.cases.list(open_only=True)
    return [c for c in running if c.state is CaseState.DISPATCHED and not c.is_unannounced]


def phone_note(hand: Hand, case: Case) -> None:
    hand.page.goto(f"/cases/{case.id}")
    hand.begin("telephone note")
    hand.click("[data-move=phone]")
    hand.type("网格长接的,马上去")
    hand.click("#moving button[value=yes]")
    expect(hand.page.locator(".timeline")).to_contain_text("网格长接的")


def reassign(hand: Hand, case: Case, to: str) -> None:
    hand.page.goto(f"/cases/{case.id}")
    hand.begin("reassign")
    hand.click("[data-move=reassign]")
    hand.type("不属本网格")
    hand.jobs[hand.job] += 1
    hand.page.select_option("#moving [name=grid]", to)
    hand.click("#moving button[value=yes]")
    expect(hand.page.locator(".timeline")).to_contain_text("不属本网格")


def ask_for_time(store: Any, case: Case, by: str, now: Any) -> None:
    request = ApprovalRequest(kind=ApprovalKind.EXTENSION, by=by, at=now, why="等车", span_s=7200)
    with store.begin() as uow:
        uow.cases.put(request_approval(uow.cases.get(case.id), request))
        uow.commit()


def grant(hand: Hand, case: Case) -> None:
    hand.page.goto("/approvals")
    hand.begin("grant")
    hand.click(f"[data-approval='{case.id}'] button.strong")
    expect(hand.page.locator(f"[data-approval='{case.id}']")).to_have_count(0)


def live_look(hand: Hand, a_round: str, camera: str) -> None:
    """Up to the connection: what the camera answers is test_live_view's affair."""
    hand.page.goto(f"/rounds/{a_round}/camera/{camera}")
    hand.begin("live look")
    hand.click("a.button[href*='/live']")
    hand.page.wait_for_selector("#ask [name=reason]")
    hand.page.wait_for_load_state()  # its script listens: Enter is the page's, not the browser's
    hand.page.locator("#ask [name=reason]").focus()
    hand.type("核实是否仍在")
    hand.key("Enter")
    expect(hand.page.locator("#stop")).to_be_visible()


def round_of_a_village(hand: Hand) -> None:
    """The page's answer counts: whether cameras answer here is test_rounds' affair."""
    hand.page.goto("/rounds")
    hand.begin("round of a village")
    hand.click(".adhoc summary")
    with hand.page.expect_response("**/api/rounds/adhoc/grid") as answer:
        hand.click(".adhoc button >> nth=0")
    assert answer.value.status in {202, 409}


def verify(hand: Hand, store: Any, case: Case, now: Any) -> None:
    with store.begin() as uow:
        fed = uow.cases.get(case.id).apply_event(CaseEvent.FEED_BACK, at=now, by="L1")
        uow.cases.put(replace(fed, recheck_due_at=None, after=fed.before))
        uow.commit()
    hand.page.goto("/verify")
    hand.page.wait_for_selector(f"#verify[data-case='{case.id}']")
    hand.begin("verify")
    hand.key("Enter")
    hand.page.wait_for_function(
        "id => document.getElementById('verify').dataset.case !== id", arg=case.id
    )
    with store.begin_read() as uow:
        assert uow.cases.get(case.id).state is CaseState.CLOSED


def hand_over(giver: Hand, taker: Hand, to: str) -> None:
    """Both sign the same sheet; the one who comes owns the shift."""
    giver.page.goto("/shift")
    giver.begin("hand over")
    giver.jobs[giver.job] += 1
    giver.page.select_option("[name=to]", to)
    giver.page.locator("[data-sign='/api/shift/give'] [name=note]").focus()
    giver.type("渠口积水，明早再看")
    with giver.page.expect_response("**/api/shift/give") as given:
        giver.click("[data-sign='/api/shift/give'] button.strong")
    taker.page.goto("/shift")
    taker.begin("take over")
    with taker.page.expect_response("**/api/shift/take") as taken:
        taker.click("[data-sign='/api/shift/take'] button.strong")
    assert (given.value.status, taken.value.status) == (201, 201)


def ready_findings(store: Any, now: Any, count: int) -> None:
    """So many findings with pictures wait, of a level that is not sent at once."""
    with store.begin() as uow:
        for ident in uow.claims.active(now):
            uow.claims.drop(ident)
        pictured = [f for f in uow.findings.queue() if f.picture]
        for finding in pictured:
            fresh = replace(finding, state=FindingState.CANDIDATE, decided_by="", decided_at=None)
            named = "smoke" if finding.category == UNNAMED_CHANGE else finding.category
            uow.findings.put(replace(fresh, level=Level.ORDINARY, category=named))
        for _ in range(max(0, count - len(pictured))):
            number = uow.next_number("test-day")
            uow.findings.add(
                replace(pictured[0], id=f"F7{number:05}", category=f"day_{number}", found_at=now,
                        level=Level.NOTE, round=None, state=FindingState.CANDIDATE)
            )  # fmt: skip
        uow.commit()


def play(town: Any, operator: Page, lead: Page, sizes: dict[str, int]) -> Hand:
    store, now = town.app.store, town.app.clock.now
    ready_findings(store, now(), sizes["findings"])
    hand, second = Hand(operator), Hand(lead)
    operator.goto("/review")
    for number in range(sizes["findings"]):
        judge(hand, real=number % 3 == 0)
    with store.begin_read() as uow:
        rounds = [
            one
            for plan in ("morning", "afternoon")
            for one in uow.rounds.of_plan(plan, limit=3)
            if any(visit.pictures for visit in uow.rounds.visits(one.id))
        ][:2]
        camera = next(v.camera for v in uow.rounds.visits(rounds[0].id) if v.pictures)
    for a_round in rounds:
        operator.goto(f"/rounds/{a_round.id}")
        operator.wait_for_selector("#wall .tile")
        for number in range(sizes["own"] // len(rounds)):
            file_from_wall(hand, number)
    cases = open_cases(store)
    assert len(cases) >= sizes["cases"]
    grids = sorted(town.app.registry.tree.grids)
    for number, case in enumerate(cases[: sizes["cases"]]):
        if number % 3 == 0:
            phone_note(hand, case)
        elif number % 3 == 1:
            reassign(hand, case, next(code for code in grids if code != case.grid))
        else:
            verify(hand, store, case, now())
    for case in open_cases(store)[:2]:
        ask_for_time(store, case, "operator", now())
        grant(second, case)
    live_look(hand, rounds[0].id, camera)
    round_of_a_village(hand)
    hand.jobs.update(second.jobs)
    hand.check()
    return hand


def test_every_job_of_the_day_takes_three_moves(town: Any, enter: Callable[..., Page]) -> None:
    hand = play(town, enter("operator"), enter("duty_lead"), {"findings": 3, "own": 2, "cases": 3})
    assert len(hand.jobs) >= 9


@pytest.fixture(scope="module")
def whole_town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """624 cameras with a day of history, served, with an operator and a duty lead."""
    folder, now = tmp_path_factory.mktemp("whole"), SystemClock().now()
    write_history(folder, cameras=624, days=1, now=now, seed=13)
    hashed = hash_password(PASSWORD)
    with build(load_site(folder), config_dir=folder) as app:
        with app.store.begin() as uow:
            for duty in (AccountRole.OPERATOR, AccountRole.SHIFT_SUPERVISOR):
                uow.accounts.put(
                    Account(name=str(duty), duty=duty, shown_as=str(duty), password=hashed,
                            created_at=now)
                )  # fmt: skip
            uow.commit()
        options = ConsoleSettings(port=0, assets=Path(__file__).parents[2] / "var/assets")
        with serve(app, options) as address:
            yield type("WholeTown", (), {"app": app, "address": address})


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_the_whole_day_of_the_town(whole_town: Any, browser: Browser) -> None:
    pages = []
    for name in ("operator", "duty_lead"):
        page = browser.new_context(base_url=whole_town.address.url, **SCREEN).new_page()
        page.goto("/login")
        page.fill("input[name=name]", name)
        page.fill("input[name=password]", PASSWORD)
        page.click("button.strong")
        page.wait_for_url(lambda url: "/login" not in url)
        pages.append(page)
    operator, lead = Hand(pages[0]), Hand(pages[1])
    done = play(whole_town, *pages, {"findings": 40, "own": 10, "cases": 12})
    hand_over(operator, lead, "duty_lead")
    for hand in (operator, lead):
        hand.check()
    print(done.jobs | operator.jobs | lead.jobs)  # noqa: T201  the measurement
    with whole_town.app.store.begin_read() as uow:
        start = whole_town.app.clock.now().replace(year=2000)
        own = uow.findings.filed_between(start, start.replace(year=2100))
        signed = uow.handovers.entries(limit=5)
    assert len(own) == 10
    assert [entry.who for entry in signed] == ["duty_lead", "operator"]
