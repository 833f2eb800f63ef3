"""Grid (网格): the tree and the map, its people, who can be reached, and the gaps in the chain."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from patrol.console.asking import AtDesk, ForGrid
from patrol.console.desk import Desk
from patrol.console.gate import Caller
from patrol.console.pages.cameras import HEALTH
from patrol.console.pages.common import grid_name, kind_words
from patrol.console.words import Words
from patrol.domain.account import Account, Right
from patrol.domain.case import Case
from patrol.domain.grid import Grid, GridLevel, Person, Role
from patrol.domain.ids import PersonId
from patrol.domain.registry import Registry
from patrol.domain.routing import chain_problems

ROLES: Final = {
    Role.TOWN_DUTY: ("镇值班", "town duty"),
    Role.VILLAGE_CADRE: ("村班子", "village cadre"),
    Role.GRID_LEADER: ("网格长", "grid leader"),
    Role.PARTY_GROUP_LEADER: ("党小组长", "party-group leader"),
    Role.GRID_WORKER: ("网格员", "grid worker"),
    Role.RESPECTED_VILLAGER: ("乡贤", "respected villager"),
    Role.MAINTAINER: ("运维", "maintainer"),
}
HEARD_IN: Final = 500  # newest cases whose histories tell when somebody was last heard
LATELY: Final = timedelta(days=7)  # heard within: reachable, as far as one can tell
PROBLEMS_SHOWN: Final = 100
router = APIRouter()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reach:
    """What is known of how people can be reached."""

    accounts: Mapping[PersonId, Account]
    online: frozenset[str]
    heard: Mapping[str, datetime]  # by person: the last word or receipt that came in

    def of(self, person: Person, caller: Caller) -> dict[str, Any]:
        """In words, and whether it looks well."""
        say, account = caller.say, self.accounts.get(person.id)
        heard = self.heard.get(person.id)
        ways = []
        if account is not None and account.name in self.online:
            ways.append(say("手机页已登录", "phone page logged in"))
        if person.mqtt_user:
            ways.append("MQTT")
        return {
            "ways": " · ".join(ways) or say("仅电话", "by phone only"),
            "heard": say.ago(heard, caller.now) if heard else "",
            "well": heard is not None and caller.now - heard <= LATELY,
        }


@router.get("/grid")
def grid(desk: AtDesk, caller: ForGrid) -> Response:
    """The whole tree; a town has 68 grids, so it needs no pages."""
    registry = desk.doors.registry
    with desk.doors.store.begin_read() as uow:
        accounts = {one.person: one for one in uow.accounts.all() if one.person}
        online = frozenset(session.account for session in uow.sessions.of(None, caller.now))
        known = uow.cases.list(limit=HEARD_IN)
        running = Counter(case.grid for case in uow.cases.list(open_only=True, limit=5000))
    reach = _Reach(accounts=accounts, online=online, heard=last_heard(known))
    cameras = Counter(camera.grid for camera in registry.cameras.values())
    town = [one for one in registry.tree.grids.values() if one.level is GridLevel.TOWN]
    lines = [
        {
            "code": one.code,
            "name": one.name,
            "level": one.level.value,
            "cameras": cameras[one.code],
            "cases": running[one.code],
            "people": _people(registry, one, reach, caller),
        }
        for one in _in_order(registry, town)
    ]
    placed = sum(one.longitude is not None for one in registry.cameras.values())
    problems = [problem.words for problem in chain_problems(registry)]
    return desk.shell.page(
        "grid.html", caller, lines=lines, problems=problems[:PROBLEMS_SHOWN], gaps=len(problems),
        map=desk.assets.address("leaflet"), tiles=desk.options.tiles, shapes=len(desk.doors.shapes),
        placed=placed, all=len(registry.cameras), states=_states(caller.say),
    )  # fmt: skip


@router.get("/api/grid/map")
def on_the_map(desk: AtDesk, caller: ForGrid) -> JSONResponse:
    """Cameras with their state, and the outlines of grids, as GeoJSON."""
    body = {"cameras": _cameras(desk, caller), "grids": _outlines(desk)}
    return JSONResponse(body, headers={"Cache-Control": "no-store"})


def last_heard(cases: Sequence[Case]) -> dict[str, datetime]:
    """By person: when the newest receipt or reply of theirs came in."""
    heard: dict[str, datetime] = {}
    for case in cases:
        for entry in case.entries:
            if entry.at > heard.get(entry.by, entry.at - LATELY):
                heard[entry.by] = entry.at
    return heard


def _states(say: Words) -> list[tuple[str, str]]:
    known = [(key, say.pair(pair)) for key, pair in HEALTH.items()]
    return [*known, ("refused", say("不巡查", "not patrolled"))]


def _cameras(desk: Desk, caller: Caller) -> list[dict[str, Any]]:
    registry, say = desk.doors.registry, caller.say
    day = caller.now.astimezone(desk.doors.facts.zone).date()
    with desk.doors.store.begin_read() as uow:
        known, withdrawn = uow.health.all(), uow.consents.withdrawn()
    words = dict(_states(say))
    found = []
    for camera in registry.cameras.values():
        if camera.longitude is None or camera.latitude is None:
            continue
        state, since, why = known.get(camera.id, ("unknown", None, ""))
        if camera.id in withdrawn or camera.why_not(day) is not None:
            state, since, why = "refused", None, ""
        kinds = " ".join(kind_words(kind, say) for kind in why.split())
        found.append({
            "at": [camera.longitude, camera.latitude], "state": state, "name": camera.name,
            "words": " ".join(one for one in (words.get(state, state), kinds) if one),
            "since": say.moment(since) if since else "", "grid": grid_name(registry, camera.grid),
            "url": f"/cameras/{camera.id}" if caller.may(Right.CAMERAS) else "",
        })  # fmt: skip
    return found


def _outlines(desk: Desk) -> list[dict[str, Any]]:
    """The widest first, so that groups lie on top of their village."""
    grids = desk.doors.registry.tree.grids
    order = {GridLevel.TOWN: 0, GridLevel.VILLAGE: 1, GridLevel.GROUP: 2}
    known = [grid for grid in grids.values() if grid.code in desk.doors.shapes]
    return [
        {"name": grid.name, "level": grid.level.value, "code": grid.code,
         "geometry": desk.doors.shapes[grid.code]}
        for grid in sorted(known, key=lambda one: (order[one.level], one.code))
    ]  # fmt: skip


def _in_order(registry: Registry, roots: Sequence[Grid]) -> list[Grid]:
    """Each grid before its children, by code."""
    ordered: list[Grid] = []
    for root in sorted(roots, key=lambda one: one.code):
        below = [one for one in registry.tree.grids.values() if one.parent == root.code]
        ordered += [root, *_in_order(registry, below)]
    return ordered


def _people(registry: Registry, where: Grid, reach: _Reach, caller: Caller) -> list[dict[str, Any]]:
    return [
        {
            "name": person.name,
            "role": caller.say.pair(ROLES[person.role]),
            "phone": person.phone,
            "stands_in": _stands_in(registry, person),
            **reach.of(person, caller),
        }
        for person in registry.people.values()
        if person.grid == where.code
    ]


def _stands_in(registry: Registry, person: Person) -> str:
    other = registry.people.get(person.substitute_for) if person.substitute_for else None
    return other.name if other else ""
