"""What goes out beside MQTT: webhooks and second channels, by the same outbox discipline."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from patrol.domain.delivery import Delivery


class Deliveries(Protocol):
    """Queued in the transaction that made the news; leased, tried, settled afterwards."""

    def add(self, delivery: Delivery) -> bool:
        """Queue it; False when this target has the key already."""

    def lease(
        self, target: str, *, holder: str, now: datetime, lease_s: float, limit: int
    ) -> Sequence[Delivery]:
        """Take what is due for the target, oldest first; nobody else gets it until then."""

    def settle(self, delivery: Delivery) -> None:
        """Write what became of it, and give the lease back."""

    def waiting(self) -> Mapping[str, tuple[int, datetime]]:
        """Of each target with something to send: (how many, since when the oldest)."""

    def dead(self, *, limit: int = 100) -> Sequence[Delivery]:
        """Those given up, newest first."""

    def revive(self, target: str, key: str, now: datetime) -> bool:
        """Try a dead one again from the start; False when there is none."""

    def prune(self, before: datetime) -> int:
        """Drop what ended before then; how many."""
