"""What leaders may say, read strictly where it matters and kindly where it does not.

Strict: version, key, type, result, size, UTF-8, a JSON object. Kind: unknown fields are ignored,
`person`, `text`, `client_at` may be missing or odd. A phone's clock is never trusted: our time of
receipt counts, theirs is noted; one that cannot be true is refused. Every refusal is one of
`Reason`, which becomes the dead letter's reason and a counter's label.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum, auto
from typing import Any, Final

from patrol.dispatch.topics import VERSION, ReplyTopic, ReportTopic
from patrol.domain.ids import CaseId, GridCode, MessageKey

LARGEST_BYTES: Final = 64 * 1024
LONGEST_KEY: Final = 128
LONGEST_TEXT: Final = 2000  # characters of a leader's own words
LONGEST_NAME: Final = 64
ODD_CLOCK: Final = timedelta(minutes=5)  # of difference; smaller ones are every phone's
# A telephone that calls its local time UTC is 14 h ahead at most. One that was away says it late:
# brokers keep a session for a week or a month.
FUTURE: Final = timedelta(days=1)
ANCIENT: Final = timedelta(days=35)


class Reason(StrEnum):
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
    ODD_CLOCK = auto()  # said to be pressed a day from now, or before any case that can be open
    UNKNOWN_TYPE = auto()
    UNKNOWN_RESULT = auto()
    NOTHING_SAID = auto()  # a report without a word of what it is about
    UNKNOWN_GRID = auto()
    UNKNOWN_CASE = auto()
    ANOTHER_GRID = auto()  # the case exists and was never told to this grid
    NOT_POSSIBLE = auto()  # the case's table has no such move: it is closed


class ReplyType(StrEnum):
    """`type` of a reply."""

    RECEIVED = auto()
    OPENED = auto()
    ACKNOWLEDGE = auto()
    ARRIVE = auto()
    FEEDBACK = auto()
    EXTEND = auto()


class Result(StrEnum):
    """`result` of a feedback."""

    HANDLED = auto()
    FALSE_ALARM = auto()
    NOT_MY_GRID = auto()
    NEED_HELP = auto()
    CANNOT_REACH = auto()
    IN_PROGRESS = auto()


@dataclass(frozen=True, slots=True)
class Refused:
    """Not accepted, and why; `detail` is for people."""

    reason: Reason
    detail: str = ""

    @property
    def words(self) -> str:
        """The reason first, so that dead letters can be counted by it."""
        return f"{self.reason}: {self.detail}" if self.detail else self.reason.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One accepted answer about a case."""

    grid: GridCode
    case: CaseId
    key: MessageKey  # ours: the sender's key within its topic
    type: ReplyType
    result: Result | None = None
    person: str = ""
    text: str = ""
    about: MessageKey | None = None  # the key of the case message that it answers
    clock: str = ""  # what is odd about the sender's clock, if anything


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A problem first seen on the ground."""

    grid: GridCode
    key: MessageKey
    category: str = ""
    level: str = ""
    place: str = ""
    text: str = ""
    person: str = ""
    clock: str = ""


def parse(site: str, topic: str, payload: bytes, now: datetime) -> Reply | Report | Refused:
    """Read whatever came in under the inbox's filters."""
    if (reply := ReplyTopic.read(topic)) is not None:
        ours = reply.site == site
        return parse_reply(topic, payload, now) if ours else Refused(Reason.ANOTHER_SITE)
    if (report := ReportTopic.read(topic)) is not None:
        ours = report.site == site
        return parse_report(topic, payload, now) if ours else Refused(Reason.ANOTHER_SITE)
    return Refused(Reason.UNKNOWN_TOPIC)


def parse_reply(topic: str, payload: bytes, now: datetime) -> Reply | Refused:
    """Read a reply about a case; `now` is our time of receipt."""
    where = ReplyTopic.read(topic)
    if where is None:
        return Refused(Reason.UNKNOWN_TOPIC)
    body = _body(payload, now)
    if isinstance(body, Refused):
        return body
    said = body.get("type")
    if not isinstance(said, str) or said not in set(ReplyType):
        return Refused(Reason.UNKNOWN_TYPE, f"type {_short(said)}, one of {', '.join(ReplyType)}")
    result = body.get("result")
    if said == ReplyType.FEEDBACK and (not isinstance(result, str) or result not in set(Result)):
        return Refused(Reason.UNKNOWN_RESULT, f"result {_short(result)}: {', '.join(Result)}")
    about = _words(body.get("about"), LONGEST_KEY)
    return Reply(
        grid=where.grid,
        case=where.case,
        key=MessageKey(f"{where.grid}/{where.case}/{body['key']}"),
        type=ReplyType(said),
        result=Result(str(result)) if said == ReplyType.FEEDBACK else None,
        person=_words(body.get("person"), LONGEST_NAME),
        text=_words(body.get("text"), LONGEST_TEXT),
        about=MessageKey(about) if about else None,
        clock=_odd_clock(body, now),
    )


def parse_report(topic: str, payload: bytes, now: datetime) -> Report | Refused:
    """Read a problem that a leader saw first; it must say at least what, or where."""
    where = ReportTopic.read(topic)
    if where is None:
        return Refused(Reason.UNKNOWN_TOPIC)
    body = _body(payload, now)
    if isinstance(body, Refused):
        return body
    category = _words(body.get("category"), LONGEST_NAME)
    text = _words(body.get("text"), LONGEST_TEXT)
    if not category and not text:
        return Refused(Reason.NOTHING_SAID, "give category, or text, or both")
    return Report(
        grid=where.grid,
        key=MessageKey(f"{where.grid}/report/{body['key']}"),
        category=category,
        level=_words(body.get("level"), LONGEST_NAME),
        place=_words(body.get("place"), 200),
        text=text,
        person=_words(body.get("person"), LONGEST_NAME),
        clock=_odd_clock(body, now),
    )


def _body(payload: bytes, now: datetime) -> dict[str, Any] | Refused:
    """The object with a good version, key and clock, or the first reason against it."""
    body = _object(payload)
    if isinstance(body, Refused):
        return body
    version, key = body.get("v"), body.get("key")
    if isinstance(version, bool) or version != VERSION:
        return Refused(Reason.BAD_VERSION, f"v is {_short(version)}, this is version {VERSION}")
    if not isinstance(key, str) or not key.isprintable() or not 0 < len(key) <= LONGEST_KEY:
        return Refused(Reason.NO_KEY, f"key: 1 to {LONGEST_KEY} printable characters, as a string")
    return _impossible(body.get("client_at"), now) or body


def _object(payload: bytes) -> dict[str, Any] | Refused:
    if not payload:
        return Refused(Reason.EMPTY)
    if len(payload) > LARGEST_BYTES:
        return Refused(Reason.TOO_LARGE, f"{len(payload)} bytes, {LARGEST_BYTES} at most")
    try:
        body = json.loads(payload.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return Refused(Reason.NOT_UTF8)
    except (ValueError, RecursionError):
        return Refused(Reason.NOT_JSON)
    return body if isinstance(body, dict) else Refused(Reason.NOT_AN_OBJECT)


def _words(value: object, limit: int) -> str:
    """Text that any store can keep: no control characters, no lone surrogates, not too long."""
    if not isinstance(value, str):
        return ""
    kept = (c for c in value if c.isprintable() or c in "\n\t ")
    return "".join(kept).strip()[:limit]


def _impossible(client_at: object, now: datetime) -> Refused | None:
    """A press of the button that cannot have been: garbage, or something from a drawer."""
    try:
        off = _off(client_at, now)
    except OverflowError:
        off = ANCIENT * 2
    except ValueError:
        return None  # no time at all: noted
    if -FUTURE <= off <= ANCIENT:
        return None
    words = f"client_at {_short(client_at)}, here it is {now:%Y-%m-%dT%H:%M:%SZ}"
    return Refused(Reason.ODD_CLOCK, words)


def _off(said: object, now: datetime) -> timedelta:
    """How far theirs is behind ours; 0 if none is said. Raises ValueError, OverflowError."""
    if said is None:
        return timedelta()
    theirs = datetime.fromisoformat(str(said))
    return now - (theirs if theirs.tzinfo else theirs.replace(tzinfo=UTC))


def _odd_clock(body: dict[str, Any], now: datetime) -> str:
    said = body.get("client_at", body.get("at"))
    try:
        off = _off(said, now)
    except (ValueError, OverflowError):
        return f"client_at {_short(said)} is no time"
    if abs(off) <= ODD_CLOCK:
        return ""
    return f"client_at {_short(said)}: {'behind' if off > timedelta(0) else 'ahead of'} ours"


def _short(value: object) -> str:
    return _words(repr(value), 40)
