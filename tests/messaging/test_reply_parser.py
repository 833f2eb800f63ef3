"""Reading what comes in: strict where it matters, kind where it does not."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from patrol.messaging.reply_parser import (
    LARGEST_BYTES,
    LONGEST_TEXT,
    DeadLetterReason,
    FeedbackResult,
    GroundReport,
    RefusedMessage,
    Reply,
    ReplyType,
    parse_message,
    parse_reply,
    parse_report,
)
from simulators import small_site

NOON = small_site.NOON
TOPIC = f"patrol/v1/shangba/grid/{small_site.GROUP}/reply/C20261122-0001"
REPORT = f"patrol/v1/shangba/grid/{small_site.GROUP}/report"
PLAIN = {"v": 1, "key": "k1", "at": "2026-11-22T04:00:00Z", "type": "acknowledge"}


def read(**changed: Any) -> Reply | RefusedMessage:
    body = {k: v for k, v in {**PLAIN, **changed}.items() if v is not ...}
    return parse_reply(TOPIC, json.dumps(body).encode(), NOON)


def test_the_least_that_a_client_may_send() -> None:
    reply = read(at=...)
    assert isinstance(reply, Reply)
    assert (reply.grid, reply.case) == (small_site.GROUP, "C20261122-0001")
    assert (reply.type, reply.person, reply.text) == (ReplyType.ACKNOWLEDGE, "", "")


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param({"person": 7}, id="person is a number"),
        pytest.param({"person": None, "text": None}, id="nulls"),
        pytest.param({"text": ["a"]}, id="text is a list"),
        pytest.param({"colour": {"of": "the sky"}}, id="unknown fields"),
        pytest.param({"client_at": "yesterday"}, id="no time"),
        pytest.param({"client_at": 1e99}, id="a number for a time"),
        pytest.param({"at": "0001-01-01T00:00:00"}, id="written in the year one"),
        pytest.param({"at": "9999-12-31T23:59:59-12:00"}, id="or at the end of time"),
        pytest.param({"v": 1.0}, id="1.0 is 1 in JSON"),
        pytest.param({"result": "handled"}, id="a result that nobody asked for"),
    ],
)
def test_what_is_forgiven(odd: dict[str, Any]) -> None:
    assert isinstance(read(**odd), Reply)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        pytest.param(
            {"client_at": "1970-01-01T00:00:00Z"}, DeadLetterReason.ODD_CLOCK, id="ancient"
        ),
        pytest.param(
            {"client_at": "2026-10-18T03:59:59Z"}, DeadLetterReason.ODD_CLOCK, id="35 days ago"
        ),
        pytest.param(
            {"client_at": "2026-11-23T04:00:01Z"}, DeadLetterReason.ODD_CLOCK, id="tomorrow"
        ),
        pytest.param(
            {"client_at": "0001-01-01T00:00:00"}, DeadLetterReason.ODD_CLOCK, id="the year one"
        ),
        pytest.param(
            {"client_at": "9999-12-31T23:59:59-12:00"},
            DeadLetterReason.ODD_CLOCK,
            id="the end of time",
        ),
        pytest.param({"v": ...}, DeadLetterReason.BAD_VERSION, id="no version"),
        pytest.param({"v": 2}, DeadLetterReason.BAD_VERSION, id="another version"),
        pytest.param({"v": "1"}, DeadLetterReason.BAD_VERSION, id="a version in quotes"),
        pytest.param({"v": True}, DeadLetterReason.BAD_VERSION, id="true is not 1"),
        pytest.param({"key": ...}, DeadLetterReason.NO_KEY, id="no key"),
        pytest.param({"key": ""}, DeadLetterReason.NO_KEY, id="empty key"),
        pytest.param({"key": 5}, DeadLetterReason.NO_KEY, id="number as key"),
        pytest.param({"key": "k" * 129}, DeadLetterReason.NO_KEY, id="long key"),
        pytest.param(
            {"key": "a\x00b"}, DeadLetterReason.NO_KEY, id="control characters in the key"
        ),
        pytest.param({"key": "\ud800"}, DeadLetterReason.NO_KEY, id="half a character as key"),
        pytest.param({"type": ...}, DeadLetterReason.UNKNOWN_TYPE, id="no type"),
        pytest.param({"type": "dance"}, DeadLetterReason.UNKNOWN_TYPE, id="unknown type"),
        pytest.param({"type": ["feedback"]}, DeadLetterReason.UNKNOWN_TYPE, id="type is a list"),
        pytest.param({"type": "feedback"}, DeadLetterReason.UNKNOWN_RESULT, id="no result"),
        pytest.param(
            {"type": "feedback", "result": "fine"}, DeadLetterReason.UNKNOWN_RESULT, id="bad result"
        ),
        pytest.param(
            {"type": "feedback", "result": {}}, DeadLetterReason.UNKNOWN_RESULT, id="odd result"
        ),
    ],
)
def test_what_is_refused(changed: dict[str, Any], reason: DeadLetterReason) -> None:
    refused = read(**changed)
    assert isinstance(refused, RefusedMessage)
    assert refused.reason is reason
    assert refused.text.startswith(reason)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        pytest.param(b"", DeadLetterReason.EMPTY, id="empty"),
        pytest.param(b"{", DeadLetterReason.NOT_JSON, id="half an object"),
        pytest.param(b"hello", DeadLetterReason.NOT_JSON, id="words"),
        pytest.param(b"\xff\xfe{}", DeadLetterReason.NOT_UTF8, id="not UTF-8"),
        pytest.param(b"[]", DeadLetterReason.NOT_AN_OBJECT, id="a list"),
        pytest.param(b"null", DeadLetterReason.NOT_AN_OBJECT, id="null"),
        pytest.param(b"[" * 60000, DeadLetterReason.NOT_JSON, id="as deep as a well"),
        pytest.param(
            b'{"v":' + b"1" * 5000 + b"}", DeadLetterReason.NOT_JSON, id="a very large number"
        ),
        pytest.param(
            b" " * (LARGEST_BYTES + 1), DeadLetterReason.TOO_LARGE, id="64 KiB and a byte"
        ),
    ],
)
def test_payloads_that_are_none(payload: bytes, reason: DeadLetterReason) -> None:
    refused = parse_reply(TOPIC, payload, NOON)
    assert isinstance(refused, RefusedMessage)
    assert refused.reason is reason


def test_a_payload_of_exactly_64_kib_is_read() -> None:
    filler = LARGEST_BYTES - len(json.dumps({**PLAIN, "text": ""}).encode())
    payload = json.dumps({**PLAIN, "text": "x" * filler}).encode()
    reply = parse_reply(TOPIC, payload, NOON)
    assert len(payload) == LARGEST_BYTES
    assert isinstance(reply, Reply)
    assert len(reply.text) == LONGEST_TEXT


@pytest.mark.parametrize(
    ("topic", "reason"),
    [
        pytest.param(
            TOPIC.replace("shangba", "elsewhere"), DeadLetterReason.ANOTHER_SITE, id="site"
        ),
        pytest.param(
            REPORT.replace("shangba", "elsewhere"), DeadLetterReason.ANOTHER_SITE, id="report"
        ),
        pytest.param(TOPIC.replace("v1", "v2"), DeadLetterReason.UNKNOWN_TOPIC, id="version"),
        pytest.param(TOPIC.replace("reply", "answer"), DeadLetterReason.UNKNOWN_TOPIC, id="word"),
        pytest.param(TOPIC + "/more", DeadLetterReason.UNKNOWN_TOPIC, id="longer"),
        pytest.param(TOPIC[:-14] + "案件", DeadLetterReason.UNKNOWN_TOPIC, id="not ASCII"),
    ],
)
def test_topics_that_are_not_ours(topic: str, reason: DeadLetterReason) -> None:
    refused = parse_message("shangba", topic, json.dumps(PLAIN).encode(), NOON)
    assert isinstance(refused, RefusedMessage)
    assert refused.reason is reason


@pytest.mark.parametrize(
    ("off", "noted"),
    [(timedelta(minutes=4), ""), (timedelta(hours=-3), "ahead"), (timedelta(days=34), "behind")],
)
def test_an_odd_clock_is_noted_and_not_believed(off: timedelta, noted: str) -> None:
    reply = read(client_at=f"{NOON - off:%Y-%m-%dT%H:%M:%SZ}")
    assert isinstance(reply, Reply)
    assert noted in reply.clock_note
    assert bool(reply.clock_note) == bool(noted)


def test_keys_are_the_senders_own_per_topic() -> None:
    other = TOPIC.replace("0001", "0002")
    first = parse_reply(TOPIC, json.dumps(PLAIN).encode(), NOON)
    second = parse_reply(other, json.dumps(PLAIN).encode(), NOON)
    assert isinstance(first, Reply)
    assert isinstance(second, Reply)
    assert first.key != second.key, "two leaders may both count k1, k2, k3"


def test_a_byte_order_mark_is_forgiven() -> None:
    assert isinstance(parse_reply(TOPIC, b"\xef\xbb\xbf" + json.dumps(PLAIN).encode(), NOON), Reply)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param({}, DeadLetterReason.NOTHING_SAID, id="neither category nor text"),
        pytest.param({"text": " \n"}, DeadLetterReason.NOTHING_SAID, id="blank text"),
        pytest.param({"text": "渠边有垃圾"}, None, id="text"),
        pytest.param({"category": "dumping"}, None, id="category"),
    ],
)
def test_reports(body: dict[str, Any], reason: DeadLetterReason | None) -> None:
    read = parse_report(REPORT, json.dumps({"v": 1, "key": "r1", **body}).encode(), NOON)
    assert (read.reason if isinstance(read, RefusedMessage) else None) is reason


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@settings(suppress_health_check=[HealthCheck.too_slow])  # the first text is slow to make
@given(st.dictionaries(st.sampled_from([*PLAIN, "result", "text", "person", "client_at"]), JSON))
def test_any_object_is_read_or_refused_with_a_reason(body: dict[str, Any]) -> None:
    for topic in (TOPIC, REPORT):
        read = parse_message("shangba", topic, json.dumps({**PLAIN, **body}).encode(), NOON)
        assert isinstance(read, Reply | GroundReport | RefusedMessage)
        if isinstance(read, Reply):
            assert (read.result is not None) == (read.type is ReplyType.FEEDBACK)
            read.text.encode()
            assert "\x00" not in read.text + read.person
            assert read.result in (None, *FeedbackResult)


@given(st.binary(max_size=300), st.text(max_size=80))
def test_any_bytes_on_any_topic(payload: bytes, topic: str) -> None:
    for where in (topic, TOPIC, REPORT):
        assert isinstance(
            parse_message("shangba", where, payload, NOON), Reply | GroundReport | RefusedMessage
        )
