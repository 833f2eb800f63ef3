"""The blind sample: who is drawn, that nothing gives it away, and what it says about misses."""

import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from patrol.domain.camera import Camera
from patrol.domain.finding import Finding, FindingState, KnownPositive, Origin
from patrol.domain.ids import CameraId, FindingId, RoundId, Sha256
from patrol.domain.labels import COMPARE_PROMPT, UNNAMED_CHANGE
from patrol.domain.observation import Box
from patrol.domain.priority import Level
from patrol.domain.round import PlannedVisit, Round, StoredPicture, Visit, VisitOutcome
from patrol.domain.statistics import decided_share, wilson_interval
from patrol.messaging import PayloadBuilder
from patrol.reports.documents import finding_document
from patrol.review import (
    BlindSample,
    confirm,
    dismiss,
    expire_undecided,
    merge_known_positive,
    review_queue,
)
from patrol.review.blind_sample import SEEN_BY_PERSON, draw, share_of
from patrol.review.decisions import dismiss_and_suppress
from patrol.store import Store
from patrol.vision.change import CHANGE_GAUGE
from simulators import small_site
from tests.support.health import put_health
from tests.support.store import new_store

NOON = small_site.NOON
ROUND = RoundId("20261122-morning-1")
REGISTRY = small_site.registry()
PAYLOAD_BUILDER = PayloadBuilder(site="shangba", zone=ZoneInfo("Asia/Shanghai"), registry=REGISTRY)
BOX: Box = (0.2, 0.3, 0.1, 0.1)


def camera_id(number: int) -> CameraId:
    return CameraId(f"62090204011327{number:06d}")


CAMERAS: dict[CameraId, Camera] = {
    ident: small_site.camera(ident) for ident in (camera_id(n) for n in range(1, 61))
}


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


def visit(of: CameraId, outcome: VisitOutcome) -> Visit:
    seen = outcome is not VisitOutcome.NOT_VIEWABLE
    return Visit(
        round=ROUND,
        camera=of,
        outcome=outcome,
        started_at=NOON,
        finished_at=NOON,
        usable_pictures=1 if seen else 0,
        pictures=(picture(of),) if seen else (),
    )


def run_round(store: Store, sampler: BlindSample, cameras: int = 60) -> list[Finding]:
    """A round: every sixth camera has a change that the machine proposes, the rest is normal."""
    planned = list(CAMERAS)[:cameras]
    a_round = Round(
        id=ROUND,
        plan="morning",
        day=date(2026, 11, 22),
        planned_at=NOON,
        finish_by=NOON + timedelta(hours=1),
        planned=cameras,
        refused={},
    )
    with store.begin() as uow:
        visits = [PlannedVisit(round=ROUND, camera=c, order=n) for n, c in enumerate(planned)]
        uow.rounds.add(a_round, visits)
        sampler.begin_round(uow, planned, NOON)
        for number, ident in enumerate(planned):
            outcome = VisitOutcome.PROBLEM if number % 6 == 0 else VisitOutcome.NORMAL
            made = visit(ident, outcome)
            uow.rounds.record_visit(made)
            box = sampler.hint_box(made, CAMERAS[ident])
            sampler.record_visit(uow, made, CAMERAS[ident], box)
            if outcome is VisitOutcome.PROBLEM:
                uow.findings.add(machines(uow, ident))
        sampler.end_round(uow, ROUND, CAMERAS, NOON)
        uow.commit()
    with store.begin_read() as uow:
        return [one for one in uow.findings.of_round(ROUND) if one.origin is not Origin.MACHINE]


def machines(uow: Any, ident: CameraId) -> Finding:
    return small_site.finding(
        f"F{uow.next_number('finding'):06d}",
        camera=ident,
        round=ROUND,
        kind=UNNAMED_CHANGE,
        category=UNNAMED_CHANGE,
        score=0.5 + int(ident[-2:]) / 200,
        why=COMPARE_PROMPT,
        picture=picture(ident).id,
        box=BOX,
        gauge=CHANGE_GAUGE,
    )


def a_sample(seed: int = 1, **changes: Any) -> BlindSample:
    return BlindSample(rng=random.Random(seed), find_hint=lambda _visit, _camera: BOX, **changes)


@pytest.fixture
def store() -> Store:
    return new_store()


@pytest.mark.parametrize(
    ("cameras", "share", "expected"),
    [
        pytest.param(60, 0.1, 5, id="a tenth of the fifty that are normal, rounded down"),
        pytest.param(9, 0.1, 0, id="nine cameras have no tenth"),
        pytest.param(60, 0.0, 0, id="switched off"),
        pytest.param(60, 1.0, 50, id="all that was normal, and nothing that was not"),
    ],
)
def test_how_many_are_drawn(store: Store, cameras: int, share: float, expected: int) -> None:
    findings = run_round(store, a_sample(share=share), cameras)
    assert len({lead.camera for lead in findings}) == len(findings)
    assert abs(len(findings) - expected) <= (1 if 0 < share < 1 and expected else 0)
    assert all(int(finding.camera[-6:]) % 6 != 1 for finding in findings), (
        "only what was found normal"
    )


def test_whoever_was_not_looked_at_for_longest_comes_first(store: Store) -> None:
    with store.begin() as uow:
        for number, ident in enumerate(list(CAMERAS)[:52]):  # a person saw all but the last eight
            at = NOON - timedelta(days=1 + number)
            uow.access.append(at=at, who="zhang", what="picture", camera=ident, why="review")
        for ident in list(CAMERAS)[52:]:
            uow.access.append(
                at=NOON - timedelta(hours=1), who="patrol", what="visit", camera=ident, why="round"
            )
        uow.commit()
    drawn = {finding.camera for finding in run_round(store, a_sample())}
    assert drawn <= set(list(CAMERAS)[52:])


def test_offline_cameras_do_not_stand_before_all_others_for_ever(store: Store) -> None:
    with store.begin() as uow:
        for ident in list(CAMERAS)[:30]:
            put_health(uow, ident, "offline", NOON, "unreachable")
        uow.commit()
    with store.begin() as uow:
        sampler = a_sample(share=0.5)
        sampler.begin_round(uow, CAMERAS, NOON)
        picked = [c for c in CAMERAS if sampler.hint_box(visit(c, VisitOutcome.NORMAL), CAMERAS[c])]
    assert len(picked) == 15
    assert set(picked) <= set(list(CAMERAS)[30:])


def test_nothing_that_is_shown_gives_it_away(store: Store) -> None:
    """Not the queue's order, not a number, not a word, in JSON or in the API's document."""
    sample = {finding.id for finding in run_round(store, a_sample(share=0.2))}
    with store.begin_read() as uow:
        lines = review_queue(uow, NOON, cameras=CAMERAS).lines
    assert {line.finding.id for line in lines} > sample
    numbers = sorted(line.finding.id for line in lines)
    for order in ([line.finding.id for line in lines], numbers):
        marked = [ident in sample for ident in order]
        assert marked not in (sorted(marked), sorted(marked, reverse=True)), "interleaved"
    own = ("id", "camera", "score", "grid")
    shown = [
        {k: v for k, v in finding_document(line.finding).items() if k not in own}
        | {"box": line.finding.box, "picture": line.finding.picture is not None}
        for line in lines
    ]
    assert all(document == shown[0] for document in shown), "each looks like every other"
    of_samples, others = (
        {line.finding.score for line in lines if (line.finding.id in sample) is drawn}
        for drawn in (True, False)
    )
    assert min(others) - 0.5 <= min(of_samples)
    assert max(of_samples) <= 1.0


def test_its_score_is_one_that_such_a_lead_had_lately(store: Store) -> None:
    with store.begin() as uow:
        for number in (1, 2):
            finding = small_site.finding(
                f"X{number}", camera=camera_id(70 + number), category=UNNAMED_CHANGE
            )
            uow.findings.add(replace(finding, kind=UNNAMED_CHANGE, score=0.6 + number / 10))
        uow.commit()
    assert {lead.score for lead in run_round(store, a_sample())} <= {0.7, 0.8}


def test_it_has_the_level_and_the_category_that_the_site_gives_such_a_change(
    store: Store,
) -> None:
    findings = run_round(store, a_sample(level=Level.PRESSING, category="other"))
    assert {(finding.level, finding.category, finding.kind) for finding in findings} == {
        (Level.PRESSING, "other", UNNAMED_CHANGE)
    }


@pytest.mark.parametrize(
    ("count", "share", "drawn"),
    [(0, 0.1, 0), (9, 0.1, 0), (10, 0.1, 1), (100, 0.29, 29), (624, 0.1, 62), (7, 1.0, 7)],
)
def test_a_share_is_rounded_down(count: int, share: float, drawn: int) -> None:
    assert share_of(count, share) == drawn


def test_where_something_waits_or_is_open_nothing_is_drawn(store: Store) -> None:
    """The queue says of a lead that a case is open at its camera: of a machine's it never is."""
    with store.begin() as uow:
        for number in range(2, 60):
            if number % 6 != 1:
                uow.findings.add(
                    small_site.finding(f"X{number}", camera=camera_id(number), category="dumping")
                )
        uow.commit()
    assert {finding.camera for finding in run_round(store, a_sample(share=1.0))} == {camera_id(60)}


def test_a_machines_lead_is_never_counted_into_a_sample(store: Store) -> None:
    finding = run_round(store, a_sample())[0]
    with store.begin_read() as uow:
        assert uow.findings.open_like(finding.camera, UNNAMED_CHANGE) is None


def test_confirmed_it_is_a_case_like_any_other(store: Store) -> None:
    finding = run_round(store, a_sample())[0]
    with store.begin() as uow:
        case = confirm(
            uow,
            finding.id,
            by="op",
            now=NOON,
            registry=REGISTRY,
            payloads=PAYLOAD_BUILDER,
            category="dumping",
        )
        uow.commit()
    with store.begin_read() as uow:
        decided = uow.findings.get(finding.id)
        assert uow.outbox.of_case(case.id), "its leader is told"
    assert (case.category, case.note, decided.why) == ("dumping", SEEN_BY_PERSON, SEEN_BY_PERSON)
    assert (decided.state, decided.origin) == (FindingState.CONFIRMED, Origin.SAMPLE)


def test_the_miss_rate_comes_from_the_drawn_alone(store: Store) -> None:
    findings = run_round(store, a_sample())
    with store.begin() as uow:
        for finding in findings[1:3]:
            dismiss(uow, finding.id, by="op", now=NOON, reason="shadow")
        confirm(uow, findings[0].id, by="op", now=NOON, registry=REGISTRY, payloads=PAYLOAD_BUILDER)
        uow.commit()
    with store.begin_read() as uow:
        rate = decided_share(uow.findings.of_round(ROUND), Origin.SAMPLE)
        counted = uow.rounds.totals(ROUND).findings
        records = uow.findings.track_records(NOON - timedelta(days=1))
    assert (rate.real, rate.decided) == (1, 3), "the others still wait: no verdict"
    assert counted == 10, "never counted as the machine's"
    assert {(one.confirmed, one.decided) for one in records.values()} == {(0, 0)}, "nor its record"
    assert {one.last_at for one in records.values()} == {NOON}, "and yet somebody looked"


def test_its_dismissal_teaches_nothing(store: Store) -> None:
    finding = run_round(store, a_sample())[0]
    with store.begin() as uow:
        done = dismiss_and_suppress(uow, finding.id, by="op", now=NOON, reason="known_object")
        uow.commit()
    assert done.suppression is None


def test_undecided_it_ages_like_any_other_and_is_no_verdict(store: Store) -> None:
    findings = run_round(store, a_sample())
    aged = {one.id for one in expire_undecided(store, NOON + timedelta(days=3))}
    assert {finding.id for finding in findings} <= aged
    with store.begin_read() as uow:
        assert decided_share(uow.findings.of_round(ROUND), Origin.SAMPLE).decided == 0


def test_known_positives_are_shown_again_and_kept_out_of_everything(store: Store) -> None:
    ident = camera_id(2)
    with store.begin() as uow:
        uow.pictures.add(picture(ident))
        real = small_site.finding("F900000", camera=ident, found_at=NOON - timedelta(days=9))
        uow.findings.add(replace(real, picture=picture(ident).id))
        first = confirm(
            uow, FindingId("F900000"), by="op", now=NOON - timedelta(days=9), registry=REGISTRY,
            payloads=PAYLOAD_BUILDER,
        )  # fmt: skip
        uow.cases.put(replace(first, state=first.state.CLOSED, ladder_due_at=None))
        uow.commit()
    (probe,) = run_round(store, a_sample(share=0.0, known_positive_share=0.1))
    assert (probe.origin, probe.camera, probe.kind) == (Origin.PROBE, ident, real.kind)
    assert finding_document(probe)["case"] is None
    with store.begin() as uow, pytest.raises(KnownPositive):
        confirm(uow, probe.id, by="op", now=NOON, registry=REGISTRY, payloads=PAYLOAD_BUILDER)
    with store.begin() as uow:
        settled = merge_known_positive(uow, probe.id, by="op", now=NOON)
        uow.commit()
    assert (settled.state, settled.case) == (FindingState.MERGED, first.id)
    with store.begin_read() as uow:
        assert len(uow.cases.list()) == 1, "no case is made"
        assert uow.rounds.totals(ROUND).findings == 10
        assert decided_share(uow.findings.of_round(ROUND), Origin.SAMPLE).decided == 0
        assert (
            uow.findings.track_records(NOON - timedelta(days=1))[ident, probe.subject].decided == 0
        )


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
    assert wilson_interval(part, whole) == pytest.approx((low, high), abs=1e-4)


def test_over_a_year_every_camera_has_its_turn() -> None:
    """Least recently seen first: nobody is drawn a third time before all were drawn twice."""
    last = {camera_id(n): datetime.min.replace(tzinfo=UTC) for n in range(1, 101)}
    turns: Counter[CameraId] = Counter()
    dice = random.Random(3)
    for number in range(25):
        for one in draw(last, 0.10, dice):
            turns[one] += 1
            last = {**last, one: NOON + timedelta(hours=number)}
        assert max(turns.values()) - min(turns[c] for c in last) <= 1
    assert set(turns) == set(last)
