"""Health announced in rounds: hysteresis, one notice for one cause, the maintenance queue."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from patrol.domain.camera import Camera, Consent, ConsentState, Placement
from patrol.domain.health import TroubleKind
from patrol.domain.ids import CameraId, GridCode, LinkId, RoundId
from patrol.domain.registry import Grid, GridLevel, GridTree, Registry
from patrol.domain.round import PlannedVisit, Round, Visit, VisitOutcome
from patrol.messaging.payloads import PayloadBuilder
from patrol.rounds.outages import COVERED, RECOVERED, record_round_health
from patrol.rounds.recorder import HealthNotifier, record_health
from streams.address import StreamAddress
from tests.support.store import new_store

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
TOWN, VILLAGE, OTHER = (GridCode(f"620902104{n}000") for n in ("000", "203", "204"))
TREE = GridTree(
    grids={
        TOWN: Grid(code=TOWN, name="上坝镇", level=GridLevel.TOWN, parent=None),
        VILLAGE: Grid(code=VILLAGE, name="上坝村", level=GridLevel.VILLAGE, parent=TOWN),
        OTHER: Grid(code=OTHER, name="小沟村", level=GridLevel.VILLAGE, parent=TOWN),
    }
)
HOW: Mapping[str, Any] = {
    "ok": {"outcome": VisitOutcome.NORMAL, "usable_pictures": 1},
    "off": {"outcome": VisitOutcome.NOT_VIEWABLE, "failure": "unreachable"},
    "denied": {"outcome": VisitOutcome.NOT_VIEWABLE, "failure": "refused_us"},
    "black": {
        "outcome": VisitOutcome.NOT_VIEWABLE,
        "failure": "unusable_picture",
        "faults": ("black_screen",),
    },
    "missed": {"outcome": VisitOutcome.MISSED},
}


def a_camera(number: int, link: str, grid: GridCode = VILLAGE) -> Camera:
    return Camera(
        id=CameraId(f"{number:020}"),
        name=f"camera {number}",
        grid=grid,
        place="村口",
        main_stream=StreamAddress.parse(f"rtsp://127.0.0.1/{number}"),
        link=LinkId(link),
        consent=Consent(state=ConsentState.GRANTED, until=date(2027, 6, 30)),
        placement=Placement.OUTDOOR,
    )


class HealthRounds:
    """Rounds half a day apart over a few cameras; answers with what was queued for MQTT."""

    def __init__(self, *cameras: Camera) -> None:
        self.store = new_store()
        self.cameras = {camera.id: camera for camera in cameras}
        registry = Registry(cameras=self.cameras, tree=TREE, people={})
        payload_builder = PayloadBuilder(
            site="shangba", zone=ZoneInfo("Asia/Shanghai"), registry=registry
        )
        self.notifier = HealthNotifier(payloads=payload_builder)
        self.rounds = 0

    def round(self, how: str | Mapping[int, str]) -> list[tuple[int | str, str]]:
        """One round; `how` for every camera or by number (ok where nothing is said)."""
        self.rounds += 1
        ident, at = RoundId(f"r{self.rounds}"), NOW + self.rounds * timedelta(hours=12)
        a_round = Round(
            id=ident, plan="morning", day=at.date(), planned_at=at, finish_by=at,
            planned=len(self.cameras), refused={},
        )  # fmt: skip
        places = [PlannedVisit(round=ident, camera=c, order=i) for i, c in enumerate(self.cameras)]
        with self.store.begin() as uow:
            uow.rounds.add(a_round, places)
            for camera in self.cameras:
                health = how if isinstance(how, str) else how.get(int(camera), "ok")
                visit = Visit(
                    round=ident, camera=camera, started_at=at, finished_at=at, **HOW[health]
                )
                uow.rounds.record_visit(visit)
                record_health(uow, visit, self.notifier, at)
            record_round_health(
                uow,
                ident,
                self.cameras,
                TREE,
                notifier=self.notifier,
                now=at + timedelta(minutes=9),
            )
            uow.commit()
        return self.announced()

    def announced(self) -> list[tuple[int | str, str]]:
        """Cameras by number, links and villages by their names; each on a topic of its own."""
        with self.store.begin() as uow:
            sent = uow.outbox.lease(holder="t", now=NOW, lease_s=1e9, limit=999)
            uow.commit()
        bodies = [json.loads(message.payload) for message in sent]
        kinds = [str(body.get("kind", "camera")).replace("village", "grid") for body in bodies]
        subjects = [body.get("camera") or body["subject"] for body in bodies]
        assert [message.topic for message in sent] == [
            f"patrol/v1/shangba/{kind}/{subject}/health"
            for kind, subject in zip(kinds, subjects, strict=True)
        ]
        return [
            (int(subject) if kind == "camera" else subject, body["state"])
            for kind, subject, body in zip(kinds, subjects, bodies, strict=True)
        ]

    def queue(self) -> list[tuple[str, str, str]]:
        with self.store.begin_read() as uow:
            return [(str(t.kind), t.subject.lstrip("0"), t.state) for t in uow.troubles.list_open()]

    def closed(self) -> list[str]:
        with self.store.begin_read() as uow:
            return [t.closed_why for t in uow.troubles.list() if t.closed_at]


@pytest.mark.parametrize(
    ("visits", "announced"),
    [
        pytest.param(["ok", "ok"], [], id="healthy is not announced"),
        pytest.param(["ok", "off"], [], id="one failure is none"),
        pytest.param(["ok", "off", "off", "off"], ["offline"], id="announced once"),
        pytest.param(["ok", "off", "ok", "off", "ok"], [], id="it must fail in a row"),
        pytest.param(["off"], ["offline"], id="never seen well: no benefit of a doubt"),
        pytest.param(["off", "ok", "off", "off"], ["offline", "online", "offline"], id="changes"),
        pytest.param(["black", "ok"], ["faulty", "online"], id="a covered camera"),
        pytest.param(["black", "off", "off", "black"], ["faulty", "offline", "faulty"], id="mix"),
        pytest.param(["ok", "missed", "off", "missed", "ok"], [], id="not visited says nothing"),
        pytest.param(["ok", "off", "denied"], ["offline"], id="another reason is the same story"),
    ],
)
def test_a_camera_alone_is_announced_on_change_only(
    visits: list[str], announced: list[str]
) -> None:
    health_rounds = HealthRounds(a_camera(1, "a"))
    assert [state for visit in visits for _, state in health_rounds.round(visit)] == announced


def test_failing_for_long_enough_is_offline_too() -> None:
    health_rounds = HealthRounds(a_camera(1, "a"))
    policy = replace(
        health_rounds.notifier.policy, offline_after_visits=9, offline_after=timedelta(hours=13)
    )
    health_rounds.notifier = replace(health_rounds.notifier, policy=policy)
    assert [health_rounds.round(health) for health in ("ok", "off", "off", "off")] == [
        [], [], [], [(1, "offline")]
    ]  # fmt: skip
    with health_rounds.store.begin_read() as uow:
        health = uow.health.current(CameraId(f"{1:020}"))
    assert health is not None
    assert (health.since, health.failures) == (NOW + timedelta(hours=24), 3)


FIVE = [a_camera(n, "nvr1") for n in range(1, 6)]


def test_a_link_that_is_down_is_announced_once_and_its_recovery_once() -> None:
    health_rounds = HealthRounds(*FIVE, a_camera(9, "nvr2"))
    health_rounds.round("ok")
    dark = dict.fromkeys(range(1, 5), "off")
    assert health_rounds.round(dark) == [("nvr1", "offline")]
    assert health_rounds.queue() == [("link", "nvr1", "down")]
    assert health_rounds.round(dark) == []
    assert health_rounds.round(dict.fromkeys(range(1, 6), "off")) == []
    assert health_rounds.round("ok") == [("nvr1", "online")]
    assert health_rounds.round("ok") == []
    assert health_rounds.queue() == []
    assert health_rounds.closed() == [RECOVERED]


def test_an_outage_is_one_finding_for_the_maintainer() -> None:
    health_rounds = HealthRounds(*FIVE)
    health_rounds.round("off")
    health_rounds.round("off")
    with health_rounds.store.begin_read() as uow:
        (finding,) = uow.findings.queue()
    assert (finding.subject, finding.kind, finding.category, finding.level) == (
        "equipment", "link_down", "equipment", "IV"
    )  # fmt: skip
    assert "nvr1" in finding.why
    assert "5/5" in finding.why


def test_who_is_still_silent_when_the_link_is_back_stands_for_itself() -> None:
    health_rounds = HealthRounds(*FIVE)
    health_rounds.round("off")
    assert health_rounds.round({2: "off"}) == [("nvr1", "online"), (2, "offline")]
    assert health_rounds.queue() == [("camera", "2", "offline")]
    assert health_rounds.round("ok") == [(2, "online")]


def test_between_down_and_back_an_outage_stays() -> None:
    health_rounds = HealthRounds(*FIVE)
    health_rounds.round("off")
    assert health_rounds.round({1: "off", 2: "off"}) == []  # 40 % still silent
    assert health_rounds.queue() == [("link", "nvr1", "down")]


def test_a_camera_that_was_offline_before_joins_the_outage() -> None:
    health_rounds = HealthRounds(*FIVE)
    health_rounds.round({3: "off"})
    assert health_rounds.queue() == [("camera", "3", "offline")]
    health_rounds.round("off")
    assert health_rounds.queue() == [("link", "nvr1", "down")]
    assert health_rounds.closed() == [COVERED]


def test_two_cameras_are_two_cameras() -> None:
    health_rounds = HealthRounds(a_camera(1, "a"), a_camera(2, "a"))
    assert health_rounds.round("off") == [(1, "offline"), (2, "offline")]


def test_a_camera_that_refuses_us_is_no_part_of_an_outage() -> None:
    health_rounds = HealthRounds(*FIVE)
    messages = health_rounds.round({1: "off", 2: "off", 3: "off", 4: "off", 5: "denied"})
    assert messages == [("nvr1", "offline"), (5, "offline")]


def test_a_village_without_power_is_one_notice_not_one_a_link() -> None:
    here = [a_camera(n, f"nvr{n % 3}") for n in range(1, 13)]
    there = [a_camera(n, "nvr9", OTHER) for n in range(20, 26)]
    health_rounds = HealthRounds(*here, *there)
    health_rounds.round("ok")
    assert health_rounds.round(dict.fromkeys(range(1, 12), "off")) == [(VILLAGE, "offline")]
    with health_rounds.store.begin_read() as uow:
        (trouble,) = uow.troubles.list_open()
    assert (trouble.kind, trouble.subject) == (TroubleKind.VILLAGE, VILLAGE)
    assert "上坝村" in trouble.why
    assert len(trouble.cameras) == 11


def test_a_camera_that_left_the_registry_leaves_the_queue() -> None:
    health_rounds = HealthRounds(a_camera(1, "a"), a_camera(2, "a"))
    health_rounds.round("off")
    del health_rounds.cameras[CameraId(f"{1:020}")]
    assert health_rounds.round("off") == []
    assert health_rounds.queue() == [("camera", "2", "offline")]
    assert health_rounds.closed() == ["left the registry"]
