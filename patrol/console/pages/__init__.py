"""The pages: each module has one router; each route says which right it needs."""

from typing import Final

from fastapi import APIRouter

from patrol.console.pages import (
    areas,
    audit,
    camera_table,
    cameras,
    case_moves,
    cases,
    entry,
    grid,
    keys,
    leader,
    link,
    live,
    people,
    picture,
    reports,
    review,
    rounds,
    shift,
    stoppages,
    suppressions,
    system,
    today,
    troubles,
    wall,
)

ALL: Final[tuple[APIRouter, ...]] = tuple(
    page.router
    for page in (
        entry,
        picture,
        link,
        today,
        rounds,
        wall,
        review,
        cases,
        case_moves,
        leader,
        cameras,
        camera_table,
        areas,
        live,
        grid,
        reports,
        shift,
        stoppages,
        troubles,
        audit,
        people,
        keys,
        suppressions,
        system,
    )
)
