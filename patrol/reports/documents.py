"""Rounds, findings, cases and cameras as JSON documents for the API, webhooks and `--json`.

No document carries a picture, a household or a stream's address; a picture is named by its hash,
and only the web pages show it, to a person, with an entry in the access log.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from patrol.domain.broadcast import Broadcast
from patrol.domain.camera import Camera
from patrol.domain.case import Case, CaseEntry
from patrol.domain.case_timers import SendHold
from patrol.domain.finding import Finding, FindingEntry
from patrol.domain.ground_patrol import CheckIn, GroundPatrol, GroundStop, count_stops
from patrol.domain.hand_off import HandOff
from patrol.domain.human_patrol import CameraCheck, HumanPatrol, count_checks
from patrol.domain.outbox import OutboxMessage
from patrol.domain.round import Round, RoundTotals
from patrol.domain.round_duty import RoundDutyEntry
from patrol.domain.supervision import OverdueCase
from patrol.domain.timestamps import rfc3339, rfc3339_or_none

JsonObject = dict[str, Any]
Mask = Callable[[str], str]
TYPED_FIELDS: Final = frozenset(  # free text of people
    {
        "answer",
        "end_remark",
        "ended_why",
        "note",
        "place",
        "problem",
        "reason",
        "start_remark",
        "text",
        "why",
    }
)
CASE_TOPIC_GRID: Final = re.compile(r"/grid/([^/]+)/case/")


def case_document(case: Case) -> JsonObject:
    """A case with its history; shape: docs/mqtt.md and the API's schema."""
    return {
        "id": case.id,
        "grid": case.grid,
        "state": str(case.state),
        "level": str(case.level),
        "category": case.category,
        "due": rfc3339_or_none(case.due_at) if case.is_open else None,
        "camera": case.camera,
        "place": case.place,
        "finding": case.finding,
        "found_at": rfc3339_or_none(case.found_at),
        "dispatched_at": rfc3339_or_none(case.dispatched_at),
        "rung": case.rung,
        "count": case.count,
        "note": case.note,
        "tags": list(case.tags),
        "open_to_helpers": case.open_to_helpers,
        "supervision": _supervision_document(case),
        "held": _hold_document(case.hold),
        "suspended_since": rfc3339_or_none(case.suspension.since) if case.suspension else None,
        "events": [entry_document(entry) for entry in case.entries],
    }


def _supervision_document(case: Case) -> JsonObject | None:
    clock = case.supervision
    if clock is None:
        return None
    return {
        "by": clock.by,
        "at": rfc3339_or_none(clock.at),
        "why": clock.why,
        "due": rfc3339_or_none(clock.due_at),
    }


def overdue_document(line: OverdueCase, now: datetime) -> JsonObject:
    """One line of the overdue list."""
    case = line.case
    return {
        "case": case.id,
        "grid": case.grid,
        "level": str(case.level),
        "category": case.category,
        "state": str(case.state),
        "step": str(line.step),
        "since": rfc3339_or_none(line.since),
        "overdue_min": int((now - line.since).total_seconds() // 60),
        "person": line.person or None,
        "supervised": case.supervision is not None,
        "tags": list(case.tags),
    }


def hand_off_document(one: HandOff) -> JsonObject:
    """One hand-off with its receipt and answer."""
    return {
        "id": one.id,
        "case": one.case,
        "recipient": one.recipient,
        "channel": str(one.channel),
        "state": str(one.state),
        "by": one.by,
        "at": rfc3339_or_none(one.at),
        "due": rfc3339_or_none(one.due_at),
        "why": one.why,
        "received_at": rfc3339_or_none(one.received_at),
        "received_by": one.received_by or None,
        "answered_at": rfc3339_or_none(one.answered_at),
        "answered_by": one.answered_by or None,
        "answer": one.answer,
    }


def broadcast_document(one: Broadcast) -> JsonObject:
    """One broadcast with who approved it and when it was played."""
    return {
        "id": one.id,
        "case": one.case,
        "speaker": one.speaker,
        "text": one.text,
        "state": str(one.state),
        "by": one.by,
        "at": rfc3339_or_none(one.at),
        "approved_by": one.approved_by or None,
        "approved_at": rfc3339_or_none(one.approved_at),
        "played_at": rfc3339_or_none(one.played_at),
        "problem": one.problem,
    }


def masked_document(document: JsonObject, mask: Mask) -> JsonObject:
    """A document as it leaves the centre: what people typed in it is masked, also in its parts."""

    def masked(name: str, value: Any) -> Any:
        if isinstance(value, str):
            return mask(value) if name in TYPED_FIELDS else value
        if isinstance(value, list):
            return [masked(name, one) for one in value]
        return masked_document(value, mask) if isinstance(value, dict) else value

    return {name: masked(name, value) for name, value in document.items()}


def message_document(message: OutboxMessage) -> JsonObject:
    """The receipts of one message: when each step was reached, None: not yet."""
    topic_match = CASE_TOPIC_GRID.search(message.topic)
    return {
        "key": message.key,
        "grid": topic_match[1] if topic_match else None,
        "state": str(message.state),
        "clears": not message.payload,
        "queued": rfc3339_or_none(message.queued_at),
        "published": rfc3339_or_none(message.tried_at),
        "broker_acked": rfc3339_or_none(message.published_at),
        "device_received": rfc3339_or_none(message.received_at),
        "opened": rfc3339_or_none(message.opened_at),
        "acknowledged": rfc3339_or_none(message.answered_at),
    }


def _hold_document(hold: SendHold | None) -> JsonObject | None:
    if hold is None:
        return None
    return {
        "why": hold.why,
        "since": rfc3339_or_none(hold.since),
        "until": rfc3339_or_none(hold.until),
    }


def entry_document(entry: CaseEntry) -> JsonObject:
    """One line of a case's history; `claimed` only where a name is not proven."""
    claimed = {"claimed": entry.claimed} if entry.claimed else {}
    return {
        "at": rfc3339_or_none(entry.at),
        "by": entry.by,
        **claimed,
        "what": str(entry.what),
        "note": entry.note,
        "state": str(entry.state),
    }


def finding_entry_document(entry: FindingEntry) -> JsonObject:
    """One entry of a finding's history beside its decision."""
    return {"at": rfc3339(entry.at), "by": entry.by, "what": entry.what, "note": entry.note}


def finding_document(finding: Finding) -> JsonObject:
    """A finding with its decision."""
    return {
        "id": finding.id,
        "camera": finding.camera,
        "kind": finding.kind,
        "score": round(finding.score, 4),
        "found_at": rfc3339_or_none(finding.found_at),
        "why": finding.why,
        "gauge": finding.gauge or None,
        "grid": finding.grid,
        "category": finding.category,
        "level": str(finding.level),
        "state": str(finding.state),
        "zone": finding.zone,
        "count": finding.count,
        "round": finding.round,
        "case": finding.case,
        "decided_by": finding.decided_by or None,
        "decided_at": rfc3339_or_none(finding.decided_at),
        "reason": finding.reason or None,
        "filed_by": finding.filed_by or None,
        "filed_from": finding.filed_from or None,
        "place": finding.place or None,
        "again": finding.recheck
        and {"at": rfc3339_or_none(finding.recheck.at), "why": finding.recheck.why},
    }


def round_duty_document(entry: RoundDutyEntry) -> JsonObject:
    """One signature on a round."""
    return {
        "round": entry.round,
        "at": rfc3339_or_none(entry.at),
        "what": str(entry.what),
        "who": entry.who,
        "to": entry.to or None,
        "note": entry.note,
        "owner": entry.owner,
    }


def ground_patrol_document(
    patrol: GroundPatrol,
    stops: Sequence[GroundStop],
    check_ins: Sequence[CheckIn] | None = None,
) -> JsonObject:
    """A patrol on the ground with its points; with `check_ins`, these too."""
    counts = count_stops(stops)
    document: JsonObject = {
        "id": patrol.id,
        "plan": patrol.plan,
        "number": patrol.number,
        "title": patrol.title,
        "day": patrol.day.isoformat(),
        "grid": patrol.grid,
        "people": list(patrol.people),
        "state": str(patrol.state),
        "open_from": rfc3339_or_none(patrol.open_from),
        "planned_at": rfc3339_or_none(patrol.planned_at),
        "finish_by": rfc3339_or_none(patrol.finish_by),
        "started_at": rfc3339_or_none(patrol.started_at),
        "ended_at": rfc3339_or_none(patrol.ended_at),
        "key_area": patrol.key_area or None,
        "planned": counts.planned,
        "done": counts.done,
        "late": counts.late,
        "review": counts.review,
        "missed": counts.missed,
        "pending": counts.pending,
        "points": [
            {
                "point": stop.point,
                "name": stop.name,
                "kind": stop.kind,
                "due": rfc3339_or_none(stop.due_at),
                "state": str(stop.state),
                "at": rfc3339_or_none(stop.at),
                "late_notified_at": rfc3339_or_none(stop.late_notified_at),
                "check_in": stop.check_in or None,
            }
            for stop in stops
        ],
    }
    if check_ins is not None:
        document["check_ins"] = [check_in_document(one) for one in check_ins]
    return document


def check_in_document(check_in: CheckIn) -> JsonObject:
    """One check-in; where the person was is nowhere, only how far from the point."""
    return {
        "id": check_in.id,
        "patrol": check_in.patrol,
        "point": check_in.point,
        "by": check_in.by,
        "method": str(check_in.method),
        "claimed_at": rfc3339_or_none(check_in.claimed_at),
        "received_at": rfc3339_or_none(check_in.received_at),
        "at": rfc3339_or_none(check_in.at),
        "is_claimed": check_in.is_claimed,
        "distance_m": check_in.distance_m,
        "accuracy_m": check_in.accuracy_m,
        "state": str(check_in.state),
        "problems": [str(one) for one in check_in.problems],
        "seen": check_in.seen,
        "finding": check_in.finding,
        "decided_by": check_in.decided_by or None,
        "decided_at": rfc3339_or_none(check_in.decided_at),
        "decision_note": check_in.decision_note,
    }


def human_patrol_document(
    patrol: HumanPatrol, checks: Sequence[CameraCheck] | None = None
) -> JsonObject:
    """A human patrol; with `checks`, its counts and what was said of each camera."""
    document: JsonObject = {
        "id": patrol.id,
        "plan": patrol.plan,
        "title": patrol.title,
        "day": patrol.day.isoformat(),
        "state": str(patrol.state),
        "open_from": rfc3339_or_none(patrol.open_from),
        "planned_at": rfc3339_or_none(patrol.planned_at),
        "finish_by": rfc3339_or_none(patrol.finish_by),
        "reminded_at": rfc3339_or_none(patrol.reminded_at),
        "assigned": list(patrol.assigned),
        "started_at": rfc3339_or_none(patrol.started_at),
        "started_by": patrol.started_by or None,
        "finished_at": rfc3339_or_none(patrol.finished_at),
        "start_remark": patrol.start_remark,
        "end_remark": patrol.end_remark,
        "refused": patrol.refused,
        "checklist": [
            {"text": text, "checked": number in patrol.checked_items}
            for number, text in enumerate(patrol.checklist)
        ],
    }
    if checks is not None:
        counts = count_checks(checks)
        document |= {
            "planned": counts.planned,
            "done": counts.done,
            "not_viewable": counts.not_viewable,
            "missed": counts.missed,
            "pending": counts.pending,
            "cameras": [_check_document(patrol, check) for check in checks],
        }
    return document


def _check_document(patrol: HumanPatrol, check: CameraCheck) -> JsonObject:
    return {
        "camera": check.camera,
        "checkpoint": patrol.stops[check.checkpoint].title,
        "outcome": str(check.outcome),
        "by": check.by or None,
        "at": rfc3339_or_none(check.at),
        "picture_at": rfc3339_or_none(check.picture_at),
        "finding": check.finding,
    }


def round_document(a_round: Round, totals: RoundTotals | None = None) -> JsonObject:
    """A round; with `totals`, also the outcomes of its visits."""
    document: JsonObject = {
        "round": a_round.id,
        "plan": a_round.plan,
        "day": a_round.day.isoformat(),
        "state": str(a_round.state),
        "reason": a_round.reason,
        "planned_at": rfc3339_or_none(a_round.planned_at),
        "started_at": rfc3339_or_none(a_round.started_at),
        "finished_at": rfc3339_or_none(a_round.finished_at),
        "finish_by": rfc3339_or_none(a_round.finish_by),
        "planned": a_round.planned,
        "refused": sum(a_round.refused.values()),
        "refusals": dict(a_round.refused),
    }
    if totals is not None:
        document |= {
            "pending": totals.pending,
            "seen": totals.seen,
            "not_viewable": totals.not_viewable,
            "missed": totals.missed,
            "failures": dict(totals.failures or {}),
            "pictures": totals.pictures,
            "observations": totals.observations,
            "findings": totals.findings,
        }
    return document


def camera_document(camera: Camera, health: tuple[str, datetime, str] | None) -> JsonObject:
    """A camera without its address and its household; `health` is (state, since, why)."""
    state, since, why = health or ("unknown", None, "")
    return {
        "id": camera.id,
        "name": camera.name,
        "grid": camera.grid,
        "place": camera.place,
        "link": camera.link,
        "placement": str(camera.placement),
        "priority": str(camera.priority),
        "consent": str(camera.consent.state),
        "consent_until": camera.consent.until.isoformat() if camera.consent.until else None,
        "tags": sorted(camera.tags),
        "lon": camera.longitude,
        "lat": camera.latitude,
        "health": {"state": state, "since": rfc3339_or_none(since), "why": why},
    }


def envelope(event: str, at: datetime, key: str, data: Mapping[str, Any]) -> JsonObject:
    """The body of a webhook: version, event type, key, time and the document."""
    return {"v": 1, "type": event, "key": key, "timestamp": rfc3339_or_none(at), "data": dict(data)}
