"""JSON documents of a household's consent and of what is held of it: command line, API, console."""

from patrol.domain.consent import hours_text
from patrol.domain.timestamps import rfc3339_or_none
from patrol.store.consents import CameraTerms


def terms_document(terms: CameraTerms) -> dict[str, object]:
    """What stands for a camera beside cameras.csv."""
    return {
        "withdrawn": terms.withdrawn_at is not None,
        "withdrawn_at": rfc3339_or_none(terms.withdrawn_at),
        "paused_until": rfc3339_or_none(terms.paused_until),
        "hours": hours_text(terms.hours) or None,
    }
