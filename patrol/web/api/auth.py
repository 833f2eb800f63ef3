"""Find the API key of a request, and check that it has the scope of the route."""

from collections.abc import Callable
from typing import Final

from fastapi import Request
from fastapi.security import HTTPBearer

from patrol.app import Application
from patrol.domain.account import API_KEY_PREFIX, API_SCOPES, ApiKey, hash_api_secret

BEARER: Final = HTTPBearer(auto_error=False, description="A key of `patrol key add`.")


class NoKey(Exception):
    """The request has no key, or its key is unknown or revoked."""


class NoScope(Exception):
    """The key lacks the scope that the text names."""


def require_scope(scope: str) -> Callable[[Request], ApiKey]:
    """A dependency that returns the request's key. Raises NoKey, NoScope."""
    assert scope in API_SCOPES  # noqa: S101  a misspelt scope would let no key in

    def key_of(request: Request) -> ApiKey:
        app: Application = request.app.state.application
        kind, _, secret = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not secret.startswith(API_KEY_PREFIX):
            raise NoKey
        with app.store.begin_read() as uow:
            key = uow.api_keys.by_secret(hash_api_secret(secret.strip()))
        if key is None:
            raise NoKey
        if scope not in key.scopes:
            raise NoScope(scope)
        return key

    return key_of
