"""Whole visits against servers that behave as told: what is brought home, what is raised."""

import asyncio
import contextlib
import logging
import socket
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from streams.address import StreamAddress
from streams.capture import StreamCameraClient
from streams.decode import decode
from streams.errors import (
    RefusedUs,
    StreamBusy,
    StreamError,
    Unreachable,
    Unreadable,
    WentSilent,
)
from streams.model import Codec, Freshness, Sample, VisitOptions

NOON = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
PASSWORD = "pä:ss@wörd"
LOGIN = "admin:p%C3%A4%3Ass%40w%C3%B6rd@"
QUICK = VisitOptions(
    pictures=2,
    spacing_s=0.2,
    connect_timeout_s=1.0,
    answer_timeout_s=0.5,
    silence_timeout_s=0.5,
    visit_timeout_s=1.5,
)


class WallClock:
    """A wall clock that runs with the loop's own."""

    def now(self) -> datetime:
        return datetime.fromtimestamp(NOON.timestamp() + asyncio.get_running_loop().time(), UTC)


async def capture(url: str, options: VisitOptions = QUICK) -> Sample:
    return await StreamCameraClient(WallClock().now)(StreamAddress.parse(url), options)


def visit(
    camera: Any, options: VisitOptions = QUICK, path: str = "/live", user: str = ""
) -> Sample:
    async def run() -> Sample:
        async with camera.running() as authority:
            try:
                return await capture(f"rtsp://{user}{authority}/live", options)
            finally:
                async with asyncio.timeout(2):
                    await camera.gone.wait()

    return asyncio.run(run())


@pytest.fixture
def playing(camera: Any, sender: Any, h264: Any, sdp: Callable[..., str]) -> Any:
    """A camera that sends key frames, each followed by another picture."""
    out = sender()
    chunks = []
    for _ in range(60):
        chunks.append(out.framed(out.picture(h264.key)))
        chunks.append(out.framed(out.picture(h264.other)))
    return camera(sdp=sdp(h264), after_play=chunks, pause_s=0.03)


def test_two_live_pictures_and_the_facts(playing: Any, h264: Any) -> None:
    sample = visit(playing)
    first, second = sample.key_frames
    assert first.codec is Codec.H264
    assert first.data == h264.data
    assert (second.taken_at - first.taken_at).total_seconds() >= QUICK.spacing_s
    assert first.taken_at.tzinfo is UTC
    facts = sample.facts
    assert (facts.width_px, facts.height_px) == h264.size_px
    assert (facts.transport, facts.codec, facts.server) == ("rtsp+tcp", "h264", "Fake/1.0")
    assert 0 < facts.connect_s <= facts.describe_s <= facts.first_key_frame_s <= facts.visit_s
    assert facts.bytes_received > len(h264.data)
    assert decode(first).size_px == h264.size_px
    assert playing.methods() == ["DESCRIBE", "SETUP", "PLAY", "TEARDOWN"]
    assert playing.requests[-1].headers["session"] == "abc123"


def test_the_same_bits_again_and_again_are_no_proof_of_life(playing: Any) -> None:
    assert visit(playing).freshness is Freshness.REPEATED_BITS


def test_one_picture_is_single(playing: Any) -> None:
    sample = visit(playing, VisitOptions(pictures=1))
    assert sample.freshness is Freshness.SINGLE


def test_silence_after_one_key_frame_still_gives_it(playing: Any) -> None:
    playing.after_play = playing.after_play[:2]
    sample = visit(playing)
    assert (len(sample.key_frames), sample.freshness) == (1, Freshness.SINGLE)
    assert "TEARDOWN" in playing.methods()


def test_ipv6(playing: Any) -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")

    async def run() -> Sample:
        try:
            async with playing.running("::1") as authority:
                return await capture(f"rtsp://{authority}/live")
        except OSError:
            pytest.skip("no IPv6 here")

    assert len(asyncio.run(run()).key_frames) == 2


def test_keep_alive_goes_out_before_the_session_times_out(playing: Any) -> None:
    playing.session = "s;timeout=1"
    options = VisitOptions(pictures=2, spacing_s=1.1, visit_timeout_s=5)
    assert len(visit(playing, options).key_frames) == 2
    assert playing.methods()[3:5] == ["OPTIONS", "GET_PARAMETER"]


def silent(_: Any) -> None:
    return None


def close(_: Any) -> str:
    return "close"


def refuse(status: str) -> Callable[[Any], bytes]:
    return lambda r: f"RTSP/1.0 {status}\r\nCSeq: {r.headers['cseq']}\r\n\r\n".encode()


FAULTS = [
    pytest.param({"answers": {"DESCRIBE": silent}}, Unreachable, "no answer", id="never answers"),
    pytest.param({"answers": {"DESCRIBE": close}}, Unreachable, "hung up", id="closes at once"),
    pytest.param({"answers": {"DESCRIBE": refuse("404 Not Found")}}, RefusedUs, "404", id="404"),
    pytest.param({"answers": {"DESCRIBE": refuse("403 Forbidden")}}, RefusedUs, "403", id="403"),
    pytest.param({"answers": {"PLAY": refuse("453 Busy")}}, StreamBusy, "453 Busy", id="453"),
    pytest.param({"answers": {"SETUP": silent}}, WentSilent, "SETUP", id="no answer to SETUP"),
    pytest.param({"answers": {"PLAY": close}}, StreamBusy, "hung up", id="closes on PLAY"),
    pytest.param({"answers": {"SETUP": close}}, StreamBusy, "on SETUP", id="closes on SETUP"),
    pytest.param(
        {"after_play": [b""], "hang_up": True}, StreamBusy, "after PLAY", id="closes behind PLAY"
    ),
    pytest.param({"after_play": []}, WentSilent, "0 video packets", id="session but no packets"),
    pytest.param({"sdp": ""}, Unreadable, "SDP", id="no description"),
    pytest.param({"sdp": "v=0\r\nm=audio 0 RTP/AVP 8\r\n"}, Unreadable, "audio", id="audio only"),
    pytest.param(
        {"answers": {"DESCRIBE": lambda _: bytes(range(128, 256))}},
        Unreadable,
        "no RTSP answer",
        id="garbage instead of an answer",
    ),
    pytest.param(
        {"after_play": [bytes(range(40, 255)) * 50], "repeat": True, "pause_s": 0.001},
        Unreadable,
        "garbage",
        id="garbage instead of packets",
    ),
]


@pytest.mark.parametrize(("changes", "kind", "message"), FAULTS)
def test_every_fault_has_its_kind(
    playing: Any, changes: dict[str, Any], kind: type[StreamError], message: str
) -> None:
    for name, value in changes.items():
        setattr(playing, name, value)
    with pytest.raises(StreamError, match=message) as caught:
        visit(playing)
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)


def test_a_refused_connection(dead_port: int) -> None:
    with pytest.raises(Unreachable, match="refused"):
        asyncio.run(capture(f"rtsp://127.0.0.1:{dead_port}/"))


def test_a_name_that_does_not_resolve() -> None:
    with pytest.raises(Unreachable, match="does not resolve"):
        asyncio.run(capture("rtsp://no-such-host.invalid/", VisitOptions()))


def test_pictures_without_a_key_frame(playing: Any, sender: Any, h264: Any) -> None:
    out = sender()
    playing.after_play = [out.framed(out.picture(h264.other)) for _ in range(80)]
    with pytest.raises(WentSilent, match=r"no key frame in .* video packets"):
        visit(playing)
    assert playing.methods()[-1] == "TEARDOWN"


def test_hanging_up_in_mid_picture(playing: Any, sender: Any, h264: Any) -> None:
    out = sender()
    packets = out.picture(h264.key)
    assert len(packets) > 3
    playing.after_play, playing.hang_up = [out.framed(packets[:-2])], True
    with pytest.raises(WentSilent, match="middle of a picture"):
        visit(playing)


def test_key_frames_without_parameter_sets(
    playing: Any, h264: Any, sdp: Callable[..., str]
) -> None:
    playing.sdp = sdp(h264, sets=False)
    with pytest.raises(Unreadable, match="without parameter sets"):
        visit(playing)


def test_a_key_frame_with_a_hole_is_left_for_the_next(playing: Any, sender: Any, h264: Any) -> None:
    out = sender()
    holed = out.picture(h264.key)
    del holed[2]
    good = out.framed(out.picture(h264.key))
    playing.after_play = [out.framed(holed), good]
    sample = visit(playing, VisitOptions(pictures=1))
    assert decode(sample.key_frames[0]).corrupt is False
    playing.after_play = [out.framed(holed)]
    with pytest.raises(WentSilent, match="1 key frames lost packets"):
        visit(playing)


@pytest.mark.parametrize("scheme", ["Basic", "Digest"])
def test_no_password_is_ever_printed(
    playing: Any, caplog: pytest.LogCaptureFixture, scheme: str
) -> None:
    challenge = f'{scheme} realm="r"' + (', nonce="n"' if scheme == "Digest" else "")

    def never(request: Any) -> bytes:
        return bytes(playing.reply(request, "401 Unauthorized", WWW_Authenticate=challenge))

    playing.answers["DESCRIBE"] = never
    caplog.set_level(logging.DEBUG)
    with pytest.raises(RefusedUs) as caught:
        visit(playing, user=LOGIN)
    assert playing.methods() == ["DESCRIBE", "DESCRIBE"]
    logged = "".join(traceback.format_exception(caught.value)) + caplog.text + repr(caught.value)
    assert not any(form in logged for form in (PASSWORD, "p%C3%A4", "wörd"))


def test_redirected_to_another_camera(playing: Any, camera: Any) -> None:
    async def run() -> Sample:
        async with playing.running() as authority:
            front = camera(
                answers={
                    "DESCRIBE": lambda r: camera().reply(
                        r, "302 Moved", Location=f"rtsp://{authority}/live"
                    )
                }
            )
            async with front.running() as entrance:
                return await capture(f"rtsp://{entrance}/front")

    assert len(asyncio.run(run()).key_frames) == 2


def test_redirects_end(camera: Any) -> None:
    def round_and_round(request: Any) -> bytes:
        return bytes(camera().reply(request, "301 Moved", Location=request.uri))

    server = camera(answers={"DESCRIBE": round_and_round})
    with pytest.raises(Unreadable, match="redirected more than"):
        visit(server)


def test_cancelling_a_visit_sends_teardown(playing: Any) -> None:
    playing.after_play = playing.after_play[1:2] * 1000

    async def run() -> None:
        async with playing.running() as authority:
            task = asyncio.create_task(capture(f"rtsp://{authority}/live", VisitOptions()))
            await playing.played.wait()
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            assert task.cancelled()
            await playing.gone.wait()

    asyncio.run(run())
    assert playing.methods()[-1] == "TEARDOWN"


def test_a_server_that_never_answers_teardown_holds_nobody(playing: Any) -> None:
    playing.answers["TEARDOWN"] = silent

    async def run() -> float:
        loop = asyncio.get_running_loop()
        async with playing.running() as authority:
            start_s = loop.time()
            await capture(f"rtsp://{authority}/live", VisitOptions(pictures=1))
            return loop.time() - start_s

    assert 1.0 <= asyncio.run(run()) < 2.0


def test_a_hundred_at_once_share_one_loop(playing: Any) -> None:
    async def run() -> list[Sample]:
        async with playing.running() as authority:
            url = f"rtsp://{authority}/live"
            options = VisitOptions(pictures=1)
            return await asyncio.gather(*(capture(url, options) for _ in range(100)))

    samples = asyncio.run(run())
    assert len({sample.key_frames[0].sha256 for sample in samples}) == 1


def test_a_truncated_h265_stream_with_sets_in_the_description(
    camera: Any, sender: Any, h265: Any, sdp: Callable[..., str]
) -> None:
    out = sender(h265=True)
    chunks = [out.framed(out.picture(h265.key)) for _ in range(30)]
    server = camera(sdp=sdp(h265, h265=True), after_play=chunks, pause_s=0.05)
    sample = visit(server)
    assert sample.facts.codec == "hevc"
    picture = decode(sample.key_frames[0])
    assert (picture.size_px, picture.corrupt) == (h265.size_px, False)


@pytest.fixture(autouse=True)
def no_socket_left(recwarn: pytest.WarningsRecorder) -> Iterator[None]:
    yield
    assert not [w for w in recwarn if issubclass(w.category, ResourceWarning)]
