"""Attention (提醒): what calls an operator to the screen, how loudly each account wants it. Pure.

Three kinds: findings of levels I and II that nobody has reviewed, cases past a limit, replies from
the ground. Each is an item with a key of its own, so that a browser tells every one of them once.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, auto
from typing import Final

from patrol.domain.case import Case, CaseEvent
from patrol.domain.priority import DueLight


class AttentionKind(StrEnum):
    """What there is to see to; the values are public: in the API and in site.yaml."""

    FINDING = auto()  # of level I or II, not reviewed
    OVERDUE = auto()  # a case past its limit
    REPLY = auto()  # from the ground, or another department


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionChoice:
    """How one account, or a site, wants to be called. The title's number is always there."""

    sound: bool = True
    desktop: bool = True  # notifications of the desktop, if the browser was allowed to
    kinds: tuple[AttentionKind, ...] = tuple(AttentionKind)  # those that are told at all

    @property
    def is_quiet(self) -> bool:
        """Whether nothing makes a sound or a notification."""
        return not (self.kinds and (self.sound or self.desktop))


LOUD: Final = AttentionChoice()
QUIET: Final = AttentionChoice(sound=False, desktop=False)
REPLY_EVENTS: Final = frozenset(
    {
        CaseEvent.ACKNOWLEDGE, CaseEvent.ARRIVE, CaseEvent.PROGRESS, CaseEvent.NEED_HELP,
        CaseEvent.CANNOT_REACH, CaseEvent.HANDLE, CaseEvent.FEED_BACK, CaseEvent.RETURN,
        CaseEvent.HAND_OFF_ANSWER,
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseReply:
    """The newest reply to a case."""

    case: Case
    what: CaseEvent
    by: str
    at: datetime


def overdue_cases(cases: Iterable[Case], now: datetime) -> list[Case]:
    """Open cases past their limit, or past that of their supervision, the longest overdue first."""
    late = [case for case in cases if case.is_open and _is_overdue(case, now)]
    return sorted(late, key=lambda case: (case.due_at, case.id))


def _is_overdue(case: Case, now: datetime) -> bool:
    if case.suspension is not None or case.is_unannounced:
        return False
    supervised = case.supervision is not None and now > case.supervision.due_at
    return supervised or case.due_light(now) is DueLight.RED


def new_replies(
    cases: Iterable[Case], since: datetime, centre: Mapping[str, object]
) -> list[CaseReply]:
    """Of each case the newest reply after `since`, the newest first.

    `centre`: the names of the centre's own accounts, whose entries are no replies.
    """
    found = []
    for case in cases:
        entry = next(
            (
                one
                for one in reversed(case.entries)
                if one.what in REPLY_EVENTS and one.by not in centre
            ),
            None,
        )
        if entry is not None and entry.at > since:
            found.append(CaseReply(case=case, what=entry.what, by=entry.by, at=entry.at))
    return sorted(found, key=lambda reply: (reply.at, reply.case.id), reverse=True)
