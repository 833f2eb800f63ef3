"""One delivery as a signed HTTP POST, and what its answer means.

Signed as Standard Webhooks 1.0 have it: `webhook-id` (the key: a repeat carries the same),
`webhook-timestamp` (seconds, of this try), `webhook-signature: v1,BASE64(HMAC-SHA256(secret,
id.timestamp.body))`. 2xx: taken. 410 and what no repeat can cure: never. Everything else: later.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable
from datetime import datetime
from typing import Final, Self

import httpx

from patrol.dispatch.courier import Answer, Tried
from patrol.domain.delivery import Delivery
from patrol.webhooks.hooks import Hook

TIMEOUT_S: Final = 10.0
SHORT_WORDS: Final = 120
# 408, 425, 429 say "later" themselves; 401, 403, 404 are somebody's mistake, cured within hours.
_NEVER: Final = frozenset({400, 405, 406, 410, 411, 413, 414, 415, 422, 501})


def sign(secret: bytes, key: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`."""
    signed = b".".join((key.encode(), str(timestamp).encode(), body))
    return "v1," + base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()


class Poster:
    """Carries deliveries to one hook; a connection is kept while there is news."""

    def __init__(self, hook: Hook, now: Callable[[], datetime]) -> None:
        self._hook = hook
        self._now = now
        # No redirects: the signature is for the address in site.yaml. No proxies or passwords
        # out of the environment either: where news goes is written in one place.
        self._client = httpx.Client(
            timeout=TIMEOUT_S, follow_redirects=False, trust_env=False, headers=_HEADERS
        )

    def carry(self, delivery: Delivery) -> Tried:
        """Fulfils courier.Carry."""
        timestamp = int(self._now().timestamp())
        key = f"{self._hook.name}-{delivery.key}"
        headers = {
            "webhook-id": key,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(self._hook.secret, key, timestamp, delivery.payload),
        }
        try:
            with self._client.stream(
                "POST", self._hook.url, content=delivery.payload, headers=headers
            ) as response:
                return _judged(response.status_code)
        except httpx.HTTPError as exc:
            return Tried(Answer.LATER, self._clean(exc))

    def close(self) -> None:
        """Let the connection go."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def _clean(self, exc: httpx.HTTPError) -> str:
        words = " ".join(str(exc).split()) or type(exc).__name__
        return words.replace(self._hook.url, "…")[:SHORT_WORDS]


_HEADERS: Final = {"content-type": "application/json; charset=utf-8", "user-agent": "patrol"}


def _judged(status: int) -> Tried:
    if httpx.codes.is_success(status):
        return Tried(Answer.TAKEN)
    return Tried(Answer.NEVER if status in _NEVER else Answer.LATER, f"HTTP {status}")
