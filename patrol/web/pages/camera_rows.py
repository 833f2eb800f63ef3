"""Rows of the pages of cameras: a camera, its visits, its references, with their labels."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from patrol.domain import labels
from patrol.domain.camera import Camera
from patrol.domain.ids import CameraId
from patrol.domain.registry import Registry
from patrol.domain.round import Visit
from patrol.review.reference import CameraReference
from patrol.web.i18n import Translator, grid_name, kind_label, outcome_label

HealthById = Mapping[CameraId, tuple[str, datetime, str]]


def reference_rows(known: Sequence[CameraReference], t: Translator) -> list[dict[str, Any]]:
    """The references of a camera with the labels of their light and state."""
    return [
        {
            "light": t.pair(labels.label_of(labels.LIGHTS, one.light)),
            "name": one.light,
            "state": one.state,
            "label": t.pair(labels.REFERENCE_STATES[one.state]),
            "why": t.pair(labels.label_of(labels.REFERENCE_SUSPENSIONS, one.why)),
            "since": t.full_datetime(one.since),
            "samples": one.samples,
        }
        for one in known
    ]


def visit_row(visit: Visit, t: Translator) -> dict[str, Any]:
    """A visit with the labels of its outcome and of what was wrong."""
    return {
        "at": visit.finished_at,
        "outcome": visit.outcome.value,
        "label": outcome_label(visit.outcome, t),
        "why": " ".join(kind_label(kind, t) for kind in (*visit.faults, visit.failure) if kind),
    }


def camera_row(
    camera: Camera, registry: Registry, known: HealthById, t: Translator
) -> dict[str, Any]:
    """A camera as it is registered, with its health and its consent."""
    state, since, why = known.get(camera.id, ("unknown", None, ""))
    return {
        "id": camera.id,
        "name": camera.name,
        "grid": grid_name(registry, camera.grid),
        "place": camera.place,
        "link": camera.link,
        "health": state,
        "health_label": t.pair(labels.label_of(labels.CAMERA_CONDITIONS, state)),
        "since": t.short_datetime(since),
        "why": kind_labels(why, t),
        "consent": camera.consent.state.value,
        "priority_label": t.pair(labels.PRIORITIES[camera.priority]),
        "consent_label": t.pair(labels.CONSENT_STATES[camera.consent.state]),
        "until": f"{camera.consent.until:%Y-%m-%d}" if camera.consent.until else "—",
    }


def kind_labels(why: str, t: Translator) -> str:
    """The labels of the faults of a health change, which the store keeps with spaces between."""
    return " ".join(kind_label(kind, t) for kind in why.split())


def refusal_label(camera: Camera, day: date, t: Translator) -> str:
    """Why the camera is not patrolled on this day; empty when it is."""
    refusal = camera.refusal_on(day)
    return t.pair(labels.REFUSALS[refusal]) if refusal else ""
