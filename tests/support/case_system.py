"""The case system for tests: a real store, a broker in memory, a clock moved by hand.

`CaseSystem` holds what `patrol run` uses to send cases and take replies: payload builder, outbox
relay, reply handler, escalator. The fixtures `case_system` and `matches_schema` are for all tests.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import jsonschema
import pytest

from patrol.cases.escalator import Escalator
from patrol.cases.reply_handler import ReplyHandler, ReplyResult
from patrol.domain.case import Case
from patrol.domain.finding import Finding
from patrol.domain.ids import CaseId, GridCode
from patrol.domain.outbox import DeadLetter, OutboxMessage
from patrol.domain.registry import Registry
from patrol.messaging import OutboxRelay, PayloadBuilder
from patrol.review import confirm
from patrol.store import Store
from simulators import small_site
from tests.support.clock import ManualClock
from tests.support.memory_broker import MemoryBroker
from tests.support.store import new_store

SITE = "shangba"
ZONE = ZoneInfo("Asia/Shanghai")
SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"


@dataclass
class CaseSystem:
    """Confirms findings, relays messages, takes replies; tests advance its clock."""

    registry: Registry = field(default_factory=small_site.registry)
    clock: ManualClock = field(default_factory=lambda: ManualClock(small_site.NOON))
    store: Store = field(default_factory=new_store)
    broker: MemoryBroker = field(default_factory=MemoryBroker)

    def __post_init__(self) -> None:
        self.payload_builder = PayloadBuilder(
            site=SITE,
            zone=ZONE,
            registry=self.registry,
            centre_phone="0937-0000000",
            site_name="上坝镇",
        )
        self.relay = OutboxRelay(self.store, self.broker, self.clock, holder="relay-1")
        self.escalator = Escalator(self.store, self.payload_builder)
        self.inbox = ReplyHandler(self.store, self.payload_builder, self.registry, SITE, ZONE)

    def confirm(self, finding: Finding | None = None, **more: Any) -> Case:
        new_finding = finding or small_site.finding()
        with self.store.begin() as uow:
            uow.findings.add(new_finding)
            case = confirm(
                uow,
                new_finding.id,
                by="op",
                now=self.clock.now(),
                registry=self.registry,
                payloads=self.payload_builder,
                **more,
            )
            uow.commit()
        return case

    def reply(
        self, case: str, kind: str, *, grid: str = small_site.GROUP, key: str = "", **more: Any
    ) -> ReplyResult:
        """Handle one reply as a leader sends it; it gets its own key unless `key` is given."""
        body = {"v": 1, "key": key or f"{kind}-{more.get('result', '')}", "type": kind, **more}
        return self.receive(f"patrol/v1/{SITE}/grid/{grid}/reply/{case}", body)

    def receive(self, topic: str, body: object) -> ReplyResult:
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.inbox.handle(topic, payload, self.clock.now())

    def case(self, case_id: str) -> Case:
        with self.store.begin_read() as uow:
            return uow.cases.get(CaseId(case_id))

    def messages(self, case_id: str) -> list[OutboxMessage]:
        with self.store.begin_read() as uow:
            return list(uow.outbox.of_case(CaseId(case_id)))

    def dead_letters(self) -> list[DeadLetter]:
        with self.store.begin_read() as uow:
            return list(uow.inbox.dead_letters())

    def retained(self, case_id: str, grid: GridCode = small_site.GROUP) -> dict[str, Any] | None:
        """The retained case message that a leader who connects now receives."""
        self.relay.run_until_empty(1.0)
        payload = self.broker.retained.get(f"patrol/v1/{SITE}/grid/{grid}/case/{case_id}")
        return None if payload is None else json.loads(payload)

    def after(self, span: timedelta) -> None:
        self.clock.sleep(span.total_seconds())


@pytest.fixture
def case_system() -> CaseSystem:
    return CaseSystem()


@pytest.fixture(scope="session")
def matches_schema() -> Callable[[str, bytes], dict[str, Any]]:
    """A function that checks a payload against docs/schemas and returns its object.

    Readers must take fields that they do not know; a field of ours that no schema has is a fault.
    """

    def check(name: str, payload: bytes) -> dict[str, Any]:
        schema = json.loads((SCHEMAS / f"{name}.json").read_text("utf-8"))
        body: dict[str, Any] = json.loads(payload)
        jsonschema.Draft202012Validator(without_other_fields(schema)).validate(body)
        return body

    return check


def without_other_fields(schema: Any) -> Any:
    """The schema with each of its objects closed to fields that it does not name."""
    if isinstance(schema, list):
        return [without_other_fields(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: without_other_fields(value) for key, value in schema.items()}
    named = isinstance(closed.get("properties"), dict) and "type" in closed
    return {"additionalProperties": False, **closed} if named else closed
