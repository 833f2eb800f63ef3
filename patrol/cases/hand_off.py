"""Hand a case to another department, take its receipt and answer; broadcast to a loudspeaker.

Each function runs inside the caller's unit of work: the case's entry, the hand-off or broadcast,
and the outgoing message stand or fall together. A webhook is a delivery to the target
`webhook:handoff-NAME` or `webhook:speaker-NAME`, which the service's workers sign and send; MQTT
goes by the outbox. An answer under a key that came before changes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from typing import Final

from patrol.cases.save_and_send import save_case, save_step
from patrol.domain import hand_off
from patrol.domain.broadcast import (
    Broadcast,
    BroadcastEvent,
    BroadcastState,
    CannotBroadcast,
    IllegalBroadcastMove,
    QuietHours,
    Speaker,
    broadcast_text,
    check_quiet,
)
from patrol.domain.case import Case, CaseEvent
from patrol.domain.hand_off import (
    CannotHandOff,
    HandOff,
    HandOffChannel,
    HandOffEvent,
    HandOffRecipient,
)
from patrol.domain.ids import CaseId, MessageKey
from patrol.domain.outbox import Delivery, OutboxMessage
from patrol.domain.registry import Registry
from patrol.domain.timestamps import rfc3339
from patrol.messaging.payloads import PayloadBuilder, encode_payload
from patrol.messaging.topics import hand_off_topic, speaker_topic
from patrol.store import UnitOfWork

DELIVERED_WITHIN: Final = timedelta(days=3)
MQTT_DRIVER, WEBHOOK_DRIVER = "mqtt", "webhook"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutsideContacts:
    """Departments and loudspeakers of one site, with the rules of the night."""

    recipients: Mapping[str, HandOffRecipient] = field(default_factory=dict)
    speakers: Mapping[str, Speaker] = field(default_factory=dict)
    templates: Mapping[str, str] = field(default_factory=dict)
    quiet: QuietHours = field(default_factory=QuietHours)

    def speaker_for(self, case: Case, registry: Registry) -> Speaker | None:
        """The loudspeaker of the case's grid, or of the nearest grid above it."""
        if case.grid not in registry.tree.grids:
            return None
        for grid in registry.tree.path_up(case.grid):
            found = next((one for one in self.speakers.values() if one.grid == grid.code), None)
            if found is not None:
                return found
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutsideContext:
    """What every action towards the outside needs."""

    contacts: OutsideContacts
    payloads: PayloadBuilder
    registry: Registry
    zone: tzinfo


def hand_off_case(
    uow: UnitOfWork,
    case_id: CaseId,
    recipient: str,
    *,
    by: str,
    now: datetime,
    why: str,
    context: OutsideContext,
) -> HandOff:
    """Give the case to a department: recorded, queued to its channel, in the case's history.

    Raises KeyError, CannotHandOff, IllegalCaseTransition (the case has ended).
    """
    case, to = uow.cases.get(case_id), context.contacts.recipients.get(recipient)
    if to is None:
        known = ", ".join(context.contacts.recipients) or "none, see hand_off: in site.yaml"
        raise CannotHandOff(f"recipient {recipient!r}: unknown, there are: {known}")
    if not why.strip():
        raise CannotHandOff("why: is empty, say why it is handed over")
    given = HandOff(
        id=f"H{uow.next_number('hand-off'):06d}", case=case.id, recipient=to.name,
        channel=to.channel, by=by, at=now, due_at=now + to.answer_within, why=why.strip(),
    )  # fmt: skip
    note = f"{given.id} {to.title}: {given.why}; until {rfc3339(given.due_at)}"
    moved = case.apply_event(CaseEvent.HAND_OFF, at=now, by=by, note=note)
    save_case(uow, case, moved, context.payloads, now)
    uow.hand_offs.put(given)
    uow.access.append(
        at=now, who=by, what="hand_off", camera=case.camera, why=f"case:{case.id} {given.id}"
    )
    _queue_hand_off(uow, given, case, context)
    return given


def hand_off_event(given: HandOff, case: Case, context: OutsideContext) -> dict[str, object]:
    """The outgoing document, scrubbed of addresses, camera numbers and households."""
    scrub = context.payloads.scrub
    return hand_off.event_document(
        given, case, context.registry, site_name=context.payloads.site_name,
        centre_phone=context.payloads.centre_phone, description=scrub(case.note),
        place=scrub(case.place),
    )  # fmt: skip


def _queue_hand_off(uow: UnitOfWork, given: HandOff, case: Case, context: OutsideContext) -> None:
    payload = encode_payload(hand_off_event(given, case, context))
    if given.channel is HandOffChannel.MQTT:
        topic = hand_off_topic(context.payloads.site, given.recipient, given.id)
        uow.outbox.add(
            OutboxMessage(
                key=MessageKey(given.id), topic=topic, payload=payload, queued_at=given.at,
                retain=True,
            )
        )  # fmt: skip
    elif given.channel is HandOffChannel.WEBHOOK:
        _queue_delivery(uow, f"webhook:handoff-{given.recipient}", given.id, payload, given.at)


def answer_hand_off(
    uow: UnitOfWork,
    ident: str,
    event: HandOffEvent,
    *,
    by: str,
    now: datetime,
    context: OutsideContext,
    text: str = "",
    key: str = "",
) -> HandOff:
    """Take a receipt or an answer; `key`: of the department's message, a repeat changes nothing.

    Raises KeyError, IllegalHandOffMove, CannotHandOff.
    """
    given = uow.hand_offs.get(ident)
    if key and not uow.inbox.remember_key(MessageKey(f"hand-off/{given.recipient}/{key}"), now):
        return given
    answered = given.apply_event(event, at=now, by=by, text=text)
    uow.hand_offs.put(answered)
    case = uow.cases.get(given.case)
    note = f"{given.id} {event}: {text.strip()}".rstrip(": ")
    moved = case.apply_event(CaseEvent.HAND_OFF_ANSWER, at=now, by=by, note=note)
    save_step(uow, case, moved, context.payloads, now)
    if answered.channel is HandOffChannel.MQTT and event is HandOffEvent.ANSWER:
        topic = hand_off_topic(context.payloads.site, given.recipient, given.id)
        clear = MessageKey(f"{given.id}-clear")
        uow.outbox.add(
            OutboxMessage(key=clear, topic=topic, payload=b"", queued_at=now, retain=True)
        )
    return answered


def ask_broadcast(
    uow: UnitOfWork,
    case_id: CaseId,
    *,
    by: str,
    now: datetime,
    context: OutsideContext,
    template: str = "",
    text: str = "",
    speaker: str = "",
) -> Broadcast:
    """Ask for a broadcast to the village's loudspeaker; another person approves it.

    Raises KeyError, CannotBroadcast, IllegalBroadcastMove (night), IllegalCaseTransition.
    """
    case, contacts = uow.cases.get(case_id), context.contacts
    check_quiet(case, contacts.quiet, now.astimezone(context.zone))
    where = (
        contacts.speakers.get(speaker) if speaker else contacts.speaker_for(case, context.registry)
    )
    if where is None:
        known = ", ".join(contacts.speakers) or "none, see broadcast: in site.yaml"
        raise CannotBroadcast(f"speaker: none for grid {case.grid}, there are: {known}")
    if template and template not in contacts.templates:
        raise CannotBroadcast(
            f"template {template!r}: unknown, use {', '.join(contacts.templates)}"
        )
    grid = context.registry.tree.grids.get(case.grid)
    scrub = context.payloads.scrub
    spoken = broadcast_text(
        contacts.templates[template] if template else "{text}", case,
        grid_name=grid.name if grid else "", place=scrub(case.place), text=scrub(text),
    )  # fmt: skip
    asked = Broadcast(
        id=f"B{uow.next_number('broadcast'):06d}", case=case.id, speaker=where.name, text=spoken,
        by=by, at=now,
    )  # fmt: skip
    uow.broadcasts.put(asked)
    _note(uow, case, f"{asked.id} asked, {where.title}: {spoken}", context, by=by, now=now)
    return asked


def decide_broadcast(
    uow: UnitOfWork,
    ident: str,
    event: BroadcastEvent,
    *,
    by: str,
    now: datetime,
    context: OutsideContext,
    text: str = "",
) -> Broadcast:
    """Approve or refuse; an approved one goes to the driver at once.

    Raises KeyError, IllegalBroadcastMove (night, its own asker, decided before).
    """
    asked = uow.broadcasts.get(ident)
    case = uow.cases.get(asked.case)
    if event is BroadcastEvent.APPROVE:
        check_quiet(case, context.contacts.quiet, now.astimezone(context.zone))
    decided = asked.apply_event(event, at=now, by=by, text=text)
    uow.broadcasts.put(decided)
    _note(uow, case, f"{asked.id} {event} {text}".rstrip(), context, by=by, now=now)
    if decided.state is BroadcastState.SENT:
        _queue_broadcast(uow, decided, now, context)
    return decided


def _queue_broadcast(
    uow: UnitOfWork, sent: Broadcast, now: datetime, context: OutsideContext
) -> None:
    speaker = context.contacts.speakers.get(sent.speaker)
    if speaker is None:
        raise IllegalBroadcastMove(f"broadcast {sent.id}: no loudspeaker {sent.speaker} any more")
    body = {
        "v": 1, "key": sent.id, "at": rfc3339(now), "speaker": speaker.name, "grid": speaker.grid,
        "text": sent.text, "case": sent.case, "approved_by": sent.approved_by,
    }  # fmt: skip
    payload = encode_payload(body)
    if speaker.driver == MQTT_DRIVER:
        topic = speaker_topic(context.payloads.site, speaker.name)
        uow.outbox.add(
            OutboxMessage(
                key=MessageKey(sent.id), topic=topic, payload=payload, queued_at=now, retain=False,
                expires_at=now + timedelta(hours=1),
            )
        )  # fmt: skip
    else:
        _queue_delivery(uow, f"webhook:speaker-{speaker.name}", sent.id, payload, now)


def record_played(
    uow: UnitOfWork,
    ident: str,
    event: BroadcastEvent,
    *,
    speaker: str,
    now: datetime,
    context: OutsideContext,
    text: str = "",
) -> Broadcast:
    """What the device reported: played, or failed with a reason. A repeat changes nothing.

    Raises KeyError (also: another loudspeaker's), IllegalBroadcastMove.
    """
    sent = uow.broadcasts.get(ident)
    if sent.speaker != speaker:
        raise KeyError(ident)
    reported = BroadcastState.PLAYED if event is BroadcastEvent.PLAYED else BroadcastState.FAILED
    if sent.state is reported:
        return sent
    moved = sent.apply_event(event, at=now, by=f"speaker:{speaker}", text=text)
    uow.broadcasts.put(moved)
    case = uow.cases.get(sent.case)
    noted = case.apply_event(
        CaseEvent.BROADCAST_PLAYED, at=now, by=f"speaker:{speaker}",
        note=f"{sent.id} {event} {text}".rstrip(),
    )  # fmt: skip
    save_case(uow, case, noted, context.payloads, now)
    return moved


def _note(
    uow: UnitOfWork, case: Case, note: str, context: OutsideContext, *, by: str, now: datetime
) -> None:
    noted = case.apply_event(CaseEvent.BROADCAST, at=now, by=by, note=note)
    save_case(uow, case, noted, context.payloads, now)
    uow.access.append(
        at=now, who=by, what="broadcast", camera=case.camera, why=f"case:{case.id} {note[:40]}"
    )


def _queue_delivery(uow: UnitOfWork, target: str, key: str, payload: bytes, now: datetime) -> None:
    uow.deliveries.add(
        Delivery(
            key=key, target=target, event="handed_over", payload=payload, queued_at=now, due_at=now,
            expires_at=now + DELIVERED_WITHIN,
        )
    )  # fmt: skip
