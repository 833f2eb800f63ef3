"""The timeline of a case (经过): history with messages folded, repeats counted, names for codes.

The newest way of the case through the grid stands open, and the first; what lies between them is
folded behind its count: a case that came back twelve times is read at a glance. Messages hang under
the entry that they followed. Pure: case, messages and names in, lines for the template out.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any, Final

from patrol.domain import labels
from patrol.domain.case import RESTARTING_EVENTS, Case, CaseEntry, CaseEvent, CaseState
from patrol.domain.escalation import announced_grids
from patrol.domain.ids import CameraId, GridCode, PersonId
from patrol.domain.outbox import DeliveryState, OutboxMessage
from patrol.domain.registry import Registry
from patrol.web.i18n import Translator, author_name, grid_name

Row = dict[str, Any]
GOOD_STATES: Final = (DeliveryState.RECEIVED, DeliveryState.OPENED, DeliveryState.ACKNOWLEDGED)
BAD_STATES: Final = (DeliveryState.OVERDUE, DeliveryState.EXPIRED, DeliveryState.QUARANTINED)
TONES: Final = ("warn", "", "ok")  # the worst first
COUNTED_FROM: Final = 2  # how often an event is a repeat
ROUTINE: Final = (CaseEvent.RECEIVED, CaseEvent.OPENED)  # receipts, which the messages show
_CODE: Final = re.compile(r"(?<![A-Za-z0-9_.-])[A-Za-z0-9_-]{3,64}(?![A-Za-z0-9_-])", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineNames:
    """Whose names stand for codes: those of the registry, and of accounts."""

    registry: Registry
    accounts: Mapping[str, str]
    t: Translator
    read: Callable[[str], str] = str  # a stored text in the reader's language

    def in_text(self, text: str) -> str:
        """The text as it is read, with names for the codes of people, grids and cameras in it."""
        return _CODE.sub(lambda code: self._name_of(code[0]), self.read(text))

    def _name_of(self, code: str) -> str:
        if (person := self.registry.people.get(PersonId(code))) is not None:
            return person.name
        if (grid := self.registry.tree.grids.get(GridCode(code))) is not None:
            return grid.name
        camera = self.registry.cameras.get(CameraId(code))
        return camera.name if camera is not None else code


def case_timeline(case: Case, messages: Sequence[OutboxMessage], names: TimelineNames) -> Row:
    """`repeats` (what came more than once), `parts` (lines, folded or open), each oldest first."""
    ways = [_folded_repeats(way) for way in _ways(_lines(case, messages, names))]
    parts = [{"folded": "", "lines": way} for way in ways[:1]]
    if between := ways[1:-1]:
        parts.append({"folded": _between_title(between, names.t), "lines": [*chain(*between)]})
    parts += [{"folded": "", "lines": way} for way in ways[1:][-1:]]
    return {"repeats": _repeats(case.entries, names.t), "parts": parts}


def _lines(case: Case, messages: Sequence[OutboxMessage], names: TimelineNames) -> list[Row]:
    """A line an entry, with the messages that were queued before the next one."""
    entries = sorted(case.entries, key=lambda entry: entry.at)
    lines = [_entry_line(entry, names) for entry in entries]
    for message in sorted(messages, key=lambda one: one.queued_at):
        before = [line for line in lines if line["at"] <= message.queued_at]
        if not before:
            lines.insert(0, _empty_line(message.queued_at, names.t))
            before = lines[:1]
        before[-1]["messages"].append(_message_row(message, case, names))
    return lines


def _entry_line(entry: CaseEntry, names: TimelineNames) -> Row:
    return {
        "at": entry.at,
        "until": entry.at,
        "count": 1,
        "who": author_name(names.registry, entry, names.accounts, names.t),
        "what": names.t.pair(labels.CASE_EVENTS[entry.what]),
        "kind": entry.what.value,
        "note": names.in_text(entry.note),
        "messages": [],
    }


def _empty_line(at: datetime, t: Translator) -> Row:
    return {
        "at": at, "until": at, "count": 1, "who": "", "what": t("消息", "message"),
        "kind": "message", "note": "", "messages": [],
    }  # fmt: skip


def _ways(lines: Sequence[Row]) -> list[list[Row]]:
    """The lines cut where the case was sent out again: each way through the grid by itself."""
    ways: list[list[Row]] = [[]]
    for line in lines:
        if line["kind"] in RESTARTING_EVENTS and ways[-1]:
            ways.append([])
        ways[-1].append(line)
    return ways


def _folded_repeats(lines: Sequence[Row]) -> list[Row]:
    """Neighbours that say the same as one line with their number, and all of their messages."""
    folded: list[Row] = []
    for line in lines:
        last = folded[-1] if folded else None
        if last and all(last[key] == line[key] for key in ("kind", "who", "note")):
            last["count"] += 1
            last["until"] = line["at"]
            last["messages"] += line["messages"]
        else:
            folded.append(dict(line))
    return [{**line, "tone": _worst_tone(line["messages"])} for line in folded]


def _worst_tone(messages: Sequence[Row]) -> str:
    return min((one["pill"] for one in messages), key=TONES.index, default="")


def _between_title(ways: Sequence[Sequence[Row]], t: Translator) -> str:
    """`退回重办 ×11 · 11-03 09:12 至 11-20 17:40`."""
    counts = Counter(way[0]["kind"] for way in ways)
    named = t("、", ", ").join(_counted(CaseEvent(kind), n, t) for kind, n in counts.items())
    first, last = ways[0][0]["at"], ways[-1][-1]["until"]
    span = t(f"{t.short_datetime(first)} 至 {t.short_datetime(last)}",
             f"{t.short_datetime(first)} to {t.short_datetime(last)}")  # fmt: skip
    return f"{named} · {span}"


def _counted(event: CaseEvent, count: int, t: Translator) -> str:
    return f"{_repeat_label(event, t)} ×{count}"


def _repeat_label(event: CaseEvent, t: Translator) -> str:
    if event is CaseEvent.NOT_VERIFIED:  # what it was for the grid
        return t.pair(labels.CASE_STATES[CaseState.REWORK])
    return t.pair(labels.CASE_EVENTS[event])


def _repeats(entries: Sequence[CaseEntry], t: Translator) -> list[str]:
    """`退回重办 ×12`, the most frequent first; receipts are not counted."""
    counts = Counter(entry.what for entry in entries if entry.what not in ROUTINE)
    return [_counted(event, n, t) for event, n in counts.most_common() if n >= COUNTED_FROM]


def _message_row(message: OutboxMessage, case: Case, names: TimelineNames) -> Row:
    t = names.t
    grid = next((grid for grid in announced_grids(case) if f"/{grid}/" in message.topic), None)
    to = grid_name(names.registry, grid) if grid else names.in_text(message.topic.split("/")[4])
    what = t("消息", "message") if message.payload else t("收回消息", "message cleared")
    tone = "ok" if message.state in GOOD_STATES else "warn" if message.state in BAD_STATES else ""
    return {
        "at": message.queued_at,
        "who": f"→ {to}",
        "what": what,
        "note": message.problem if message.published_at is None else "",
        "state": t.pair(labels.DELIVERY_STATES[message.state]),
        "pill": tone,
        "receipts": [
            (t.pair(labels.DELIVERY_STATES[state]), t.time(at))
            for state, at in (
                (DeliveryState.PUBLISHED, message.published_at),
                (DeliveryState.RECEIVED, message.received_at),
                (DeliveryState.OPENED, message.opened_at),
                (DeliveryState.ACKNOWLEDGED, message.answered_at),
            )
            if at is not None
        ],
    }
