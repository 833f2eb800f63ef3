"""Cameras with pictures over HTTP: the very bytes of the picture, or the reason that is right."""

import asyncio
import time

import pytest

from streams.decode import decode
from streams.errors import StreamError, Unreachable, Unreadable, WentSilent
from streams.http_snapshot import NO_END_MARKER
from streams.model import VisitOptions
from tests.zoo.cameras import Reason
from tests.zoo.http_cameras import HTTP_ZOO, HttpCamera, answer, jpeg
from tests.zoo.serving import HttpServer, visit_http

QUICK = VisitOptions(pictures=2, spacing_s=0.12, silence_timeout_s=1, visit_timeout_s=4)


@pytest.mark.parametrize("camera", HTTP_ZOO, ids=lambda camera: camera.name)
def test_camera(camera: HttpCamera) -> None:
    if isinstance(camera.expects, Reason):
        with pytest.raises(StreamError, match=camera.expects.words) as caught:
            asyncio.run(visit_http(camera.server(), camera.path, QUICK))
        assert type(caught.value) is camera.expects.kind
        return
    sample = asyncio.run(visit_http(camera.server(), camera.path, QUICK))
    assert [frame.data in camera.pictures() for frame in sample.key_frames] == [True, True]
    assert sample.freshness is camera.expects
    assert (sample.facts.width_px, sample.facts.height_px) == (160, 120)
    assert not decode(sample.key_frames[0]).corrupt


def test_names_are_told_apart() -> None:
    assert len({camera.name for camera in HTTP_ZOO}) == len(HTTP_ZOO)


def test_the_missing_end_marker_is_a_reason_of_its_own() -> None:
    with pytest.raises(Unreadable) as caught:
        asyncio.run(visit_http(HttpServer(answer(jpeg()[:-2])), options=QUICK))
    assert caught.value.reason == NO_END_MARKER


LIMIT = VisitOptions(
    pictures=2, spacing_s=0.1, answer_timeout_s=5, silence_timeout_s=5, visit_timeout_s=1.2
)
TRICKLES = [
    pytest.param(HttpServer(b"", stays=True), "/a.jpg", Unreachable, id="silence"),
    pytest.param(
        HttpServer(answer(jpeg()), pause_s=0.1, piece_bytes=2), "/a.jpg", StreamError, id="head"
    ),
    pytest.param(
        HttpServer(answer(b"", length=None), after=(b"\xff\xd8\xff\xe0",), pause_s=0.1),
        "/a.jpg",
        WentSilent,
        id="noise for ever",
    ),
    pytest.param(
        HttpServer(answer(b"FLV\x01\x05\0\0\0\x09", "video/x-flv", None), after=(bytes(4),)),
        "/a.flv",
        StreamError,
        id="libav, trickles",
    ),
    pytest.param(HttpServer(b"", stays=True), "/a.flv", StreamError, id="libav, silence"),
    pytest.param(
        HttpServer(answer(b"", "video/x-flv", None), after=(b"\0",), pause_s=0.2),
        "/stream",
        StreamError,
        id="first http, then libav",
    ),
]


@pytest.mark.parametrize(("server", "path", "kind"), TRICKLES)
def test_the_limit_holds(server: HttpServer, path: str, kind: type[StreamError]) -> None:
    start_s = time.monotonic()
    with pytest.raises(kind):
        asyncio.run(visit_http(server, path, LIMIT))
    assert time.monotonic() - start_s < LIMIT.visit_timeout_s + 0.8


def test_what_came_before_the_limit_is_kept() -> None:
    server = HttpServer(answer(jpeg()), pause_s=0.01)
    options = VisitOptions(pictures=50, spacing_s=0.2, visit_timeout_s=1)
    sample = asyncio.run(visit_http(server, options=options))
    assert 2 <= len(sample.key_frames) <= 5
