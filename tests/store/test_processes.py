"""Several processes on one store, and processes that die in the middle of a transaction."""

import os
import signal
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from patrol.domain.ids import MessageKey
from patrol.domain.outbox import DeliveryEvent, OutboxMessage
from patrol.store import Store, check, open_store

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
MESSAGES = 300

LEASER = """
import sys
from datetime import UTC, datetime
from patrol.domain.outbox import DeliveryEvent
from patrol.store import open_store

url, holder = sys.argv[1:]
now = datetime(2026, 11, 22, 1, tzinfo=UTC)
with open_store(url) as store:
    print("ready", flush=True)
    sys.stdin.readline()
    idle = 0
    while idle < 3:
        with store.begin() as unit:
            taken = unit.outbox.lease(holder=holder, now=now, lease_s=60, limit=7)
            unit.commit()
        idle = 0 if taken else idle + 1
        with store.begin() as unit:
            unit.outbox.apply_event([m.key for m in taken], DeliveryEvent.BROKER_TOOK_IT, now)
            unit.commit()
        for message in taken:
            print(f"{message.topic} {message.order} {message.key}", flush=True)
"""

WRITER = """
import sys
from datetime import UTC, datetime
from patrol.domain.outbox import OutboxMessage
from patrol.store import open_store

now = datetime(2026, 11, 22, 1, tzinfo=UTC)
with open_store(sys.argv[1]) as store:
    while True:
        with store.begin() as unit:
            number = unit.next_number("case")
            for part in range(20):
                key = f"{number}/{part}"
                unit.outbox.add(OutboxMessage(key=key, topic="t", payload=b"", queued_at=now))
            unit.access.append(at=now, who="writer", what=f"{number}", camera=None, why="")
            unit.commit()
        print(number, flush=True)
"""


def start(code: str, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue(f"{request.param}_database")
    return url


@pytest.mark.slow
def test_two_relays_none_doubled_none_lost_none_overtaken(database: str) -> None:
    with open_store(database) as store, store.begin() as unit:
        for number in range(MESSAGES):
            key, topic = MessageKey(f"key-{number}"), f"topic-{number % 11}"
            unit.outbox.add(OutboxMessage(key=key, topic=topic, payload=b"x", queued_at=NOW))
        unit.commit()
    relays = [start(LEASER, database, holder) for holder in ("a", "b")]
    for relay in relays:
        assert relay.stdout is not None
        assert relay.stdout.readline() == "ready\n"
    reported = [_finish(relay, "go\n") for relay in relays]
    given = [line.split() for lines in reported for line in lines]
    assert Counter(key for _, _, key in given) == Counter(f"key-{n}" for n in range(MESSAGES))
    for lines in reported:
        orders: dict[str, int] = {}
        for topic, order, _ in (line.split() for line in lines):
            assert int(order) > orders.get(topic, 0)
            orders[topic] = int(order)
    assert check(database) == []


def _finish(process: "subprocess.Popen[str]", line: str) -> list[str]:
    """Say it to the first, let all run, and read what this one said."""
    assert process.stdin is not None
    process.stdin.write(line)
    process.stdin.flush()
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return out.splitlines()


@pytest.mark.slow
def test_killed_in_the_middle_every_transaction_is_whole_or_not_at_all(database: str) -> None:
    committed = 0
    for _ in range(4):
        writer = start(WRITER, database)
        assert writer.stdout is not None
        for _ in range(8):
            committed = int(writer.stdout.readline())
        os.kill(writer.pid, signal.SIGKILL)
        writer.communicate()
        assert check(database) == []
    with open_store(database) as store, store.begin() as unit:
        last = unit.next_number("case") - 1
        assert last >= committed
        assert unit.outbox.unsent() == 20 * last
        assert len(unit.access.entries(limit=10_000)) == last


def test_an_operator_confirms_while_a_round_is_written(database: str) -> None:
    """`patrol confirm` is another process: another store on the same database."""
    with open_store(database) as service, open_store(database) as command:
        for number in range(20):
            _queue(service, f"round-{number}")
            _queue(command, f"case-{number}")
            with command.begin() as unit:
                unit.outbox.apply_event([MessageKey(f"round-{number}")], DeliveryEvent.TOO_OLD, NOW)
                unit.commit()
        with service.begin_read() as unit:
            assert unit.outbox.unsent() == 20
            assert unit.outbox.count_queued_and_published(NOW, NOW + timedelta(hours=1)) == (40, 0)


def _queue(store: Store, key: str) -> None:
    with store.begin() as unit:
        message = OutboxMessage(key=MessageKey(key), topic="t", payload=b"", queued_at=NOW)
        unit.outbox.add(message)
        unit.commit()


def test_a_reader_sees_one_moment(database: str) -> None:
    with open_store(database) as store:
        _queue(store, "before")
        with store.begin_read() as reader:
            assert reader.outbox.unsent() == 1
            _queue(store, "meanwhile")
            assert reader.outbox.unsent() == 1
        with store.begin_read() as reader:
            assert reader.outbox.unsent() == 2
