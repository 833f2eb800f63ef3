"""Rounds, findings, cases and cameras as documents for other programs (API, webhooks).

The shapes of contracts.md and of `--json`, in one place. Never in them: a picture, a household, a
stream's address. A picture's name is its hash; only the console shows it, to a person, and logs it.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from patrol.domain.camera import Camera
from patrol.domain.case import Case, CaseEntry, Hold
from patrol.domain.finding import Finding
from patrol.domain.message import OutboxMessage
from patrol.domain.round import Round, RoundBooks

Document = dict[str, Any]
CASE_TOPIC_GRID: Final = re.compile(r"/grid/([^/]+)/case/")


def case_document(case: Case) -> Document:
    """A case as the contract has it, and what else a program may want."""
    return {
        "id": case.id,
        "grid": case.grid,
        "state": str(case.state),
        "level": str(case.level),
        "category": case.category,
        "due": utc(case.due_at) if case.is_open else None,
        "camera": case.camera,
        "place": case.place,
        "finding": case.finding,
        "found_at": utc(case.found_at),
        "dispatched_at": utc(case.dispatched_at),
        "rung": case.rung,
        "count": case.count,
        "note": case.note,
        "held": _hold_document(case.hold),
        "suspended_since": utc(case.suspension.since) if case.suspension else None,
        "events": [entry_document(entry) for entry in case.entries],
    }


def message_document(message: OutboxMessage) -> Document:
    """The receipt ladder of one message: when each rung was reached, None: not yet."""
    told = CASE_TOPIC_GRID.search(message.topic)
    return {
        "key": message.key,
        "grid": told[1] if told else None,
        "state": str(message.state),
        "clears": not message.payload,
        "queued": utc(message.queued_at),
        "published": utc(message.tried_at),
        "broker_acked": utc(message.published_at),
        "device_received": utc(message.received_at),
        "opened": utc(message.opened_at),
        "acknowledged": utc(message.answered_at),
    }


def _hold_document(hold: Hold | None) -> Document | None:
    if hold is None:
        return None
    return {"why": hold.why, "since": utc(hold.since), "until": utc(hold.until)}


def entry_document(entry: CaseEntry) -> Document:
    """One line of a case's history."""
    return {
        "at": utc(entry.at),
        "by": entry.by,
        "what": str(entry.what),
        "note": entry.note,
        "state": str(entry.state),
    }


def finding_document(finding: Finding) -> Document:
    """A finding as the contract has it, with what was decided."""
    return {
        "id": finding.id,
        "camera": finding.camera,
        "kind": finding.kind,
        "score": round(finding.score, 4),
        "found_at": utc(finding.found_at),
        "why": finding.why,
        "grid": finding.grid,
        "category": finding.category,
        "level": str(finding.level),
        "state": str(finding.state),
        "zone": finding.zone,
        "count": finding.count,
        "round": finding.round,
        "case": finding.case,
        "decided_by": finding.decided_by or None,
        "decided_at": utc(finding.decided_at),
        "reason": finding.reason or None,
        "again": finding.again and {"at": utc(finding.again.at), "why": finding.again.why},
    }


def round_document(a_round: Round, books: RoundBooks | None = None) -> Document:
    """A round; with its books, also what became of its visits."""
    document: Document = {
        "round": a_round.id,
        "plan": a_round.plan,
        "day": a_round.day.isoformat(),
        "state": str(a_round.state),
        "reason": a_round.reason,
        "planned_at": utc(a_round.planned_at),
        "started_at": utc(a_round.started_at),
        "finished_at": utc(a_round.finished_at),
        "finish_by": utc(a_round.finish_by),
        "planned": a_round.planned,
        "refused": sum(a_round.refused.values()),
        "refusals": dict(a_round.refused),
    }
    if books is not None:
        document |= {
            "pending": books.pending,
            "seen": books.seen,
            "not_viewable": books.not_viewable,
            "missed": books.missed,
            "failures": dict(books.failures or {}),
            "pictures": books.pictures,
            "observations": books.observations,
            "findings": books.findings,
        }
    return document


def camera_document(camera: Camera, health: tuple[str, datetime, str] | None) -> Document:
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
        "health": {"state": state, "since": utc(since), "why": why},
    }


def utc(at: datetime | None) -> str | None:
    """`2026-11-22T01:00:00Z`."""
    return None if at is None else at.strftime("%Y-%m-%dT%H:%M:%SZ")


def envelope(event: str, at: datetime, key: str, data: Mapping[str, Any]) -> Document:
    """A piece of news: version, what happened, when, under which key, the thing itself."""
    return {"v": 1, "type": event, "key": key, "timestamp": utc(at), "data": dict(data)}
