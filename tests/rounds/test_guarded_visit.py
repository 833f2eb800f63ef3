"""The consent-guarded visit: refused before it connects, ended on withdrawal, cancelled cleanly."""

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from patrol.domain.camera import Refusal
from patrol.rounds.guarded_visit import ConsentGuard
from patrol.store import StoreUnavailable
from streams.address import StreamAddress, StreamChoice
from streams.errors import WentSilent
from streams.model import Sample, VisitOptions


@dataclass
class FakeGate:
    """Refuses what the test says; may fail to be read."""

    refused: dict[str, Refusal] = field(default_factory=dict)
    error: Exception | None = None
    reads: int = 0

    def refresh(self) -> None:
        self.reads += 1
        if self.error is not None:
            raise self.error

    def refusal_of(self, camera_id: str) -> Refusal | None:
        return self.refused.get(camera_id)


@dataclass
class SlowClient:
    """A camera that never answers; sends its TEARDOWN for `teardown_s`."""

    teardown_s: float = 0.0
    visited: list[StreamAddress] = field(default_factory=list)
    left: int = 0

    async def __call__(self, address: StreamAddress, options: VisitOptions) -> Sample:
        self.visited.append(address)
        try:
            await asyncio.sleep(30.0)
        finally:
            try:
                await asyncio.sleep(self.teardown_s)
            finally:
                self.left += 1
        raise AssertionError("nobody waits so long")


def visit(gate: Any, client: Any, camera: Any, *, meanwhile: Any = None, **options: Any) -> Any:
    async def run() -> Any:
        async with ConsentGuard(gate, client, StreamChoice.MAIN) as guard:
            if meanwhile is not None:
                asyncio.get_running_loop().call_later(0.05, meanwhile)
            return await asyncio.wait_for(guard.visit(camera, VisitOptions(**options)), 5.0)

    return asyncio.run(run())


def test_a_refused_camera_is_not_connected_to(town: Any) -> None:
    client = SlowClient()
    gate = FakeGate(refused={town[0].id: Refusal.CONSENT_EXPIRED})
    assert visit(gate, client, town[0]) is Refusal.CONSENT_EXPIRED
    assert client.visited == []


@pytest.mark.parametrize("teardown_s", [0.0, 30.0])
def test_a_withdrawal_ends_the_visit_within_a_second(town: Any, teardown_s: float) -> None:
    """Also where the camera does not answer to the TEARDOWN."""
    gate: Any = FakeGate()
    client = SlowClient(teardown_s=teardown_s)
    withdraw = {town[0].id: Refusal.CONSENT_WITHDRAWN}

    async def timed() -> tuple[Any, float]:
        loop = asyncio.get_running_loop()
        async with ConsentGuard(gate, client, StreamChoice.MAIN) as guard:
            withdrawn_s = loop.time() + 0.05
            loop.call_at(withdrawn_s, gate.refused.update, withdraw)
            return await guard.visit(town[0], VisitOptions()), loop.time() - withdrawn_s

    got, took_s = asyncio.run(timed())
    assert got is Refusal.CONSENT_WITHDRAWN
    assert took_s < 5.0, "a second, and what a busy machine adds"
    assert client.left == 1


def test_where_consent_cannot_be_read_any_more_every_visit_ends(town: Any) -> None:
    gate, client = FakeGate(), SlowClient()

    def fail() -> None:
        gate.error = StoreUnavailable("the database is away")

    with pytest.raises(StoreUnavailable):
        visit(gate, client, town[0], meanwhile=fail)
    assert client.left == 1


def test_however_many_visits_the_gate_is_read_once_a_poll(town: Any) -> None:
    gate: Any = FakeGate()
    client = SlowClient()

    async def run() -> list[Any]:
        async with ConsentGuard(gate, client, StreamChoice.MAIN) as guard:
            visits = [guard.visit(camera, VisitOptions()) for camera in town]
            everyone = {camera.id: Refusal.CONSENT_WITHDRAWN for camera in town}
            asyncio.get_running_loop().call_later(0.5, gate.refused.update, everyone)
            return await asyncio.gather(*visits)

    assert asyncio.run(run()) == [Refusal.CONSENT_WITHDRAWN] * len(town)
    assert gate.reads <= 4


def test_a_visit_that_does_not_end_by_itself_is_ended(
    town: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("patrol.rounds.guarded_visit.GRACE_S", 0.05)
    got = visit(FakeGate(), SlowClient(), town[0], visit_timeout_s=0.05)
    assert isinstance(got, WentSilent)


@pytest.mark.parametrize(
    ("choice", "has_sub", "path"),
    [
        pytest.param(StreamChoice.MAIN, True, "/0", id="the main one"),
        pytest.param(StreamChoice.SUB, True, "/sub", id="the sub stream"),
        pytest.param(StreamChoice.SUB, False, "/0", id="a camera without a sub stream"),
    ],
)
def test_it_visits_the_stream_that_the_site_chose(
    town: Any, sample: Sample, choice: StreamChoice, has_sub: Any, path: str
) -> None:
    sub = StreamAddress.parse("rtsp://127.0.0.1/sub") if has_sub else None
    asked: list[str] = []
    gate: Any = FakeGate()

    async def client(address: StreamAddress, _options: VisitOptions) -> Sample:
        asked.append(address.path)
        return sample

    async def run() -> Any:
        async with ConsentGuard(gate, client, choice) as guard:
            return await guard.visit(replace(town[0], sub_stream=sub), VisitOptions())

    assert asyncio.run(run()) is sample
    assert asked == [path]
