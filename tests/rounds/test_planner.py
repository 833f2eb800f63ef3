"""Who is visited, who is refused and why, and in which order."""

import random
from datetime import UTC, date, datetime

import pytest

from patrol.domain.camera import Camera, Consent, ConsentState, Placement, Priority, Refusal
from patrol.domain.consent import ConsentTerms
from patrol.domain.ids import CameraId, GridCode, LinkId
from patrol.rounds.planner import PlannedRound, RoundSelection, plan_round, round_id, visit_order
from streams.address import StreamAddress

DAY = date(2026, 11, 22)
NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
GRANTED = Consent(state=ConsentState.GRANTED, until=date(2027, 6, 30))


def camera(
    number: int,
    *,
    link: str = "a",
    consent: Consent = GRANTED,
    placement: Placement = Placement.OUTDOOR,
    priority: Priority = Priority.NORMAL,
) -> Camera:
    return Camera(
        id=CameraId(f"{number:020}"),
        name=f"camera {number}",
        grid=GridCode("620902104203001"),
        place="村口",
        main_stream=StreamAddress.parse("rtsp://127.0.0.1/x"),
        link=LinkId(link),
        consent=consent,
        placement=placement,
        priority=priority,
    )


def plan(
    *cameras: Camera,
    withdrawn: frozenset[CameraId] = frozenset(),
    selection: RoundSelection | None = None,
) -> PlannedRound:
    return plan_round(
        cameras,
        ident=round_id("morning", DAY, 1),
        plan="morning",
        day=DAY,
        now=NOW,
        finish_by=NOW,
        local=NOW,
        terms=ConsentTerms(withdrawn=withdrawn),
        rng=random.Random(1),
        selection=selection,
    )


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        pytest.param(camera(1), None, id="granted and outdoor"),
        pytest.param(
            camera(1, consent=Consent(state=ConsentState.GRANTED, until=DAY)), None, id="last day"
        ),
        pytest.param(
            camera(1, consent=Consent(state=ConsentState.GRANTED, until=date(2026, 11, 21))),
            Refusal.CONSENT_EXPIRED,
            id="expired yesterday",
        ),
        pytest.param(
            camera(1, consent=Consent(state=ConsentState.GRANTED)),
            Refusal.CONSENT_UNDATED,
            id="no date",
        ),
        pytest.param(
            camera(1, consent=Consent(state=ConsentState.PENDING)), Refusal.CONSENT_PENDING, id="?"
        ),
        pytest.param(
            camera(1, consent=Consent(state=ConsentState.WITHDRAWN, until=date(2027, 1, 1))),
            Refusal.CONSENT_WITHDRAWN,
            id="withdrawn",
        ),
        pytest.param(camera(1, placement=Placement.INDOOR), Refusal.INDOOR, id="indoor"),
        pytest.param(
            camera(1, placement=Placement.UNKNOWN), Refusal.PLACEMENT_UNKNOWN, id="?where"
        ),
    ],
)
def test_consent_gate(one: Camera, reason: Refusal | None) -> None:
    planned = plan(one)
    assert planned.refused.get(one.id) == reason
    assert len(planned.visits) == (reason is None)
    assert planned.round.planned == len(planned.visits)


def test_a_withdrawal_recorded_later_counts() -> None:
    one = camera(1)
    planned = plan(one, withdrawn=frozenset({one.id}))
    assert planned.round.refused == {"consent_withdrawn": 1}


def test_key_sites_come_first() -> None:
    cameras = [
        camera(i, priority=Priority.KEY if i % 5 == 0 else Priority.NORMAL) for i in range(20)
    ]
    ordered = visit_order(cameras, random.Random(3))
    assert [c.priority for c in ordered[:4]] == [Priority.KEY] * 4
    assert len(ordered) == 20


def test_links_are_spread_evenly() -> None:
    cameras = [camera(i, link="big" if i < 90 else "small") for i in range(100)]
    ordered = visit_order(cameras, random.Random(7))
    small_at = [i for i, c in enumerate(ordered) if c.link == "small"]
    assert small_at[0] < 25
    assert small_at[-1] > 75


def test_the_same_seed_gives_the_same_order() -> None:
    cameras = [camera(i, link=str(i % 7)) for i in range(50)]
    assert visit_order(cameras, random.Random(5)) == visit_order(cameras, random.Random(5))


def test_what_is_in_maintenance_is_counted_and_not_planned() -> None:
    planned = plan(
        camera(1), camera(2), camera(3, placement=Placement.INDOOR),
        selection=RoundSelection(in_maintenance=lambda one: one.id != camera(1).id),
    )  # fmt: skip
    assert [visit.camera for visit in planned.visits] == [camera(1).id]
    assert dict(planned.round.refused) == {"in_maintenance": 1, "indoor": 1}


def test_a_plan_over_key_sites_alone_has_nothing_to_do_with_the_rest() -> None:
    key = camera(2, priority=Priority.KEY)
    planned = plan(camera(1), key, selection=RoundSelection(includes=lambda one: one.id == key.id))
    assert (planned.round.planned, dict(planned.round.refused)) == (1, {})


def test_open_cases_are_visited_before_key_sites() -> None:
    cameras = [camera(n, priority=Priority.KEY if n < 3 else Priority.NORMAL) for n in range(1, 9)]
    first = frozenset({camera(8).id, camera(1).id})
    order = [visit.camera for visit in plan(*cameras, selection=RoundSelection(first=first)).visits]
    assert set(order[:2]) == first
    assert order[2] == camera(2).id
