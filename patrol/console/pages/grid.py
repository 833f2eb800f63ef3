"""Grid (网格): the tree, its people, who can be reached, and the gaps in the chain."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from patrol.console.asking import AtDesk, ForGrid
from patrol.console.words import Words
from patrol.domain.account import Account
from patrol.domain.grid import Grid, GridLevel, Person, Role
from patrol.domain.ids import PersonId
from patrol.domain.registry import Registry
from patrol.domain.routing import chain_problems

ROLES = {
    Role.TOWN_DUTY: ("镇值班", "town duty"),
    Role.VILLAGE_CADRE: ("村班子", "village cadre"),
    Role.GRID_LEADER: ("网格长", "grid leader"),
    Role.PARTY_GROUP_LEADER: ("党小组长", "party-group leader"),
    Role.GRID_WORKER: ("网格员", "grid worker"),
    Role.RESPECTED_VILLAGER: ("乡贤", "respected villager"),
    Role.MAINTAINER: ("运维", "maintainer"),
}
router = APIRouter()


@router.get("/grid")
def grid(desk: AtDesk, caller: ForGrid) -> Response:
    """The whole tree; a town has 68 grids, so it needs no pages."""
    registry = desk.doors.registry
    with desk.doors.store.begin_read() as uow:
        accounts = {one.person: one for one in uow.accounts.all() if one.person}
        online = {session.account for session in uow.sessions.of(None, caller.now)}
        cases = Counter(case.grid for case in uow.cases.list(open_only=True, limit=5000))
    cameras = Counter(camera.grid for camera in registry.cameras.values())
    town = [one for one in registry.tree.grids.values() if one.level is GridLevel.TOWN]
    lines = [
        {
            "code": one.code,
            "name": one.name,
            "level": one.level.value,
            "cameras": cameras[one.code],
            "cases": cases[one.code],
            "people": _people(registry, one, accounts, online, caller.say),
        }
        for one in _in_order(registry, town)
    ]
    problems = [problem.words for problem in chain_problems(registry)]
    return desk.shell.page("grid.html", caller, lines=lines, problems=problems)


def _in_order(registry: Registry, roots: Sequence[Grid]) -> list[Grid]:
    """Each grid before its children, by code."""
    ordered: list[Grid] = []
    for root in sorted(roots, key=lambda one: one.code):
        below = [one for one in registry.tree.grids.values() if one.parent == root.code]
        ordered += [root, *_in_order(registry, below)]
    return ordered


def _people(
    registry: Registry,
    where: Grid,
    accounts: dict[PersonId, Account],
    online: set[str],
    say: Words,
) -> list[dict[str, Any]]:
    return [
        {
            "name": person.name,
            "role": say.pair(ROLES[person.role]),
            "phone": person.phone,
            "stands_in": _stands_in(registry, person),
            "reach": _reach(person, accounts.get(person.id), online, say),
        }
        for person in registry.people.values()
        if person.grid == where.code
    ]


def _stands_in(registry: Registry, person: Person) -> str:
    other = registry.people.get(person.substitute_for) if person.substitute_for else None
    return other.name if other else ""


def _reach(person: Person, account: Account | None, online: set[str], say: Words) -> str:
    if account is not None and account.name in online:
        return say("手机已登录", "logged in")
    return "MQTT" if person.mqtt_user else say("仅电话", "by phone only")
