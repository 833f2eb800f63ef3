"""Patrols on the ground as MQTT messages: to each of its people, retained while it is open.

The topic is the person's own (`…/person/{person}/ground/{patrol}`): the broker lets that account
alone read it. Never published: where somebody was, what was seen, who else was late.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from patrol.domain.ground_patrol import GroundPatrol, GroundStop, StopState
from patrol.domain.ids import MessageKey, PersonId
from patrol.domain.outbox import OutboxMessage
from patrol.domain.timestamps import rfc3339
from patrol.messaging.payloads import encode_payload
from patrol.messaging.topics import VERSION, ground_topic
from patrol.store import UnitOfWork


@dataclass(frozen=True, slots=True, kw_only=True)
class GroundMessages:
    """Builds and queues the messages of one site."""

    site: str
    scrub: Callable[[str], str]

    def publish(
        self, uow: UnitOfWork, patrol: GroundPatrol, stops: Sequence[GroundStop], now: datetime
    ) -> None:
        """Queue the patrol for each of its people; cleared once it has ended."""
        for person in patrol.people:
            uow.outbox.add(self.message(patrol, stops, person, now))

    def clear(
        self, uow: UnitOfWork, patrol: GroundPatrol, people: Iterable[PersonId], now: datetime
    ) -> None:
        """Clear the patrol from the topics of people who do not walk it any more."""
        for person in people:
            uow.outbox.add(replace(self.message(patrol, (), person, now), payload=b""))

    def message(
        self, patrol: GroundPatrol, stops: Sequence[GroundStop], person: PersonId, now: datetime
    ) -> OutboxMessage:
        """What one person's phone shows."""
        key = MessageKey(f"{patrol.id}-{person}-r{patrol.revision}")
        payload = b""
        if patrol.is_open:
            payload = encode_payload(self._body(patrol, stops, key, now))
        return OutboxMessage(
            key=key, topic=ground_topic(self.site, person, patrol.id), payload=payload,
            queued_at=now, retain=True,
        )  # fmt: skip

    def _body(
        self, patrol: GroundPatrol, stops: Sequence[GroundStop], key: str, now: datetime
    ) -> dict[str, object]:
        return {
            "v": VERSION,
            "key": key,
            "at": rfc3339(now),
            "patrol": patrol.id,
            "title": self.scrub(patrol.title),
            "grid": patrol.grid,
            "state": str(patrol.state),
            "open_from": rfc3339(patrol.open_from),
            "start": rfc3339(patrol.planned_at),
            "finish_by": rfc3339(patrol.finish_by),
            "last_call": patrol.last_called_at is not None,
            "points": [
                {
                    "point": stop.point,
                    "name": self.scrub(stop.name),
                    "due": rfc3339(stop.due_at),
                    "state": str(stop.state),
                    "late": stop.state is StopState.PENDING and stop.due_at <= now,
                }
                for stop in stops
            ],
        }
