"""The pages: each module has one router; each route says which right it needs."""

from typing import Final

from fastapi import APIRouter

from patrol.console.pages import (
    audit,
    cameras,
    case_moves,
    cases,
    entry,
    grid,
    leader,
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
        grid,
        picture,
        today,
        rounds,
        wall,
        review,
        cases,
        case_moves,
        leader,
        cameras,
        grid,
        reports,
        audit,
        people,
    )
)
