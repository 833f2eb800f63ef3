"""Reply handler: applies each incoming message (a reply, a report from the ground) to its case.

One transaction a message. A repeat (same key on the same topic) changes nothing. A message that
cannot be accepted becomes a dead letter with its reason and is counted; it stops nothing. The MQTT
subscriber acknowledges to the broker after `handle` has returned; when it raises (the store is
unavailable), it must not. The leader's page in the web calls `handle`, too.

`apply_reply` is pure: case and reply in, case out. A reply that implies an earlier step carries it:
progress on a case that nobody acknowledged is an acknowledgement, too. What an event entails
(timers, announcement) is in `CASE_EFFECTS`; a call for help, or a place that cannot be reached,
notifies the next rung at once.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum, auto
from threading import Lock
from typing import Final

from patrol.cases.helpers import log_opening
from patrol.cases.message_rate import DEAD_LETTER_RATE, REPLY_RATE, REPORT_RATE, SenderRates
from patrol.cases.reply_sender import Sender, SenderDirectory, with_claim
from patrol.cases.save_and_send import add_case, save_case
from patrol.domain.approval import DEFAULT_EXTENSION, resume_case
from patrol.domain.case import (
    CASE_EFFECTS,
    Case,
    CaseEvent,
    CaseState,
    IllegalCaseTransition,
)
from patrol.domain.case_effects import AnnounceEffect
from patrol.domain.case_opening import case_id, case_sequence, open_from_report
from patrol.domain.case_timers import ApprovalKind, ApprovalRequest
from patrol.domain.escalation import announced_grids, escalate_now
from patrol.domain.finding import CATEGORY_BY_ID
from patrol.domain.helping import CannotOpen, open_to_helpers
from patrol.domain.ids import CaseId, MessageKey
from patrol.domain.observation import Subject
from patrol.domain.outbox import DeadLetter, DeliveryEvent, DeliveryState
from patrol.domain.priority import Level
from patrol.domain.registry import Registry
from patrol.messaging.payloads import PayloadBuilder
from patrol.messaging.reply_parser import (
    DeadLetterReason,
    FeedbackResult,
    GroundReport,
    RefusedMessage,
    Reply,
    ReplyType,
    parse_message,
)
from patrol.messaging.topics import EquipmentReplyTopic, ReplyTopic, ReportTopic
from patrol.store import Store, UnitOfWork

REPORTED_AGAIN: Final = "reported again"  # note of a case that takes another report in
REPLY_EVENTS: Final[Mapping[ReplyType | FeedbackResult, tuple[CaseEvent, ...]]] = {
    ReplyType.RECEIVED: (CaseEvent.RECEIVED,),
    ReplyType.OPENED: (CaseEvent.OPENED,),
    ReplyType.ACKNOWLEDGE: (CaseEvent.ACKNOWLEDGE,),
    ReplyType.ARRIVE: (CaseEvent.ARRIVE,),
    ReplyType.EXTEND: (CaseEvent.EXTEND,),
    ReplyType.OPEN_TO_HELPERS: (CaseEvent.OPEN_TO_HELPERS,),
    ReplyType.CLOSE_TO_HELPERS: (CaseEvent.CLOSE_TO_HELPERS,),
    FeedbackResult.HANDLED: (CaseEvent.HANDLE, CaseEvent.FEED_BACK),
    FeedbackResult.FALSE_ALARM: (CaseEvent.RETURN,),
    FeedbackResult.NOT_MY_GRID: (CaseEvent.RETURN,),
    FeedbackResult.NEED_HELP: (CaseEvent.NEED_HELP,),
    FeedbackResult.CANNOT_REACH: (CaseEvent.CANNOT_REACH,),
    FeedbackResult.IN_PROGRESS: (CaseEvent.PROGRESS,),
}
RETURN_REASONS: Final = (FeedbackResult.FALSE_ALARM, FeedbackResult.NOT_MY_GRID)
ENDS_SUSPENSION: Final = (FeedbackResult.HANDLED, *RETURN_REASONS)  # no reason to wait is left
IMPLIES_ACKNOWLEDGEMENT: Final = (ReplyType.EXTEND, FeedbackResult.IN_PROGRESS)
CALLS_NEXT_RUNG: Final = (FeedbackResult.NEED_HELP, FeedbackResult.CANNOT_REACH)
ABOUT_HELPERS: Final = (ReplyType.OPEN_TO_HELPERS, ReplyType.CLOSE_TO_HELPERS)
UNACKNOWLEDGED: Final = (CaseState.DISPATCHED, CaseState.REWORK)


def apply_reply(case: Case, reply: Reply, *, by: str, now: datetime) -> Case:
    """The case after this reply. Raises IllegalCaseTransition, CannotOpen."""
    key: ReplyType | FeedbackResult = reply.result or reply.type
    if key in ABOUT_HELPERS:
        is_open = key is ReplyType.OPEN_TO_HELPERS
        return open_to_helpers(case, is_open=is_open, by=by, now=now, note=_text_of(reply))
    if case.suspension is not None and key in ENDS_SUSPENSION:
        case = resume_case(case, by=by, now=now, note=key.value)
    if key in IMPLIES_ACKNOWLEDGEMENT and case.state in UNACKNOWLEDGED:
        case = case.apply_event(CaseEvent.ACKNOWLEDGE, at=now, by=by)
    *implied, last = REPLY_EVENTS[key]
    for event in implied:
        case = case.apply_event(event, at=now, by=by)
    case = case.apply_event(last, at=now, by=by, note=_entry_note(reply))
    if key in CALLS_NEXT_RUNG:
        return escalate_now(case, now, by=by, note=last.value)
    return _with_extension_request(case, reply, by, now) if key is ReplyType.EXTEND else case


def delivery_event_of(reply: Reply) -> DeliveryEvent:
    """What a reply proves about the delivery of the message that it answers."""
    return {
        ReplyType.RECEIVED: DeliveryEvent.DEVICE_HAS_IT,
        ReplyType.OPENED: DeliveryEvent.PERSON_OPENED,
    }.get(reply.type, DeliveryEvent.PERSON_ANSWERED)


def _with_extension_request(case: Case, reply: Reply, by: str, now: datetime) -> Case:
    """The request put before the shift supervisor, unless another one waits there."""
    if case.request is not None:
        return case
    office = case.policy.office
    span: timedelta = office.day_length if office else DEFAULT_EXTENSION
    request = ApprovalRequest(
        kind=ApprovalKind.EXTENSION,
        by=by,
        at=now,
        why=_text_of(reply) or "asked for on the ground",
        span_s=span.total_seconds(),
    )
    return replace(case, request=request)


def _entry_note(reply: Reply) -> str:
    reason = f"{reply.result.value}: " if reply.result in RETURN_REASONS else ""
    return f"{reason}{_text_of(reply)}".rstrip(": ") if reason else _text_of(reply)


def _text_of(reply: Reply) -> str:
    return "; ".join(part for part in (reply.text, reply.clock_note) if part)


def _moves(before: Case, after: Case) -> bool:
    """Whether more has changed than the history."""
    return replace(after, entries=before.entries) != before


def _is_same_report(case: Case, report: GroundReport, text: str, level: Level) -> bool:
    """Whether the case is of the same words about the same place, and at least as pressing."""
    place = report.place in ("", case.place)
    return place and case.note == text and list(Level).index(case.level) <= list(Level).index(level)


def _kept_payload(payload: bytes) -> bytes:
    """What a dead letter keeps: its beginning, up to a picture in it, raw or encoded."""
    kept = payload[:MAX_PAYLOAD_KEPT_BYTES]
    found = _PICTURE.search(kept)
    return kept if found is None else kept[: found.start()] + b"[picture]"


def topic_grid(topic: str) -> str:
    """The grid of an incoming message's topic; "" where it has none."""
    where = ReplyTopic.read(topic) or EquipmentReplyTopic.read(topic) or ReportTopic.read(topic)
    return where.grid if where is not None else ""


MAX_ENTRIES: Final = 500  # of a history: each reply reads it
SAME_REPORT_WITHIN: Final = timedelta(days=1)
RECEIPTS: Final = (ReplyType.RECEIVED, ReplyType.OPENED)
# Decided once: the retained case says that it was received, so that nobody repeats it for ever.
REFUSED_FOR_GOOD: Final = (DeadLetterReason.NOT_POSSIBLE, DeadLetterReason.HISTORY_FULL)
ANNOUNCING_EVENTS: Final = frozenset(
    event for event, effect in CASE_EFFECTS.items() if effect.announce is AnnounceEffect.ALWAYS
)
# JPEG, PNG, GIF and WebP by their first bytes, as they are or in base64.
_PICTURE: Final = re.compile(
    rb"\xff\xd8\xff|\x89PNG|GIF8[79]a|RIFF....WEBP|/9j/|iVBORw0|R0lGOD|UklGR", re.DOTALL
)
MAX_PAYLOAD_KEPT_BYTES = 4096  # of a dead letter's payload


class ReplyOutcome(StrEnum):
    """What became of an incoming message."""

    MOVED = auto()  # leaders see the case anew: its messages are queued
    NOTED = auto()  # in the history; nothing that a leader sees has changed
    REPORTED = auto()  # a new case from the ground
    REPEATED = auto()  # the key was seen before
    REFUSED = auto()  # a dead letter


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyResult:
    """What became of a message, of which case, and the reason of a refusal."""

    outcome: ReplyOutcome
    case: CaseId | None = None
    reason: str = ""
    is_acknowledged: bool = False  # noted, and the case is published again to say so


@dataclass
class ReplyHandler:
    """Handles the messages of the MQTT connection and of the phone page, one at a time (a lock)."""

    store: Store
    payloads: PayloadBuilder
    registry: Registry
    site: str
    zone: tzinfo
    on_queued: Callable[[], None] = lambda: None  # wakes the relay
    counters: Counter[str] = field(default_factory=Counter)
    _directory: SenderDirectory = field(init=False, repr=False)
    _one_at_a_time: Lock = field(default_factory=Lock, init=False, repr=False)
    _replies: SenderRates = field(default_factory=lambda: SenderRates(REPLY_RATE), init=False)
    _reports: SenderRates = field(default_factory=lambda: SenderRates(REPORT_RATE), init=False)
    _letters: SenderRates = field(default_factory=lambda: SenderRates(DEAD_LETTER_RATE), init=False)

    def __post_init__(self) -> None:
        self._directory = SenderDirectory(self.registry)

    def handle(
        self, topic: str, payload: bytes, received_at: datetime, *, sender: str = ""
    ) -> ReplyResult:
        """Apply one message in one transaction.

        `sender`: the person whom a session of ours proves; over MQTT the topic may.
        Raises StoreUnavailable, StoreFull: the caller must not acknowledge it to the broker.
        """
        with self._one_at_a_time:
            message = parse_message(self.site, topic, payload, received_at)
            if sender and not isinstance(message, RefusedMessage):
                message = replace(message, sender=sender)
            return self._handle(topic, payload, message, received_at)

    def _handle(
        self,
        topic: str,
        payload: bytes,
        message: Reply | GroundReport | RefusedMessage,
        received_at: datetime,
    ) -> ReplyResult:
        try:
            result = self._accept(message, received_at)
        except ReplyRejected as exc:
            refused = exc.refused
            if self._letters.admit(topic_grid(topic), received_at):
                self._add_dead_letter(topic, payload, refused, message, received_at)
            else:
                self.counters["refused_not_kept"] += 1
            result = ReplyResult(outcome=ReplyOutcome.REFUSED, reason=refused.reason)
        self.counters[result.outcome] += 1
        if result.outcome is ReplyOutcome.REFUSED:
            self.counters[f"refused:{result.reason}"] += 1
        queued = result.outcome in (ReplyOutcome.MOVED, ReplyOutcome.REPORTED)
        if queued or result.is_acknowledged:
            self.on_queued()
        return result

    def _accept(self, message: Reply | GroundReport | RefusedMessage, now: datetime) -> ReplyResult:
        if isinstance(message, RefusedMessage):
            raise ReplyRejected(message)
        rates = self._reports if isinstance(message, GroundReport) else self._replies
        if not rates.admit(message.grid, now):
            limit = rates.limit
            detail = f"{limit.burst} at once, then {limit.per_minute:g} a minute"
            raise ReplyRejected(RefusedMessage(DeadLetterReason.TOO_MANY, detail))
        with self.store.begin() as uow:
            if isinstance(message, GroundReport):
                result = self._open_reported_case(uow, message, now)
            else:
                result = self._apply_reply(uow, message, now)
            uow.commit()
        return result

    def _apply_reply(self, uow: UnitOfWork, reply: Reply, now: datetime) -> ReplyResult:
        try:
            case = uow.cases.without_history(reply.case)
        except KeyError:
            raise ReplyRejected(RefusedMessage(DeadLetterReason.UNKNOWN_CASE)) from None
        self._check_addressee(case, reply)
        if self._is_known_receipt(uow, case, reply):
            is_new = uow.inbox.remember_key(reply.key, now)
            if is_new:
                uow.received_replies.add(case.id, reply.grid, reply.sender_key)
            self._record_receipts(uow, case, reply, now)
            outcome = ReplyOutcome.NOTED if is_new else ReplyOutcome.REPEATED
            return ReplyResult(outcome=outcome, case=case.id)
        case = uow.cases.get(reply.case)
        if not uow.inbox.remember_key(reply.key, now):
            return ReplyResult(outcome=ReplyOutcome.REPEATED, case=case.id)
        number = uow.received_replies.add(case.id, reply.grid, reply.sender_key)
        self._record_receipts(uow, case, reply, now)
        saved = save_case(uow, case, self._replied(case, reply, now), self.payloads, now)
        if saved.open_to_helpers != case.open_to_helpers:
            log_opening(uow, saved, now)
        if saved.revision != case.revision:
            return ReplyResult(outcome=ReplyOutcome.MOVED, case=case.id)
        queued = reply.type not in RECEIPTS
        if queued:
            self._acknowledge(uow, saved, reply, number, now)
        return ReplyResult(outcome=ReplyOutcome.NOTED, case=case.id, is_acknowledged=queued)

    def _replied(self, case: Case, reply: Reply, now: datetime) -> Case:
        """The case after the reply, by whom it proves. Raises ReplyRejected."""
        sender = self._sender(reply)
        try:
            after = with_claim(case, apply_reply(case, reply, by=sender.by, now=now), sender)
        except (IllegalCaseTransition, CannotOpen) as exc:
            raise ReplyRejected(RefusedMessage(DeadLetterReason.NOT_POSSIBLE, str(exc))) from None
        if len(case.entries) >= MAX_ENTRIES and not _moves(case, after):
            detail = f"{len(case.entries)} entries"
            raise ReplyRejected(RefusedMessage(DeadLetterReason.HISTORY_FULL, detail))
        return after

    def _acknowledge(
        self, uow: UnitOfWork, case: Case, reply: Reply, number: int, now: datetime
    ) -> None:
        """Publish the case to the sender's grid again, with the reply's key: nothing else moved."""
        received = uow.received_replies.of_case(case.id).get(reply.grid, ())
        messages = self.payloads.acknowledgement_messages(
            case, reply.grid, now, received=received, number=number
        )
        for message in messages:
            uow.outbox.add(message)

    def _is_known_receipt(self, uow: UnitOfWork, case: Case, reply: Reply) -> bool:
        """Whether the case's history has this receipt, since it was last announced, already.

        Another one says nothing new: the history grows by one entry a person, not by one a message,
        and is not even read. People without a name of ours count as one.
        """
        if reply.type not in RECEIPTS or not case.is_open:
            return False
        sender = self._sender(reply).by
        by = sender if sender in self.registry.people else f"@{reply.grid}"
        event = REPLY_EVENTS[reply.type][0]
        return uow.cases.has_entry(case.id, event, by=by, since=ANNOUNCING_EVENTS)

    def _check_addressee(self, case: Case, reply: Reply) -> None:
        """Raises ReplyRejected unless the case was announced to those who reply."""
        if reply.grid not in announced_grids(case):
            raise ReplyRejected(
                RefusedMessage(
                    DeadLetterReason.ANOTHER_GRID, f"told to {', '.join(announced_grids(case))}"
                )
            )
        if reply.is_about_camera and case.subject is not Subject.EQUIPMENT:
            raise ReplyRejected(
                RefusedMessage(DeadLetterReason.ANOTHER_GRID, "it is not about a camera")
            )

    def _open_reported_case(
        self, uow: UnitOfWork, report: GroundReport, now: datetime
    ) -> ReplyResult:
        if report.grid not in self.registry.tree.grids:
            raise ReplyRejected(RefusedMessage(DeadLetterReason.UNKNOWN_GRID))
        if not uow.inbox.remember_key(report.key, now):
            return ReplyResult(outcome=ReplyOutcome.REPEATED)
        day = now.astimezone(self.zone).date()
        category = report.category if report.category in CATEGORY_BY_ID else "other"
        unknown = f"[{report.category}] " if category != report.category else ""
        text = f"{unknown if report.category else ''}{report.text}".strip()
        level = Level(report.level) if report.level in set(Level) else Level.ORDINARY
        sender = self._sender(report)
        known = uow.cases.reported_like(report.grid, category, now - SAME_REPORT_WITHIN)
        same = next((one for one in known if _is_same_report(one, report, text, level)), None)
        if same is not None:
            return self._merge_report(uow, same, sender, now)
        case = open_from_report(
            case_id(day, uow.next_number(case_sequence(day))),
            self.registry,
            grid=report.grid,
            by=sender.by,
            now=now,
            category=category,
            level=level,
            place=report.place,
            text=text,
        )
        case = with_claim(replace(case, entries=()), case, sender)
        add_case(uow, case, self.payloads, now)
        return ReplyResult(outcome=ReplyOutcome.REPORTED, case=case.id)

    def _merge_report(
        self, uow: UnitOfWork, same: Case, sender: Sender, now: datetime
    ) -> ReplyResult:
        """Count a report of what was reported before in its case; leaders are not told again."""
        counted = replace(same, count=same.count + 1)
        merged = counted.apply_event(CaseEvent.MERGE, at=now, by=sender.by, note=REPORTED_AGAIN)
        merged = with_claim(same, merged, sender)
        save_case(uow, same, replace(merged, revision=same.revision), self.payloads, now)
        return ReplyResult(outcome=ReplyOutcome.NOTED, case=same.id)

    def _record_receipts(self, uow: UnitOfWork, case: Case, reply: Reply, now: datetime) -> None:
        keys = self._answered_messages(uow, case, reply)
        if keys:
            uow.outbox.apply_event(keys, delivery_event_of(reply), now)

    def _answered_messages(self, uow: UnitOfWork, case: Case, reply: Reply) -> Sequence[MessageKey]:
        """The message that the reply names, else all of its grid that were published.

        A message that is still queued must not be marked, or it would never be sent.
        """
        ours = [m for m in uow.outbox.of_case(case.id) if f"/grid/{reply.grid}/" in m.topic]
        named = [m.key for m in ours if m.key == reply.about]
        return named or [m.key for m in ours if m.state is not DeliveryState.QUEUED]

    def _sender(self, message: Reply | GroundReport) -> Sender:
        about_camera = isinstance(message, Reply) and message.is_about_camera
        return self._directory.sender(
            grid=message.grid,
            subject=Subject.EQUIPMENT if about_camera else Subject.SCENE,
            claimed=message.person,
            proven=message.sender,
        )

    def _add_dead_letter(
        self,
        topic: str,
        payload: bytes,
        refused: RefusedMessage,
        message: Reply | GroundReport | RefusedMessage,
        now: datetime,
    ) -> None:
        letter = DeadLetter(
            at=now,
            topic=topic.encode("utf-8", "replace").decode()[:512],
            reason=refused.text,
            payload=_kept_payload(payload),
            size_bytes=len(payload),
        )
        with self.store.begin() as uow:
            uow.inbox.add_dead_letter(letter)
            if isinstance(message, Reply) and refused.reason in REFUSED_FOR_GOOD:
                uow.received_replies.add(message.case, message.grid, message.sender_key)
            uow.commit()


class ReplyRejected(Exception):
    """Rolls the transaction back, so that a refused message adds a dead letter and no more."""

    def __init__(self, refused: RefusedMessage) -> None:
        super().__init__(refused.text)
        self.refused = refused
