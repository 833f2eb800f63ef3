"""Peers that are not ours: sipp in both directions of digest, GStreamer's and FFmpeg's muxers."""

import asyncio
import secrets
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from patrol.clock import SystemClock
from streams.annexb import split_nals
from streams.decode import decode
from streams.gb28181.endpoint import Gb28181Endpoint, local_host_towards
from streams.gb28181.events import PeerRegistered, PlatformEvent
from streams.gb28181.peers import PeerConfig
from streams.gb28181.platform import Gb28181Platform
from streams.gb28181.requests import Identity
from streams.model import Codec, KeyFrame
from streams.mpeg.key_pictures import KeyPicture, KeyPictureFinder
from streams.mpeg.program_stream import ProgramStreamDemuxer
from tests.conftest import missing_part
from tests.zoo.clips import START, clip_of

pytestmark = pytest.mark.slow
OURS, DEVICE, PASSWORD = "34020000002000000001", "34020000001180000001", "s3cret28181"
REGISTER = """<send retrans="500"><![CDATA[
REGISTER sip:{ours}@3402000000 SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];rport;branch=[branch]
From: <sip:{device}@3402000000>;tag=[call_number]
To: <sip:{device}@3402000000>
Call-ID: [call_id]
CSeq: NUMBER REGISTER
Contact: <sip:{device}@[local_ip]:[local_port]>
LOGIN
Expires: 3600
Content-Length: 0

]]></send>"""
LOGIN = "[authentication username={device} password={password}]\n"
CLIENT = (
    '<?xml version="1.0"?><scenario name="device">\n'
    + REGISTER.replace("NUMBER", "1").replace("LOGIN\n", "")
    + '\n<recv response="401" auth="true"></recv>\n'
    + REGISTER.replace("NUMBER", "2").replace("LOGIN\n", LOGIN)
    + '\n<recv response="{status}"></recv>\n</scenario>'
)
ANSWER = """<send><![CDATA[
SIP/2.0 STATUS
[last_Via:]
[last_From:]
[last_To:];tag=[call_number]
[last_Call-ID:]
[last_CSeq:]
MORE
Content-Length: 0

]]></send>
"""


def answer(status: str, more: str = "") -> str:
    return ANSWER.replace("STATUS", status).replace("MORE\n", more)


CHALLENGE = 'WWW-Authenticate: Digest realm="3402000000",qop="auth",nonce="8d5b2c",algorithm=MD5\n'
SERVER = (
    '<?xml version="1.0"?><scenario name="platform above">\n<recv request="REGISTER"></recv>\n'
    + answer("401 Unauthorized", CHALLENGE)
    + """<recv request="REGISTER"><action>
<verifyauth assign_to="right" username="{ours}" password="{password}"/>
</action></recv>
<nop hide="true" test="right" next="ok"/>
"""
    + answer("403 Forbidden")
    + '<label id="ok"/>\n'
    + answer("200 OK", "Expires: 3600\n")
    + "</scenario>"
)


@pytest.fixture
def _sipp() -> None:
    if shutil.which("sipp") is None:
        missing_part("no sipp (Debian: sip-tester)")


@pytest.fixture
def _ffmpeg() -> None:
    if shutil.which("ffmpeg") is None:
        missing_part("no ffmpeg")


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def platform_with(config: PeerConfig, events: list[PlatformEvent]) -> Gb28181Endpoint:
    identity = Identity(id=OURS, domain=OURS[:10], port=0, token=lambda: secrets.token_hex(8))
    platform = Gb28181Platform(identity, [config], b"k" * 32, local_host_towards)
    endpoint = Gb28181Endpoint(platform, local_time=SystemClock().now, on_event=events.append)
    platform.use_port(await endpoint.open("127.0.0.1", 0))
    return endpoint


def peer(password: str = PASSWORD, **changed: Any) -> PeerConfig:
    return PeerConfig(name="sipp", id=DEVICE, password=password, **changed)


async def sipp(*arguments: str) -> int:
    process = await asyncio.create_subprocess_exec(
        "sipp", *arguments, "-nostdin", "-timeout", "15", "-timeout_error",
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(30):
            return await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.usefixtures("_sipp")
@pytest.mark.parametrize(("password", "status"), [(PASSWORD, 200), ("wrong", 403)])
def test_sipp_registers_with_us(tmp_path: Path, password: str, status: int) -> None:
    scenario = tmp_path / "device.xml"
    scenario.write_text(CLIENT.format(ours=OURS, device=DEVICE, password=password, status=status))

    async def main() -> tuple[int, list[PlatformEvent]]:
        events: list[PlatformEvent] = []
        endpoint = await platform_with(peer(), events)
        port = endpoint.platform.identity.port
        try:
            code = await sipp(
                f"127.0.0.1:{port}", "-sf", str(scenario), "-m", "1", "-i", "127.0.0.1",
                "-p", str(free_port()), "-s", OURS,
            )  # fmt: skip
        finally:
            await endpoint.close()
        return code, events

    code, events = asyncio.run(main())
    assert code == 0
    assert any(isinstance(event, PeerRegistered) for event in events) == (status == 200)


@pytest.mark.usefixtures("_sipp")
@pytest.mark.parametrize("password", [PASSWORD, "wrong"])
def test_we_register_with_sipp_which_checks_our_digest(tmp_path: Path, password: str) -> None:
    scenario, at = tmp_path / "above.xml", free_port()
    scenario.write_text(SERVER.format(ours=OURS, password=PASSWORD))
    config = peer(password, registers_here=False, register_there=True, address=("127.0.0.1", at))

    async def main() -> bool:
        serving = asyncio.create_task(
            sipp("-sf", str(scenario), "-m", "1", "-i", "127.0.0.1", "-p", str(at))
        )
        endpoint = await platform_with(config, [])
        known = endpoint.platform.peers["sipp"]
        try:
            for _ in range(100):
                await endpoint.changed(0.1)
                if known.is_reachable(endpoint.now_s) or (known.client and known.client.problem):
                    break
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
            await endpoint.close()
        return known.is_reachable(endpoint.now_s)

    assert asyncio.run(main()) == (password == PASSWORD)


def pictures(data: bytes) -> list[KeyPicture]:
    finder = KeyPictureFinder()
    demuxer = ProgramStreamDemuxer(1 << 22, finder.may_be_key, finder.begins_picture)
    units = [u for at in range(0, len(data), 1400) for u in demuxer.feed(data[at : at + 1400])]
    return [p for u in [*units, *demuxer.finish()] for p in finder.pictures(u)]


def annexb_file(folder: Path, codec: str) -> Path:
    path = folder / f"clip.{codec}"
    path.write_bytes(b"".join(START + START.join(u.nals) for u in clip_of(codec).units))
    return path


def muxed_by_ffmpeg(folder: Path, codec: str) -> bytes:
    out = folder / "clip.vob"
    command = ["ffmpeg", "-v", "error", "-f", codec, "-framerate", "25", "-i",
               str(annexb_file(folder, codec)), "-c", "copy", "-f", "vob", str(out)]  # fmt: skip
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return out.read_bytes()


GST = """
import sys, gi
gi.require_version("Gst", "1.0")
from gi.repository import Gst
Gst.init(None)
pipeline = Gst.parse_launch(
    "videotestsrc num-buffers=30 pattern=ball ! video/x-raw,width=320,height=240,framerate=15/1"
    " ! x264enc key-int-max=10 tune=zerolatency bitrate=2000"
    " ! video/x-h264,stream-format=byte-stream,alignment=au"
    f" ! mpegpsmux ! filesink location={sys.argv[1]}")
pipeline.set_state(Gst.State.PLAYING)
message = pipeline.get_bus().timed_pop_filtered(
    20 * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
pipeline.set_state(Gst.State.NULL)
sys.exit(0 if message is not None and message.type == Gst.MessageType.EOS else 3)
"""


def test_a_program_stream_of_gstreamer_gives_every_key_picture(tmp_path: Path) -> None:
    out = tmp_path / "clip.ps"
    command = ["/usr/bin/python3", "-c", GST, str(out)]
    code = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, timeout=40).returncode
    if code == 1:
        missing_part("no GStreamer with mpegpsmux for the system's Python")
    assert code == 0
    found = pictures(out.read_bytes())
    assert [picture.codec for picture in found] == [Codec.H264] * 3
    seconds = [round(picture.media_time_s, 2) for picture in found]
    assert seconds == [0.0, 0.67, 1.33]
    now = SystemClock().now()
    for picture in found:
        frame = KeyFrame(codec=picture.codec, data=picture.data, taken_at=now, media_time_s=0.0,
                         sha256=picture.sha256)  # fmt: skip
        assert decode(frame).size_px == (320, 240)


@pytest.mark.usefixtures("_ffmpeg")
@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_a_program_stream_of_ffmpeg_gives_every_key_picture(tmp_path: Path, codec: str) -> None:
    found = pictures(muxed_by_ffmpeg(tmp_path, codec))
    keys = [START + START.join(u.nals) for u in clip_of(codec).units if u.key]
    assert [picture.codec for picture in found] == [Codec(codec)] * len(keys)
    largest = [max(split_nals(key), key=len) for key in keys]  # the slice
    assert [max(split_nals(picture.data), key=len) for picture in found] == largest
