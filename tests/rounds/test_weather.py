"""What a round's cameras have in common is one finding; what they do not is each camera's own."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from patrol.cases.save_and_send import SEND_AT_ONCE
from patrol.domain.camera import Camera, Consent, ConsentState, Placement
from patrol.domain.finding import Finding
from patrol.domain.ids import CameraId, FindingId, GridCode, LinkId, RoundId
from patrol.domain.observation import FindingRule, FindingRules, Observation, Subject
from patrol.domain.priority import Level
from patrol.domain.registry import Grid, GridLevel, GridTree, Registry
from patrol.domain.round import PlannedVisit, Round, Visit, VisitOutcome
from patrol.messaging.payloads import PayloadBuilder
from patrol.review import confirm, dismiss
from patrol.review.decisions import dismiss_and_suppress
from patrol.rounds.recorder import HealthNotifier, RecorderPolicy, record_visit
from patrol.rounds.visit_judge import JudgedVisit
from patrol.rounds.weather import propose_shared_findings
from patrol.vision.change.regions import Cause
from patrol.vision.change.shared_cause import CATEGORY_BY_CAUSE
from streams.address import StreamAddress
from tests.support.store import new_store

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
HALF_A_DAY = timedelta(hours=12)
TOWN, VILLAGE, OTHER_VILLAGE = (GridCode(f"620902104{v}000") for v in ("000", "203", "204"))
TREE = GridTree(grids={
    TOWN: Grid(code=TOWN, name="镇", level=GridLevel.TOWN, parent=None),
    VILLAGE: Grid(code=VILLAGE, name="一村", level=GridLevel.VILLAGE, parent=TOWN),
    OTHER_VILLAGE: Grid(code=OTHER_VILLAGE, name="二村", level=GridLevel.VILLAGE, parent=TOWN),
})  # fmt: skip
SNOW, DUST, UNKNOWN = Cause.SNOW, Cause.DUST, Cause.UNKNOWN
WEATHER = FindingRule(kind="severe_weather", category="severe_weather", level=Level.PRESSING)
Seen = Mapping[int, Cause]


def camera(number: int) -> Camera:
    """Ten in the first village, the others in the second."""
    return Camera(
        id=CameraId(f"{number:020}"), name=f"{number}", place="村口", link=LinkId("a"),
        grid=VILLAGE if number < 10 else OTHER_VILLAGE, main_stream=StreamAddress.parse(f"rtsp://127.0.0.1/{number}"),
        consent=Consent(state=ConsentState.GRANTED, until=date(2027, 1, 1)),
        placement=Placement.OUTDOOR,
    )  # fmt: skip


class WeatherTown:
    """Twenty cameras, each compared with its reference at each round."""

    def __init__(self, *rules: FindingRule, size: int = 20) -> None:
        self.cameras = {one.id: one for one in map(camera, range(size))}
        self.registry = Registry(cameras=self.cameras, tree=TREE, people={})
        self.payload_builder = PayloadBuilder(
            site="s", zone=ZoneInfo("Asia/Shanghai"), registry=self.registry
        )
        self.policy = RecorderPolicy(
            rules=FindingRules(
                by_kind={**FindingRules().by_kind, **{rule.kind: rule for rule in rules}}
            ),
            health=HealthNotifier(payloads=self.payload_builder),
            auto_confirm=lambda *_: 0,
            keep_evidence=timedelta(days=180),
            send_gate=SEND_AT_ONCE,
        )
        self.store = new_store()
        self.rounds = 0

    @property
    def now(self) -> datetime:
        return NOW + self.rounds * HALF_A_DAY

    def run_round(self, seen: Seen) -> int:
        """A round; how many findings its end made."""
        self.rounds += 1
        ident = RoundId(f"round-{self.rounds}")
        a_round = Round(
            id=ident, plan="morning", day=NOW.date(), planned_at=self.now,
            finish_by=self.now + timedelta(hours=1), planned=len(self.cameras), refused={},
        )  # fmt: skip
        planned = [PlannedVisit(round=ident, camera=c, order=n) for n, c in enumerate(self.cameras)]
        with self.store.begin() as uow:
            uow.rounds.add(a_round, planned)
            for number, one in enumerate(self.cameras.values()):
                cause = seen.get(number)
                judged = self._judged(ident, one, number, cause)
                recorded = record_visit(uow, judged, camera=one, now=self.now, policy=self.policy)
                assert recorded.findings == 0, "a visit alone proposes no weather"
            made = propose_shared_findings(
                uow, a_round, self.cameras, TREE, policy=self.policy, now=self.now
            )
            uow.commit()
        return made

    def _judged(self, ident: RoundId, one: Camera, number: int, cause: Cause | None) -> JudgedVisit:
        visit = Visit(
            round=ident, camera=one.id, outcome=VisitOutcome.NORMAL, started_at=self.now,
            finished_at=self.now, usable_pictures=1, readings={"changed": 0.5 if cause else 0.0},
        )  # fmt: skip
        wide = Observation(
            camera=one.id,
            round=ident,
            at=self.now,
            subject=Subject.SCENE,
            kind=CATEGORY_BY_CAUSE[cause or UNKNOWN],
            score=0.6 + number / 100,
            value=0.5,
            threshold=0.38,
            gauge="frame_wide/1",
            label=str(cause or UNKNOWN),
        )
        return JudgedVisit(visit=visit, observations=(wide,) if cause else ())

    def waiting(self) -> Sequence[Finding]:
        with self.store.begin_read() as uow:
            return uow.findings.queue()


def all_of(cause: Cause, cameras: Sequence[int]) -> Seen:
    return dict.fromkeys(cameras, cause)


@pytest.mark.parametrize(("seen", "rules", "found"), [
    pytest.param({}, [], [], id="a quiet round"),
    pytest.param(all_of(SNOW, range(8)), [], ["road_condition"], id="snow: one finding"),
    pytest.param(all_of(SNOW, range(4)), [], [], id="four of twenty: no town's affair"),
    pytest.param({**all_of(SNOW, range(6)), **all_of(DUST, range(6, 12))}, [],
                 ["road_condition", "severe_weather"], id="two causes: two findings"),
    pytest.param({**all_of(SNOW, range(6)), 7: DUST}, [WEATHER],
                 ["road_condition", "severe_weather"], id="what is not shared is its own"),
    pytest.param({7: DUST}, [], [], id="no rule of the site: one camera's weather is no finding"),
    pytest.param({7: UNKNOWN}, [], [], id="one camera's other light must persist"),
    pytest.param(all_of(UNKNOWN, range(9)), [], ["scene_change"], id="all at once need not"),
    pytest.param(all_of(DUST, range(9)), [replace(WEATHER, enabled=False)], [], id="not wanted"),
    pytest.param(all_of(DUST, range(9)), [replace(WEATHER, min_score=0.9)], [], id="too weak"),
])  # fmt: skip
def test_one_cause_one_finding(seen: Seen, rules: list[FindingRule], found: list[str]) -> None:
    town = WeatherTown(*rules)
    assert town.run_round(seen) == len(found)
    assert sorted(finding.kind for finding in town.waiting()) == found


def test_the_finding_counts_its_cameras_and_shows_the_clearest() -> None:
    town = WeatherTown(WEATHER)
    town.run_round(all_of(DUST, range(8)))
    (finding,) = town.waiting()
    assert "疑似沙尘" in finding.why
    assert "8/20 路（40%）" in finding.why
    assert finding.camera == camera(7).id
    assert (finding.level, finding.category, finding.box) == (
        Level.PRESSING,
        "severe_weather",
        None,
    )


@pytest.mark.parametrize(("cameras", "grid"), [
    pytest.param(range(8), VILLAGE, id="a village's"),
    pytest.param(range(6, 14), TOWN, id="the town's"),
])  # fmt: skip
def test_it_belongs_to_the_smallest_grid_that_holds_them_all(cameras: range, grid: str) -> None:
    town = WeatherTown()
    town.run_round(all_of(SNOW, cameras))
    assert [finding.grid for finding in town.waiting()] == [grid]


def test_it_goes_on_snowing_and_is_counted_not_doubled() -> None:
    town = WeatherTown()
    assert [town.run_round(all_of(SNOW, range(8))), town.run_round(all_of(SNOW, range(6, 18)))] == [
        1,
        0,
    ]
    (finding,) = town.waiting()
    assert (finding.count, finding.grid) == (2, TOWN)
    assert "12/20" in finding.why


def test_an_open_case_takes_it() -> None:
    town = WeatherTown()
    town.run_round(all_of(SNOW, range(8)))
    with town.store.begin() as uow:
        case = confirm(
            uow, FindingId("F000001"), by="wang", now=town.now, registry=town.registry,
            payloads=town.payload_builder,
        )  # fmt: skip
        uow.commit()
    assert town.run_round(all_of(SNOW, range(9))) == 0
    assert town.waiting() == []
    with town.store.begin_read() as uow:
        assert uow.cases.get(case.id).count == 2
        assert len(uow.outbox.of_case(case.id)) == 2, "announced anew"


def test_dismissed_as_weather_it_is_held_back_and_comes_again_later() -> None:
    town = WeatherTown()
    town.run_round(all_of(SNOW, range(8)))
    with town.store.begin() as uow:
        dismiss_and_suppress(uow, FindingId("F000001"), by="wang", now=town.now, reason="weather")
        uow.commit()
    assert [town.run_round(all_of(SNOW, range(9))) for _ in range(2)] == [0, 1]


def test_a_dismissal_that_teaches_nothing_holds_nothing_back() -> None:
    town = WeatherTown()
    town.run_round(all_of(SNOW, range(8)))
    with town.store.begin() as uow:
        dismiss(uow, FindingId("F000001"), by="wang", now=town.now, reason="other")
        uow.commit()
    assert town.run_round(all_of(SNOW, range(8))) == 1


def test_one_cameras_own_change_persists_before_it_is_proposed() -> None:
    town = WeatherTown()
    assert [town.run_round({7: UNKNOWN}) for _ in range(3)] == [0, 1, 0]
    (finding,) = town.waiting()
    assert (finding.camera, finding.grid, finding.count) == (camera(7).id, VILLAGE, 2)
