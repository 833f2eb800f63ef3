"""The pages: one router a module; each route names the permission that it needs."""

from typing import Final

from fastapi import APIRouter

from patrol.web.pages import (
    accounts,
    admin,
    areas,
    cameras,
    case_actions,
    cases,
    grid,
    leader,
    live_view,
    login,
    picture_link,
    pictures,
    reports,
    review,
    rounds,
    shift,
    today,
)

ROUTERS: Final[tuple[APIRouter, ...]] = tuple(
    page.router
    for page in (
        login,
        pictures,
        picture_link,
        today,
        rounds,
        review,
        cases,
        case_actions,
        leader,
        cameras,
        areas,
        live_view,
        grid,
        reports,
        shift,
        accounts,
        admin,
    )
)
