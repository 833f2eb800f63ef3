"""The map's data: cameras by state, open cases, unreviewed alarms, outlines of grids.

A case stands at its camera; one without a camera, or whose camera has no position, in the middle of
its grid's cameras, and is said to stand there only roughly. Everybody gets what the account may
read elsewhere: cases within the scope, alarms with the right to review.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import JSONResponse

from patrol.domain.account import Permission
from patrol.domain.answering import may_see_case
from patrol.domain.case import Case
from patrol.domain.consent import visit_refusal
from patrol.domain.finding import Finding
from patrol.domain.ids import CameraId, GridCode
from patrol.domain.labels import CAMERA_CONDITIONS, DUE_LIGHTS
from patrol.domain.priority import DueLight
from patrol.domain.registry import GridLevel, Registry
from patrol.review.alarms import alarming
from patrol.web.auth import CurrentUser
from patrol.web.context import ContextDep, MayViewGrid, WebContext
from patrol.web.errors import NO_STORE
from patrol.web.i18n import (
    Translator,
    camera_name,
    case_state_label,
    category_label,
    grid_name,
    kind_label,
    level_label,
)
from patrol.web.pages.cases import time_left

MAX_CASES: Final = 2000
SEVERITY: Final = (DueLight.GREEN, DueLight.YELLOW, DueLight.RED)
Position = tuple[float, float]  # longitude, latitude
router = APIRouter()


@router.get("/api/grid/map")
def map_data(context: ContextDep, user: MayViewGrid) -> JSONResponse:
    """The map's cameras, cases, alarms, and the outlines of grids (GeoJSON geometries)."""
    body = {
        "cameras": _cameras(context, user),
        "cases": _cases(context, user),
        "alarms": _alarms(context, user),
        "grids": _outlines(context),
    }
    return JSONResponse(body, headers=NO_STORE)


def map_states(t: Translator) -> list[tuple[str, str]]:
    """(state, label) of the cameras on the map, for its legend."""
    known = [(key, t.pair(pair)) for key, pair in CAMERA_CONDITIONS.items()]
    return [*known, ("refused", t("不巡查", "not patrolled"))]


def spot_of(
    camera: CameraId | None, grid: GridCode, registry: Registry
) -> tuple[Position, bool] | None:
    """Where something stands, and whether exactly there; None without any position to go by."""
    known = registry.cameras.get(camera) if camera else None
    if known is not None and known.longitude is not None and known.latitude is not None:
        return (known.longitude, known.latitude), True
    within = [
        (one.longitude, one.latitude)
        for one in registry.cameras.values()
        if one.longitude is not None
        and one.latitude is not None
        and registry.tree.is_within(one.grid, grid)
    ]
    if not within:
        return None
    middle = tuple(round(sum(axis) / len(within), 6) for axis in zip(*within, strict=True))
    return (middle[0], middle[1]), False


def _cameras(context: WebContext, user: CurrentUser) -> list[dict[str, Any]]:
    registry, t = context.app.registry, user.t
    local = user.now.astimezone(context.site.tz)
    with context.app.store.begin_read() as uow:
        known, terms = uow.health.all(), uow.consents.terms(user.now)
    labels = dict(map_states(t))
    found = []
    for camera in registry.cameras.values():
        if camera.longitude is None or camera.latitude is None:
            continue
        state, since, why = known.get(camera.id, ("unknown", None, ""))
        if visit_refusal(camera, local, terms) is not None:
            state, since, why = "refused", None, ""
        kinds = " ".join(kind_label(kind, t) for kind in why.split())
        found.append(
            {
                "id": camera.id,
                "at": [camera.longitude, camera.latitude],
                "state": state,
                "name": camera.name,
                "words": " ".join(one for one in (labels.get(state, state), kinds) if one),
                "since": t.short_datetime(since) if since else "",
                "grid": grid_name(registry, camera.grid),
                "url": f"/cameras/{camera.id}" if user.has_permission(Permission.CAMERAS) else "",
            }
        )
    return found


def _cases(context: WebContext, user: CurrentUser) -> list[dict[str, Any]]:
    """Open cases by the place where they stand, the most urgent of a place first."""
    registry = context.app.registry
    if not user.has_permission(Permission.CASES):
        return []
    with context.app.store.begin_read() as uow:
        running = uow.cases.list(open_only=True, limit=MAX_CASES)
    places: dict[Position, list[Case]] = {}
    exact: dict[Position, bool] = {}
    for case in running:
        spot = spot_of(case.camera, case.grid, registry)
        if spot is not None and may_see_case(user.account, case, registry):
            places.setdefault(spot[0], []).append(case)
            exact[spot[0]] = spot[1]
    return [_case_place(at, exact[at], cases, user, registry) for at, cases in places.items()]


def _case_place(
    at: Position, exact: bool, cases: Iterable[Case], user: CurrentUser, registry: Registry  # noqa: FBT001  as the place is
) -> dict[str, Any]:  # fmt: skip
    def urgency(case: Case) -> tuple[int, str, str]:
        return -SEVERITY.index(case.due_light(user.now)), case.level.value, case.id

    ordered, t = sorted(cases, key=urgency), user.t
    first = ordered[0]
    light = first.due_light(user.now)
    return {
        "at": list(at),
        "exact": exact,
        "name": camera_name(registry, first.camera) if exact else grid_name(registry, first.grid),
        "light": light.value,
        "words": t.pair(DUE_LIGHTS[light]),
        "lines": [
            {
                "id": case.id,
                "url": f"/cases/{case.id}",
                "what": category_label(case.category, t),
                "state": case_state_label(case.state, t),
                "left": time_left(case, user),
            }
            for case in ordered
        ],
    }


def _alarms(context: WebContext, user: CurrentUser) -> list[dict[str, Any]]:
    """Findings of levels I and II that nobody has reviewed, each at its camera."""
    if not user.has_permission(Permission.REVIEW):
        return []
    with context.app.store.begin_read() as uow:
        policy = context.app.site.settings.review.alarm.policy
        waiting = alarming(uow.findings.queue(limit=MAX_CASES), policy, user.now)
    return _alarm_places(waiting, user, context.app.registry)


def _alarm_places(
    waiting: Sequence[Finding], user: CurrentUser, registry: Registry
) -> list[dict[str, Any]]:
    t, found = user.t, []
    for one in waiting:
        spot = spot_of(one.camera, one.grid, registry)
        if spot is not None:
            found.append(
                {
                    "id": one.id,
                    "at": list(spot[0]),
                    "exact": spot[1],
                    "name": camera_name(registry, one.camera) if one.camera else one.place,
                    "level": level_label(one.level, t),
                    "what": category_label(one.category, t),
                    "ago": t.ago(one.found_at, user.now),
                    "url": f"/review?finding={one.id}",
                }
            )
    return found


def _outlines(context: WebContext) -> list[dict[str, Any]]:
    """Outlines of grids, the widest first, so that groups are drawn over their village."""
    grids = context.app.registry.tree.grids
    order: Mapping[GridLevel, int] = {
        GridLevel.TOWN: 0, GridLevel.VILLAGE: 1, GridLevel.GROUP: 2,
    }  # fmt: skip
    shapes = context.app.registry_watcher.shapes()
    known = [grid for grid in grids.values() if grid.code in shapes]
    return [
        {"name": grid.name, "level": grid.level.value, "code": grid.code,
         "geometry": shapes[grid.code]}
        for grid in sorted(known, key=lambda one: (order[one.level], one.code))
    ]  # fmt: skip
