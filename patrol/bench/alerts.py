"""`patrol bench alerts`: from an operator's confirm to the leader's callback, p50 and p99.

Ours: decision, case and outbox row committed to SQLite, the relay woken, leased, published, called
back in another process. Beside it, in the same run: bare paho publishing the same bytes to the same
subscriber, remembering nothing. One alert at a time, as people confirm them.
"""

import statistics
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from patrol.bench.brokers import available_brokers, running_broker
from patrol.bench.child_process import ReportProgress
from patrol.bench.subscriber import running_subscriber
from patrol.clock import SystemClock
from patrol.domain.finding import Finding
from patrol.messaging import OutboxRelay, PayloadBuilder
from patrol.mqtt import BrokerAddress, MqttPublisher
from patrol.review import confirm
from patrol.store import Store, open_store, upgrade
from simulators import small_site

COUNT: Final = 200
PAUSE_S: Final = 0.02  # between two alerts: each meets a relay at rest
BARE_PAHO: Final = "paho alone: publish"
FULL_PATH: Final = "patrol: confirm, commit, relay, publish"
SITE: Final = "bench"


def run(*, count: int = COUNT, report: ReportProgress = lambda _: None) -> dict[str, Any]:
    """Measure on every broker that can be had. Raises RuntimeError when a way fails."""
    rows: list[dict[str, object]] = []
    for name in available_brokers(report):
        with running_broker(name) as address:
            for how, way in ((BARE_PAHO, _bare), (FULL_PATH, _ours)):
                report(f"{name}: {how}")
                rows.append({"broker": name, "how": how, **_figures(way(address, count))})
    return {"ways": rows}


def _figures(waits_s: list[float]) -> dict[str, object]:
    cuts = statistics.quantiles(waits_s, n=100)
    return {
        "alerts": len(waits_s),
        "p50_ms": round(1000 * cuts[49], 2),
        "p99_ms": round(1000 * cuts[98], 2),
        "worst_ms": round(1000 * max(waits_s), 2),
    }


def _waits(started_s: Mapping[str, float], received_s: Mapping[str, float]) -> list[float]:
    return [received_s[topic] - started_s[topic] for topic in started_s]


def _bare(address: BrokerAddress, count: int) -> list[float]:
    client = Client(CallbackAPIVersion.VERSION2, client_id="bare")
    started_s: dict[str, float] = {}
    nap = threading.Event()
    with running_subscriber(address, f"patrol/v1/{SITE}/bare/+", count) as subscriber:
        client.connect(address.host, address.port)
        client.loop_start()
        for number in range(count):
            topic = f"patrol/v1/{SITE}/bare/{number}"
            started_s[topic] = time.monotonic()
            client.publish(topic, b"." * 1200, qos=1, retain=True)
            nap.wait(PAUSE_S)
        received = subscriber.wait_for_report()
    client.disconnect()
    client.loop_stop()
    return _waits(started_s, received.at_s)


def _ours(address: BrokerAddress, count: int) -> list[float]:
    registry = small_site.registry()
    payload_builder = PayloadBuilder(site=SITE, zone=ZoneInfo("Asia/Shanghai"), registry=registry)
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="patrol-bench-"))
        url = f"sqlite:///{Path(folder) / 'patrol.db'}"
        upgrade(url)
        store = stack.enter_context(open_store(url))
        publisher = stack.enter_context(MqttPublisher(address))
        if not publisher.wait_up(10.0):
            raise RuntimeError(f"broker {address}: {publisher.problem}")
        relay = OutboxRelay(store, publisher, SystemClock(), holder="bench")
        stop = threading.Event()
        worker = threading.Thread(target=relay.run, args=(stop,), daemon=True)
        pattern = f"patrol/v1/{SITE}/grid/+/case/+"
        subscriber = stack.enter_context(running_subscriber(address, pattern, count))
        worker.start()
        try:
            started_s = _confirm_all(store, payload_builder, relay, _findings(count))
            received = subscriber.wait_for_report()
        finally:
            stop.set()
            worker.join(5.0)
        return _waits(started_s, received.at_s)


def _findings(count: int) -> list[Finding]:
    """Each of its own category, so that none is counted into another's case."""
    names = (f"F{number:06d}" for number in range(count))
    return [small_site.finding(name, category=f"kind_{name}") for name in names]


def _confirm_all(
    store: Store, payload_builder: PayloadBuilder, relay: OutboxRelay, findings: list[Finding]
) -> dict[str, float]:
    with store.begin() as uow:
        for finding in findings:
            uow.findings.add(finding)
        uow.commit()
    clock, nap = SystemClock(), threading.Event()
    started_s: dict[str, float] = {}
    for finding in findings:
        now_s, now = time.monotonic(), clock.now()
        with store.begin() as uow:
            case = confirm(
                uow,
                finding.id,
                by="bench",
                now=now,
                registry=payload_builder.registry,
                payloads=payload_builder,
            )
            uow.commit()
        relay.wake()
        started_s[payload_builder.case_messages(case, now)[0].topic] = now_s
        nap.wait(PAUSE_S)
    return started_s
