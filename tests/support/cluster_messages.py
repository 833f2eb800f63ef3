"""Messages of a cluster under test: what its rounds tell leaders over MQTT, and what they answer.

Every sixth camera shows a vehicle in the road, which the site's rules send out unreviewed: a case,
a message to the grid's leader, replies. Relay, inbox, cases and the broker are the real ones; the
leaders are those of tests/long/chaos.
"""

import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from patrol.app.reply_session import ReplySession
from patrol.cases.reply_handler import ReplyHandler
from patrol.cases.save_and_send import queued_message_count
from patrol.clock import SystemClock
from patrol.domain.camera import Camera
from patrol.domain.ids import CameraId, FindingId, PictureId
from patrol.domain.observation import FindingRule, FindingRules, Observation, Subject
from patrol.domain.priority import Level
from patrol.domain.registry import Registry
from patrol.messaging.outbox_relay import OutboxRelay, RelayOptions
from patrol.messaging.payloads import PayloadBuilder
from patrol.messaging.topics import inbox_filters
from patrol.mqtt import BrokerAddress, MqttPublisher
from patrol.mqtt.subscriber import ReplySubscriber
from patrol.review import confirm
from patrol.review.decisions import BY_RULES
from patrol.rounds.recorder import AutoConfirm
from patrol.rounds.visit_judge import VisitStart
from patrol.store import Store, UnitOfWork
from simulators import small_site

SITE: Final = "shangba"
ZONE: Final = ZoneInfo("Asia/Shanghai")
EVERY: Final = 6
KIND: Final = "blocking_vehicle"
RULES: Final = FindingRules(
    by_kind={KIND: FindingRule(kind=KIND, category=KIND, level=Level.ORDINARY, unreviewed=True)}
)
HOST: Final = "127.0.0.1"


def town_registry(town: Mapping[CameraId, Camera]) -> Registry:
    """The small site's grids and people around a cluster's cameras."""
    return replace(small_site.registry(), cameras=dict(town))


def make_payloads(town: Mapping[CameraId, Camera]) -> PayloadBuilder:
    """Messages about this town."""
    return PayloadBuilder(site=SITE, zone=ZONE, registry=town_registry(town))


def shows_a_vehicle(camera: CameraId) -> bool:
    """Whether this camera's visits make a case."""
    return int(camera) % EVERY == 0


def observations(
    camera: CameraId, start: VisitStart, picture: PictureId, at: datetime
) -> tuple[Observation, ...]:
    """What a visit of the camera shows."""
    if not shows_a_vehicle(camera):
        return ()
    seen = Observation(
        camera=camera, round=start.round, at=at, subject=Subject.SCENE, kind=KIND, score=0.9,
        value=0.9, threshold=0.5, gauge="test/1", zone="road", picture=picture,
    )  # fmt: skip
    return (seen,)


def auto_confirm(town: Mapping[CameraId, Camera], payloads: PayloadBuilder) -> AutoConfirm:
    """Open the case that a finding makes, as the service does."""
    registry = town_registry(town)

    def confirmed(uow: UnitOfWork, finding: FindingId, now: datetime) -> int:
        case = confirm(
            uow, finding, by=BY_RULES, now=now, registry=registry, payloads=payloads, zone=ZONE
        )
        return queued_message_count(case)

    return confirmed


@contextmanager
def serving_messages(
    store: Store, town: Mapping[CameraId, Camera], port: int
) -> Iterator[Callable[[], None]]:
    """Relay and inbox of the service that leads, while the block runs; yields what wakes them."""
    broker, stop = BrokerAddress(host=HOST, port=port), threading.Event()
    publisher = MqttPublisher(broker)
    clock = SystemClock()
    relay = OutboxRelay(
        store=store, publisher=publisher, clock=clock, holder=secrets.token_hex(6),
        options=RelayOptions(lease_s=4.0, publish_timeout_s=1.0, poll_s=0.3),
    )  # fmt: skip
    inbox = ReplyHandler(
        store, make_payloads(town), town_registry(town), SITE, ZONE, on_queued=relay.wake
    )
    session = ReplySession(store, SITE)
    subscriber = ReplySubscriber(
        broker, client_id=session.client_id(), filters=inbox_filters(SITE), name=session.name,
        handler=lambda topic, payload: _handle(inbox, topic, payload, clock.now()),
    )  # fmt: skip
    publisher.start()
    subscriber.start()
    thread = threading.Thread(target=relay.run, args=(stop,), daemon=True)
    thread.start()
    try:
        yield relay.wake
    finally:
        stop.set()
        relay.wake()
        thread.join(10)
        subscriber.stop()
        publisher.stop()


def _handle(inbox: ReplyHandler, topic: str, payload: bytes, at: datetime) -> None:
    inbox.handle(topic, payload, at)
