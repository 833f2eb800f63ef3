"""One visit into the books: findings made, counted, held back."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from patrol.cases.save_and_send import SEND_AT_ONCE, SendGate
from patrol.domain.camera import Camera, Consent, ConsentState, PictureAreas, Placement, Zone
from patrol.domain.ids import CameraId, FindingId, GridCode, LinkId, RoundId
from patrol.domain.observation import Box, FindingRule, FindingRules, Observation, Subject
from patrol.domain.priority import Level
from patrol.domain.registry import Grid, GridLevel, GridTree, Registry
from patrol.domain.round import PlannedVisit, Round, Visit, VisitOutcome
from patrol.domain.send_policy import SendLimits
from patrol.messaging.payloads import PayloadBuilder
from patrol.review import confirm
from patrol.rounds.progress import RecordedVisit
from patrol.rounds.recorder import HealthNotifier, RecorderPolicy, record_visit
from patrol.rounds.visit_judge import JudgedVisit
from patrol.store import UnitOfWork
from streams.address import StreamAddress
from tests.support.store import new_store

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
CAMERA = CameraId("62090210401327000001")
GROUP = GridCode("620902104203001")
SQUARE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
GATE = Zone(name="大门", polygon=SQUARE, classes=frozenset({"car"}), kind="blocking_vehicle")


def a_camera(zone: Zone = GATE) -> Camera:
    return Camera(
        id=CAMERA,
        name="大门口",
        grid=GROUP,
        place="村口",
        main_stream=StreamAddress.parse("rtsp://127.0.0.1/1"),
        link=LinkId("a"),
        consent=Consent(state=ConsentState.GRANTED, until=date(2027, 1, 1)),
        placement=Placement.OUTDOOR,
        areas=PictureAreas(zones=(zone,)),
    )


def make_payload_builder(camera: Camera) -> PayloadBuilder:
    grid = Grid(code=GROUP, name="四组", level=GridLevel.TOWN, parent=None)
    registry = Registry(cameras={camera.id: camera}, tree=GridTree(grids={GROUP: grid}), people={})
    return PayloadBuilder(site="shangba", zone=ZoneInfo("Asia/Shanghai"), registry=registry)


class RecorderSetup:
    """Writes visits of successive rounds, as the conductor does."""

    def __init__(self, rules: FindingRules | None = None, zone: Zone = GATE) -> None:
        self.store = new_store()
        self.camera = a_camera(zone)
        self.urgent: list[FindingId] = []
        self.policy = RecorderPolicy(
            rules=rules or FindingRules(),
            health=HealthNotifier(payloads=make_payload_builder(self.camera)),
            auto_confirm=self._confirm,
            keep_evidence=timedelta(days=180),
            send_gate=SEND_AT_ONCE,
        )
        self.rounds = 0

    def _confirm(self, uow: UnitOfWork, finding: FindingId, now: datetime) -> int:
        self.urgent.append(finding)
        return 1

    def next_round(self) -> RoundId:
        self.rounds += 1
        ident = RoundId(f"20261122-morning-{self.rounds}")
        a_round = Round(
            id=ident,
            plan="morning",
            day=NOW.date(),
            planned_at=NOW,
            finish_by=NOW + timedelta(hours=1),
            planned=1,
            refused={},
        )
        with self.store.begin() as uow:
            uow.rounds.add(a_round, [PlannedVisit(round=ident, camera=CAMERA, order=0)])
            uow.commit()
        return ident

    def visit(
        self, *seen: Observation, outcome: VisitOutcome = VisitOutcome.NORMAL, **fields: object
    ) -> RecordedVisit:
        ident = self.next_round()
        at = self.now()
        visit = Visit(
            round=ident,
            camera=CAMERA,
            outcome=outcome,
            started_at=at,
            finished_at=at,
            **fields,  # type: ignore[arg-type]
        )
        stamped = tuple(replace(one, round=ident, at=at) for one in seen)
        return self.record(JudgedVisit(visit=visit, observations=stamped))

    def now(self) -> datetime:
        """Half a day between two rounds."""
        return NOW + timedelta(hours=12 * self.rounds)

    def record(self, judged_visit: JudgedVisit) -> RecordedVisit:
        with self.store.begin() as uow:
            recorded = record_visit(
                uow, judged_visit, camera=self.camera, now=self.now(), policy=self.policy
            )
            uow.commit()
        return recorded


def a_car(score: float = 0.9, kind: str = "blocking_vehicle") -> Observation:
    return Observation(
        camera=CAMERA,
        round=None,
        at=NOW,
        subject=Subject.SCENE,
        kind=kind,
        score=score,
        value=score,
        threshold=0.35,
        gauge="test/1",
        zone="大门",
        label="car",
    )


def test_an_object_in_a_zone_is_a_finding_with_a_reason() -> None:
    recorder_setup = RecorderSetup()
    assert recorder_setup.visit(a_car()).findings == 1
    with recorder_setup.store.begin() as uow:
        (finding,) = uow.findings.queue()
    assert (finding.id, finding.category, finding.level) == (
        "F000001",
        "blocking_vehicle",
        Level.ORDINARY,
    )
    assert "大门" in finding.why
    assert "car" in finding.why


def test_the_same_again_is_counted_not_doubled() -> None:
    recorder_setup = RecorderSetup()
    recorder_setup.visit(a_car(0.6))
    assert recorder_setup.visit(a_car(0.8)).findings == 0
    with recorder_setup.store.begin() as uow:
        (finding,) = uow.findings.queue()
    assert (finding.count, finding.score) == (2, 0.8)


def test_three_cars_are_one_finding() -> None:
    assert RecorderSetup().visit(a_car(0.7), a_car(0.9), a_car(0.8)).findings == 1


def test_weak_observations_make_no_finding() -> None:
    assert RecorderSetup().visit(a_car(0.4)).findings == 0


def test_a_zone_may_ask_for_more_visits() -> None:
    recorder_setup = RecorderSetup(zone=replace(GATE, min_visits=3))
    assert [recorder_setup.visit(a_car()).findings for _ in range(3)] == [0, 0, 1]


def test_a_visit_without_it_begins_the_count_anew() -> None:
    recorder_setup = RecorderSetup(zone=replace(GATE, min_visits=2))
    seen = [
        recorder_setup.visit(a_car()),
        recorder_setup.visit(),
        recorder_setup.visit(a_car()),
        recorder_setup.visit(a_car()),
    ]
    assert [one.findings for one in seen] == [0, 0, 0, 1]


def test_urgent_kinds_go_out_in_the_same_transaction() -> None:
    urgent = FindingRule(
        kind="blocking_vehicle", category="blocking_vehicle", level=Level.URGENT, unreviewed=True
    )
    recorder_setup = RecorderSetup(rules=FindingRules(by_kind={"blocking_vehicle": urgent}))
    assert recorder_setup.visit(a_car()).messages == 1
    assert recorder_setup.urgent == ["F000001"]


def test_a_recorded_visit_is_not_recorded_again() -> None:
    recorder_setup = RecorderSetup()
    ident = recorder_setup.next_round()
    visit = Visit(
        round=ident,
        camera=CAMERA,
        outcome=VisitOutcome.PROBLEM,
        started_at=NOW,
        finished_at=NOW,
    )
    judged_visit = JudgedVisit(visit=visit, observations=(replace(a_car(), round=ident),))
    assert [
        recorder_setup.record(judged_visit).findings,
        recorder_setup.record(judged_visit).findings,
    ] == [1, 0]
    with recorder_setup.store.begin() as uow:
        assert uow.rounds.totals(ident).observations == 1


HERE = (0.4, 0.4, 0.2, 0.2)
THERE = (0.0, 0.0, 0.1, 0.1)
WEEK = timedelta(days=7)


@pytest.mark.parametrize(("kind", "area", "lasts", "seen", "expected"), [
    pytest.param("blocking_vehicle", HERE, WEEK, HERE, (0, 1), id="here: held back"),
    pytest.param("blocking_vehicle", None, WEEK, THERE, (0, 1), id="all of the picture"),
    pytest.param("blocking_vehicle", HERE, WEEK, THERE, (1, 0), id="elsewhere: a finding"),
    pytest.param("blocking_vehicle", HERE, WEEK, None, (1, 0), id="no place said: a finding"),
    pytest.param("livestock", None, WEEK, HERE, (1, 0), id="another kind: a finding"),
    pytest.param("blocking_vehicle", HERE, timedelta(hours=12), HERE, (1, 0), id="it is over"),
])  # fmt: skip
def test_a_suppression_holds_back_the_finding_not_the_observation(
    kind: str,
    area: Box | None,
    lasts: timedelta,
    seen: Box | None,
    expected: tuple[int, int],
) -> None:
    recorder_setup = RecorderSetup()
    suppress(recorder_setup, kind, area, NOW + lasts)
    recorded = recorder_setup.visit(replace(a_car(), box=seen))
    assert (recorded.findings, recorded.suppressed) == expected
    with recorder_setup.store.begin_read() as uow:
        assert len(uow.findings.observed_since(CAMERA, "blocking_vehicle", NOW)) == 1
        assert len(uow.findings.queue()) == expected[0]


def test_what_stands_elsewhere_is_still_proposed() -> None:
    recorder_setup = RecorderSetup()
    suppress(recorder_setup, "blocking_vehicle", HERE, NOW + WEEK)
    recorded = recorder_setup.visit(replace(a_car(0.9), box=HERE), replace(a_car(0.6), box=THERE))
    assert (recorded.findings, recorded.suppressed) == (1, 1)
    with recorder_setup.store.begin_read() as uow:
        assert [finding.score for finding in uow.findings.queue()] == [0.6]


def test_a_revoked_suppression_holds_nothing() -> None:
    recorder_setup = RecorderSetup()
    number = suppress(recorder_setup, "blocking_vehicle", None, NOW + WEEK)
    assert recorder_setup.visit(a_car()).findings == 0
    with recorder_setup.store.begin() as uow:
        assert uow.suppressions.revoke(number, by="wang", now=recorder_setup.now())
        uow.commit()
    assert recorder_setup.visit(a_car()).findings == 1


def suppress(setup: RecorderSetup, kind: str, area: Box | None, until: datetime) -> int:
    with setup.store.begin() as uow:
        added = uow.suppressions.add(
            camera=CAMERA, kind=kind, box=area, reason="shadow", owner="wang", now=NOW, until=until
        )
        uow.commit()
    return added.number


def test_an_open_case_takes_what_is_seen_again_under_the_repeat_rule() -> None:
    setup = RecorderSetup()
    payloads = setup.policy.health.payloads
    gate = SendGate(
        site="shangba",
        registry=payloads.registry,
        limits=SendLimits(repeat_every=timedelta(days=1)),
    )
    setup.policy = replace(setup.policy, send_gate=gate)
    assert setup.visit(a_car()).findings == 1
    with setup.store.begin() as uow:
        case = confirm(
            uow, FindingId("F000001"), by="op", now=setup.now(), registry=payloads.registry,
            payloads=payloads, send_gate=gate,
        )  # fmt: skip
        uow.commit()
    again, soon_after = setup.visit(a_car()), setup.visit(a_car())
    assert [(one.findings, one.messages) for one in (again, soon_after)] == [(0, 1), (0, 0)]
    with setup.store.begin_read() as uow:
        merged = uow.cases.get(case.id)
        assert len(uow.outbox.of_case(case.id)) == 2
    assert (merged.count, merged.revision) == (3, 1)
    assert merged.hold is not None
