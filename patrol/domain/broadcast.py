"""Broadcast to a village's loudspeaker (大喇叭) as an action on a case. Pure.

An operator asks with a text from a template; another person approves; then the driver gets it, and
the device says that it was played. At night nothing is played unless the case is of level I. Text
to speech is the device's affair: only the text leaves here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, time
from enum import StrEnum, auto
from string import Formatter
from typing import Final

from patrol.domain.camera import DailyHours
from patrol.domain.case import Case
from patrol.domain.errors import BadInput, Failed
from patrol.domain.finding import category_named
from patrol.domain.ids import CaseId, GridCode
from patrol.domain.priority import Level

MAX_TEXT: Final = 300  # characters: about a minute of speech
TEMPLATE_FIELDS: Final = frozenset({"category", "place", "grid", "text"})


class BroadcastState(StrEnum):
    """States of a broadcast; the values are public."""

    ASKED = auto()
    SENT = auto()  # approved, with the driver
    PLAYED = auto()
    REFUSED = auto()  # by the one who approves
    FAILED = auto()  # the device could not


class BroadcastEvent(StrEnum):
    """What moves a broadcast."""

    APPROVE = auto()
    REFUSE = auto()
    PLAYED = auto()
    FAILED = auto()


_S, _E = BroadcastState, BroadcastEvent
BROADCAST_TRANSITIONS: Mapping[tuple[BroadcastState, BroadcastEvent], BroadcastState] = {
    (_S.ASKED, _E.APPROVE): _S.SENT,
    (_S.ASKED, _E.REFUSE): _S.REFUSED,
    (_S.SENT, _E.PLAYED): _S.PLAYED,
    (_S.SENT, _E.FAILED): _S.FAILED,
    (_S.FAILED, _E.PLAYED): _S.PLAYED,  # it managed after all
}


class IllegalBroadcastMove(Failed):
    """The broadcast is not in a state for this, or it is night; the text says which."""


class CannotBroadcast(BadInput, ValueError):
    """No loudspeaker there, no text, or one that is too long; the text names the field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietHours:
    """When nothing is played but level I; on the site's clock, over midnight."""

    start: time = time(21)
    end: time = time(7)

    def is_quiet(self, local: datetime) -> bool:
        """Whether that local moment lies in them; never where both times are the same."""
        hours = DailyHours(start=self.start, end=self.end)
        return self.start != self.end and hours.contains(local.time())


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaker:
    """A village's loudspeaker of site.yaml."""

    name: str
    title: str
    grid: GridCode
    driver: str  # webhook, mqtt


@dataclass(frozen=True, slots=True, kw_only=True)
class Broadcast:
    """One text for one loudspeaker."""

    id: str  # B000001
    case: CaseId
    speaker: str
    text: str
    by: str
    at: datetime
    state: BroadcastState = BroadcastState.ASKED
    approved_by: str = ""
    approved_at: datetime | None = None
    played_at: datetime | None = None
    problem: str = ""

    def apply_event(
        self, event: BroadcastEvent, *, at: datetime, by: str, text: str = ""
    ) -> "Broadcast":
        """The broadcast after `event`. Raises IllegalBroadcastMove (also: its asker decides)."""
        target = BROADCAST_TRANSITIONS.get((self.state, event))
        if target is None:
            raise IllegalBroadcastMove(f"broadcast {self.id} is {self.state}: {event} not possible")
        if event in (_E.APPROVE, _E.REFUSE):
            if by == self.by:
                raise IllegalBroadcastMove(f"broadcast {self.id}: {by} asked, another decides")
            return replace(self, state=target, approved_by=by, approved_at=at, problem=text)
        played = at if event is _E.PLAYED else None
        return replace(self, state=target, played_at=played, problem=text)


def check_quiet(case: Case, quiet: QuietHours, local: datetime) -> None:
    """Raise IllegalBroadcastMove at night, unless the case is of level I."""
    if quiet.is_quiet(local) and case.level is not Level.URGENT:
        hours = f"{quiet.start:%H:%M}–{quiet.end:%H:%M}"
        raise IllegalBroadcastMove(f"case {case.id}: nothing below level I is played {hours}")


def broadcast_text(template: str, case: Case, *, grid_name: str, place: str, text: str) -> str:
    """The text to be spoken. Raises CannotBroadcast: empty or too long."""
    spoken = template.format(
        category=category_named(case.category).zh, place=place, grid=grid_name, text=text.strip()
    ).strip()
    if not spoken:
        raise CannotBroadcast("text: is empty, choose a template or write what is to be said")
    if len(spoken) > MAX_TEXT:
        raise CannotBroadcast(f"text: has {len(spoken)} characters, at most {MAX_TEXT} are spoken")
    return spoken


def template_problem(template: str) -> str | None:
    """Why a template of site.yaml cannot be used."""
    try:
        fields = {name for _, name, _, _ in Formatter().parse(template) if name is not None}
    except ValueError as exc:
        return f"{template!r}: {exc}"
    unknown = sorted(fields - TEMPLATE_FIELDS)
    if unknown:
        return f"{{{unknown[0]}}} is unknown, use {', '.join(sorted(TEMPLATE_FIELDS))}"
    return None
