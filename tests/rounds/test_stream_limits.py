"""Recorders that serve few streams at once: all channels seen, the limit learned and kept."""

import asyncio
import random
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patrol.domain.camera import Camera
from patrol.domain.ids import CameraId, LinkId, ServerId
from patrol.domain.round import VisitOutcome
from patrol.rounds.executor import RoundExecutor, StopReason
from patrol.rounds.limiter import ConnectionLimiter, ConnectionLimits, PendingVisit
from patrol.rounds.stream_limits import (
    LONGEST_WAIT_S,
    StreamLimits,
    TurnedAway,
    most_at_once,
    server_of,
)
from streams.address import StreamAddress
from streams.errors import StreamBusy
from streams.model import VisitOptions

ExecutorRig = Any  # conftest.ExecutorRig; test folders are no packages
NVR = ServerId("nvr")
LIMITS = ConnectionLimits(connections=64, per_link=64, mbit_s=1e6, retry_after_s=1.0)
LONGEST_VISIT_S = 4.0


def channels(count: int, server: ServerId = NVR) -> list[PendingVisit]:
    return [
        PendingVisit(camera=CameraId(f"{server}-{i}"), link=LinkId("a"), server=server)
        for i in range(count)
    ]


class Recorder:
    """A recorder in simulated time: serves `streams` at once, refuses the rest, frees them late."""

    def __init__(self, streams: int, status: int | None, frees_after_s: float = 0.0) -> None:
        self.streams, self.status, self.frees_after_s = streams, status, frees_after_s
        self.free_at: list[float] = []
        self.refused = 0

    def asks(self, now_s: float, visit_s: float) -> StreamBusy | None:
        self.free_at = [at for at in self.free_at if at > now_s]
        if len(self.free_at) >= self.streams:
            self.refused += 1
            return StreamBusy("no stream left", status=self.status)
        self.free_at.append(now_s + visit_s + self.frees_after_s)
        return None


def visit_all(
    limiter: ConnectionLimiter,
    recorders: Mapping[ServerId, Recorder],
    picked: random.Random,
    until_s: float = 600.0,
) -> tuple[set[CameraId], float]:
    """The cameras seen, and when the last one was."""
    now_s, ended_s = 0.0, 0.0
    under_way: list[tuple[float, int, PendingVisit, StreamBusy | None]] = []
    seen: set[CameraId] = set()
    number = 0
    while (limiter.waiting or under_way) and now_s < until_s:
        while (visit := limiter.acquire(now_s)) is not None:
            visit_s = picked.uniform(1.0, LONGEST_VISIT_S)
            busy = recorders[visit.server].asks(now_s, visit_s)
            number += 1
            under_way.append((now_s + (0.05 if busy else visit_s), number, visit, busy))
        if not under_way:
            wait_s = limiter.next_retry_in_s(now_s)
            assert wait_s is not None, "somebody waits for nothing"
            now_s += wait_s + 0.001
            continue
        under_way.sort()
        now_s, _, done, busy = under_way.pop(0)
        if busy is None:
            seen.add(done.camera)
            ended_s = now_s
        elif not limiter.wait_for_stream(done, busy, now_s):
            limiter.retry_later(done, now_s)
        limiter.end_stream(done, now_s, served=busy is None)
        limiter.release(done)
    return seen, ended_s


@given(
    channel_count=st.integers(1, 40),
    streams=st.integers(1, 12),
    status=st.sampled_from([453, 503, 500, None]),
    frees_after_s=st.sampled_from([0.0, 0.3, 2.0]),
    picked=st.randoms(use_true_random=False),
)
def test_every_channel_of_a_full_recorder_is_seen(
    channel_count: int,
    streams: int,
    status: int | None,
    frees_after_s: float,
    picked: random.Random,
) -> None:
    recorder = Recorder(streams, status, frees_after_s if status in {453, 503} else 0.0)
    visits = channels(channel_count)
    # At the worst a channel waits its longest wait, is visited, and its stream is freed late.
    until_s = channel_count * (LONGEST_WAIT_S + LONGEST_VISIT_S + frees_after_s)
    seen, _ = visit_all(ConnectionLimiter(visits, LIMITS), {NVR: recorder}, picked, until_s)
    assert seen == {visit.camera for visit in visits}


@pytest.mark.parametrize("frees_after_s", [0.5, 1.0, 2.0, 4.0])
@pytest.mark.parametrize("streams", [1, 2, 6])
def test_streams_that_are_freed_late_hold_the_recorder_back_as_a_whole(
    streams: int, frees_after_s: float
) -> None:
    """The time to free one is learned once, not by each channel for itself."""
    longest_s, refused = 0.0, 0
    for seed in range(5):
        recorder = Recorder(streams, 453, frees_after_s)
        limiter = ConnectionLimiter(channels(40), LIMITS)
        seen, ended_s = visit_all(limiter, {NVR: recorder}, random.Random(seed))
        assert len(seen) == 40
        longest_s, refused = max(longest_s, ended_s), max(refused, recorder.refused)
    mean_visit_s = (1.0 + LONGEST_VISIT_S) / 2
    least_s = 40 / streams * (mean_visit_s + frees_after_s)
    assert longest_s < 2 * least_s + LONGEST_VISIT_S
    assert refused < 40 + 30  # each of the first wave but the served ones, and some to learn by


def test_a_viewer_who_takes_the_only_stream_is_waited_for_by_all_together() -> None:
    """Each channel asks once; then one asks each time that the rest ends."""
    limiter = ConnectionLimiter(channels(40), LIMITS, stream_limits=StreamLimits.of({NVR: 1}))
    recorder = Recorder(1, 453)
    recorder.free_at.append(60.0)
    seen, ended_s = visit_all(limiter, {NVR: recorder}, random.Random(1))
    assert len(seen) == 40
    assert recorder.refused < 40 + 10
    assert ended_s < 60.0 + LONGEST_WAIT_S + 40 * LONGEST_VISIT_S


def test_the_next_round_begins_with_the_limit_and_is_hardly_refused() -> None:
    first, recorder = StreamLimits(), Recorder(6, 453)
    limiter = ConnectionLimiter(channels(24), LIMITS, stream_limits=first)
    visit_all(limiter, {NVR: recorder}, random.Random(1))
    assert recorder.refused >= 18
    assert 5 <= first.learned()[NVR] <= 7
    recorder = Recorder(6, 453)
    second = StreamLimits.of(first.learned())
    limiter = ConnectionLimiter(channels(24), LIMITS, stream_limits=second)
    seen, ended_s = visit_all(limiter, {NVR: recorder}, random.Random(2))
    assert (len(seen), recorder.refused <= 3) == (24, True)
    assert ended_s < 24 / 6 * 4.0 * 1.5, "as many at a time as it serves"


def test_a_limit_that_went_up_is_found_again() -> None:
    known: Mapping[ServerId, int] = {NVR: 2}
    for seed in range(12):
        limits = StreamLimits.of(known)
        limiter = ConnectionLimiter(channels(24), LIMITS, stream_limits=limits)
        visit_all(limiter, {NVR: Recorder(12, 453)}, random.Random(seed))
        known = limits.learned()
    assert known[NVR] >= 10


def test_a_broken_channel_does_not_hold_its_neighbours_back() -> None:
    """It hangs up on every SETUP: no limit is learned from it below what was served at once."""
    limits = StreamLimits()
    limiter = ConnectionLimiter(channels(24), LIMITS, stream_limits=limits)
    under_way = []
    while (visit := limiter.acquire(0.0)) is not None:
        under_way.append(visit)
    broken, *sound = under_way
    for visit in sound[:12]:
        limiter.end_stream(visit, 1.0, served=True)
        limiter.release(visit)
    assert limiter.wait_for_stream(broken, StreamBusy("hung up"), 1.0)
    limiter.end_stream(broken, 1.0, served=False)
    limiter.release(broken)
    assert limits.learned()[NVR] >= 11
    for visit in sound[12:]:
        limiter.end_stream(visit, 1.0, served=True)
        limiter.release(visit)
    again = limiter.acquire(9.0)
    assert again is not None
    assert not limiter.wait_for_stream(again, StreamBusy("hung up"), 9.0), "alone: its own fault"
    assert limiter.retry_later(again, 9.0)


def test_another_recorder_on_the_same_link_is_not_slowed() -> None:
    other = ServerId("other")
    limits = StreamLimits.of({NVR: 1})
    limiter = ConnectionLimiter([*channels(5), *channels(5, other)], LIMITS, stream_limits=limits)
    started = []
    while (visit := limiter.acquire(0.0)) is not None:
        started.append(visit.server)
    assert sorted(started) == [NVR, *[other] * 5]


def test_the_server_of_an_address_is_host_and_port_and_shows_neither() -> None:
    same = {server_of(StreamAddress.parse(f"rtsp://u:p{i}@NVR.lan/ch{i}")) for i in range(3)}
    assert same == {server_of(StreamAddress.parse("rtsp://nvr.lan:554/"))}
    assert server_of(StreamAddress.parse("rtsp://nvr.lan:8554/")) not in same
    assert "nvr" not in next(iter(same))


@pytest.mark.parametrize(
    ("spans", "most"), [([], 0), ([(1, 2), (3, 4)], 1), ([(1, 5), (2, 3), (4, 6)], 2)]
)
def test_most_at_once(spans: list[tuple[int, int]], most: int) -> None:
    assert most_at_once(spans) == most


class FullRecorder:
    """An executor's camera client in front of a recorder that serves `streams` at once."""

    def __init__(self, rig: ExecutorRig, streams: int) -> None:
        self.inner, self.streams, self.inside, self.refused = rig.camera_client, streams, 0, 0
        self.inner.delay_s = 0.02

    async def __call__(self, address: StreamAddress, options: VisitOptions) -> Any:
        if self.inside >= self.streams:
            self.refused += 1
            raise StreamBusy("SETUP refused: 453", status=453)
        self.inside += 1
        try:
            return await self.inner(address, options)
        finally:
            self.inside -= 1


def test_a_round_sees_all_channels_and_counts_no_attempt_for_a_refusal(
    rig: ExecutorRig, town: list[Camera]
) -> None:
    rig.camera_client = FullRecorder(rig, 2)
    job = rig.job(town)
    executor = RoundExecutor(job, rig.deps())
    assert asyncio.run(executor.run()) is StopReason.COMPLETE
    assert executor.counters.seen == len(town)
    assert {visit.tries for visit in rig.recorder.written.values()} == {1}
    assert set(job.stream_limits.learned().values()) <= {2, 3}


def test_a_recorder_that_stays_full_is_not_viewable_at_finish_by(
    rig: ExecutorRig, town: list[Camera]
) -> None:
    rig.camera_client = FullRecorder(rig, 0)
    executor = RoundExecutor(rig.job(town, window_s=0.5), rig.deps())
    assert asyncio.run(executor.run()) is StopReason.OUT_OF_TIME
    written = rig.recorder.written.values()
    assert {(visit.outcome, visit.failure) for visit in written} == {
        (VisitOutcome.NOT_VIEWABLE, "stream_busy")
    }
    assert len(written) == len(town)


def test_what_a_platform_agreed_to_is_never_exceeded_whatever_it_served() -> None:
    peer = server_of(StreamAddress.parse("gb28181://town/62090204001320000001"))
    limits = StreamLimits.of({}, {peer: 2})
    begun = [limits.start(peer) for _ in range(2)]
    assert not limits.has_capacity(peer, 0.0)
    for _ in range(200):
        limits.end(peer, begun.pop(0), 0.0, served=True)
        assert limits.has_capacity(peer, 0.0)
        begun.append(limits.start(peer))
    assert not limits.has_capacity(peer, 0.0)


def test_a_platform_that_gives_less_than_agreed_is_asked_for_less() -> None:
    peer = server_of(StreamAddress.parse("gb28181://town/62090204001320000001"))
    limits = StreamLimits.of({}, {peer: 4})
    begun = [limits.start(peer) for _ in range(3)]
    limits.turn_away(peer, TurnedAway(turns=1, certain=True, at_s=0.0))
    limits.end(peer, begun[0], 0.0, served=False)
    assert not limits.has_capacity(peer, 0.0)
