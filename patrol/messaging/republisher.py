"""Republisher: publishes the newest message of each retained topic again, after a new connection.

A broker that was killed may have lost what it had acknowledged. Everything goes under its old key,
so that phones which know it drop it. What the broker refuses now, though it took it before, is left
out, tried again with growing pauses while the connection lasts, and named in health.
Not here: first sending, which is the relay's (outbox_relay.py).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import structlog

from patrol.domain.ids import MessageKey
from patrol.domain.outbox import OutboxMessage, PublishRefusal, RefusalKind
from patrol.messaging.wave_sender import WaveSender
from patrol.ports import Clock
from patrol.store import Store

log = structlog.get_logger(__name__)

NAMED_AT_MOST: Final = 5  # refused messages in one line


@dataclass(frozen=True, slots=True)
class _Refused:
    message: OutboxMessage  # after the refusal
    kind: RefusalKind

    def is_due(self, now: datetime) -> bool:
        """Whether it may be tried again; never after its last try."""
        return self.message.due_at is not None and now >= self.message.due_at


@dataclass(kw_only=True)
class Republisher:
    """Publishes retained messages again; one thread uses it, `problem` any may read."""

    store: Store
    sender: WaveSender
    clock: Clock
    counters: Counter[str]
    window: timedelta  # older retained messages are not repeated
    again_after_s: float  # once more then, for what another relay had leased
    _refused: dict[MessageKey, _Refused] = field(default_factory=dict)
    _connection: int = 0  # the publisher's connection that was published to
    _again_at_s: float | None = None

    @property
    def problem(self) -> str:
        """Which messages the broker does not take again; empty when it takes all."""
        refused = [each.message for each in list(self._refused.values())]
        named = "; ".join(f"{m.key} on {m.topic}: {m.problem}" for m in refused[:NAMED_AT_MOST])
        return f"{len(refused)} retained messages are refused again: {named}" if refused else ""

    def run_due(self, connection: int) -> str:
        """Everything on a new connection, else what was refused and is due; the problem, or empty.

        `connection`: the publisher's count. Raises StoreUnavailable, StoreFull.
        """
        now_s = self.clock.monotonic_s()
        is_new = connection != self._connection
        if is_new or (self._again_at_s is not None and now_s >= self._again_at_s):
            problem = self.republish_all()
            if not problem:
                self._connection = connection
                self._again_at_s = now_s + self.again_after_s if is_new else None
            return problem
        if any(each.is_due(self.clock.now()) for each in self._refused.values()):
            return self._republish(only_refused=True)
        return ""

    def republish_all(self) -> str:
        """Publish the newest message of each retained topic; the problem, or empty."""
        return self._republish(only_refused=False)

    def _republish(self, *, only_refused: bool) -> str:
        """Read again after publishing: a message that became the newest meanwhile follows."""
        done: set[MessageKey] = set()
        while True:
            now = self.clock.now()
            with self.store.begin_read() as uow:
                latest = uow.outbox.latest_retained(now - self.window)
            for key in self._refused.keys() - {message.key for message in latest}:
                self._refused.pop(key)
            ready = [m for m in latest if m.key not in done and self._is_ready(m.key, now)]
            if only_refused:
                ready = [m for m in ready if m.key in self._refused]
            if not ready:
                return ""
            result = self.sender.send(ready)
            self._note_refusals(ready, result.refused, now)
            for key in result.taken:
                self._refused.pop(key, None)
            done.update(result.taken, result.refused)
            self.counters["reminded"] += len(result.taken)
            if result.problem:
                return result.problem

    def _is_ready(self, key: MessageKey, now: datetime) -> bool:
        """Not for one that ends the connection, before its next try; others harm nobody."""
        known = self._refused.get(key)
        return known is None or known.kind is RefusalKind.BROKER or known.is_due(now)

    def _note_refusals(
        self,
        sent: Sequence[OutboxMessage],
        refused: Mapping[MessageKey, PublishRefusal],
        now: datetime,
    ) -> None:
        new: list[OutboxMessage] = []
        for message in sent:
            refusal = refused.get(message.key)
            if refusal is None:
                continue
            known = self._refused.get(message.key)
            after = (known.message if known else message).refused(refusal, now)
            self._refused[message.key] = _Refused(after, refusal.kind)
            if known is None:
                new.append(after)
        if new:
            named = [f"{m.key} on {m.topic}: {m.problem}" for m in new[:NAMED_AT_MOST]]
            text = "the broker refuses retained messages that it took before"
            log.warning(text, refused=len(new), messages=named)
