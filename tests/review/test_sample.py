"""The blind sample: who is drawn, that nothing gives it away, and what it says about misses."""

import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from patrol.dispatch import Wire
from patrol.domain.finding import Finding, FindingState, Origin
from patrol.domain.ids import CameraId, FindingId, RoundId, Sha256
from patrol.domain.round import PlannedVisit, Round, StoredPicture, Visit, VisitOutcome
from patrol.review import confirm, dismiss, draw, miss_rate, queue
from patrol.review.sample import BY_EYE, choose, wilson
from simulators import hamlet
from simulators.store import MemoryStore

NOON = hamlet.NOON
ROUND = RoundId("20261122-morning-1")
REGISTRY = hamlet.registry()
WIRE = Wire(site="shangba", zone=ZoneInfo("Asia/Shanghai"), registry=REGISTRY)


def camera(number: int) -> CameraId:
    return CameraId(f"62090204011327{number:06d}")


def picture(of: CameraId) -> StoredPicture:
    return StoredPicture(
        sha256=Sha256(f"{int(of[-6:]):064x}"),
        camera=of,
        taken_at=NOON,
        width_px=1920,
        height_px=1080,
        bytes=1000,
        purpose="sample",
        delete_after=NOON + timedelta(days=7),
    )


@pytest.fixture
def store() -> MemoryStore:
    """A round of sixty cameras: fifty normal, five with a lead, five not viewable."""
    store = MemoryStore()
    cameras = [camera(n) for n in range(1, 61)]
    a_round = Round(
        id=ROUND,
        plan="morning",
        day=date(2026, 11, 22),
        planned_at=NOON,
        finish_by=NOON + timedelta(hours=1),
        planned=60,
        refused={},
    )
    with store.begin() as uow:
        planned = [PlannedVisit(round=ROUND, camera=c, order=n) for n, c in enumerate(cameras)]
        uow.rounds.add(a_round, planned)
        for number, ident in enumerate(cameras):
            outcome = (
                VisitOutcome.PROBLEM
                if number < 5
                else VisitOutcome.NOT_VIEWABLE
                if number < 10
                else VisitOutcome.NORMAL
            )
            uow.rounds.record(
                Visit(
                    round=ROUND,
                    camera=ident,
                    outcome=outcome,
                    started_at=NOON,
                    finished_at=NOON,
                    tries=1,
                    usable_pictures=0 if outcome is VisitOutcome.NOT_VIEWABLE else 1,
                    pictures=() if outcome is VisitOutcome.NOT_VIEWABLE else (picture(ident),),
                )
            )
            if number < 5:
                uow.findings.add(
                    hamlet.finding(
                        f"F{uow.next_number('finding'):06d}",
                        camera=ident,
                        round=ROUND,
                        kind="scene_change",
                        category="scene_change",
                        score=0.5 + number / 20,
                        why=words(0.5 + number / 20),
                        picture=picture(ident).sha256,
                    )
                )
        uow.commit()
    return store


def words(score: float) -> str:
    return f"现场变化:得分 {score:.2f}"


def drawn(store: MemoryStore, seed: int = 1) -> list[Finding]:
    with store.begin() as uow:
        leads = draw(
            uow,
            ROUND,
            grid_of=lambda _camera: hamlet.GROUP,
            words=words,
            rng=random.Random(seed),
        )
        uow.commit()
    return list(leads)


def test_a_tenth_of_what_was_normal_is_drawn_once(store: MemoryStore) -> None:
    leads = drawn(store)
    assert len(leads) == 5
    assert all(int(lead.camera[-6:]) > 10 for lead in leads), "only what the machine found normal"
    assert drawn(store, seed=2) == [], "a second time draws nothing"


def test_whoever_was_not_looked_at_for_longest_comes_first(store: MemoryStore) -> None:
    fresh = [camera(n) for n in range(11, 56)]  # a person saw all but the last five
    with store.begin() as uow:
        for number, ident in enumerate(fresh):
            at = NOON - timedelta(days=number)
            uow.access.append(at=at, who="zhang", what="picture", camera=ident, why="review")
        for ident in [camera(n) for n in range(56, 61)]:
            uow.access.append(at=NOON, who="patrol", what="visit", camera=ident, why="round")
        uow.commit()
    assert {lead.camera for lead in drawn(store)} == {camera(n) for n in range(56, 61)}


def test_nothing_in_the_queue_gives_it_away(store: MemoryStore) -> None:
    sample = {lead.id for lead in drawn(store)}
    with store.begin_read() as uow:
        lines = [line.finding for line in queue(uow, NOON)]
    places = [lead.id in sample for lead in lines]
    assert places not in (sorted(places), sorted(places, reverse=True)), "interleaved"
    shown = [
        (f.subject, f.kind, f.category, f.level, f.why == words(f.score), f.picture is not None)
        for f in lines
    ]
    assert len(set(shown)) == 1, "each looks like every other"
    scores = {f.score for f in lines if f.id not in sample}
    assert {f.score for f in lines if f.id in sample} <= scores


def test_confirmed_it_says_nothing_in_the_machines_name(store: MemoryStore) -> None:
    lead = drawn(store)[0]
    with store.begin() as uow:
        case = confirm(
            uow, lead.id, by="op", now=NOON, registry=REGISTRY, announcer=WIRE, category="dumping"
        )
        uow.commit()
        decided = None
    with store.begin_read() as uow:
        decided = uow.findings.get(lead.id)
    assert (case.note, decided.why) == (BY_EYE, BY_EYE)
    assert (decided.state, decided.origin) == (FindingState.CONFIRMED, Origin.SAMPLE)


def test_the_miss_rate_comes_from_the_drawn_alone(store: MemoryStore) -> None:
    leads = drawn(store)
    with store.begin() as uow:
        for lead in leads[1:4]:
            dismiss(uow, lead.id, by="op", now=NOON, reason="shadow")
        uow.commit()
    with store.begin() as uow:
        confirm(uow, leads[0].id, by="op", now=NOON, registry=REGISTRY, announcer=WIRE)
        uow.commit()
    with store.begin_read() as uow:
        rate = miss_rate(uow.findings.of_round(ROUND))
        counted = uow.rounds.books(ROUND).findings
    assert (rate.missed, rate.judged) == (1, 4), "one still waits: no verdict"
    assert counted == 5, "never counted as the machine's"


@pytest.mark.parametrize(
    ("part", "whole", "low", "high"),
    [
        pytest.param(0, 0, 0.0, 1.0, id="nothing known"),
        pytest.param(0, 10, 0.0, 0.2775, id="none of ten"),
        pytest.param(1, 10, 0.0179, 0.4042, id="one of ten"),
        pytest.param(10, 10, 0.7225, 1.0, id="all of ten"),
        pytest.param(50, 1000, 0.0381, 0.0653, id="many"),
    ],
)
def test_wilsons_interval(part: int, whole: int, low: float, high: float) -> None:
    assert wilson(part, whole) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


def test_over_a_year_every_camera_has_its_turn() -> None:
    """Least recently seen first: nobody is drawn a third time before all were drawn twice."""
    last = {camera(n): datetime.min.replace(tzinfo=UTC) for n in range(1, 101)}
    turns: Counter[CameraId] = Counter()
    dice = random.Random(3)
    for number in range(25):
        for one in choose(last, 0.10, dice):
            turns[one] += 1
            last = {**last, one: NOON + timedelta(hours=number)}
        assert max(turns.values()) - min(turns[c] for c in last) <= 1
    assert set(turns) == set(last)


def test_a_drawn_lead_survives_the_store(sqlite_database: str) -> None:
    from patrol.store import open_store  # noqa: PLC0415  the only test here that needs it

    lead = replace(hamlet.finding(), origin=Origin.SAMPLE)
    with open_store(sqlite_database) as store:
        with store.begin() as uow:
            uow.findings.add(lead)
            uow.commit()
        with store.begin_read() as uow:
            assert uow.findings.get(FindingId(lead.id)) == lead
