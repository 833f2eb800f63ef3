"""Reply parser: reads incoming MQTT payloads (replies, reports from the ground) into plain values.

Strict about version, key, type, result, size, UTF-8 and a JSON object; lenient about the rest:
unknown fields are ignored, `person`, `text`, `client_at` may be missing or odd. A phone's clock is
never trusted: our time of receipt counts, theirs is noted; an impossible one is refused. Every
refusal is a `DeadLetterReason`, which becomes the dead letter's reason and a counter's label.
cases/reply_handler.py uses it.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum, auto
from typing import Any, Final

from patrol.domain.ids import CaseId, GridCode, MessageKey
from patrol.domain.timestamps import rfc3339
from patrol.messaging.topics import VERSION, EquipmentReplyTopic, ReplyTopic, ReportTopic

LARGEST_BYTES: Final = 64 * 1024
LONGEST_KEY: Final = 128
LONGEST_TEXT: Final = 2000  # characters of a leader's free text
LONGEST_NAME: Final = 64
ODD_CLOCK: Final = timedelta(minutes=5)  # of difference; smaller ones are every phone's
# A telephone that takes its local time for UTC is 14 h ahead at most. One that was offline replies
# late: brokers keep a session for a week or a month.
FUTURE: Final = timedelta(days=1)
ANCIENT: Final = timedelta(days=35)


class DeadLetterReason(StrEnum):
    """Why a message went to the dead letters."""

    UNKNOWN_TOPIC = auto()
    ANOTHER_SITE = auto()
    TOO_LARGE = auto()
    EMPTY = auto()
    NOT_UTF8 = auto()
    NOT_JSON = auto()
    NOT_AN_OBJECT = auto()
    BAD_VERSION = auto()
    NO_KEY = auto()
    ODD_CLOCK = auto()  # sent a day from now, or before any case that can be open
    UNKNOWN_TYPE = auto()
    UNKNOWN_RESULT = auto()
    NOTHING_SAID = auto()  # a report with neither category nor text
    UNKNOWN_GRID = auto()
    UNKNOWN_CASE = auto()
    ANOTHER_GRID = auto()  # the case exists and was never published to this grid
    TOO_MANY = auto()  # beyond the account's rate (cases/message_rate.py)
    HISTORY_FULL = auto()  # the case has so many entries that only what moves it is taken
    NOT_POSSIBLE = auto()  # the case's table has no such move: it is closed


class ReplyType(StrEnum):
    """`type` of a reply."""

    RECEIVED = auto()
    OPENED = auto()
    ACKNOWLEDGE = auto()
    ARRIVE = auto()
    FEEDBACK = auto()
    EXTEND = auto()
    OPEN_TO_HELPERS = auto()  # 群防群治: helpers of the grid see the case …
    CLOSE_TO_HELPERS = auto()  # … or not any more


class FeedbackResult(StrEnum):
    """`result` of a feedback."""

    HANDLED = auto()
    FALSE_ALARM = auto()
    NOT_MY_GRID = auto()
    NEED_HELP = auto()
    CANNOT_REACH = auto()
    IN_PROGRESS = auto()


@dataclass(frozen=True, slots=True)
class RefusedMessage:
    """A message that is not accepted, with the reason; `detail` is for people."""

    reason: DeadLetterReason
    detail: str = ""

    @property
    def text(self) -> str:
        """The reason first, so that dead letters can be counted by it."""
        return f"{self.reason}: {self.detail}" if self.detail else self.reason.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One accepted answer about a case."""

    grid: GridCode
    case: CaseId
    is_about_camera: bool = False  # came on a maintainer's topic, which is for such cases alone
    key: MessageKey  # ours: the sender's key within its topic
    sender_key: str = ""  # the sender's own, as the retained case gives it back
    type: ReplyType
    result: FeedbackResult | None = None
    person: str = ""  # as the payload claims
    sender: str = ""  # the person whose own topic it came on: proven by the broker
    text: str = ""
    about: MessageKey | None = None  # the key of the case message that it answers
    clock_note: str = ""  # what is odd about the sender's clock, if anything


@dataclass(frozen=True, slots=True, kw_only=True)
class GroundReport:
    """A problem first seen on the ground."""

    grid: GridCode
    key: MessageKey
    category: str = ""
    level: str = ""
    place: str = ""
    text: str = ""
    person: str = ""  # as the payload claims
    sender: str = ""
    clock_note: str = ""


def parse_message(
    site: str, topic: str, payload: bytes, now: datetime
) -> Reply | GroundReport | RefusedMessage:
    """Read one incoming message of `topics.inbox_filters`; `now`: its time of receipt."""
    if (reply := ReplyTopic.read(topic) or EquipmentReplyTopic.read(topic)) is not None:
        ours = reply.site == site
        return (
            parse_reply(topic, payload, now)
            if ours
            else RefusedMessage(DeadLetterReason.ANOTHER_SITE)
        )
    if (report := ReportTopic.read(topic)) is not None:
        ours = report.site == site
        return (
            parse_report(topic, payload, now)
            if ours
            else RefusedMessage(DeadLetterReason.ANOTHER_SITE)
        )
    return RefusedMessage(DeadLetterReason.UNKNOWN_TOPIC)


def parse_reply(topic: str, payload: bytes, now: datetime) -> Reply | RefusedMessage:
    """Read a reply about a case; `now`: its time of receipt."""
    where = ReplyTopic.read(topic) or EquipmentReplyTopic.read(topic)
    if where is None:
        return RefusedMessage(DeadLetterReason.UNKNOWN_TOPIC)
    body = _checked_body(payload, now)
    if isinstance(body, RefusedMessage):
        return body
    reply_type = body.get("type")
    if not isinstance(reply_type, str) or reply_type not in set(ReplyType):
        return RefusedMessage(
            DeadLetterReason.UNKNOWN_TYPE,
            f"type {_quoted(reply_type)}, one of {', '.join(ReplyType)}",
        )
    result = body.get("result")
    if reply_type == ReplyType.FEEDBACK and (
        not isinstance(result, str) or result not in set(FeedbackResult)
    ):
        return RefusedMessage(
            DeadLetterReason.UNKNOWN_RESULT,
            f"result {_quoted(result)}: {', '.join(FeedbackResult)}",
        )
    about = _clean_text(body.get("about"), LONGEST_KEY)
    return Reply(
        grid=where.grid,
        case=where.case,
        is_about_camera=isinstance(where, EquipmentReplyTopic),
        key=MessageKey(f"{where.grid}/{where.case}/{_own(where.person)}{body['key']}"),
        sender_key=str(body["key"]),
        type=ReplyType(reply_type),
        result=FeedbackResult(str(result)) if reply_type == ReplyType.FEEDBACK else None,
        person=_clean_text(body.get("person"), LONGEST_NAME),
        sender=where.person,
        text=_clean_text(body.get("text"), LONGEST_TEXT),
        about=MessageKey(about) if about else None,
        clock_note=_odd_clock_note(body, now),
    )


def parse_report(topic: str, payload: bytes, now: datetime) -> GroundReport | RefusedMessage:
    """Read a report of a leader; it must have at least a category or a text."""
    where = ReportTopic.read(topic)
    if where is None:
        return RefusedMessage(DeadLetterReason.UNKNOWN_TOPIC)
    body = _checked_body(payload, now)
    if isinstance(body, RefusedMessage):
        return body
    category = _clean_text(body.get("category"), LONGEST_NAME)
    text = _clean_text(body.get("text"), LONGEST_TEXT)
    if not category and not text:
        return RefusedMessage(DeadLetterReason.NOTHING_SAID, "give category, or text, or both")
    return GroundReport(
        grid=where.grid,
        key=MessageKey(f"{where.grid}/report/{_own(where.person)}{body['key']}"),
        category=category,
        level=_clean_text(body.get("level"), LONGEST_NAME),
        place=_clean_text(body.get("place"), 200),
        text=text,
        person=_clean_text(body.get("person"), LONGEST_NAME),
        sender=where.person,
        clock_note=_odd_clock_note(body, now),
    )


def _own(person: str) -> str:
    """What parts the keys of a person's own topic from those of the grid's."""
    return f"@{person}/" if person else ""


def _checked_body(payload: bytes, now: datetime) -> dict[str, Any] | RefusedMessage:
    """The object with a good version, key and clock, or the first reason against it."""
    body = _json_object(payload)
    if isinstance(body, RefusedMessage):
        return body
    version, key = body.get("v"), body.get("key")
    if isinstance(version, bool) or version != VERSION:
        return RefusedMessage(
            DeadLetterReason.BAD_VERSION, f"v is {_quoted(version)}, this is version {VERSION}"
        )
    if not isinstance(key, str) or not key.isprintable() or not 0 < len(key) <= LONGEST_KEY:
        return RefusedMessage(
            DeadLetterReason.NO_KEY, f"key: 1 to {LONGEST_KEY} printable characters, as a string"
        )
    return _impossible_clock(body.get("client_at"), now) or body


def _json_object(payload: bytes) -> dict[str, Any] | RefusedMessage:
    if not payload:
        return RefusedMessage(DeadLetterReason.EMPTY)
    if len(payload) > LARGEST_BYTES:
        return RefusedMessage(
            DeadLetterReason.TOO_LARGE, f"{len(payload)} bytes, {LARGEST_BYTES} at most"
        )
    try:
        body = json.loads(payload.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return RefusedMessage(DeadLetterReason.NOT_UTF8)
    except (ValueError, RecursionError):
        return RefusedMessage(DeadLetterReason.NOT_JSON)
    return body if isinstance(body, dict) else RefusedMessage(DeadLetterReason.NOT_AN_OBJECT)


def _clean_text(value: object, limit: int) -> str:
    """Text that any store can keep: no control characters, no lone surrogates, at most `limit`."""
    if not isinstance(value, str):
        return ""
    kept = (c for c in value if c.isprintable() or c in "\n\t ")
    return "".join(kept).strip()[:limit]


def _impossible_clock(client_at: object, now: datetime) -> RefusedMessage | None:
    """Refuse a `client_at` that cannot be true; None if it can."""
    try:
        lag = _clock_lag(client_at, now)
    except OverflowError:
        lag = ANCIENT * 2
    except ValueError:
        return None  # no time at all: noted
    if -FUTURE <= lag <= ANCIENT:
        return None
    detail = f"client_at {_quoted(client_at)}, here it is {rfc3339(now)}"
    return RefusedMessage(DeadLetterReason.ODD_CLOCK, detail)


def _clock_lag(client_at: object, now: datetime) -> timedelta:
    """How far their clock is behind ours; 0 without one. Raises ValueError, OverflowError."""
    if client_at is None:
        return timedelta()
    theirs = datetime.fromisoformat(str(client_at))
    return now - (theirs if theirs.tzinfo else theirs.replace(tzinfo=UTC))


def _odd_clock_note(body: dict[str, Any], now: datetime) -> str:
    client_at = body.get("client_at", body.get("at"))
    try:
        lag = _clock_lag(client_at, now)
    except (ValueError, OverflowError):
        return f"client_at {_quoted(client_at)} is no time"
    if abs(lag) <= ODD_CLOCK:
        return ""
    return f"client_at {_quoted(client_at)}: {'behind' if lag > timedelta(0) else 'ahead of'} ours"


def _quoted(value: object) -> str:
    return _clean_text(repr(value), 40)
