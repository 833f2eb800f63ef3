"""The cases that call for attention: those past a limit, and the replies that are new. Pure.

web/pages/attention.py asks for every open page of the console, within the account's rights.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from patrol.domain.case import Case, CaseEvent
from patrol.domain.priority import DueLight

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
