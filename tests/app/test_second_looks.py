"""Second looks: a doubt gets a fresh picture, a handled case gets one too, and who then decides."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from typing_extensions import override

from patrol.app.doubts import Doubts
from patrol.app.glass import Glass
from patrol.app.looks import Looker
from patrol.app.service import _patient
from patrol.dispatch import Wire
from patrol.domain.camera import Camera
from patrol.domain.case import Case, CaseEvent, CaseState
from patrol.domain.finding import Finding, FindingState, Origin
from patrol.domain.ids import CameraId, FindingId, LinkId, Sha256
from patrol.domain.levels import Lamp, Level
from patrol.domain.observation import Observation, Subject
from patrol.domain.round import StoredPicture, Visit, VisitOutcome
from patrol.domain.verdict import Verifier, awaited
from patrol.ports import EvidenceFull
from patrol.review import confirm, queue, unsure
from patrol.rounds.beside import Beside
from patrol.rounds.judge import Judged, VisitStart
from patrol.store import Store
from simulators import hamlet
from simulators.clock import ManualClock
from streams.address import StreamAddress
from streams.errors import Unreachable
from streams.model import Sample, StreamChoice, VisitOptions
from tests.support.store import new_store

NOON = hamlet.NOON
ZONE = ZoneInfo("Asia/Shanghai")
REGISTRY = hamlet.registry()
WIRE = Wire(site="shangba", zone=ZONE, registry=REGISTRY)
F1 = FindingId("F000001")
AFTER = Sha256("a" * 64)
SAMPLE: Any = object.__new__(Sample)  # the judge below does not open it


@dataclass
class Yard:
    """What the camera shows just now, and whether it answers."""

    shows: tuple[tuple[str, str], ...] = ()  # (kind, zone)
    gone: bool = False  # the camera does not answer
    visits: list[str] = field(default_factory=list)
    before: Callable[[], None] = lambda: None  # what happens meanwhile
    cancelled: bool = False

    async def visit(self, address: StreamAddress, options: VisitOptions) -> Sample:
        self.visits.append(address.path)
        self.before()
        try:
            await asyncio.sleep(0.0 if self.before is Yard.before else 5.0)
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        if self.gone:
            raise Unreachable("no route to host")
        return SAMPLE  # type: ignore[no-any-return]  # a stand-in

    def judge(self, camera: Camera, start: VisitStart, _sample: Sample) -> Judged:
        picture = StoredPicture(
            sha256=AFTER, camera=camera.id, taken_at=start.at, width_px=8, height_px=8, bytes=8,
            purpose="sample", delete_after=start.at + timedelta(days=7),
        )  # fmt: skip
        return Judged(
            visit=Visit(
                round=None, camera=camera.id, started_at=start.at, finished_at=start.at,
                outcome=VisitOutcome.PROBLEM if self.shows else VisitOutcome.NORMAL,
                usable_pictures=1, pictures=(picture,),
            ),
            observations=tuple(
                Observation(
                    camera=camera.id, round=None, at=start.at, subject=Subject.SCENE, kind=kind,
                    score=0.8, value=0.8, threshold=0.5, gauge="test/1", zone=zone, picture=AFTER,
                )
                for kind, zone in self.shows
            ),
        )  # fmt: skip


@dataclass
class Overtaken(Yard):
    """Somebody decides while the picture is judged."""

    decide: Callable[[], None] = lambda: None

    @override
    def judge(self, camera: Camera, start: VisitStart, sample: Sample) -> Judged:
        """As any yard's, after that."""
        self.decide()
        return Yard.judge(self, camera, start, sample)


@dataclass
class House:
    """A store, a clock and a yard."""

    store: Store = field(default_factory=new_store)
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOON))
    yard: Yard = field(default_factory=Yard)
    beside: Beside = field(default_factory=lambda: Beside(per_link=2))
    cameras: dict[CameraId, Camera] = field(default_factory=lambda: dict(REGISTRY.cameras))

    @property
    def glass(self) -> Glass:
        judge: Any = self.yard.judge
        return Glass(
            store=self.store, clock=self.clock, zone=ZONE, cameras=lambda: self.cameras,
            refresh_cameras=lambda: None, visitor=self.yard.visit, judge=judge,
            options=VisitOptions(), stream=StreamChoice.MAIN, beside=self.beside,
        )  # fmt: skip

    def doubts(self) -> int:
        keep = timedelta(days=180)
        return Doubts(
            store=self.store, clock=self.clock, glass=self.glass, keep_evidence=keep
        ).ring()

    def look(self, verifier: Verifier) -> int:
        return Looker(
            store=self.store, clock=self.clock, glass=self.glass, announcer=WIRE,
            verifier=verifier, keep_evidence=timedelta(days=180),
        ).ring()  # fmt: skip

    def finding(self, ident: FindingId = F1) -> Finding:
        with self.store.begin_read() as uow:
            return uow.findings.get(ident)

    def case(self) -> Case:
        with self.store.begin_read() as uow:
            (case,) = uow.cases.list()
            return case


@pytest.fixture
def house() -> House:
    """Somebody is unsure of a vehicle in the road."""
    house = House()
    with house.store.begin() as uow:
        uow.findings.add(hamlet.finding(zone="road"))
        unsure(uow, F1, by="wang", now=NOON, reason="太暗")
        uow.commit()
    return house


@pytest.mark.parametrize(
    ("yard", "said", "picture"),
    [
        pytest.param(
            Yard(shows=(("blocking_vehicle", "road"),)), "仍检出", AFTER, id="still there"
        ),
        pytest.param(Yard(), "未再检出", AFTER, id="gone"),
        pytest.param(Yard(shows=(("livestock", ""),)), "另见 livestock", AFTER, id="another thing"),
        pytest.param(Yard(gone=True), "请值班长判断", None, id="nobody could look"),
    ],
)
def test_a_doubt_gets_a_fresh_look(
    house: House, yard: Yard, said: str, picture: Sha256 | None
) -> None:
    house.yard = yard
    house.clock.current += timedelta(seconds=2)
    assert house.doubts() == 1
    again = house.finding().again
    assert again is not None
    assert said in again.why
    assert (again.picture, again.at - NOON) == (picture, timedelta(seconds=2))
    with house.store.begin_read() as uow:
        (line,) = queue(uow, house.clock.now())
        looked = uow.access.entries(camera=hamlet.CAMERA)[0]
        kept = uow.pictures.get(AFTER)
        observed = uow.findings.observed_since(hamlet.CAMERA, "livestock", NOON)
    assert (line.finding.state, line.second_look) == (FindingState.UNSURE, True)
    assert "已复看" in line.why
    assert looked.why == "look again at finding F000001"
    assert (kept is not None and kept.purpose) == (picture is not None and "evidence")
    assert len(observed) == sum(kind == "livestock" for kind, _ in yard.shows)
    assert house.doubts() == 0, "once, whatever came of it"


def test_consent_is_asked_before_the_camera(house: House) -> None:
    with house.store.begin() as uow:
        uow.consents.withdraw(hamlet.CAMERA, by="household", now=NOON)
        uow.commit()
    assert house.doubts() == 1
    assert house.yard.visits == [], "never connected to"
    again = house.finding().again
    assert again is not None
    assert "consent_withdrawn" in again.why
    assert "值班长" in again.why


def test_a_withdrawal_under_way_ends_the_look_and_drops_what_it_got(house: House) -> None:
    def withdraw() -> None:
        with house.store.begin() as uow:
            uow.consents.withdraw(hamlet.CAMERA, by="household", now=NOON)
            uow.commit()

    house.yard = Yard(before=withdraw)
    house.doubts()
    assert house.yard.cancelled, "within a second, not at the end of the visit"
    with house.store.begin_read() as uow:
        assert uow.pictures.get(AFTER) is None
        assert uow.rounds.latest_visits(hamlet.CAMERA) == []


def test_a_person_who_was_faster_is_not_overruled(house: House) -> None:
    def decide() -> None:
        with house.store.begin() as uow:
            confirm(uow, F1, by="li", now=NOON, registry=REGISTRY, announcer=WIRE)
            uow.commit()

    house.yard = Overtaken(decide=decide)
    house.doubts()
    finding = house.finding()
    assert (finding.state, finding.decided_by, finding.again) == (
        FindingState.CONFIRMED, "li", None,
    )  # fmt: skip


def test_of_a_change_without_a_name_it_says_neither_gone_nor_there(house: House) -> None:
    """It may be of the blind sample, on which the machine never saw anything."""
    told: list[str] = []
    for shows in ((), (("scene_change", ""),)):
        ident = FindingId(f"F{len(told) + 2:06d}")
        with house.store.begin() as uow:
            lead = hamlet.finding(ident, kind="scene_change", category="scene_change")
            uow.findings.add(lead)
            unsure(uow, ident, by="wang", now=NOON)
            uow.commit()
        house.yard.shows = shows
        house.doubts()
        again = house.finding(ident).again
        assert again is not None
        told.append(again.why)
    assert told[0] == told[1]


def test_a_look_keeps_to_the_caps_of_the_round_under_way(house: House) -> None:
    """Its link is full: it waits for the seat that it reserved, and takes no more than that."""
    link = REGISTRY.cameras[hamlet.CAMERA].link
    house.beside.walking(link, 2)
    looking = threading.Thread(target=house.doubts)
    looking.start()
    try:
        looking.join(0.5)
        assert house.beside.looks(link) == 1, "the walk sees that a seat is wanted"
        assert house.yard.visits == []
    finally:
        house.beside.walking(link, 1)
        looking.join(5.0)
    assert len(house.yard.visits) == 1
    assert (house.beside.looks(link), house.beside.freed()) == (0, {LinkId(link)})


def handled(house: House, **fields: Any) -> Case:
    """The case of a confirmed lead, reported as handled; its look is due."""
    with house.store.begin() as uow:
        uow.findings.put(replace(uow.findings.get(F1), **fields))
        case = confirm(uow, F1, by="op", now=NOON, registry=REGISTRY, announcer=WIRE)
        fed = case.move(CaseEvent.FEED_BACK, at=NOON + timedelta(hours=1), by="leader")
        uow.cases.put(replace(fed, look_due_at=NOON, ladder_due_at=None))
        uow.commit()
    house.clock.current = NOON + timedelta(hours=1)
    return house.case()


@pytest.mark.parametrize(
    ("shows", "state"),
    [
        pytest.param((), CaseState.CLOSED, id="gone"),
        pytest.param((("blocking_vehicle", "road"),), CaseState.REWORK, id="still there"),
    ],
)
def test_where_the_machine_verifies_the_look_decides(
    house: House, shows: Any, state: CaseState
) -> None:
    handled(house)
    house.yard.shows = shows
    house.look(Verifier.MACHINE)
    assert (house.case().state, house.case().after) == (state, AFTER)


@pytest.mark.parametrize(
    ("verifier", "fields", "said"),
    [
        pytest.param(Verifier.OPERATOR, {}, "未再检出", id="the site says so"),
        pytest.param(
            Verifier.MACHINE, {"origin": Origin.SAMPLE, "kind": "scene_change"}, "未再检出",
            id="what the machine never saw it cannot see gone",
        ),
        pytest.param(Verifier.MACHINE, {}, "", id="or nobody could look"),
    ],
)  # fmt: skip
def test_where_a_person_verifies_the_case_waits_with_both_pictures(
    house: House, verifier: Verifier, fields: Any, said: str
) -> None:
    before = Sha256("b" * 64)
    handled(house, picture=before, **fields)
    house.yard.gone = not said
    for _ in range(1 if said else 6):
        house.look(verifier)
        house.clock.current += timedelta(hours=3)
    case = house.case()
    assert (case.state, case.look_due_at) == (CaseState.FED_BACK, None)
    (waiting,) = awaited([case], case.entries[-1].at)
    assert (waiting.before, waiting.after) == (before, AFTER if said else None)
    assert said in waiting.machine
    assert waiting.lamp is Lamp.GREEN
    assert house.look(verifier) == 0, "nobody looks again by itself"


@pytest.mark.parametrize(
    ("level", "after", "lamp"),
    [
        pytest.param(Level.URGENT, timedelta(minutes=11), Lamp.GREEN, id="I green"),
        pytest.param(Level.URGENT, timedelta(minutes=12), Lamp.YELLOW, id="I yellow at 80 %"),
        pytest.param(Level.URGENT, timedelta(minutes=15), Lamp.YELLOW, id="I to the minute"),
        pytest.param(Level.URGENT, timedelta(minutes=16), Lamp.RED, id="I red"),
        pytest.param(Level.PRESSING, timedelta(minutes=59), Lamp.YELLOW, id="II yellow"),
        pytest.param(Level.ORDINARY, timedelta(hours=3), Lamp.GREEN, id="III green"),
        pytest.param(Level.ORDINARY, timedelta(hours=5), Lamp.RED, id="III red"),
    ],
)
def test_a_verdict_that_waits_has_its_own_clock(
    house: House, level: Level, after: timedelta, lamp: Lamp
) -> None:
    case = handled(house, level=level)
    house.look(Verifier.OPERATOR)
    looked_at = house.case().entries[-1].at
    assert looked_at > case.dispatched_at
    (waiting,) = awaited([house.case()], looked_at + after)
    assert waiting.lamp is lamp


def test_the_most_pressing_verdict_comes_first(house: House) -> None:
    case = handled(house)
    house.look(Verifier.OPERATOR)
    plain = house.case()
    urgent = replace(plain, id=replace(case).id, level=Level.URGENT)
    now = plain.entries[-1].at + timedelta(minutes=20)
    assert [one.level for one in awaited([plain, urgent], now)] == [Level.URGENT, Level.ORDINARY]


def test_one_reported_on_the_ground_waits_for_a_person_at_once(house: House) -> None:
    case = handled(house)
    with house.store.begin() as uow:
        uow.cases.put(replace(case, camera=None, finding=None))
        uow.commit()
    house.look(Verifier.MACHINE)
    assert house.case().entries[-1].what is CaseEvent.LOOKED
    assert len(awaited([house.case()], NOON)) == 1
    assert house.yard.visits == []


def test_consent_that_ended_meanwhile_is_no_look(house: House) -> None:
    handled(house)
    camera = house.cameras[hamlet.CAMERA]
    ended = replace(camera.consent, until=date(2026, 1, 1))
    house.cameras[hamlet.CAMERA] = replace(camera, consent=ended)
    house.look(Verifier.MACHINE)
    assert house.case().entries[-1].what is CaseEvent.LOOK_FAILED
    assert house.yard.visits == []


def test_a_full_disk_is_waited_for_and_then_looked_again(house: House) -> None:
    """The evidence store refuses the picture: nothing is written, and the next ring tries anew."""

    def full() -> None:
        raise EvidenceFull("200 MB free, 256 MB are kept")

    house.yard = Overtaken(decide=full)
    ring = _patient("doubts", house.doubts)
    ring()
    assert house.finding().again is None
    house.yard = Yard()
    ring()
    assert house.finding().again is not None
