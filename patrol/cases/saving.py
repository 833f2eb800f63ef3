"""Save a case and queue its messages: the only writer of cases and case messages of this package.

Everything runs inside the caller's unit of work and leaves the commit to it, so that a case and its
messages stand or fall together. Whether leaders see a change is the domain's (`CASE_EFFECTS`).
"""

from dataclasses import replace
from datetime import datetime

from patrol.domain.case import Case
from patrol.domain.escalation import announced_grids
from patrol.messaging.payloads import PayloadBuilder
from patrol.store import UnitOfWork


def add_case(uow: UnitOfWork, case: Case, payloads: PayloadBuilder, now: datetime) -> None:
    """Write a new case and queue its first messages, unless they are held."""
    uow.cases.add(case)
    _queue_messages(uow, case, payloads, now)


def save_case(
    uow: UnitOfWork, before: Case, after: Case, payloads: PayloadBuilder, now: datetime
) -> Case:
    """Write a changed case; queue its messages if its revision moved or its first hold ended.

    `before` is the case as the store has it. However many events of one action announce it, its
    revision rises by one; grids that have it no longer get their topic cleared. Returns the case
    as it was written.
    """
    is_new_revision = after.revision != before.revision
    saved = replace(after, revision=before.revision + is_new_revision)
    if saved == before:
        return before
    uow.cases.put(saved)
    if is_new_revision or (before.is_unannounced and not saved.is_unannounced):
        _queue_messages(uow, saved, payloads, now)
        gone = [grid for grid in announced_grids(before) if grid not in announced_grids(saved)]
        for message in payloads.clear_messages(saved, gone, now):
            uow.outbox.add(message)
    return saved


def queued_message_count(case: Case) -> int:
    """How many messages the opening of `case`, or a merge into it, has just queued."""
    return len(announced_grids(case)) if case.hold is None else 0


def _queue_messages(uow: UnitOfWork, case: Case, payloads: PayloadBuilder, now: datetime) -> None:
    for message in payloads.case_messages(case, now):
        uow.outbox.add(message)
