"""Grid (网格): the tree of grids, their people and how to reach them, routing gaps, the map."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from patrol.domain.account import Account
from patrol.domain.case import Case
from patrol.domain.ids import PersonId
from patrol.domain.labels import ROLES
from patrol.domain.registry import Grid, GridLevel, Person, Registry
from patrol.domain.routing import routing_gaps
from patrol.web.auth import CurrentUser
from patrol.web.context import ContextDep, MayViewGrid
from patrol.web.pages.grid_map import map_states

CASES_WITH_LAST_REPLIES: Final = 500  # newest cases whose histories are searched for replies
REACHABLE_WITHIN: Final = timedelta(days=7)  # a reply since then counts as reachable
PROBLEMS_SHOWN: Final = 100
router = APIRouter()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reachability:
    """How each person can be reached, and when they last replied."""

    accounts: Mapping[PersonId, Account]
    online: frozenset[str]
    last_replies: Mapping[str, datetime]  # by person: the newest reply or receipt

    def describe(self, person: Person, user: CurrentUser) -> dict[str, Any]:
        """The labels of a person's channels and last reply; `well`: replied recently."""
        t, account = user.t, self.accounts.get(person.id)
        last_reply = self.last_replies.get(person.id)
        ways = []
        if account is not None and account.name in self.online:
            ways.append(t("手机页已登录", "phone page logged in"))
        if person.mqtt_user:
            ways.append("MQTT")
        return {
            "ways": " · ".join(ways) or t("仅电话", "by phone only"),
            "last_reply": t.ago(last_reply, user.now) if last_reply else "",
            "well": last_reply is not None and user.now - last_reply <= REACHABLE_WITHIN,
        }


@router.get("/grid")
def grid_page(context: ContextDep, user: MayViewGrid) -> Response:
    """The page of the grid tree; a town has some 68 grids, so there is no paging."""
    registry = context.app.registry
    with context.app.store.begin_read() as uow:
        accounts = {one.person: one for one in uow.accounts.all() if one.person}
        online = frozenset(session.account for session in uow.sessions.of_account(None, user.now))
        known = uow.cases.list(limit=CASES_WITH_LAST_REPLIES)
        tags = uow.grid_tags.all()
        running = Counter(case.grid for case in uow.cases.list(open_only=True, limit=5000))
    reachability = _Reachability(accounts=accounts, online=online, last_replies=last_replies(known))
    cameras = Counter(camera.grid for camera in registry.cameras.values())
    town = [one for one in registry.tree.grids.values() if one.level is GridLevel.TOWN]
    lines = [
        {
            "code": one.code,
            "name": one.name,
            "level": one.level.value,
            "cameras": cameras[one.code],
            "cases": running[one.code],
            "tags": tags.get(one.code, ()),
            "people": _people_of(registry, one, reachability, user),
        }
        for one in _in_order(registry, town)
    ]
    placed = sum(one.longitude is not None for one in registry.cameras.values())
    problems = [problem.message for problem in routing_gaps(registry)]
    return context.renderer.render_page(
        "grid.html",
        user,
        lines=lines,
        problems=problems[:PROBLEMS_SHOWN],
        gaps=len(problems),
        map=context.assets.url("leaflet"),
        tiles=context.console.tiles,
        shapes=len(context.app.registry_watcher.shapes()),
        placed=placed,
        all=len(registry.cameras),
        states=map_states(user.t),
    )


def last_replies(cases: Sequence[Case]) -> dict[str, datetime]:
    """When each person's newest receipt or reply came in."""
    by_person: dict[str, datetime] = {}
    for case in cases:
        for entry in case.entries:
            if entry.claimed not in ("", entry.by):
                continue  # says nothing of whether that person can be reached
            if entry.at > by_person.get(entry.by, entry.at - REACHABLE_WITHIN):
                by_person[entry.by] = entry.at
    return by_person


def _in_order(registry: Registry, roots: Sequence[Grid]) -> list[Grid]:
    """Each grid before its children, by code."""
    ordered: list[Grid] = []
    for root in sorted(roots, key=lambda one: one.code):
        below = [one for one in registry.tree.grids.values() if one.parent == root.code]
        ordered += [root, *_in_order(registry, below)]
    return ordered


def _people_of(
    registry: Registry, where: Grid, reachability: _Reachability, user: CurrentUser
) -> list[dict[str, Any]]:
    return [
        {
            "name": person.name,
            "role": user.t.pair(ROLES[person.role]),
            "phone": person.phone,
            "substitute_for": _substituted_name(registry, person),
            **reachability.describe(person, user),
        }
        for person in registry.people.values()
        if person.grid == where.code
    ]


def _substituted_name(registry: Registry, person: Person) -> str:
    other = registry.people.get(person.substitute_for) if person.substitute_for else None
    return other.name if other else ""
