"""API keys at the door: which one a request carries, and whether it opens this."""

from collections.abc import Callable
from typing import Final

from fastapi import Request
from fastapi.security import HTTPBearer

from patrol.api.doors import ApiDoors
from patrol.domain.account import ApiKey
from patrol.domain.api_key import PREFIX, SCOPES, hash_secret

BEARER: Final = HTTPBearer(auto_error=False, description="A key of `patrol key add`.")


class NoKey(Exception):
    """None was given, or it is not (any more) one of ours."""


class NoScope(Exception):
    """The key does not open this; names the scope that would."""


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
