"""MQTT messages in the store: the outbox, the inbox's keys, and messages that were refused.

The outbox is leased in order and marked in bulk, a few statements a batch. Two leasers never work
at the same moment (SQLite's one writer, an advisory lock on PostgreSQL): only so can a lease see
that an earlier message of the same topic is leased by another. Rows that another transaction is
marking are skipped, together with everything later of their topic.

A message that the broker refused waits for its next try (`due_at`), and whatever comes later on its
topic waits behind it; other topics do not. When something newer is queued on a retained topic, what
was refused there is worth nothing any more and expires.

The key of a received message is stored in the transaction that handles it, so that a message which
the broker delivers twice is handled once.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    BindParameter,
    Row,
    Select,
    Update,
    and_,
    bindparam,
    case,
    exists,
    func,
    or_,
    select,
    text,
)

from patrol.domain.ids import CaseId, MessageKey
from patrol.domain.outbox import (
    CANARY_TOPIC,
    EVENT_TIME_FIELDS,
    MAX_REFUSAL_DELAY,
    MESSAGE_TRANSITIONS,
    DeadLetter,
    DeliveryEvent,
    DeliveryState,
    OutboxMessage,
    topic_problem,
)
from patrol.domain.priority import OFFICE_HOURS_LEVELS
from patrol.store.column_types import UtcTime
from patrol.store.legal_holds import message_is_held
from patrol.store.report_changes import MOMENT_CHANGE, moment_subject
from patrol.store.rows import RowMapper
from patrol.store.schema import OPEN_CASE, cases
from patrol.store.schema_people import QUARANTINED, UNSENT, dead_letters, inbox, outbox
from patrol.store.transaction import Transaction, in_batches

DEAD_LETTER_BYTES: Final = 4096  # of a refused message
_DEAD_LETTERS: Final = RowMapper(DeadLetter)


class InboxRepository:
    """Reads and writes keys of messages that were received, and dead letters (refused ones)."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def remember_key(self, key: MessageKey, now: datetime) -> bool:
        """Store the key; False when it was stored before: the message is a repeat."""
        return self._db.add_if_new(inbox, {"key": key, "at": now}, "key")

    def add_dead_letter(self, letter: DeadLetter) -> None:
        """Store a refused message, its payload cut at DEAD_LETTER_BYTES."""
        row = {**_DEAD_LETTERS.to_row(letter), "payload": letter.payload[:DEAD_LETTER_BYTES]}
        self._db.add(dead_letters, [row])

    def dead_letters(self, *, limit: int = 100) -> Sequence[DeadLetter]:
        """The last `limit` dead letters, newest first."""
        newest = select(dead_letters).order_by(dead_letters.c.number.desc()).limit(limit)
        return [_DEAD_LETTERS.from_row(row) for row in self._db.all(newest)]

    def prune(self, before: datetime, *, limit: int) -> int:
        """Delete at most `limit` keys and `limit` dead letters from before then; how many."""
        keys = select(inbox.c.key).where(inbox.c.at < before).limit(limit)
        known = self._db.changed(inbox.delete().where(inbox.c.key.in_(keys)))
        of_old = select(dead_letters.c.number).where(dead_letters.c.at < before)
        numbers = of_old.order_by(dead_letters.c.number).limit(limit)
        dead = dead_letters.delete().where(dead_letters.c.number.in_(numbers))
        return known + self._db.changed(dead)


# Written out as text for the partial indexes: of a Boolean column SQLAlchemy makes `(…) = 1` on
# SQLite, which no partial index answers.
QUEUED = text(f"(outbox.{UNSENT})")
_QUARANTINED: Final = text(f"(outbox.{QUARANTINED})")
_LEASE_LOCK: Final = 0x7061_7472_6F6C  # "patrol": the number of the advisory lock
_MAX_LEASE: Final = timedelta(minutes=10)  # no lease of ours is longer
_earlier, _later = outbox.alias("earlier"), outbox.alias("later")
_EARLIER_QUEUED = text(f"(earlier.{UNSENT})")
_LATER_QUEUED = text(f"(later.{UNSENT})")
_NEVER_WENT_OUT: Final = (DeliveryState.EXPIRED, DeliveryState.QUARANTINED)
_FREE = {"lease_holder": None, "lease_until": None}
_MESSAGES: Final = RowMapper(OutboxMessage, without=("order",))
_THESE: Final[BindParameter[Any]] = bindparam("these", expanding=True)
_NOW: Final = bindparam("now", type_=UtcTime)
_UNSENT: Final = select(func.count()).select_from(outbox).where(QUEUED)
_REFUSED: Final = select(outbox).where(QUEUED, outbox.c.tries > 0)
_IN_QUARANTINE: Final = select(outbox).where(_QUARANTINED)
_OF_CASE: Final = select(outbox).where(outbox.c.case == bindparam("this")).order_by(outbox.c.number)
_LEASE: Final = (
    outbox.update()
    .where(outbox.c.number.in_(_THESE))
    .values(
        lease_holder=bindparam("holder"),
        lease_until=bindparam("until"),
        tried_at=func.coalesce(outbox.c.tried_at, _NOW),
    )
)
_RELEASE: Final = outbox.update().where(outbox.c.key.in_(_THESE), QUEUED).values(_FREE)


def _free_rows() -> Select[Any]:
    """Rows without a lease that are due, unless an earlier one of their topic is not to be had.

    An earlier one is leased by another holder, or was refused and waits for its next try. Times
    that are impossibly late were written before the clock was set back: they are over.
    """
    far, until = bindparam("far", type_=UtcTime), outbox.c.lease_until
    far_due, due = bindparam("far_due", type_=UtcTime), outbox.c.due_at
    leased_by_other = and_(
        _earlier.c.lease_until > _NOW,
        _earlier.c.lease_until <= far,
        _earlier.c.lease_holder != bindparam("holder"),
    )
    waits_for_a_try = and_(_earlier.c.due_at > _NOW, _earlier.c.due_at <= far_due)
    behind = exists().where(
        _earlier.c.topic == outbox.c.topic,
        _earlier.c.number < outbox.c.number,
        _EARLIER_QUEUED,
        or_(leased_by_other, waits_for_a_try),
    )
    free = or_(until.is_(None), until <= _NOW, until > far)
    is_due = or_(due.is_(None), due <= _NOW, due > far_due)
    found = select(outbox).where(QUEUED, free, is_due, ~behind)
    return found.order_by(outbox.c.number).limit(bindparam("most"))


def _outdated_refusals() -> Update:
    """Refused retained messages behind which a newer one of their topic is queued: they expire."""
    newer = exists().where(
        _later.c.topic == outbox.c.topic,
        _later.c.number > outbox.c.number,
        _LATER_QUEUED,
        _later.c.retain.is_(True),
    )
    refused = outbox.update().where(QUEUED, outbox.c.tries > 0, outbox.c.retain.is_(True), newer)
    return refused.values(state=DeliveryState.EXPIRED, due_at=None, **_FREE)


def _event_update(event: DeliveryEvent) -> Update:
    """Every row that may move by the event does, the others stay as they are."""
    moves = {
        before: after for (before, what), after in MESSAGE_TRANSITIONS.items() if what is event
    }
    values: dict[str, Any] = {"state": case(moves, value=outbox.c.state), **_FREE}
    if event is DeliveryEvent.PERSON_RETRIES:
        values.update(tries=0, due_at=None, expires_at=None)
    if (stamp := EVENT_TIME_FIELDS.get(event)) is not None:
        values[stamp] = func.coalesce(outbox.c[stamp], _NOW)
    these = outbox.c.key.in_(_THESE), outbox.c.state.in_(list(moves))
    return outbox.update().where(*these).values(values)


_FREE_ROWS: Final = _free_rows()
_EXPIRE_OUTDATED_REFUSALS: Final = _outdated_refusals()
_DISPATCHED_AT: Final = (
    select(cases.c.dispatched_at)
    .join(outbox, outbox.c.case == cases.c.id)
    .where(outbox.c.key.in_(_THESE))
    .distinct()
)
_APPLY_EVENT: Final = {event: _event_update(event) for event in DeliveryEvent}


class OutboxRepository:
    """Reads and writes MQTT messages that must go out. The relay leases, publishes, marks."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def add(self, message: OutboxMessage) -> bool:
        """Queue a message; False when its key was queued before (then nothing changes).

        One on a topic that no broker can take is quarantined at once: what it announces stands,
        and people see that nobody was told.
        """
        if message.state is DeliveryState.QUEUED and (problem := topic_problem(message.topic)):
            message = replace(
                message, topic=_storable(message.topic), state=DeliveryState.QUARANTINED,
                problem=problem,
            )  # fmt: skip
        return self._db.add_if_new(outbox, _MESSAGES.to_row(message), "key")

    def lease(
        self, *, holder: str, now: datetime, lease_s: float, limit: int
    ) -> Sequence[OutboxMessage]:
        """Lease unsent messages in order; no other holder gets them until the lease ends.

        A message is never given while an earlier one of the same topic is unsent and leased by
        another holder, or waits for its next try after a refusal. A lease that ends impossibly late
        was made before the clock was set back: it is over. The same holder gets its own expired
        leases again, and may lease on while it still publishes. `expires_at` is the relay's to
        judge (DeliveryEvent.TOO_OLD).
        """
        if self._db.is_postgres:
            self._db.run(text("SELECT pg_advisory_xact_lock(:it)"), {"it": _LEASE_LOCK})
        self._db.run(_EXPIRE_OUTDATED_REFUSALS)
        rows = self._candidates(
            holder, now, now + max(timedelta(seconds=lease_s), _MAX_LEASE), limit
        )
        if self._db.is_postgres:
            rows = self._without_overtaking(rows, holder, now)
        values = {"holder": holder, "until": now + timedelta(seconds=lease_s), "now": now}
        for batch in in_batches(row.number for row in rows):
            self._db.run(_LEASE, {"these": batch, **values})
        return [replace(_message(row), tried_at=row.tried_at or now) for row in rows]

    def _candidates(
        self, holder: str, now: datetime, far: datetime, limit: int
    ) -> Sequence[Row[Any]]:
        """`far`: a lease that ends later was made under a clock that has been set back since."""
        free = self._db.locked(_FREE_ROWS, skip_locked=True, of=outbox)
        values = {"holder": holder, "now": now, "far": far, "most": limit}
        return self._db.all(free, {**values, "far_due": now + MAX_REFUSAL_DELAY})

    def _without_overtaking(
        self, rows: Sequence[Row[Any]], holder: str, now: datetime
    ) -> Sequence[Row[Any]]:
        """The rows before which nothing of their topic was skipped."""
        if not rows:
            return rows
        chosen = {row.number for row in rows}
        mine = and_(outbox.c.lease_holder == holder, outbox.c.lease_until > now)
        others = select(outbox.c.topic, outbox.c.number).where(
            QUEUED,
            outbox.c.number < max(chosen),
            or_(outbox.c.lease_until.is_(None), ~mine),
        )
        first_skipped: dict[str, int] = {}
        for row in self._db.all(others.order_by(outbox.c.number)):
            if row.number not in chosen:
                first_skipped.setdefault(row.topic, row.number)
        return [row for row in rows if row.number < first_skipped.get(row.topic, row.number + 1)]

    def apply_event(self, keys: Sequence[MessageKey], event: DeliveryEvent, now: datetime) -> None:
        """Move each by MESSAGE_TRANSITIONS; a move that the table lacks is ignored.

        A message that leaves QUEUED loses its lease; BROKER_TOOK_IT sets `published_at` once, also
        when an answer was faster.
        """
        for batch in in_batches(keys):
            self._db.run(_APPLY_EVENT[event], {"these": batch, "now": now})
            if event is DeliveryEvent.BROKER_TOOK_IT:  # cases that were sent count as such
                for row in self._db.all(_DISPATCHED_AT, {"these": batch}):
                    self._db.touch_report(MOMENT_CHANGE, moment_subject(row.dispatched_at))

    def withdraw_unsent(self, case_id: CaseId, since: datetime, now: datetime) -> bool:
        """Drop the case's messages queued from `since` on; False: one was handed to the broker.

        Nothing is dropped then. A message under lease counts as handed over.
        """
        newer = outbox.c.case == case_id, outbox.c.queued_at >= since
        rows = self._db.all(self._db.locked(select(outbox).where(*newer)))
        if any(row.tried_at is not None or row.published_at is not None for row in rows):
            return False
        keys = [row.key for row in rows if row.state == DeliveryState.QUEUED]
        self.apply_event(keys, DeliveryEvent.PERSON_DROPS, now)
        return True

    def save_refusals(self, messages: Sequence[OutboxMessage]) -> None:
        """Write what `OutboxMessage.refused` made of messages that were leased; ends the leases."""
        for message in messages:
            one = outbox.update().where(outbox.c.key == message.key, QUEUED)
            self._db.run(
                one.values(
                    state=message.state,
                    tries=message.tries,
                    due_at=message.due_at,
                    problem=message.problem,
                    **_FREE,
                )
            )

    def hurry(self, key: MessageKey) -> None:
        """Make a refused message that waits due at once, as if it had never been tried."""
        waiting = outbox.update().where(outbox.c.key == key, QUEUED)
        self._db.run(waiting.values(due_at=None, tries=0))

    def note_problem(self, key: MessageKey, problem: str) -> None:
        """Write what is wrong with the message, or what a person decided about it."""
        self._db.run(outbox.update().where(outbox.c.key == key).values(problem=problem))

    def refused(self, *, limit: int) -> Sequence[OutboxMessage]:
        """What the broker refused so far and will be tried again, in order, `limit` at most."""
        waiting = _REFUSED.order_by(outbox.c.number).limit(limit)
        return [_message(row) for row in self._db.all(waiting)]

    def quarantined(self, *, limit: int) -> Sequence[OutboxMessage]:
        """What is no longer tried and waits for a person, oldest first, `limit` at most."""
        waiting = _IN_QUARANTINE.order_by(outbox.c.number).limit(limit)
        return [_message(row) for row in self._db.all(waiting)]

    def count_refused(self) -> tuple[int, int]:
        """(how many refused messages will be tried again, how many are quarantined)."""
        refused, kept = (
            select(func.count()).select_from(each.subquery()) for each in (_REFUSED, _IN_QUARANTINE)
        )
        return int(self._db.scalar(refused)), int(self._db.scalar(kept))

    def find(self, key: MessageKey) -> OutboxMessage | None:
        """The message of this key; None when there is none."""
        row = self._db.first(select(outbox).where(outbox.c.key == key))
        return None if row is None else _message(row)

    def has_newer(self, message: OutboxMessage) -> bool:
        """Whether a later message of its topic went out or waits to."""
        later = select(outbox.c.number).where(
            outbox.c.topic == message.topic,
            outbox.c.number > message.order,
            outbox.c.state.not_in(_NEVER_WENT_OUT),
        )
        return self._db.first(later.limit(1)) is not None

    def unsent_by(self, due: datetime) -> int:
        """The number of queued messages that will be tried before then."""
        soon = or_(outbox.c.due_at.is_(None), outbox.c.due_at <= due)
        return int(self._db.scalar(_UNSENT.where(soon)))

    def release(self, keys: Sequence[MessageKey]) -> None:
        """End the leases of messages that the broker did not take."""
        for batch in in_batches(keys):
            self._db.run(_RELEASE, {"these": batch})

    def unsent(self) -> int:
        """The number of queued messages that no broker has taken."""
        return int(self._db.scalar(_UNSENT))

    def oldest_unsent(self) -> datetime | None:
        """When the oldest of those was queued; None without any."""
        first = select(outbox.c.queued_at).where(QUEUED).order_by(outbox.c.number).limit(1)
        row = self._db.first(first)
        return None if row is None else row.queued_at

    def of_case(self, case_id: CaseId) -> Sequence[OutboxMessage]:
        """All messages about a case, in order."""
        return [_message(row) for row in self._db.all(_OF_CASE, {"this": case_id})]

    def first_published_at(self, cases: Iterable[CaseId]) -> Mapping[CaseId, datetime]:
        """When the broker took the first message about each; cases without one are left out."""
        first = select(outbox.c.case, func.min(outbox.c.published_at)).group_by(outbox.c.case)
        sent = first.where(outbox.c.published_at.is_not(None))
        pairs = (
            self._db.pairs(sent.where(outbox.c.case.in_(batch))) for batch in in_batches(cases)
        )
        return dict(pair for part in pairs for pair in part)

    def latest_retained(self, since: datetime) -> Sequence[OutboxMessage]:
        """The newest retained message of each topic queued since then, in order, if it went out.

        The relay publishes them again to a broker that lost its retained messages. Topics on
        which a message still waits are left out; expired and quarantined ones count for nothing.
        """
        newest = (
            select(func.max(outbox.c.number))
            .where(
                outbox.c.queued_at >= since,
                outbox.c.retain.is_(True),
                outbox.c.state.not_in(_NEVER_WENT_OUT),
            )
            .group_by(outbox.c.topic)
        )
        out = outbox.c.state != DeliveryState.QUEUED
        went_out = select(outbox).where(outbox.c.number.in_(newest), out)
        return [_message(row) for row in self._db.all(went_out.order_by(outbox.c.number))]

    def count(self) -> int:
        """How many messages are kept, of every state."""
        return int(self._db.scalar(select(func.count()).select_from(outbox)) or 0)

    def count_queued_and_published(self, start: datetime, end: datetime) -> tuple[int, int]:
        """(how many were queued in that time, how many of those the broker has taken by now).

        Canaries are not counted.
        """
        real = outbox.c.topic.not_like(f"%{CANARY_TOPIC}")
        then = outbox.c.queued_at >= start, outbox.c.queued_at <= end, real
        queued = select(func.count()).select_from(outbox).where(*then)
        taken = queued.where(outbox.c.published_at.is_not(None))
        return int(self._db.scalar(queued)), int(self._db.scalar(taken))

    def new_case_times(self, under: str, since: datetime) -> Sequence[datetime]:
        """When each new case of levels III and IV was first queued on a topic that begins so.

        New: dispatched since then, too; oldest first.
        """
        here = outbox.c.topic.startswith(under, autoescape=True)
        fresh = cases.c.dispatched_at >= since, cases.c.level.in_(list(OFFICE_HOURS_LEVELS))
        # Not grouped by the database, which would walk the whole index of cases for that.
        queued = select(outbox.c.case, outbox.c.queued_at).join(cases, cases.c.id == outbox.c.case)
        first: dict[str, datetime] = {}
        for row in self._db.all(queued.where(outbox.c.queued_at >= since, here, *fresh)):
            first[row.case] = min(row.queued_at, first.get(row.case, row.queued_at))
        return sorted(first.values())

    def prune(self, before: datetime, *, limit: int) -> int:
        """Delete at most `limit` messages queued before then, oldest first; returns how many.

        Unsent messages stay, and those about an open case or one under legal hold.
        """
        about_open = exists().where(cases.c.id == outbox.c.case, text(OPEN_CASE))
        old = select(outbox.c.number).where(
            outbox.c.queued_at < before,
            outbox.c.state != DeliveryState.QUEUED,
            ~about_open,
            ~message_is_held(),
        )
        oldest = old.order_by(outbox.c.queued_at).limit(limit)
        return self._db.changed(outbox.delete().where(outbox.c.number.in_(oldest)))


def _message(row: Row[Any]) -> OutboxMessage:
    return _MESSAGES.from_row(row, order=row.number)


def _storable(topic: str) -> str:
    """The topic as both databases can keep it, behind a `#` where that makes another of it."""
    kept = topic.encode("utf-8", "backslashreplace").decode().replace("\0", r"\x00")
    return topic if kept == topic else f"#{kept}"
