"""RTSP inside TLS, HTTP and WebSockets: against our look-alike, GStreamer and aiohttp."""

import asyncio
import datetime as dt
import os
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from simulators.http_sources.connections import serving_connections
from simulators.http_sources.rtsp_tunnels import RtspTunnelServer
from simulators.town.model import Login
from streams.address import StreamAddress
from streams.capture import StreamCameraClient
from streams.decode import decode
from streams.errors import RefusedUs, StreamBusy, StreamError, Unreachable, Unreadable, WentSilent
from streams.model import Freshness, Sample, VisitOptions
from streams.rtsp.websocket import WebSocketReader, masked_frame, xor_mask
from streams.rtsp_tunnel import rtsp_uri
from streams.tls import CAMERA_TLS
from tests.support.lookalikes import NOON, media

ONE = VisitOptions(pictures=1, visit_timeout_s=10)
TWO = VisitOptions(pictures=2, spacing_s=0.2, visit_timeout_s=10)
LOGIN = Login(scheme="digest-md5-qop", user="viewer", password="p@ss/word")
SECRET = "viewer:p%40ss%2Fword@"
SCHEMES = ["rtsps", "rtsp+http", "rtsp+https", "rtsp+ws", "rtsp+wss"]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate as cameras have it: signed by itself, for another name."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "IPCamera")])
    begin = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(begin)
        .not_valid_after(begin + dt.timedelta(days=365)).sign(key, hashes.SHA256())
    )  # fmt: skip
    path = tmp_path_factory.mktemp("tls") / "camera.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(private + made.public_bytes(Encoding.PEM))
    return path


@pytest.fixture(autouse=True)
def _own_certificates() -> Iterator[None]:
    """Cameras sign their own: the site says that they are not checked."""
    CAMERA_TLS.configure(verify=False, ca_file=None)
    yield
    CAMERA_TLS.configure(verify=True, ca_file=None)


def test_a_certificate_signed_by_nobody_is_refused_where_they_are_checked(
    certificate: Path,
) -> None:
    CAMERA_TLS.configure(verify=True, ca_file=None)
    for scheme in ("rtsps", "rtsp+https", "rtsp+wss"):
        error, _, _ = visit(scheme, certificate)
        assert isinstance(error, Unreadable), scheme
        assert error.reason == "tls_failed"


def server_context(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


async def look(url: str, options: VisitOptions = TWO) -> Sample:
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    client = StreamCameraClient(lambda: NOON + dt.timedelta(seconds=loop.time() - began_s))
    return await client(StreamAddress.parse(url), options)


def visit(
    scheme: str,
    certificate: Path,
    url: str = "/live/a?x=1",
    userinfo: str = "",
    options: VisitOptions = TWO,
    **server: Any,
) -> tuple[Any, RtspTunnelServer, int]:
    """The sample or the error of a visit, the tunnels' server, and who still watches."""

    async def main() -> tuple[Any, RtspTunnelServer, int]:
        live = media()
        async with live.serving_rtsp() as rtsp_port:
            tunnels = RtspTunnelServer(rtsp_port, **server)
            secure = scheme in {"rtsps", "rtsp+https", "rtsp+wss"}
            tls = server_context(certificate) if secure else None
            if scheme == "rtsps":
                relay = serving_connections(_relay_to(rtsp_port), "127.0.0.1", tls=tls)
            else:
                relay = tunnels.serving(tls)
            async with relay as port:
                result = await _result(f"{scheme}://{userinfo}127.0.0.1:{port}{url}", options)
            return result, tunnels, live.viewers

    return asyncio.run(main())


async def _result(url: str, options: VisitOptions) -> Any:
    try:
        return await look(url, options)
    except StreamError as exc:
        return exc


def _relay_to(port: int) -> Callable[[Any, Any], Any]:
    """What ends TLS in front of an RTSP server."""

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_rtsp, to_rtsp = await asyncio.open_connection("127.0.0.1", port)

        async def pump(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
            while data := await source.read(65_536):
                to.write(data)
                await to.drain()
            to.close()

        try:
            await asyncio.gather(pump(reader, to_rtsp), pump(from_rtsp, writer))
        finally:
            to_rtsp.close()

    return relay


@pytest.mark.parametrize("scheme", SCHEMES)
def test_live_pictures_through_every_tunnel(certificate: Path, scheme: str) -> None:
    sample, tunnels, viewers = visit(scheme, certificate)
    assert sample.freshness is Freshness.LIVE
    assert (sample.facts.transport, sample.facts.codec) == (scheme, "h264")
    assert not decode(sample.key_frames[1]).corrupt
    assert viewers == 0
    if "ws" in scheme:
        assert tunnels.pongs > 0
        assert tunnels.opened == {"websocket /rtsp-over-websocket": 1}


@pytest.mark.parametrize("scheme", SCHEMES[1:])
@pytest.mark.parametrize("kind", ["basic", "digest-md5-qop", "digest-sha256"])
def test_the_tunnels_own_login(certificate: Path, scheme: str, kind: str) -> None:
    login = Login(scheme=kind, user=LOGIN.user, password=LOGIN.password)
    sample, _, _ = _with_login(scheme, certificate, SECRET, login)
    assert isinstance(sample, Sample)
    error, _, _ = _with_login(scheme, certificate, "viewer:wrong@", login)
    assert (type(error), error.reason) == (RefusedUs, "login_refused")
    assert "wrong" not in error.seen
    error, _, _ = _with_login(scheme, certificate, "", login)
    assert "a user and a password are wanted" in error.seen


def _with_login(
    scheme: str, certificate: Path, userinfo: str, login: Login
) -> tuple[Any, RtspTunnelServer, int]:
    return visit(scheme, certificate, "/live/a", userinfo, ONE, login=login)


def test_the_websockets_own_path_is_no_part_of_the_rtsp_url(certificate: Path) -> None:
    url = "/live/a?websocket=/ws/11&channel=1"
    sample, tunnels, _ = visit("rtsp+ws", certificate, url)
    assert isinstance(sample, Sample)
    assert tunnels.opened == {"websocket /ws/11": 1}
    address = StreamAddress.parse(f"rtsp+ws://h:8080{url}")
    assert rtsp_uri(address) == "rtsp://h:8080/live/a?channel=1"


@pytest.mark.parametrize("scheme", SCHEMES[1:])
@pytest.mark.parametrize(
    ("status", "kind"), [(404, RefusedUs), (403, RefusedUs), (503, StreamBusy), (500, WentSilent)]
)
def test_a_refused_tunnel_is_its_error(
    certificate: Path, scheme: str, status: int, kind: type[StreamError]
) -> None:
    error, _, _ = visit(scheme, certificate, refuse=status)
    assert type(error) is kind
    assert str(status) in error.seen


@pytest.mark.parametrize("scheme", SCHEMES[1:])
def test_a_tunnel_that_hangs_up_is_unreachable(certificate: Path, scheme: str) -> None:
    error, _, _ = visit(scheme, certificate, hang_up=True)
    assert isinstance(error, Unreachable)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_nobody_there_and_somebody_else_there(scheme: str, dead_port: int) -> None:
    async def main() -> None:
        with pytest.raises(Unreachable):
            await look(f"{scheme}://127.0.0.1:{dead_port}/a")

        async def noise(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n" + os.urandom(300))
            await writer.drain()

        async with serving_connections(noise, "127.0.0.1") as port:
            with pytest.raises((Unreadable, Unreachable)):
                await look(f"{scheme}://127.0.0.1:{port}/a")

    asyncio.run(main())


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_silent_server_costs_the_time_to_connect(scheme: str) -> None:
    async def main() -> None:
        async def hold(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
            await reader.read()

        options = VisitOptions(connect_timeout_s=0.2, visit_timeout_s=5)
        async with serving_connections(hold, "127.0.0.1") as port:
            with pytest.raises(Unreachable, match=r"no tunnel in 0\.2 s"):
                await look(f"{scheme}://127.0.0.1:{port}/a", options)

    asyncio.run(main())


@given(st.lists(st.binary(max_size=400), max_size=8), st.data())
def test_frames_cut_anywhere_give_the_same_bytes(payloads: list[bytes], data: Any) -> None:
    wire = b""
    for payload in payloads:
        head = bytes([len(payload)]) if len(payload) < 126 else b"\x7e" + len(payload).to_bytes(2)
        wire += b"\x82" + head + payload + b"\x89\x02hi"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=10)))
    reader = WebSocketReader()
    pieces = [wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
    assert b"".join(map(reader.feed, pieces)) == b"".join(payloads)
    assert reader.pongs == [b"hi"] * len(payloads)


@given(st.binary(max_size=600))
def test_no_bytes_break_the_reader_of_frames(data: bytes) -> None:
    reader = WebSocketReader()
    try:
        reader.feed(data)
    except Unreadable:
        return
    assert len(reader._control) <= 125


def test_the_masking_of_the_standard() -> None:
    """RFC 6455 §5.7: a masked "Hello"."""
    mask = bytes.fromhex("37fa213d")
    assert masked_frame(b"Hello", mask, 0x1) == bytes.fromhex("818537fa213d7f9f4d5158")
    assert xor_mask(xor_mask(b"any length at all", mask), mask) == b"any length at all"
    assert masked_frame(b"x" * 200, mask)[:4] == bytes.fromhex("82fe00c8")
    assert masked_frame(b"x" * 70_000, mask)[:10] == bytes.fromhex("82ff0000000000011170")


@pytest.mark.slow
@pytest.mark.parametrize("auth", [(), ("--auth", "digest")])
def test_gstreamers_http_tunnel(gst: Callable[..., str], auth: tuple[str, ...]) -> None:
    login = "viewer:s3cret%3Aword@" if auth else ""
    sample = asyncio.run(look(f"rtsp+http://{login}{gst(*auth)}/h264"))
    assert sample.freshness is Freshness.LIVE
    assert sample.facts.transport == "rtsp+http"


@pytest.mark.slow
@pytest.mark.parametrize("path", ["h264", "jpeg"])
def test_gstreamers_tls(gst: Callable[..., str], certificate: Path, path: str) -> None:
    """MJPEG goes on through libav, H.264 is our own client's."""
    sample = asyncio.run(look(f"rtsps://{gst('--tls', str(certificate))}/{path}"))
    assert len(sample.key_frames) == 2
    assert sample.facts.transport == ("rtsps" if path == "h264" else "rtsp+tcp")


@pytest.mark.slow
def test_a_websocket_server_that_is_not_ours() -> None:
    web = pytest.importorskip("aiohttp.web")

    async def main() -> Sample:
        live = media()
        async with live.serving_rtsp() as rtsp_port:

            async def handle(request: Any) -> Any:
                socket = web.WebSocketResponse(protocols=("rtsp.onvif.org",))
                await socket.prepare(request)
                rtsp, to_rtsp = await asyncio.open_connection("127.0.0.1", rtsp_port)

                async def down() -> None:
                    while data := await rtsp.read(65_536):
                        await socket.send_bytes(data)

                task = asyncio.create_task(down())
                async for message in socket:
                    to_rtsp.write(message.data)
                task.cancel()
                to_rtsp.close()
                return socket

            app = web.Application()
            app.router.add_get("/rtsp-over-websocket", handle)
            runner = web.AppRunner(app)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            try:
                port = runner.addresses[0][1]
                return await look(f"rtsp+ws://127.0.0.1:{port}/live")
            finally:
                await runner.cleanup()

    assert asyncio.run(main()).freshness is Freshness.LIVE
