"""The pages: each module has one router; each route says which right it needs."""

from typing import Final

from fastapi import APIRouter

from patrol.console.pages import entry, picture, review, rounds, today

ALL: Final[tuple[APIRouter, ...]] = (
    entry.router,
    picture.router,
    today.router,
    rounds.router,
    review.router,
)
