"""The pages: one router a module; each route names the permission that it needs.

A page's module bears the first word of its URL: /system is in system.py, /cameras/… in cameras.py.
Elsewhere are `/` (today), the buttons of cases (case_actions, extension), /cameras/…/live
(live_view), the links /p/… to pictures (pictures), slips /households/… (consents), the household's
own page /h/… (household), /keys and /sessions (accounts), and what /login leads to.
"""

from typing import Final

from fastapi import APIRouter

from patrol.web.pages import (
    accounts,
    audit,
    cameras,
    case_actions,
    cases,
    consents,
    extension,
    grid,
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
        pictures,
        today,
        round_duty,
        human_patrols,
        rounds,
        review,
        own_findings,
        cases,
        case_actions,
        extension,
        supervision,
        hand_offs,
        leader,
        cameras,
        live_view,
        consents,
        household,
        grid,
        people,
        reports,
        meetings,
        shift,
        stoppages,
        troubles,
        accounts,
        audit,
        holds,
        suppressions,
        system,
    )
)
