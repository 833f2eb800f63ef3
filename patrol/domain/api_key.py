"""Keys of the JSON API: what is handed out once, what is kept of it, and what it opens. Pure.

A key is `patrol_` and 256 random bits; the store has its SHA-256. A slow hash would guard nothing:
nobody guesses 256 bits, and every request would pay for it.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import Final

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


def issued(*, name: str, scopes: Iterable[str], by: str, now: datetime, secret: str) -> ApiKey:
    """The key that `secret` (PREFIX and 256 random bits) opens. Raises ValueError."""
    wanted = frozenset(scopes)
    unknown = sorted(wanted - SCOPES.keys())
    if unknown:
        raise ValueError(f"{unknown[0]!r} is unknown, give of: {', '.join(SCOPES)}")
    if not wanted:
        raise ValueError(f"a key opens something, give of: {', '.join(SCOPES)}")
    if not name.strip():
        raise ValueError("a key has a name: who uses it")
    hashed = hash_secret(secret)
    return ApiKey(
        id=f"K{hashed[:8]}", name=name.strip(), secret=hashed, scopes=wanted, made_by=by,
        made_at=now,
    )  # fmt: skip


def hash_secret(secret: str) -> str:
    """What is kept of it."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
