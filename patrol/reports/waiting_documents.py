"""What waits for a person, as JSON documents: approvals, verifications, the maintenance queue.

For the API and `--json`. None carries a picture, a household or a stream's address; pictures are
named by their ids.
"""

from datetime import datetime

from patrol.domain.approval import close_after_grant
from patrol.domain.health import Trouble
from patrol.domain.supervision import PendingApproval
from patrol.domain.timestamps import rfc3339_or_none
from patrol.domain.verification import PendingVerification
from patrol.reports.documents import JsonObject


def approval_document(one: PendingApproval, now: datetime) -> JsonObject:
    """What waits for approval: of which kind, who asked, why, and the new limit if granted."""
    request, case = one.case.request, one.case
    if one.broadcast is not None or request is None:
        asked = one.broadcast
        return {
            "case": case.id,
            "broadcast": asked.id if asked else None,
            "kind": "broadcast",
            "by": asked.by if asked else "",
            "at": rfc3339_or_none(asked.at if asked else None),
            "why": asked.text if asked else "",
            "hours": None,
            "close_if_granted": None,
        }
    return {
        "case": case.id,
        "broadcast": None,
        "kind": str(request.kind),
        "by": request.by,
        "at": rfc3339_or_none(request.at),
        "why": request.why,
        "hours": request.span_s / 3600 if request.span_s else None,
        "close_if_granted": rfc3339_or_none(close_after_grant(case, now)),
    }


def verification_document(one: PendingVerification) -> JsonObject:
    """A handled case that waits for a person; pictures by their hashes."""
    return {
        "case": one.case,
        "level": str(one.level),
        "since": rfc3339_or_none(one.since),
        "due": rfc3339_or_none(one.due),
        "due_light": str(one.due_light),
        "before": one.before,
        "after": one.after,
        "machine": one.machine,
        "opinion": str(one.opinion),
    }


def trouble_document(one: Trouble, now: datetime) -> JsonObject:
    """An entry of the maintenance queue, with its case's number and whose it is."""
    return {
        "number": one.number,
        "case": one.case,
        "kind": str(one.kind),
        "subject": one.subject,
        "state": one.state,
        "since": rfc3339_or_none(one.since),
        "due": rfc3339_or_none(one.due_at),
        "light": str(one.due_light(now)),
        "cameras": len(one.cameras),
        "taken_by": one.taken_by or None,
        "why": one.why,
    }
