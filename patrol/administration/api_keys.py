"""Make and revoke keys of the JSON API, each with its access log entry.

Used by the accounts page and by `patrol key`.
"""

import secrets
from collections.abc import Iterable
from datetime import datetime

from patrol.domain.account import API_KEY_PREFIX, ApiKey, issue_api_key
from patrol.store import UnitOfWork


def add_api_key(
    uow: UnitOfWork, *, name: str, scopes: Iterable[str], by: str, now: datetime
) -> tuple[ApiKey, str]:
    """A new key and its secret, of which only a hash is kept. Raises ValueError."""
    secret = API_KEY_PREFIX + secrets.token_urlsafe(32)
    key = issue_api_key(name=name, scopes=scopes, by=by, now=now, secret=secret)
    uow.api_keys.add(key)
    why = f"{key.id} {key.name}: {' '.join(sorted(key.scopes))}"
    uow.access.append(at=now, who=by, what="add_key", camera=None, why=why)
    return key, secret


def revoke_api_key(uow: UnitOfWork, key_id: str, *, by: str, now: datetime) -> bool:
    """End a key at once; False when no such key is in force."""
    if not uow.api_keys.revoke(key_id, now):
        return False
    uow.access.append(at=now, who=by, what="revoke_key", camera=None, why=key_id)
    return True
