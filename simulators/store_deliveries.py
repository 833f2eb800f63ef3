"""Deliveries in memory."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from patrol.domain.delivery import Delivery, Fate
from simulators.store_rows import Journal, Rows

_Key = tuple[str, str]


class MemoryDeliveries:
    """Fulfils ports.Deliveries."""

    def __init__(self, journal: Journal) -> None:
        self._rows: Rows[_Key, Delivery] = Rows(journal)
        self._leases: Rows[_Key, tuple[str, datetime]] = Rows(journal)

    def add(self, delivery: Delivery) -> bool:
        """See the port."""
        key = (delivery.target, delivery.key)
        if key in self._rows:
            return False
        self._rows[key] = delivery
        return True

    def lease(
        self, target: str, *, holder: str, now: datetime, lease_s: float, limit: int
    ) -> Sequence[Delivery]:
        """See the port."""
        due = [
            (key, one)
            for key, one in self._rows.items()
            if one.target == target
            and one.fate is Fate.WAITING
            and one.due_at <= now
            and self._is_free(key, holder, now)
        ]
        chosen = sorted(due, key=lambda pair: pair[1].due_at)[:limit]
        for key, _ in chosen:
            self._leases[key] = (holder, now + timedelta(seconds=lease_s))
        return [one for _, one in chosen]

    def _is_free(self, key: _Key, holder: str, now: datetime) -> bool:
        lease = self._leases.get(key)
        return lease is None or lease[0] == holder or lease[1] <= now

    def settle(self, delivery: Delivery) -> None:
        """See the port."""
        key = (delivery.target, delivery.key)
        self._rows[key] = delivery
        self._leases.pop(key)

    def waiting(self) -> Mapping[str, tuple[int, datetime]]:
        """See the port."""
        found: dict[str, tuple[int, datetime]] = {}
        for one in self._rows.values():
            if one.fate is Fate.WAITING:
                count, since = found.get(one.target, (0, one.queued_at))
                found[one.target] = (count + 1, min(since, one.queued_at))
        return found

    def dead(self, *, limit: int = 100) -> Sequence[Delivery]:
        """See the port."""
        given_up = [one for one in self._rows.values() if one.fate is Fate.DEAD and one.ended_at]
        given_up.reverse()  # of two at the same moment, the later
        newest = sorted(given_up, key=lambda one: str(one.ended_at), reverse=True)
        return newest[:limit]

    def revive(self, target: str, key: str, now: datetime) -> bool:
        """See the port."""
        one = self._rows.get((target, key))
        if one is None or one.fate is not Fate.DEAD:
            return False
        self._rows[target, key] = replace(
            one, fate=Fate.WAITING, tries=0, due_at=now, ended_at=None, expires_at=None
        )
        return True

    def prune(self, before: datetime) -> int:
        """See the port."""
        ended = [key for key, one in self._rows.items() if one.ended_at and one.ended_at < before]
        for key in ended:
            self._rows.pop(key)
        return len(ended)
