"""API keys: what is handed out once, what is kept of it, and what it opens.

A key is `patrol_` and 256 random bits; the store has its SHA-256. A slow hash would guard nothing:
nobody guesses 256 bits, and every request would pay for it.
"""

import hashlib
import secrets
from collections.abc import Callable
from typing import Final

from fastapi import Request
from fastapi.security import HTTPBearer

from patrol.api.doors import ApiDoors
from patrol.domain.account import ApiKey

PREFIX: Final = "patrol_"
SCOPES: Final = {
    "rounds:read": "Rounds and their books.",
    "findings:read": "Findings, waiting and decided.",
    "findings:decide": "Confirm and dismiss findings.",
    "cases:read": "Cases with their histories.",
    "cameras:read": "Cameras and their health, without addresses and households.",
    "reports:read": "Reports with all figures.",
}
BEARER: Final = HTTPBearer(auto_error=False, description="A key of `patrol key add`.")


class NoKey(Exception):
    """None was given, or it is not (any more) one of ours."""


class NoScope(Exception):
    """The key does not open this; names the scope that would."""


def new_secret() -> str:
    """To be handed out once."""
    return PREFIX + secrets.token_urlsafe(32)


def hash_secret(secret: str) -> str:
    """What is kept of it."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def needs(scope: str) -> Callable[[Request], ApiKey]:
    """The request's key, for a route's `Depends`. Raises NoKey, NoScope."""
    assert scope in SCOPES  # noqa: S101  a slip of ours would open a door to everybody

    def key_of(request: Request) -> ApiKey:
        doors: ApiDoors = request.app.state.doors
        kind, _, secret = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not secret.startswith(PREFIX):
            raise NoKey
        with doors.store.begin_read() as uow:
            key = uow.api_keys.by_secret(hash_secret(secret.strip()))
        if key is None:
            raise NoKey
        if scope not in key.scopes:
            raise NoScope(scope)
        return key

    return key_of
