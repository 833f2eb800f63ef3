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
    leader,
    live,
    people,
    picture,
    reports,
    review,
    rounds,
    today,
    wall,
)

ALL: Final[tuple[APIRouter, ...]] = tuple(
    page.router
    for page in (
        entry,
        picture,
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
        audit,
        people,
    )
)
