"""API keys at the door: which one a request carries, and whether it opens this."""

from collections.abc import Callable
from typing import Final

from fastapi import Request
from fastapi.security import HTTPBearer

from patrol.domain.account import API_KEY_PREFIX, API_SCOPES, ApiKey, hash_api_secret
from patrol.web.options import ApiDeps

BEARER: Final = HTTPBearer(auto_error=False, description="A key of `patrol key add`.")


class NoKey(Exception):
    """None was given, or it is not (any more) one of ours."""


class NoScope(Exception):
    """The key does not open this; names the scope that would."""


def require_scope(scope: str) -> Callable[[Request], ApiKey]:
    """The request's key, for a route's `Depends`. Raises NoKey, NoScope."""
    assert scope in API_SCOPES  # noqa: S101  a slip of ours would open a door to everybody

    def key_of(request: Request) -> ApiKey:
        deps: ApiDeps = request.app.state.deps
        kind, _, secret = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not secret.startswith(API_KEY_PREFIX):
            raise NoKey
        with deps.store.begin_read() as uow:
            key = uow.api_keys.by_secret(hash_api_secret(secret.strip()))
        if key is None:
            raise NoKey
        if scope not in key.scopes:
            raise NoScope(scope)
        return key

    return key_of
