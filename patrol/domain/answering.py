"""Who answers for which grid, over MQTT and on the phone page alike; what a grid's account sees.

One rule for the broker's rights, the author of a reply and the pages: a person answers where a
route would tell them (`grids_notified`). Somebody on leave does not; who stands in does. A
maintainer answers cases about cameras alone. Pure.
"""

from collections.abc import Iterable, Iterator, Mapping

from patrol.domain.account import GRID_ACCOUNT_ROLES, Account, AccountRole, Permission
from patrol.domain.case import Case
from patrol.domain.escalation import announced_grids
from patrol.domain.ids import GridCode, PersonId
from patrol.domain.observation import Subject
from patrol.domain.registry import GridTree, Person, Registry, Role
from patrol.domain.routing import route
from patrol.domain.teams import acting_members


def grids_notified(registry: Registry, subject: Subject) -> Mapping[PersonId, tuple[GridCode, ...]]:
    """Under which grids' topics each person gets cases about such a subject, and answers."""
    grids_read: dict[PersonId, dict[GridCode, None]] = {}
    for code in registry.tree.grids:
        for recipient in route(registry, code, subject).recipients:
            grids_read.setdefault(recipient.person.id, {})[recipient.grid] = None
        if subject is Subject.SCENE and registry.teams:
            for member in acting_members(registry, code):
                grids_read.setdefault(member.id, {})[code] = None
    return {
        who.id: () if who.id in registry.absent else tuple(_shared(grids_read, registry, who))
        for who in registry.people.values()
    }


def _shared(
    grids_read: Mapping[PersonId, Mapping[GridCode, None]], registry: Registry, who: Person
) -> Mapping[GridCode, None]:
    """Grids of a person, of everybody of the same role and grid (shifts), and of the principal."""
    others = (o for o in registry.people.values() if (o.role, o.grid) == (who.role, who.grid))
    names = [who.id, who.substitute_for, *(other.id for other in others)]
    return {
        code: None for name in names if name and name in grids_read for code in grids_read[name]
    }


def answered_grids(account: Account, registry: Registry, subject: Subject) -> tuple[GridCode, ...]:
    """The grids that the account answers for now, the own one first; none while on leave.

    A leader's or cadre's own grid, and those of the people on leave for whom they stand in; a
    maintainer's by the routes of camera faults.
    """
    person = account.person
    if person is not None and person in registry.absent:
        return ()
    if account.duty is AccountRole.MAINTAINER:
        known = registry.people.get(person) if person is not None else None
        if subject is not Subject.EQUIPMENT or known is None or known.role is not Role.MAINTAINER:
            return ()
        return grids_notified(registry, subject)[known.id]
    if not account.has_permission(Permission.GROUND) or account.grid is None:
        return ()
    away = registry.principals_of(person) if person is not None else ()
    stood_in = (registry.people[one].grid for one in away if one in registry.people)
    return tuple(dict.fromkeys((account.grid, *stood_in, *_team_grids(account, registry))))


def _team_grids(account: Account, registry: Registry) -> Iterator[GridCode]:
    """The groups below a cadre's own grid of whose team the cadre is."""
    if not registry.teams or account.person is None:
        return
    for code, grid in registry.tree.grids.items():
        if grid.parent == account.grid and any(
            member.id == account.person for member in acting_members(registry, code)
        ):
            yield code


def first_announced(case: Case, answered: Iterable[GridCode]) -> GridCode | None:
    """The first of these grids that the case was announced to."""
    announced = announced_grids(case)
    return next((grid for grid in answered if grid in announced), None)


def reply_grid_of(account: Account, case: Case, registry: Registry) -> GridCode | None:
    """Under which grid's topic the account replies to the case; None when it cannot."""
    return first_announced(case, answered_grids(account, registry, case.subject))


def may_see_case(account: Account, case: Case, registry: Registry) -> bool:
    """Whether the case lies within the account's scope.

    A helper sees what is open to helpers; a leader cases announced to the grids answered for; a
    cadre those of the centre's grids (综治中心), without a centre those of the village and its
    groups; a maintainer camera faults only. Leaders and cadres see a fault only if it was announced
    to them, and nothing on leave.
    """
    if account.duty is AccountRole.MAINTAINER:
        return case.subject is Subject.EQUIPMENT
    if account.duty is AccountRole.HELPER:
        return may_help(account, case, registry.tree)
    if account.duty not in GRID_ACCOUNT_ROLES:
        return account.has_permission(Permission.CASES)
    answered = answered_grids(account, registry, case.subject)
    if first_announced(case, answered) is not None:
        return True
    if account.duty is AccountRole.GRID_LEADER or case.subject is Subject.EQUIPMENT:
        return False
    return any(
        is_within_grid(registry.tree, case.grid, grid)
        for own in answered
        for grid in registry.tree.scope_of(own)
    )


def may_help(account: Account, case: Case, tree: GridTree) -> bool:
    """Whether the account helps with the case: open to helpers, and within the own grid."""
    is_open = case.is_open and case.open_to_helpers and case.subject is Subject.SCENE
    helps = account.has_permission(Permission.HELP)
    return helps and is_open and is_within_grid(tree, case.grid, account.grid)


def is_within_grid(tree: GridTree, code: GridCode, ancestor: GridCode | None) -> bool:
    """Whether the grid lies within `ancestor` (GridTree.is_within); False without an ancestor."""
    return ancestor is not None and tree.is_within(code, ancestor)
