"""Open a case: from a confirmed finding (review), or from a leader's report (cases). Pure."""

from datetime import date, datetime

from patrol.domain.case import Case
from patrol.domain.escalation import policy_for
from patrol.domain.finding import EQUIPMENT_CHAPTER, UNNAMED_CHAPTER, Finding, category_named
from patrol.domain.ids import CaseId, GridCode
from patrol.domain.observation import Subject
from patrol.domain.priority import Level
from patrol.domain.registry import Registry
from patrol.domain.routing import route


def case_sequence(day: date) -> str:
    """Name of the store's number sequence for the cases of one local day."""
    return f"case-{day:%Y%m%d}"


def case_id(day: date, number: int) -> CaseId:
    """C20261122-0007: the local day on which it was opened, and its number."""
    return CaseId(f"C{day:%Y%m%d}-{number:04d}")


def subject_of(category: str, proposed: Subject) -> Subject:
    """Scene or equipment, by the category that a person chose: a covered lens may be a fire."""
    chapter = category_named(category).code
    if chapter == UNNAMED_CHAPTER:
        return proposed
    return Subject.EQUIPMENT if chapter == EQUIPMENT_CHAPTER else Subject.SCENE


def open_from_finding(
    finding: Finding,
    ident: CaseId,
    registry: Registry,
    *,
    by: str,
    now: datetime,
    category: str,
    level: Level,
    note: str = "",
) -> Case:
    """The case of a confirmed finding, dispatched along its camera's route, escalation running."""
    camera = registry.cameras.get(finding.camera)
    subject = subject_of(category, finding.subject)
    text = note or finding.why
    case = Case(
        id=ident,
        finding=finding.id,
        camera=finding.camera or None,
        grid=finding.grid,
        subject=subject,
        category=category,
        level=level,
        place=camera.place if camera else _place_without_camera(finding, registry),
        found_at=finding.found_at,
        dispatched_at=now,
        policy=policy_for(level, route(registry, finding.grid, subject), now, registry.office),
        note=text,
        kind=finding.kind,
        zone=finding.zone,
        box=finding.box,
        before=finding.picture,
    )
    return case.dispatched(by=by, note=f"finding {finding.id}: {text}".rstrip(": "))


def _place_without_camera(finding: Finding, registry: Registry) -> str:
    """Where a person said it is, else the grid's name; a camera that was removed has no place."""
    grid = registry.tree.grids.get(finding.grid)
    return finding.place or (grid.name if grid and not finding.camera else "")


def open_from_report(
    ident: CaseId,
    registry: Registry,
    *,
    grid: GridCode,
    by: str,
    now: datetime,
    category: str,
    level: Level,
    place: str,
    text: str,
) -> Case:
    """The case of a problem that a person of the grid reported first."""
    case = Case(
        id=ident,
        finding=None,
        camera=None,
        grid=grid,
        subject=Subject.SCENE,
        category=category,
        level=level,
        place=place or registry.tree.grids[grid].name,
        found_at=now,
        dispatched_at=now,
        policy=policy_for(level, route(registry, grid, Subject.SCENE), now, registry.office),
        note=text,
        kind=category,
    )
    return case.dispatched(by=by, note="reported on the ground")
