"""JSON documents of a household's consent and of what is held of it: command line, API, console."""

from collections.abc import Sequence
from datetime import datetime

from patrol.domain.access_labels import ACCESS_ACTIONS
from patrol.domain.access_log import AccessEntry
from patrol.domain.consent import hours_text
from patrol.domain.labels import label_of
from patrol.domain.timestamps import rfc3339, rfc3339_or_none
from patrol.households.slip import CameraSlip, PlaceHeld
from patrol.store.consents import CameraTerms


def terms_document(terms: CameraTerms) -> dict[str, object]:
    """What stands for a camera beside cameras.csv."""
    return {
        "withdrawn": terms.withdrawn_at is not None,
        "withdrawn_at": rfc3339_or_none(terms.withdrawn_at),
        "paused_until": rfc3339_or_none(terms.paused_until),
        "hours": hours_text(terms.hours) or None,
    }


def slip_document(household: str, slips: Sequence[CameraSlip], now: datetime) -> dict[str, object]:
    """The whole slip as `patrol household ID --json` prints it."""
    return {
        "household": household,
        "made_at": rfc3339(now),
        "cameras": [_camera_document(slip) for slip in slips],
    }


def _camera_document(slip: CameraSlip) -> dict[str, object]:
    camera = slip.camera
    return {
        "camera": slip.id,
        "name": camera.name if camera else None,
        "place": camera.place if camera else None,
        "registered": camera is not None,
        "consent": {
            "state": str(camera.consent.state) if camera else None,
            "until": camera.consent.until.isoformat() if camera and camera.consent.until else None,
            **terms_document(slip.terms),
        },
        "held": [_held_document(one) for one in slip.held],
        "legal_holds": {
            "kept": slip.held_by_order,
            "orders": [
                {"reference": hold.reference, "since": rfc3339(hold.since)} for hold in slip.holds
            ],
        },
        "looked": [_access_document(entry) for entry in slip.accesses],
        "looked_count": slip.accesses_in_all,
        "machine_visits": slip.machine_visits,
        "last_machine_visit": rfc3339_or_none(slip.last_machine_visit),
        "link": slip.link or None,
    }


def _held_document(one: PlaceHeld) -> dict[str, object]:
    return {
        "place": one.place.name,
        "kind": str(one.place.kind),
        "zh": one.place.zh,
        "en": one.place.en,
        "purpose": one.purpose[1] or None,
        "purpose_zh": one.purpose[0] or None,
        "count": one.count,
        "bytes": one.bytes,
        "oldest": rfc3339_or_none(one.oldest),
        "until": rfc3339_or_none(one.until),
        "why_zh": one.place.why_kept[0],
        "why": one.place.why_kept[1],
    }


def _access_document(entry: AccessEntry) -> dict[str, object]:
    zh, en = label_of(ACCESS_ACTIONS, entry.what)
    return {
        "at": rfc3339(entry.at),
        "who": entry.who,
        "what": entry.what,
        "what_zh": zh,
        "what_en": en,
        "why": entry.why,
        "number": entry.number,
    }
