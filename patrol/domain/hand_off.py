"""Hand-off of a case to another department (移交): police, county, 12345 and others. Pure.

A recorded move: to whom, by which channel, until when an answer is due; then the receipt and the
answer, from the department's system or entered by a person. The ground's own work on the case goes
on. The event that goes out is one JSON document (`event_document`) with the fields of the event
forms of 综治: place, category, level, time, description, who handed it over; no camera number, no
household, no picture.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum, auto

from patrol.domain.case import Case
from patrol.domain.errors import BadInput, Failed
from patrol.domain.finding import category_named
from patrol.domain.ids import CaseId
from patrol.domain.registry import Registry
from patrol.domain.timestamps import rfc3339


class HandOffChannel(StrEnum):
    """How the event reaches the department."""

    WEBHOOK = auto()  # a signed POST
    MQTT = auto()
    PRINT = auto()  # a sheet with a QR code


class HandOffState(StrEnum):
    """States of a hand-off; the values are public."""

    SENT = auto()  # queued, or to be printed
    RECEIVED = auto()  # the department said that it has it
    ANSWERED = auto()


class HandOffEvent(StrEnum):
    """What moves a hand-off."""

    RECEIVE = auto()
    ANSWER = auto()


_S, _E = HandOffState, HandOffEvent
HAND_OFF_TRANSITIONS: Mapping[tuple[HandOffState, HandOffEvent], HandOffState] = {
    (_S.SENT, _E.RECEIVE): _S.RECEIVED,
    (_S.SENT, _E.ANSWER): _S.ANSWERED,  # an answer is a receipt, too
    (_S.RECEIVED, _E.ANSWER): _S.ANSWERED,
}


class IllegalHandOffMove(Failed):
    """The hand-off was received or answered before; the text says by whom."""


class CannotHandOff(BadInput, ValueError):
    """No such recipient, or no reason; the text names the field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOffRecipient:
    """A department of site.yaml."""

    name: str  # part of topics and addresses
    title: str  # 派出所
    channel: HandOffChannel
    answer_within: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOff:
    """One case given to one department."""

    id: str  # H000001
    case: CaseId
    recipient: str
    channel: HandOffChannel
    by: str
    at: datetime
    due_at: datetime
    why: str
    state: HandOffState = HandOffState.SENT
    received_at: datetime | None = None
    received_by: str = ""
    answered_at: datetime | None = None
    answered_by: str = ""
    answer: str = ""

    def is_overdue(self, now: datetime) -> bool:
        """Whether its answer is late."""
        return self.state is not HandOffState.ANSWERED and now > self.due_at

    def apply_event(
        self, event: HandOffEvent, *, at: datetime, by: str, text: str = ""
    ) -> "HandOff":
        """The hand-off after a receipt or an answer. Raises IllegalHandOffMove, CannotHandOff."""
        target = HAND_OFF_TRANSITIONS.get((self.state, event))
        if target is None:
            who = self.answered_by or self.received_by
            raise IllegalHandOffMove(f"hand-off {self.id} is {self.state} by {who} already")
        received = replace(
            self, state=target, received_at=self.received_at or at,
            received_by=self.received_by or by,
        )  # fmt: skip
        if event is HandOffEvent.RECEIVE:
            return received
        if not text.strip():
            raise CannotHandOff("text: is empty, an answer says what was done")
        return replace(received, answered_at=at, answered_by=by, answer=text.strip())


def event_document(
    hand_off: HandOff, case: Case, registry: Registry, *, site_name: str, centre_phone: str,
    description: str, place: str,
) -> dict[str, object]:  # fmt: skip
    """The event as another department gets it (docs/mqtt.md and docs/schemas/hand_off.json).

    `description` and `place` were scrubbed of numbers and households by the caller.
    """
    what, grid = category_named(case.category), registry.tree.grids.get(case.grid)
    path = [one.name for one in registry.tree.path_up(case.grid)] if grid else []
    return {
        "v": 1,
        "key": hand_off.id,
        "at": rfc3339(hand_off.at),
        "event": case.id,
        "recipient": hand_off.recipient,
        "answer_due": rfc3339(hand_off.due_at),
        "source": "视频巡查",
        "site": site_name,
        "category": {"code": what.code, "id": what.id, "zh": what.zh, "en": what.en},
        "level": str(case.level),
        "happened_at": rfc3339(case.found_at),
        "grid": {"code": case.grid, "name": "/".join(reversed(path))},
        "place": place,
        "description": description,
        "state": str(case.state),
        "handed_over_by": hand_off.by,
        "reason": hand_off.why,
        "phone": centre_phone,
        "tags": list(case.tags),
    }
