"""Patrols on the ground: rosters, check-ins by code and location, claims, late points, books."""

import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from patrol.app.ground_service import read_location
from patrol.domain.check_in_code import CheckInCodes
from patrol.domain.ground_patrol import (
    CheckIn,
    CheckInClaim,
    CheckInMethod,
    CheckInProblem,
    CheckInRefused,
    CheckInState,
    GroundPatrol,
    GroundState,
    GroundStop,
    IllegalCheckIn,
    Location,
    NotOnRoster,
    StopState,
    count_stops,
    judge_check_in,
)
from patrol.domain.ids import GridCode, PersonId
from patrol.domain.registry import (
    GridLevel,
    GridTree,
    PatrolPoint,
    Person,
    PointKind,
    Registry,
    Role,
)
from patrol.domain.roster import (
    GroundPatrolPlan,
    GroundPolicy,
    RosterIndex,
    RosterNumber,
    grids_of,
    roster_gaps,
    roster_of,
)
from patrol.reports.ground_ledger import coverage_by_village, ground_ledger
from patrol.reports.queries import GroundPatrolRecords, ReportHeading, ReportMaterial
from patrol.rounds.ground_messages import GroundMessages
from patrol.rounds.ground_patrol import GroundContext, decide, planned_patrol, take_check_in
from patrol.rounds.ground_worker import GroundPatrolWorker
from patrol.store import Store
from patrol.store.schema_people import outbox
from simulators import small_site
from simulators.town.grids import all_grids
from tests.support.store import new_store

ZONE = ZoneInfo("Asia/Shanghai")
DAY = date(2026, 11, 22)
POLICY = GroundPolicy()
POINTS = [
    PatrolPoint(id="W-1", name="道口", kind=PointKind.RAILWAY, grid=small_site.GROUP,
                longitude=98.5, latitude=39.7),
    PatrolPoint(id="W-2", name="油库", kind=PointKind.KEY_SITE, grid=small_site.GROUP,
                longitude=98.51, latitude=39.7),
    PatrolPoint(id="W-3", name="渠口", kind=PointKind.GRID, grid=small_site.GROUP),
]  # fmt: skip
WALKER = PersonId("leader")


def registry(points: list[PatrolPoint] = POINTS) -> Registry:
    return replace(small_site.registry(), points={point.id: point for point in points})


def number(name: str = "7", **more: Any) -> RosterNumber:
    given: dict[str, Any] = {"roles": frozenset({Role.VILLAGE_GROUP_CADRE}), "every_days": 1}
    return RosterNumber(number=name, means=f"{name} 次", **(given | more))


def plan(*numbers: RosterNumber, **more: Any) -> GroundPatrolPlan:
    given: dict[str, Any] = {"start": time(19), "finish_by": time(21), "people": (WALKER,)}
    return GroundPatrolPlan(
        name="railway", title="铁路护路", numbers=numbers or (number(),), **(given | more)
    )


def at(clock: str, day: date = DAY) -> datetime:
    return datetime.combine(day, time.fromisoformat(clock), ZONE).astimezone(small_site.NOON.tzinfo)


@dataclass
class Ground:
    """A store with one patrol of three points, worked by hand."""

    plan: GroundPatrolPlan = field(default_factory=plan)
    registry: Registry = field(default_factory=registry)
    store: Store = field(default_factory=new_store)
    told: list[tuple[str, list[str]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.context = GroundContext(
            registry=self.registry, policy=POLICY,
            messages=GroundMessages(site="shangba", scrub=lambda text: text),
        )  # fmt: skip
        self.worker = GroundPatrolWorker(
            store=self.store, plans={self.plan.name: self.plan}, context=lambda: self.context,
            zone=ZONE, notify=self._notify,
        )  # fmt: skip
        self.worker.run_due(at("12:00"))
        self.patrol = f"20261122-{self.plan.name}-7-{small_site.GROUP}-g"

    def _notify(self, _uow: Any, patrol: GroundPatrol, late: Any, _now: datetime) -> None:
        self.told.append((patrol.id, [stop.point for stop in late]))

    def check_in(
        self, point: str, clock: str, *, claimed: str = "", key: str = "", **more: Any
    ) -> CheckIn:
        given: dict[str, Any] = {"by": WALKER, "method": CheckInMethod.QR}
        claim = CheckInClaim(
            key=key or f"key-{point}", patrol=self.patrol, point=point,
            claimed_at=at(claimed or clock), **(given | more),
        )  # fmt: skip
        with self.store.begin() as uow:
            taken = take_check_in(uow, claim, context=self.context, now=at(clock))
            uow.commit()
        return taken

    def decide(self, ident: str, clock: str, **more: Any) -> CheckIn:
        with self.store.begin() as uow:
            done = decide(uow, ident, now=at(clock), context=self.context, **more)
            uow.commit()
        return done

    @property
    def state(self) -> tuple[str, str]:
        """The patrol's state, and its points' in one text."""
        with self.store.begin_read() as uow:
            patrol = uow.ground_patrols.get(self.patrol)
            stops = uow.ground_patrols.stops(self.patrol)
        return str(patrol.state), " ".join(str(stop.state) for stop in stops)

    def messages(self) -> list[Any]:
        with self.store.begin_read() as uow:
            rows = uow.db.all(select(outbox).order_by(outbox.c.number))
        return [row for row in rows if "/ground/" in row.topic]


@pytest.fixture
def ground() -> Ground:
    return Ground()


def test_a_patrol_is_planned_walked_and_completed(ground: Ground) -> None:
    assert ground.state == ("planned", "pending pending pending")
    ground.worker.run_due(at("18:35"))
    assert ground.told == [(ground.patrol, [])]  # the reminder, once
    ground.worker.run_due(at("18:40"))
    assert len(ground.told) == 1
    assert ground.check_in("W-1", "19:10").state is CheckInState.ACCEPTED
    assert ground.state == ("running", "done pending pending")
    ground.check_in("W-2", "19:40")
    ground.check_in("W-3", "20:00")
    assert ground.state == ("completed", "done done done")
    with ground.store.begin_read() as uow:
        entries = uow.access.of_no_camera("check_in", limit=10)
    assert [one.who for one in entries] == [WALKER] * 3


def test_late_is_told_while_it_can_be_walked_then_missed(ground: Ground) -> None:
    ground.worker.run_due(at("18:30"))
    ground.worker.run_due(at("19:31"))  # the first of three points was due at 19:30
    assert ground.told[-1] == (ground.patrol, ["W-1"])
    ground.worker.run_due(at("19:32"))
    assert len(ground.told) == 2  # once
    assert ground.check_in("W-1", "19:35").state is CheckInState.ACCEPTED
    ground.worker.run_due(at("20:41"))  # the last call, 20 minutes before the end
    assert ground.told[-1] == (ground.patrol, ["W-2", "W-3"])
    assert ground.state == ("running", "late pending pending")
    ground.worker.run_due(at("21:00"))
    assert ground.state == ("incomplete", "late missed missed")
    ground.worker.run_due(at("21:05"))
    assert ground.state == ("incomplete", "late missed missed")


def test_nobody_came(ground: Ground) -> None:
    ground.worker.run_due(at("21:00"))
    assert ground.state == ("missed", "missed missed missed")


def test_a_claim_without_network_counts_as_claimed_also_after_the_end(ground: Ground) -> None:
    ground.worker.run_due(at("21:00"))
    taken = ground.check_in("W-1", "22:30", claimed="19:20")
    assert (taken.state, taken.is_claimed, taken.at) == (CheckInState.ACCEPTED, True, at("19:20"))
    assert ground.state == ("incomplete", "done missed missed")
    late = ground.check_in("W-2", "22:31", claimed="20:59")
    assert late.is_claimed
    ground.check_in("W-3", "22:32", claimed="20:59:30")
    assert ground.state == ("completed", "done late late")


HERE = Location(longitude=98.5, latitude=39.7, accuracy_m=12)
FAR = Location(longitude=98.51, latitude=39.7, accuracy_m=12)  # 857 m
VAGUE = Location(longitude=98.5, latitude=39.7, accuracy_m=900)


@pytest.mark.parametrize(
    ("clock", "claimed", "location", "problems"),
    [
        ("19:10", "19:10", None, ""),
        ("19:10", "19:08:01", HERE, ""),
        ("19:10", "19:12:01", None, "ahead"),
        ("19:10", "18:20", None, "outside_window"),
        ("18:29", "18:29", None, "outside_window"),
        ("21:30", "21:30", None, "outside_window"),
        ("21:00", "20:59", None, "outside_window"),  # live: the centre's time counts
        ("21:30", "20:59", None, ""),
        ("19:10", "19:10", FAR, "too_far"),
        ("19:10", "19:10", VAGUE, ""),  # the code says where; the location says nothing
        ("23:30", "11:00", None, "too_old outside_window"),
    ],
)
def test_what_is_plausible(
    ground: Ground, clock: str, claimed: str, location: Location | None, problems: str
) -> None:
    taken = ground.check_in("W-1", clock, claimed=claimed, location=location)
    assert " ".join(taken.problems) == problems
    assert taken.state is (CheckInState.REVIEW if problems else CheckInState.ACCEPTED)


def test_two_points_cannot_be_walked_at_once_nor_backwards(ground: Ground) -> None:
    ground.check_in("W-1", "19:30")
    assert ground.check_in("W-2", "19:30:20").problems == (CheckInProblem.TOO_FAST,)
    assert ground.state[1] == "done review pending"
    assert CheckInProblem.OUT_OF_ORDER in ground.check_in("W-3", "19:40", claimed="19:05").problems


def test_location_alone_needs_a_measured_point_and_an_exact_place(ground: Ground) -> None:
    by_place: dict[str, Any] = {"method": CheckInMethod.LOCATION}
    with pytest.raises(CheckInRefused, match="W-3 was never measured"):
        ground.check_in("W-3", "19:10", location=HERE, **by_place)
    with pytest.raises(CheckInRefused, match="give the phone's"):
        ground.check_in("W-1", "19:10", **by_place)
    assert ground.check_in("W-1", "19:10", location=VAGUE, **by_place).problems == ("imprecise",)
    accepted = ground.check_in("W-2", "19:50", location=FAR, **by_place)
    assert (accepted.state, accepted.distance_m) == (CheckInState.ACCEPTED, 0.0)


def test_a_plan_may_ask_for_the_location() -> None:
    ground = Ground(plan=plan(needs_location=True))
    assert ground.check_in("W-1", "19:10").problems == (CheckInProblem.NO_LOCATION,)
    assert ground.check_in("W-2", "19:40", location=FAR).state is CheckInState.ACCEPTED


def test_a_doubtful_check_in_is_decided_by_another_person(ground: Ground) -> None:
    waiting = ground.check_in("W-1", "19:10", location=FAR)
    with pytest.raises(IllegalCheckIn, match="is your own"):
        ground.decide(waiting.id, "19:20", accept=True, by="leader", person=WALKER)
    with pytest.raises(CheckInRefused, match="say why"):
        ground.decide(waiting.id, "19:20", accept=False, by="lead")
    ground.decide(waiting.id, "19:20", accept=False, by="lead", note="人在镇上")
    assert ground.state == ("planned", "pending pending pending")
    again = ground.check_in("W-1", "19:25", key="again")
    assert again.state is CheckInState.ACCEPTED
    other = ground.check_in("W-2", "19:25:30", key="fast")
    ground.worker.run_due(at("21:00"))
    assert ground.state == ("incomplete", "done review missed")
    ground.decide(other.id, "21:30", accept=True, by="lead")
    assert ground.state == ("incomplete", "done done missed")
    with pytest.raises(IllegalCheckIn, match="was accepted by lead before"):
        ground.decide(other.id, "21:31", accept=False, by="lead", note="x")


def test_a_repeat_changes_nothing_and_a_second_check_in_is_refused(ground: Ground) -> None:
    first = ground.check_in("W-1", "19:10")
    assert ground.check_in("W-1", "19:20", claimed="19:10") == first
    with pytest.raises(IllegalCheckIn, match="was checked in at before"):
        ground.check_in("W-1", "19:30", key="another")
    with pytest.raises(CheckInRefused, match="was used for point W-1"):
        ground.check_in("W-2", "19:30", key="key-W-1")


def test_others_cannot_walk_it(ground: Ground) -> None:
    for stranger in ("leader2", "duty", "nobody", ""):
        with pytest.raises(NotOnRoster):
            ground.check_in("W-1", "19:10", by=PersonId(stranger))
    with pytest.raises(CheckInRefused, match="no such point"):
        ground.check_in("W-9", "19:10")


CODES = CheckInCodes(base_url="https://centre", key=b"k" * 32)


def test_a_code_opens_its_point_alone() -> None:
    points = registry().points
    code = CODES.code(POINTS[0], CheckInMethod.NFC)
    assert CODES.read(code, points) == (POINTS[0], CheckInMethod.NFC)
    printed = CODES.address(POINTS[0], CheckInMethod.QR)
    assert printed.startswith("https://centre/ground#W-1~1~q~")
    assert CODES.read(printed, points) == (POINTS[0], CheckInMethod.QR)


@pytest.mark.parametrize(
    "forge",
    [
        lambda code: code.replace("W-1", "W-2"),
        lambda code: code.replace("~1~", "~2~"),
        lambda code: code.replace("~n~", "~q~"),
        lambda code: code[:-1] + ("0" if code[-1] != "0" else "1"),
        lambda code: code[:-1],
        lambda code: code + "0",
        lambda _code: "",
        lambda _code: "W-1",
        lambda _code: "~" * 9000,
        lambda _code: CheckInCodes(base_url="", key=b"x" * 32).code(POINTS[0], CheckInMethod.NFC),
    ],
)
def test_a_forged_code_is_refused(forge: Callable[[str], str]) -> None:
    with pytest.raises(CheckInRefused, match="none of this site's"):
        CODES.read(forge(CODES.code(POINTS[0], CheckInMethod.NFC)), registry().points)


def test_a_printed_code_can_be_made_worthless() -> None:
    code = CODES.code(POINTS[0], CheckInMethod.QR)
    newer = replace(POINTS[0], code_version=2)
    with pytest.raises(CheckInRefused, match="has a newer one"):
        CODES.read(code, {"W-1": newer})
    with pytest.raises(CheckInRefused, match=r"not in points\.csv"):
        CODES.read(code, {})


@pytest.mark.parametrize("numbers", [(200.0, 0, 1), (0, 91, 1), (0, 0, -1), (float("nan"), 0, 1)])
def test_a_place_that_is_none_is_refused(numbers: tuple[float, float, float]) -> None:
    longitude, latitude, accuracy = numbers
    with pytest.raises(CheckInRefused):
        Location(longitude=longitude, latitude=latitude, accuracy_m=accuracy)


def test_the_messages_match_the_schema_and_are_cleared(
    ground: Ground, matches_schema: Callable[[str, bytes], dict[str, Any]]
) -> None:
    ground.check_in("W-1", "19:10")
    ground.worker.run_due(at("20:10"))
    ground.worker.run_due(at("21:00"))
    sent = [one for one in ground.messages() if ground.patrol in one.topic]
    assert {one.topic for one in sent} == {
        f"patrol/v1/shangba/person/{WALKER}/ground/{ground.patrol}"
    }
    bodies = [matches_schema("ground", one.payload) for one in sent if one.payload]
    assert bodies[0]["points"][0]["state"] == "pending"
    assert [point["late"] for point in bodies[-1]["points"]] == [False, True, False]
    assert sent[-1].payload == b""
    assert all(one.retain for one in sent)
    assert len({one.key for one in sent}) == len(sent)


def test_who_goes_on_leave_is_replaced_before_the_patrol_begins() -> None:
    ground = Ground(plan=plan(people=(WALKER, PersonId("party"))))
    with ground.store.begin_read() as uow:
        [first] = uow.ground_patrols.get(ground.patrol).people
    ground.worker.absent = lambda _day: frozenset({first})
    ground.context = replace(ground.context, registry=registry())  # a file has changed
    ground.worker.run_due(at("12:30"))
    with ground.store.begin_read() as uow:
        [second] = uow.ground_patrols.get(ground.patrol).people
    assert {first, second} == {WALKER, "party"}
    sent = [one for one in ground.messages() if ground.patrol in one.topic]
    assert [(f"/{first}/" in one.topic, bool(one.payload)) for one in sent[-2:]] == [
        (True, False), (False, True),
    ]  # fmt: skip
    with pytest.raises(NotOnRoster):
        ground.check_in("W-1", "19:10", by=first)
    assert ground.check_in("W-1", "19:10", by=second).state is CheckInState.ACCEPTED


def due_days(one: RosterNumber, shift: int = 0) -> list[int]:
    return [n for n in range(28) if one.is_due(date(2027, 2, 1) + timedelta(days=n), shift)]


@pytest.mark.parametrize(
    ("pattern", "count"),
    [
        ({"times_a_week": 1}, 4), ({"times_a_week": 3}, 12), ({"times_a_week": 7}, 28),
        ({"times_a_month": 5}, 5), ({"month_days": frozenset({1, 3, 5, 7})}, 4),
        ({"weekdays": frozenset({0, 2, 4, 6})}, 16), ({"every_days": 3}, 9),
        ({"every_days": 1}, 28),
    ],
)  # fmt: skip
def test_numbers_are_due_as_the_site_says(pattern: dict[str, Any], count: int) -> None:
    for shift in (0, 5, 67):
        days = due_days(number(every_days=pattern.get("every_days", 0), **{
            name: value for name, value in pattern.items() if name != "every_days"
        }), shift)  # fmt: skip
        assert count <= len(days) <= count + 1


def test_days_are_spread_over_the_grids() -> None:
    weekly = number(every_days=0, times_a_week=1)
    on = Counter(due_days(weekly, shift)[0] for shift in range(68))
    assert len(on) == 7
    assert max(on.values()) - min(on.values()) <= 1


def test_who_walks_is_the_nearest_of_the_kind_in_turn() -> None:
    site = registry()
    index = RosterIndex.of(site)
    cadres = plan(number(people=1), people=(), grids=(small_site.VILLAGE,))
    names = [roster_of(cadres, DAY + timedelta(days=n), index)[0].people for n in range(4)]
    assert {who for people in names for who in people} == {"leader", "party"}
    assert names[0] != names[1] == names[3]
    absent = frozenset({PersonId("party")})
    assert {
        roster_of(cadres, DAY + timedelta(days=n), index, absent)[0].people for n in range(4)
    } == {("leader",)}
    officials = plan(number(roles=frozenset({Role.TOWN_OFFICIAL})), people=())
    assert roster_of(officials, DAY, index)[0].people == ("duty",)
    police = plan(number(roles=frozenset({Role.VILLAGE_POLICE})), people=())
    assert roster_of(police, DAY, index)[0].people == ()
    gaps = roster_gaps([police], site)
    assert ("railway", small_site.GROUP, "number 7: nobody of village_police") in gaps
    assert ("railway", small_site.OTHER_GROUP, "no point of points.csv to check in at") in gaps


def the_town() -> tuple[Registry, GroundPatrolPlan]:
    """68 grids, each with a walker of its own and its points; 一三五七 as one site may mean it."""
    tree = GridTree(grids={grid.code: grid for grid in all_grids()})
    people = {
        PersonId(f"P-{code}"): Person(
            id=PersonId(f"P-{code}"), name="某", role=Role.JOINT_DEFENCE_HOUSEHOLD, grid=code
        )
        for code in tree.grids
    }
    points = {
        f"W-{code}-{n}": PatrolPoint(id=f"W-{code}-{n}", name="点", kind=PointKind.GRID, grid=code)
        for code in tree.grids
        for n in range(1)
    }
    site = Registry(cameras={}, tree=tree, people=people, points=points)
    numbers = tuple(
        RosterNumber(
            number=str(n), means=f"每周 {n} 次", times_a_week=n,
            roles=frozenset({Role.JOINT_DEFENCE_HOUSEHOLD}),
        )
        for n in (1, 3, 5, 7)
    )  # fmt: skip
    return site, GroundPatrolPlan(
        name="year", title="一三五七", numbers=numbers, start=time(19), finish_by=time(21)
    )


def walked(
    patrol: GroundPatrol, stops: list[GroundStop], site: Registry, rng: random.Random
) -> GroundPatrolRecords:
    """One patrol as simulated people walk it: 8 % of the points are missed, some are late."""
    records, done = [], []
    for stop in stops:
        point = site.points[stop.point]
        if rng.random() < 0.08:
            done.append(replace(stop, state=StopState.MISSED))
            continue
        when = stop.due_at + timedelta(minutes=rng.choice((-20, -5, 4)))
        claim = CheckInClaim(
            key=f"{stop.place}", patrol=patrol.id, point=point.id, by=patrol.people[0],
            method=CheckInMethod.QR, claimed_at=when,
        )  # fmt: skip
        judged = judge_check_in(claim, patrol, point, now=when, before=(), policy=POLICY)
        state = StopState.LATE if when > stop.due_at else StopState.DONE
        done.append(replace(stop, state=state, check_in=judged.id, at=when))
        records.append(judged)
    return GroundPatrolRecords(
        patrol=patrol.moved_on(done, patrol.finish_by), stops=done, check_ins=records
    )


def test_a_year_of_68_grids_is_planned_walked_and_the_books_agree() -> None:
    site, year = the_town()
    plans = [replace(year, each=level) for level in GridLevel]
    assert sum(len(grids_of(one, site.tree)) for one in plans) == 68
    rng, first, all_records = random.Random(13), date(2026, 1, 1), []
    index = RosterIndex.of(site)
    for n in range(365):
        day = first + timedelta(days=n)
        for one in plans:
            for entry in roster_of(one, day, index):
                points = entry.points[:1]  # its own; of a village and of the town the first
                patrol, stops = planned_patrol(replace(entry, points=points), day, ZONE)
                all_records.append(walked(patrol, stops, site, rng))
    planned_patrols = Counter(one.patrol.grid for one in all_records)
    assert len(planned_patrols) == 68
    assert all(16 * 52 <= count <= 16 * 53 for count in planned_patrols.values())
    material = ReportMaterial(ground_patrols=all_records)
    heading = ReportHeading(
        kind="year", period="2026", site="上坝镇", zone=ZONE, made_at=small_site.NOON, registry=site
    )
    book = ground_ledger(material, heading)
    counts = book.counts
    assert len(book.rows) == counts.planned == sum(len(one.stops) for one in all_records)
    assert counts.planned == counts.done + counts.late + counts.missed
    assert (counts.review, counts.pending) == (0, 0)
    assert abs(counts.missed / counts.planned - 0.08) < 0.003
    by_result = Counter(row["结果"] for row in book.rows)
    assert by_result == {"已签到": counts.done, "迟到签到": counts.late, "漏签": counts.missed}
    assert counts.done + counts.late == sum(len(one.check_ins) for one in all_records)
    villages = coverage_by_village(material, site)
    assert sum(one.points.planned for one in villages) == counts.planned
    states = Counter(one.patrol.state for one in all_records)
    assert states.total() == book.patrols == len(all_records)
    assert states[GroundState.MISSED] == book.missed_patrols > 0
    for records in all_records:
        missed = count_stops(records.stops).missed
        expected = {0: "completed", len(records.stops): "missed"}.get(missed, "incomplete")
        assert str(records.patrol.state) == expected


def test_a_week_of_rosters_through_the_store_gives_the_same_books() -> None:
    site, year = the_town()
    group = GridCode("620902104203001")
    ground = Ground(plan=replace(year, grids=(group,)), registry=site)
    for n in range(7):
        for clock in ("00:10", "12:10", "21:00"):
            ground.worker.run_due(at(clock, DAY + timedelta(days=n)))
    with ground.store.begin_read() as uow:
        patrols = uow.ground_patrols.of_days(DAY, DAY + timedelta(days=7))
        stops = uow.ground_patrols.stops_of(one.id for one in patrols)
    assert Counter(one.number for one in patrols) == {"1": 1, "3": 3, "5": 5, "7": 7}
    assert {one.state for one in patrols} == {GroundState.MISSED}
    assert count_stops(stop for some in stops.values() for stop in some).missed == 16
    assert json.dumps(sorted(stops))  # plain ids


@pytest.mark.parametrize("wrong", [10**400, "far", None, [], float("nan"), -1e400])
@pytest.mark.parametrize("name", ["longitude", "latitude", "accuracy_m"])
def test_what_is_no_location_is_refused(name: str, wrong: object) -> None:
    good = {"longitude": 101.2, "latitude": 38.1, "accuracy_m": 12}
    assert read_location(good) is not None
    with pytest.raises(CheckInRefused, match="location"):
        read_location({**good, name: wrong})
