"""Whatever is cut, damaged or made up: the same events, or a StreamError; never anything else."""

import itertools
import re
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.errors import StreamError
from streams.rtsp.digest_auth import DigestAuthenticator
from streams.rtsp.session import KeyFrameReceived, RtspSession, SessionEvent, SessionStage


def new_session() -> RtspSession:
    session = RtspSession("rtsp://192.0.2.7/live", DigestAuthenticator("", ""), 1 << 20)
    session.start()
    return session


def conversation(h264: Any, sdp: Callable[..., str], sender: Any) -> bytes:
    """A whole visit's worth of what a server sends: answers, audio, video, RTCP, noise."""
    out, body = sender(), sdp(h264)
    pieces = [f"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()]
    pieces.append(b"RTSP/1.0 200 OK\r\nCSeq: 2\r\nSession: s\r\n\r\n")
    pieces.append(out.framed(out.picture(h264.other)))  # before the answer to PLAY
    pieces.append(b"RTSP/1.0 200 OK\r\nCSeq: 3\r\n\r\n")
    for _ in range(2):
        pieces.append(out.framed(out.picture([*h264.sets, *h264.key])))
        pieces.append(out.framed([b"\x80\x08" + bytes(170)], channel=4))
        pieces.append(out.framed(out.picture(h264.other)))
        pieces.append(b"noise that is nothing")
        pieces.append(b"OPTIONS * RTSP/1.0\r\nCSeq: 77\r\n\r\n")
    return b"".join(pieces)


def replay(data: bytes, cuts: list[int]) -> tuple[list[SessionEvent], bytes]:
    """Feed in pieces cut at `cuts`; events, and everything we said."""
    session, received, events = new_session(), bytearray(), list[SessionEvent]()
    tail = b""
    bounds = [0, *sorted({c % (len(data) + 1) for c in cuts}), len(data)]
    for start, stop in itertools.pairwise(bounds):
        piece = bytearray(tail + data[start:stop])
        used = session.feed(piece, len(piece))
        tail = bytes(piece[used:])
        events += session.events
        session.events.clear()
        received += session.outgoing
        session.outgoing.clear()
    return events, bytes(received)


def test_a_cut_between_noise_and_a_request_changes_nothing(
    h264: Any, sdp: Callable[..., str], sender: Any
) -> None:
    data = conversation(h264, sdp, sender)
    whole = replay(data, [])
    assert whole[1].count(b"CSeq: 77") == 2, "both requests behind noise are answered"
    for found in re.finditer(b"noise", data):
        for cut in range(found.start() - 2, found.end() + 40):
            assert replay(data, [cut]) == whole


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(cuts=st.lists(st.integers(0, 1 << 20), max_size=60))
def test_any_chunking_gives_the_same_events(
    h264: Any, sdp: Callable[..., str], sender: Any, cuts: list[int]
) -> None:
    data = conversation(h264, sdp, sender)
    whole = replay(data, [])
    assert len([e for e in whole[0] if isinstance(e, KeyFrameReceived)]) == 2
    assert replay(data, cuts) == whole


def test_byte_by_byte(h264: Any, sdp: Callable[..., str], sender: Any) -> None:
    data = conversation(h264, sdp, sender)[:20000]
    assert replay(data, list(range(len(data)))) == replay(data, [])


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    flips=st.lists(st.tuples(st.integers(0, 1 << 20), st.binary(max_size=40)), max_size=8),
    cuts=st.lists(st.integers(0, 1 << 20), max_size=8),
)
def test_damage_raises_nothing_but_stream_errors(
    h264: Any,
    sdp: Callable[..., str],
    sender: Any,
    flips: list[tuple[int, bytes]],
    cuts: list[int],
) -> None:
    data = bytearray(conversation(h264, sdp, sender))
    for number, what in flips:
        where = number % len(data)
        data[where : where + len(what)] = what
    try:
        replay(bytes(data), cuts)
    except StreamError as exc:
        assert "\n" not in exc.seen  # noqa: PT017  either way is right


@settings(max_examples=150, deadline=None)
@given(noise=st.binary(max_size=3000))
def test_noise_after_play_never_loops_or_crashes(noise: bytes) -> None:
    session = new_session()
    body = b"v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H265/90000\r\n"
    answers = b"RTSP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    answers += b"RTSP/1.0 200 OK\r\nSession: s\r\n\r\nRTSP/1.0 200 OK\r\n\r\n"
    assert session.feed(answers, len(answers)) == len(answers)
    assert session.stage is SessionStage.PLAYING
    try:
        used = session.feed(noise, len(noise))
    except StreamError:
        return
    assert 0 <= used <= len(noise)
