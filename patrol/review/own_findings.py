"""File an own finding (人工发现): what a person sees on a picture, or hears on the telephone.

Used by the console, the API and the command line. A finding of origin `operator` is counted apart
from the machine's: it is what the machine missed. It goes to the review queue, or straight to a
case by the ordinary confirmation, so that merging, sending and holding are the same for both.
Everything runs in the caller's unit of work; the caller commits.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, auto
from typing import Final

from patrol.domain.case_opening import subject_of
from patrol.domain.errors import BadInput
from patrol.domain.finding import CATEGORY_BY_ID, FilingSource, Finding, Origin
from patrol.domain.ids import CameraId, FindingId, GridCode, PictureId, RoundId
from patrol.domain.observation import Box, FindingRules, Subject
from patrol.domain.priority import Level
from patrol.domain.registry import Registry
from patrol.store import UnitOfWork

FINDING_SEQUENCE: Final = "finding"
OWN_SCORE: Final = 1.0  # a person is sure of what was seen; the queue orders by level first
FILED: Final = "file"  # the first entry of an own finding's history
# Whose findings name no camera: a grid and, of the latter two, a photo of the place itself.
_WITHOUT_CAMERA: Final = (FilingSource.PHONE, FilingSource.HELPER, FilingSource.GROUND)


class FilingTarget(StrEnum):
    """Where an own finding goes."""

    QUEUE = auto()  # another look, by anybody
    CASE = auto()  # at once


class CannotFile(BadInput, ValueError):
    """The own finding names something that is not there, or contradicts itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilingForm:
    """What a person says about an own finding; checked against registry and store when filed."""

    category: str
    source: FilingSource
    camera: CameraId | None = None
    grid: GridCode | None = None  # where there is no camera
    level: Level | None = None  # None: the rules' level of the category
    box: Box | None = None  # x, y, width, height as shares of the picture
    text: str = ""
    picture: PictureId | None = None
    round: RoundId | None = None
    place: str = ""


def file_finding(
    uow: UnitOfWork,
    form: FilingForm,
    *,
    by: str,
    now: datetime,
    registry: Registry,
    rules: FindingRules,
) -> Finding:
    """Check the form and add the finding as a candidate, with its history and an access entry.

    Raises CannotFile, which names the field and what to give instead.
    """
    grid = _grid_of(form, registry)
    _check_form(form)
    _check_picture(uow, form)
    _check_round(uow, form)
    category = CATEGORY_BY_ID[form.category]
    finding = Finding(
        id=FindingId(f"F{uow.next_number(FINDING_SEQUENCE):06d}"),
        camera=form.camera or CameraId(""),
        grid=grid,
        round=form.round,
        subject=subject_of(form.category, Subject.SCENE),
        kind=form.category,
        score=OWN_SCORE,
        found_at=now,
        why=form.text.strip() or category.zh,
        level=form.level or usual_level(form.category, rules),
        category=form.category,
        picture=form.picture,
        box=form.box,
        origin=Origin.OPERATOR,
        filed_by=by,
        filed_from=str(form.source),
        place=form.place.strip(),
    )
    uow.findings.add(finding)
    uow.finding_history.append(finding.id, at=now, by=by, what=FILED, note=f"{form.source}")
    uow.access.append(
        at=now, who=by, what="file_finding", camera=form.camera, why=f"finding:{finding.id}"
    )
    return finding


def usual_level(category: str, rules: FindingRules) -> Level:
    """The level that the rules give findings of this category; III where they name none."""
    levels = [
        rule.level for rule in rules.by_kind.values() if rule.enabled and rule.category == category
    ]
    return min(levels, default=Level.ORDINARY)  # the most urgent: "I" comes first


def parse_box(text: str) -> Box | None:
    """`0.1,0.2,0.3,0.4` as a box; None for an empty text. Raises CannotFile."""
    if not text.strip():
        return None
    try:
        x, y, width, height = map(float, text.split(","))
    except ValueError:
        raise CannotFile(
            f"box {text!r}: not four numbers, give x,y,width,height as shares of the picture"
        ) from None
    return x, y, width, height


def _grid_of(form: FilingForm, registry: Registry) -> GridCode:
    if form.camera is not None:
        camera = registry.cameras.get(form.camera)
        if camera is None:
            raise CannotFile(f"camera {form.camera!r}: not in cameras.csv, give its 20 digits")
        return camera.grid
    if form.grid is None:
        raise CannotFile("grid: missing, name the camera or the grid where it is")
    if form.grid not in registry.tree.grids:
        raise CannotFile(f"grid {form.grid!r}: not in grids.csv, give one of its 15-digit codes")
    return form.grid


def _check_form(form: FilingForm) -> None:
    if form.category not in CATEGORY_BY_ID:
        known = ", ".join(CATEGORY_BY_ID)
        raise CannotFile(f"category {form.category!r}: unknown, give one of {known}")
    if form.camera is None and form.source not in _WITHOUT_CAMERA:
        raise CannotFile(f"camera: missing, a finding from {form.source} names its camera")
    if form.picture is None and not form.text.strip() and form.camera is None:
        raise CannotFile("text: missing, without a picture say what was reported")
    if form.box is not None:
        _check_box(form)


def _check_box(form: FilingForm) -> None:
    if form.picture is None:
        raise CannotFile("box: there is no picture to draw it on, leave it out")
    x, y, width, height = form.box or (0.0, 0.0, 0.0, 0.0)
    inside = 0 <= x < 1 and 0 <= y < 1 and 0 < width <= 1 - x + 1e-6 and 0 < height <= 1 - y + 1e-6
    if not inside:  # NaN, too
        raise CannotFile(f"box {form.box}: not within the picture, give shares from 0 to 1")


def _check_picture(uow: UnitOfWork, form: FilingForm) -> None:
    if form.picture is None:
        return
    stored = uow.pictures.get(form.picture)
    if stored is None or stored.camera != (form.camera or ""):
        raise CannotFile(f"picture {form.picture!r}: {form.camera} has no such picture any more")
    if form.camera in uow.consents.withdrawn():
        raise CannotFile(f"picture {form.picture!r}: the household withdrew its consent")


def _check_round(uow: UnitOfWork, form: FilingForm) -> None:
    if form.round is None:
        return
    try:
        planned = {camera for camera, _, _ in uow.rounds.outcomes(uow.rounds.get(form.round).id)}
    except KeyError:
        raise CannotFile(f"round {form.round!r}: there is no such round") from None
    if form.camera not in planned:
        raise CannotFile(f"round {form.round}: did not plan camera {form.camera}")
