"""Idempotency keys of requests from the console: a request that is sent again changes nothing more.

A page gives each action a random key and sends it until the server has answered; the answer may
have been lost. `remember_request` stores the key in the transaction of the action, so that key and
action stand or fall together. The key belongs to an account and to one subject (what is asked, of
what): a key that comes again with another subject is refused, so that a late or repeated key never
acts on something else. Keys lie among those of received messages and are pruned with them.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from patrol.domain.errors import Failed
from patrol.domain.ids import MessageKey
from patrol.ports import Clock
from patrol.store import Store, UnitOfWork


class RequestRepeated(Exception):
    """The same request was carried out before; nothing is left to do."""


class RequestKeyReused(Failed):
    """The key came before with another request; nothing is done."""

    def __init__(self, request: "RequestKey") -> None:
        super().__init__(f"key {request.key} of {request.account} was used for something else")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestKey:
    """One request of one account: its random key, and what it asks for as text."""

    account: str
    key: str
    subject: str

    @property
    def _stored_key(self) -> str:
        # Keys of replies start with a grid's digits, those of the canary with "canary".
        return f"console/{self.account}/{self.key}"

    @property
    def _stored_subject(self) -> str:
        return f"{self._stored_key}/{sha256(self.subject.encode()).hexdigest()}"

    def remember(self, uow: UnitOfWork, now: datetime) -> None:
        """Store the key. Raises RequestRepeated, RequestKeyReused."""
        is_new = uow.inbox.remember_key(MessageKey(self._stored_key), now)
        is_new_subject = uow.inbox.remember_key(MessageKey(self._stored_subject), now)
        if not is_new_subject:
            raise RequestRepeated
        if not is_new:
            raise RequestKeyReused(self)  # rolls the second key back


def remember_request(uow: UnitOfWork, request: RequestKey | None, now: datetime) -> None:
    """Store the key of a request that has one. Raises RequestRepeated, RequestKeyReused."""
    if request is not None:
        request.remember(uow, now)


@contextmanager
def request_transaction(
    store: Store, clock: Clock, request: RequestKey | None, on_queued: Callable[[], None]
) -> Iterator[tuple[UnitOfWork, datetime]]:
    """One transaction that remembers the request, at one time; then `on_queued` wakes the relays.

    Raises RequestRepeated, RequestKeyReused, StoreUnavailable.
    """
    now = clock.now()
    with store.begin() as uow:
        remember_request(uow, request, now)
        yield uow, now
        uow.commit()
    on_queued()
