"""What leaves the house, against the published schemas; and what never leaves it."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from patrol.domain.case import CaseEvent, CaseState
from patrol.domain.escalation import escalate_if_due
from patrol.domain.ids import CaseId, Sha256
from patrol.domain.observation import Subject
from patrol.domain.outage import Outage, OutageGroup
from patrol.domain.priority import Level
from patrol.messaging.payloads import MAX_NOTE_CHARACTERS, PayloadBuilder
from patrol.messaging.topics import (
    CaseTopic,
    ReplyTopic,
    ReportTopic,
    case_filter,
    inbox_filters,
    status_topic,
)
from simulators import small_site
from tests.support.case_system import CaseSystem
from tests.support.memory_broker import matches

Checker = Callable[[str, bytes], dict[str, Any]]
DOCS = Path(__file__).parents[2] / "docs"
NOON = small_site.NOON
PAYLOAD_BUILDER = PayloadBuilder(
    site="shangba",
    zone=__import__("zoneinfo").ZoneInfo("Asia/Shanghai"),
    registry=small_site.registry(),
)


def test_a_case_tells_what_the_contract_lists(
    case_system: CaseSystem, matches_schema: Checker
) -> None:
    case = case_system.confirm(small_site.finding(picture=Sha256("a" * 64)))
    message = case_system.messages(case.id)[0]
    assert message.topic == f"patrol/v1/shangba/grid/{small_site.GROUP}/case/{case.id}"
    assert message.retain
    body = matches_schema("case", message.payload)
    assert body["key"] == message.key == f"{case.id}-r0-{small_site.GROUP}"
    assert body["category"] == {
        "code": "03",
        "zh": "车辆占道",
        "en": "blocking vehicle",
        "id": "blocking_vehicle",
    }
    assert body["grid"] == {"code": small_site.GROUP, "name": "上坝村一组"}
    assert body["camera_last6"] == "000001"
    assert body["due"] == {
        "ack": "2026-11-22T06:00:00Z",
        "arrive": "2026-11-22T12:00:00Z",
        "feedback": "2026-11-23T04:00:00Z",
        "close": "2026-11-25T04:00:00Z",
    }
    assert body["picture"] == {"available": True, "link": None}
    assert (body["phone"], body["state"], body["escalated"]) == (
        "0937-0000000",
        "dispatched",
        False,
    )
    assert body["rung"] == {
        "number": 0,
        "of": 4,
        "person": "leader",
        "role": "grid_leader",
        "current": True,
    }
    assert "线索" in body["notice"]
    assert "12:00发现，请于11月22日14:00前签收" in body["summary"], "local time for people"


def test_a_rework_asks_to_go_again_and_names_no_limit_that_is_over(case_system: CaseSystem) -> None:
    case = replace(case_system.confirm(), state=CaseState.REWORK)
    (message,) = case_system.payload_builder.case_messages(case, NOON)
    summary = json.loads(message.payload)["summary"]
    assert "请再到现场处置" in summary
    assert "前签收" not in summary


@pytest.mark.parametrize("state", [s for s in CaseState if s not in ("closed", "voided")])
@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize("subject", Subject)
def test_every_state_level_and_subject_fits_the_schema(
    case_system: CaseSystem,
    matches_schema: Checker,
    state: CaseState,
    level: Level,
    subject: Subject,
) -> None:
    case = replace(
        case_system.confirm(small_site.finding(level=level, subject=subject)), state=state
    )
    for message in case_system.payload_builder.case_messages(case, NOON):
        matches_schema("case", message.payload)


def test_escalation_tells_the_village_and_says_whose_turn_it_is(case_system: CaseSystem) -> None:
    case = case_system.confirm()
    for _ in range(2):
        case_system.after(timedelta(hours=2))
        case = escalate_if_due(case, case_system.clock.now()).case
    by_grid = {
        m.topic.split("/")[4]: json.loads(m.payload)
        for m in case_system.payload_builder.case_messages(case, NOON)
    }
    assert set(by_grid) == {small_site.GROUP, small_site.VILLAGE}
    assert by_grid[small_site.VILLAGE]["grid"]["code"] == small_site.GROUP, (
        "where it is, not who hears"
    )
    assert by_grid[small_site.VILLAGE]["rung"]["role"] == "village_cadre"
    assert by_grid[small_site.VILLAGE]["rung"]["current"]
    assert not by_grid[small_site.GROUP]["rung"]["current"]
    assert all(body["escalated"] for body in by_grid.values())


def test_an_ended_case_clears_every_grid_that_was_told(case_system: CaseSystem) -> None:
    case = case_system.confirm()
    voided = replace(case.apply_event(CaseEvent.VOID, at=NOON, by="op", note="x"), rung=3)
    cleared = case_system.payload_builder.case_messages(voided, NOON)
    assert [m.payload for m in cleared] == [b"", b"", b""]
    assert all(m.retain for m in cleared)


def test_a_site_that_cannot_be_part_of_a_topic_is_found_out_at_once(
    case_system: CaseSystem,
) -> None:
    for bad in ("a/b", "+", "#", "", "上坝"):
        with pytest.raises(ValueError, match="topic"):
            PayloadBuilder(
                site=bad, zone=case_system.payload_builder.zone, registry=case_system.registry
            )


@pytest.mark.parametrize("said_by", ["the machine", "the operator"])
def test_no_secret_passes_in_free_words(case_system: CaseSystem, said_by: str) -> None:
    words = f"{small_site.HOUSEHOLD}的院子,{small_site.CAMERA},见 {small_site.SECRET_URL} 东侧"
    if said_by == "the machine":
        case = case_system.confirm(small_site.finding(why=words))
    else:
        case = case_system.confirm(note=words)
    body = case_system.messages(case.id)[0].payload.decode()
    assert "东侧" in body
    for secret in (small_site.CAMERA, small_site.HOUSEHOLD, "rtsp", "s3cret", "10.0.0.7"):
        assert secret not in body


@given(
    st.text(),
    st.sampled_from([small_site.CAMERA, small_site.HOUSEHOLD, small_site.SECRET_URL]),
    st.text(),
)
def test_cleaning_leaves_no_secret_whatever_stands_around_it(
    before: str, secret: str, after: str
) -> None:
    digits = set("0123456789")
    if secret == small_site.CAMERA and (digits & {before[-1:], after[:1]}):
        return  # a longer number is no camera's
    cleaned = PAYLOAD_BUILDER.scrub(f"{before}{secret}{after}")
    assert secret not in cleaned
    assert len(cleaned) <= MAX_NOTE_CHARACTERS


def test_health_and_status_fit_their_schemas(
    case_system: CaseSystem, matches_schema: Checker
) -> None:
    message = case_system.payload_builder.health_message(
        small_site.CAMERA, "offline", NOON, "no route", NOON
    )
    assert matches_schema("health", message.payload)["why"] == "no route"
    again = case_system.payload_builder.health_message(
        small_site.CAMERA, "offline", NOON, "no route", NOON + timedelta(1)
    )
    assert message.key == again.key, "the same change is told once"
    topic, payload = case_system.payload_builder.status_message("offline", "0.1.0", NOON)
    assert topic == status_topic("shangba")
    matches_schema("status", payload)


def test_a_round_keeps_its_facts_and_our_head(
    case_system: CaseSystem, matches_schema: Checker
) -> None:
    facts = {"round": "20261122-morning-1", "planned": 3, "key": "not this one", "failures": {}}
    message = case_system.payload_builder.round_message(
        "morning", "20261122-morning-1-done", facts, NOON
    )
    body = matches_schema("round", message.payload)
    assert body["key"] == message.key == "20261122-morning-1-done"
    assert body["planned"] == 3
    assert message.topic == "patrol/v1/shangba/round/morning/latest"


def test_topics_read_what_they_write() -> None:
    case = CaseTopic("shangba", small_site.GROUP, CaseId("C20261122-0001"))
    reply = ReplyTopic("shangba", small_site.GROUP, CaseId("C20261122-0001"))
    report = ReportTopic("shangba", small_site.GROUP)
    assert CaseTopic.read(str(case)) == case
    assert ReplyTopic.read(str(reply)) == reply
    assert ReportTopic.read(str(report)) == report
    assert ReplyTopic.read(str(case)) is None
    assert matches(case_filter("shangba", small_site.GROUP), str(case))
    assert any(matches(name, str(reply)) for name in inbox_filters("shangba"))
    assert any(matches(name, str(report)) for name in inbox_filters("shangba"))
    assert not any(matches(name, str(case)) for name in inbox_filters("shangba"))


@pytest.mark.parametrize("down", [True, False])
@pytest.mark.parametrize(
    ("group", "subject", "topic"),
    [
        (OutageGroup.LINK, "v203-nvr01", "link/v203-nvr01"),
        (OutageGroup.LINK, "fe80::1", "link/fe80--1"),  # a camera's host, where no link is named
        (OutageGroup.VILLAGE, small_site.VILLAGE, f"grid/{small_site.VILLAGE}"),
    ],
)
def test_an_outage_is_told_on_a_topic_of_its_own(
    case_system: CaseSystem,
    matches_schema: Any,
    group: OutageGroup,
    subject: str,
    topic: str,
    *,
    down: bool,
) -> None:
    outage = Outage(
        group=group, subject=subject, name="上坝村", down=down, silent=11, visited=12,
        why=f"{small_site.SECRET_URL} 中断",
    )  # fmt: skip
    message = case_system.payload_builder.outage_message(outage, NOON)
    assert message.topic == f"patrol/v1/shangba/{topic}/health"
    assert message.retain
    body = matches_schema("group_health", message.payload)
    assert (body["state"], body["cameras"]["silent"]) == ("offline" if down else "online", 11)
    assert "rtsp" not in body["why"]


@pytest.mark.parametrize("schema", sorted((DOCS / "schemas").glob("*.json")), ids=lambda p: p.stem)
def test_the_schemas_are_schemas_and_the_asyncapi_names_their_topics(schema: Path) -> None:
    body = json.loads(schema.read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(body)
    channels = yaml.safe_load((DOCS / "asyncapi.yaml").read_text("utf-8"))["channels"]
    spoken = {channel["address"]: channel["messages"] for channel in channels.values()}
    for topic in body["x-topic"].split(", "):
        (message,) = spoken[topic].values()
        assert message["payload"]["$ref"] == f"schemas/{schema.name}"
