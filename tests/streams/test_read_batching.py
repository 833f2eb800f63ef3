"""The kernel wakes for a stream by its own rate, and never later than promised."""

import socket
from collections.abc import Iterator

import pytest

from streams.read_batching import AT_ONCE, MAX_BYTES, MAX_DELAY_S, ReadBatching

RATE = 200_000  # bytes a second: 1.6 Mbit/s


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with ours, theirs:
        yield ours, theirs


def threshold(sock: socket.socket) -> int:
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT)


def played(sock: socket.socket, *, rate: int = RATE, wanted: bool) -> ReadBatching:
    batching = ReadBatching(sock)
    for tenth in range(21):
        batching.on_read(rate // 10, tenth / 10, inside=False, wanted=wanted)
    return batching


def test_between_key_frames_it_wakes_seldom_and_inside_one_at_once(
    pair: tuple[socket.socket, ...],
) -> None:
    between = played(pair[0], wanted=False)
    assert RATE * 0.3 < threshold(pair[0]) < RATE * 0.5
    between.on_read(1000, 2.1, inside=True, wanted=True)
    assert threshold(pair[0]) == AT_ONCE
    assert between.release_at_s is None


def test_while_a_key_frame_is_awaited_it_wakes_for_a_few_pictures(
    pair: tuple[socket.socket, ...],
) -> None:
    played(pair[0], wanted=True)
    assert RATE * 0.06 < threshold(pair[0]) <= RATE * 0.15


def test_a_stream_that_slows_down_is_let_through_in_time(pair: tuple[socket.socket, ...]) -> None:
    batching = played(pair[0], wanted=False)
    assert batching.release_at_s == pytest.approx(2.0 + MAX_DELAY_S)
    batching.release()
    assert threshold(pair[0]) == AT_ONCE


def test_the_first_half_second_and_slow_streams_wake_for_every_byte(
    pair: tuple[socket.socket, ...],
) -> None:
    batching = ReadBatching(pair[0])
    batching.on_read(90_000, 0.0, inside=False, wanted=False)
    batching.on_read(90_000, 0.2, inside=False, wanted=False)
    assert threshold(pair[0]) == AT_ONCE
    played(pair[0], rate=4_000, wanted=False)
    assert threshold(pair[0]) == AT_ONCE


def test_the_threshold_stays_below_a_receive_buffer(pair: tuple[socket.socket, ...]) -> None:
    played(pair[0], rate=20_000_000, wanted=False)
    assert threshold(pair[0]) <= MAX_BYTES
