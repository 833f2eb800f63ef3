"""The pages: one router a module; each route names the permission that it needs.

A page's module bears the first word of its URL: /system is in system.py, /cameras/… in cameras.py.
Elsewhere are `/` (today), the buttons of cases (case_actions, case_helpers, extension),
/cameras/…/live (live_view), the links /p/… to pictures (pictures), slips /households/… (consents),
the household's own page /h/… (household), /keys and /sessions (accounts), and what /login leads to.
The phone pages /leader and /ground share phone.py.
"""

from typing import Final

from fastapi import APIRouter

from patrol.web.pages import (
    accounts,
    attention,
    audit,
    cameras,
    case_actions,
    case_helpers,
    cases,
    consents,
    display,
    extension,
    grid,
    grid_map,
    ground,
    hand_offs,
    holds,
    household,
    human_patrols,
    leader,
    live_view,
    login,
    meetings,
    own_findings,
    people,
    pictures,
    reports,
    review,
    review_strip,
    rosters,
    round_duty,
    rounds,
    shift,
    stoppages,
    supervision,
    suppressions,
    system,
    today,
    troubles,
)

ROUTERS: Final[tuple[APIRouter, ...]] = tuple(
    page.router
    for page in (
        login,
        display,
        pictures,
        today,
        round_duty,
        human_patrols,
        rounds,
        review,
        review_strip,
        own_findings,
        cases,
        case_actions,
        case_helpers,
        extension,
        supervision,
        hand_offs,
        leader,
        ground,
        rosters,
        cameras,
        live_view,
        consents,
        household,
        grid,
        grid_map,
        people,
        reports,
        meetings,
        shift,
        stoppages,
        troubles,
        accounts,
        attention,
        audit,
        holds,
        suppressions,
        system,
    )
)
