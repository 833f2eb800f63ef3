"""Anchors of the chained logs: a day's heads as they leave the centre, and how they are read back.

A head is a line's number and its hash. What was published once cannot be taken back by the owner of
the database: `patrol audit verify --anchor` compares it with the logs.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, NamedTuple

from patrol.domain.access_log import EMPTY_CHAIN_HASH
from patrol.domain.errors import BadInput

_SHORT: Final = re.compile(r"(?:(?P<name>[a-z_]+):)?(?P<number>\d{1,18}):(?P<hash>[0-9a-f]{64})")
DEFAULT_LOG: Final = "access_log"
STAMP_ENDING: Final = ".tsr"  # of a day's time stamp: an answer of RFC 3161 as it came, DER


class BadAnchor(BadInput, ValueError):
    """Text that is no anchor."""


class ChainHead(NamedTuple):
    """The last line of a log at some time; (0, zeros) of an empty one."""

    number: int
    hash: str


EMPTY_HEAD: Final = ChainHead(0, EMPTY_CHAIN_HASH)


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """The heads of all logs at the end of a local day."""

    day: date
    at: datetime
    heads: Mapping[str, ChainHead]


def stamped_text(day: str, heads: Mapping[str, ChainHead]) -> bytes:
    """What a time stamp of a day's heads is of: the day, then `LOG:NUMBER:HASH` a line, sorted."""
    lines = [f"{name}:{head.number}:{head.hash}" for name, head in sorted(heads.items())]
    return "".join(f"{line}\n" for line in (day, *lines)).encode()


class AnchorProblem(NamedTuple):
    """A log that is not what was published of it."""

    log: str
    number: int
    kind: str  # cut: the line is not there; rewritten: it has another hash


def read_anchors(text: str, known: frozenset[str]) -> list[tuple[str, ChainHead]]:
    """(log, head) of everything in the text. Raises BadAnchor.

    The text holds published payloads, as one document or one a line, or the short form
    `[LOG:]NUMBER:HASH` that the report prints.
    """
    found = [pair for document in _documents(text) for pair in _heads_of(document, known)]
    if not found:
        raise BadAnchor("no anchor in it; give NUMBER:HASH or what the topic centre/audit holds")
    return found


def read_anchor_days(text: str, known: frozenset[str]) -> dict[str, dict[str, ChainHead]]:
    """The heads by day of every published document in the text; short forms have no day."""
    return {
        day: heads
        for document in _documents(text)
        for day, heads in _days_of(document, known)
        if heads
    }


def _days_of(document: Any, known: frozenset[str]) -> Iterator[tuple[str, dict[str, ChainHead]]]:
    if isinstance(document, list):
        for one in document:
            yield from _days_of(one, known)
    elif isinstance(document, dict):
        if isinstance(document.get("day"), str):
            heads = {"heads": document.get("heads")}
            yield document["day"], dict(_heads_of(heads, known))
        yield from _days_of(document.get("days") or [], known)


def _documents(text: str) -> Iterator[Any]:
    try:
        yield json.loads(text)
    except (ValueError, RecursionError):
        for line in filter(None, map(str.strip, text.splitlines())):
            start = line.find("{")  # mosquitto_sub -v writes the topic before it
            try:
                yield json.loads(line[start:]) if start >= 0 else line
            except (ValueError, RecursionError):
                raise BadAnchor(f"{line[:60]!r} is no anchor") from None


def _heads_of(document: Any, known: frozenset[str]) -> Iterator[tuple[str, ChainHead]]:
    if isinstance(document, str):
        match = _SHORT.fullmatch(document.strip())
        if match is None or (match["name"] or DEFAULT_LOG) not in known:
            raise BadAnchor(f"{document[:60]!r} is no anchor; give [LOG:]NUMBER:HASH")
        yield match["name"] or DEFAULT_LOG, ChainHead(int(match["number"]), match["hash"])
    elif isinstance(document, list):
        for one in document:
            yield from _heads_of(one, known)
    elif isinstance(document, dict):
        for name, head in (document.get("heads") or {}).items():
            if name in known and isinstance(head, dict):
                yield name, _head_of(head)
        yield from _heads_of(document.get("days") or [], known)
    else:
        raise BadAnchor(f"{str(document)[:60]!r} is no anchor")


def _head_of(head: Mapping[str, Any]) -> ChainHead:
    number, hash_ = head.get("number"), head.get("hash")
    if not isinstance(number, int) or not isinstance(hash_, str):
        raise BadAnchor("a head has a number and a hash")
    return ChainHead(number, hash_)
