"""Webhooks: rounds, findings and cases as signed HTTP POSTs to other programs, at least once.

`WebhookQueue.observe` queues a delivery per hook in the transaction of the change (patrol.store),
`WebhookSender` sends it for a delivery worker. Signed as Standard Webhooks 1.0 have it, so that
receivers verify with ready-made code: `webhook-id` (the key: a repeat carries the same),
`webhook-timestamp` (seconds, of this try), `webhook-signature: v1,BASE64(HMAC-SHA256(secret,
id.timestamp.body))`. 2xx: taken. 410 and what no repeat can cure: never. Everything else: later.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Self

import httpx

from patrol.domain.case import CaseEvent
from patrol.domain.outbox import MAX_TRIES, WEBHOOK_EVENT_NAMES, Delivery
from patrol.domain.round import RoundState
from patrol.integrations.delivery_worker import SendOutcome, SendResult
from patrol.reports.documents import (
    Mask,
    case_document,
    entry_document,
    envelope,
    finding_document,
    masked_document,
    round_document,
)
from patrol.store import CaseChanged, FindingChanged, RoundChanged, StoreEvent, UnitOfWork

MAX_DELIVERY_AGE: Final = timedelta(days=3)  # older ones are dropped; the API has the state
WEBHOOK_TIMEOUT_S: Final = 10.0
MAX_PROBLEM_CHARS: Final = 120
_HEADERS: Final = {"content-type": "application/json; charset=utf-8", "user-agent": "patrol"}
# 408, 425, 429 mean "later" themselves; 401, 403, 404 are a person's mistake, cured within hours.
_PERMANENT_STATUSES: Final = frozenset({400, 405, 406, 410, 411, 413, 414, 415, 422, 501})
_REPEATED_STATES: Final = (RoundState.RUNNING, RoundState.INTERRUPTED)  # a round stops and resumes
_ROUND_EVENTS: Final = {
    RoundState.RUNNING: "round.started",
    RoundState.FINISHED: "round.finished",
    RoundState.INTERRUPTED: "round.interrupted",
    RoundState.MISSED: "round.missed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """One receiver. Its address may hold a token and its secret is one: neither prints."""

    name: str
    url: str = field(repr=False)
    secret: bytes = field(repr=False)
    events: frozenset[str] = frozenset(WEBHOOK_EVENT_NAMES)
    max_tries: int = MAX_TRIES

    @property
    def target(self) -> str:
        """Its name among the deliveries."""
        return f"webhook:{self.name}"


@dataclass(frozen=True, slots=True)
class _WebhookEvent:
    event: str
    key: str
    data: dict[str, Any]


class WebhookQueue:
    """Observes the store and queues a delivery for each hook that gets the event."""

    def __init__(
        self, hooks: Sequence[Webhook], now: Callable[[], datetime], mask: Mask = str
    ) -> None:
        """`mask`: of what people typed; it names no household outside the centre."""
        self._hooks = hooks
        self._now = now
        self._mask = mask

    def observe(self, uow: UnitOfWork, store_event: StoreEvent) -> None:
        """Queue the change's deliveries in its transaction; a store.StoreObserver."""
        webhook_events = list(_webhook_events(store_event))
        if not webhook_events:
            return
        now = self._now()
        for webhook_event in webhook_events:
            body = json.dumps(
                envelope(
                    webhook_event.event,
                    now,
                    webhook_event.key,
                    masked_document(webhook_event.data, self._mask),
                ),
                ensure_ascii=False,
                allow_nan=False,
            ).encode("utf-8", "replace")
            for hook in self._hooks:
                if webhook_event.event in hook.events:
                    uow.deliveries.add(
                        Delivery(
                            key=webhook_event.key,
                            target=hook.target,
                            event=webhook_event.event,
                            payload=body,
                            queued_at=now,
                            due_at=now,
                            expires_at=now + MAX_DELIVERY_AGE,
                        )
                    )


def _webhook_events(event: StoreEvent) -> Iterator[_WebhookEvent]:
    if isinstance(event, CaseChanged):
        yield from _case_events(event)
    elif isinstance(event, FindingChanged):
        yield from _finding_events(event)
    elif isinstance(event, RoundChanged):
        yield from _round_events(event)


def _case_events(event: CaseChanged) -> Iterator[_WebhookEvent]:
    case = event.after
    if event.before is None:
        yield _WebhookEvent("case.opened", f"{case.id}-opened", case_document(case))
        return
    known_entries = len(event.before.entries)
    for number, entry in enumerate(case.entries[known_entries:], start=known_entries):
        if entry.what is CaseEvent.DISPATCH and number == 0:
            continue
        data = {**case_document(case), "event": entry_document(entry)}
        yield _WebhookEvent("case.moved", f"{case.id}-e{number}", data)


def _finding_events(change: FindingChanged) -> Iterator[_WebhookEvent]:
    finding = change.after
    if change.before is None:
        yield _WebhookEvent("finding.opened", f"{finding.id}-opened", finding_document(finding))
    elif change.before.state is not finding.state:
        times = f"-{finding.undone_count}" if finding.undone_count else ""
        key = f"{finding.id}-{finding.state}{times}"
        yield _WebhookEvent("finding.decided", key, finding_document(finding))


def _round_events(change: RoundChanged) -> Iterator[_WebhookEvent]:
    a_round = change.after
    before = change.before.state if change.before else None
    event = _ROUND_EVENTS.get(a_round.state)
    if event is not None and a_round.state is not before:
        runs = f"-{a_round.wall_s:.0f}" if a_round.state in _REPEATED_STATES else ""
        yield _WebhookEvent(event, f"{a_round.id}-{a_round.state}{runs}", round_document(a_round))


def sign_webhook(secret: bytes, key: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`."""
    signed = b".".join((key.encode(), str(timestamp).encode(), body))
    return "v1," + base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()


class WebhookSender:
    """Sends deliveries to one hook; the connection is kept between them."""

    def __init__(self, hook: Webhook, now: Callable[[], datetime]) -> None:
        self._hook = hook
        self._now = now
        # No redirects: the signature is for the address in site.yaml. No proxies or passwords
        # out of the environment either: site.yaml alone says where deliveries go.
        self._client = httpx.Client(
            timeout=WEBHOOK_TIMEOUT_S, follow_redirects=False, trust_env=False, headers=_HEADERS
        )

    def send(self, delivery: Delivery) -> SendResult:
        """POST one delivery; a SendDelivery of the delivery worker."""
        timestamp = int(self._now().timestamp())
        key = f"{self._hook.name}-{delivery.key}"
        headers = {
            "webhook-id": key,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign_webhook(self._hook.secret, key, timestamp, delivery.payload),
        }
        try:
            with self._client.stream(
                "POST", self._hook.url, content=delivery.payload, headers=headers
            ) as response:
                return _result_of(response.status_code)
        except httpx.HTTPError as exc:
            return SendResult(SendOutcome.LATER, self._clean(exc))

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def _clean(self, exc: httpx.HTTPError) -> str:
        text = " ".join(str(exc).split()) or type(exc).__name__
        return text.replace(self._hook.url, "…")[:MAX_PROBLEM_CHARS]


def _result_of(status: int) -> SendResult:
    if httpx.codes.is_success(status):
        return SendResult(SendOutcome.TAKEN)
    return SendResult(
        SendOutcome.NEVER if status in _PERMANENT_STATUSES else SendOutcome.LATER, f"HTTP {status}"
    )
