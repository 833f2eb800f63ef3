"""URLs that were handed out: redirects, playlists and segments lead nowhere that is not allowed."""

import asyncio
import ipaddress
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from simulators.http_sources.connections import serving_connections
from simulators.http_sources.http_server import HttpReply, HttpRequest, serving_http
from streams.address import StreamAddress
from streams.capture import StreamCameraClient
from streams.errors import StreamError
from streams.model import Freshness, VisitOptions
from streams.target_policy import TargetPolicy
from tests.support.lookalikes import NOON, media

# One address of this machine is allowed, another one is not.
HERE, ELSEWHERE = "127.0.0.1", "127.0.0.2"
POLICY = TargetPolicy(networks=(ipaddress.ip_network(f"{HERE}/32"),))


@asynccontextmanager
async def untouched() -> AsyncIterator[tuple[int, list[str]]]:
    """A server at the address that is not allowed; its port, and who came."""
    came: list[str] = []

    async def note(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        came.append("somebody")
        await reader.read()

    async with serving_connections(note, ELSEWHERE) as port:
        yield port, came


def visit(url: str, **more: Any) -> Any:
    options = VisitOptions(visit_timeout_s=4, targets=POLICY, spacing_s=0.2, **more)
    return StreamCameraClient(lambda: NOON)(StreamAddress.parse(url), options)


PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:1\n#EXTINF:1,\n{}\n"
MASTER = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{}\n"


@pytest.mark.parametrize("single_use", [True, False])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/live.flv", ""), ("/picture", ""), ("/live.mp4", ""), ("/hls.m3u8", ""),
        ("/hls.m3u8", PLAYLIST.format("http://{}/s.ts")),
        ("/hls.m3u8", MASTER.format("http://{}/sub.m3u8")),
    ],
)  # fmt: skip
def test_http_leads_nowhere_else(path: str, body: str, *, single_use: bool) -> None:
    async def main() -> None:
        async with untouched() as (port, came):
            there = f"{ELSEWHERE}:{port}"

            async def answer(_: HttpRequest) -> HttpReply:
                if body:
                    kind = "application/vnd.apple.mpegurl"
                    return HttpReply(body=body.format(there).encode(), content_type=kind)
                return HttpReply(status=302, headers=(("Location", f"http://{there}{path}"),))

            async with serving_http(answer, HERE) as here:
                with pytest.raises(StreamError, match="no public address"):
                    await visit(f"http://{HERE}:{here}{path}", single_use=single_use)
            assert came == []

    asyncio.run(main())


@pytest.mark.parametrize("scheme", ["rtsp", "rtsps", "rtspu"])
def test_rtsp_leads_nowhere_else(scheme: str) -> None:
    async def main() -> None:
        async with untouched() as (port, came):

            async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await reader.readuntil(b"\r\n\r\n")
                location = f"{scheme}://{ELSEWHERE}:{port}/live"
                answer = f"RTSP/1.0 302 Found\r\nCSeq: 1\r\nLocation: {location}\r\n\r\n"
                writer.write(answer.encode())
                await writer.drain()
                await reader.read()

            async with serving_connections(redirect, HERE) as here:
                with pytest.raises(StreamError, match=r"no public address|scheme"):
                    await visit(f"rtsp://{HERE}:{here}/live")
            assert came == []

    asyncio.run(main())


def test_a_redirect_to_where_it_may_go_is_followed_once() -> None:
    async def main() -> None:
        live = media()
        async with live.serving_rtsp() as rtsp_port:

            async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await reader.readuntil(b"\r\n\r\n")
                location = f"rtsp://{HERE}:{rtsp_port}/live?ticket=x"
                writer.write(
                    f"RTSP/1.0 302 Found\r\nCSeq: 1\r\nLocation: {location}\r\n\r\n".encode()
                )
                await writer.drain()
                await reader.read()

            async with serving_connections(redirect, HERE) as here:
                options = VisitOptions(pictures=1, targets=POLICY, single_use=True)
                client = StreamCameraClient(lambda: NOON)
                sample = await client(StreamAddress.parse(f"rtsp://{HERE}:{here}/live"), options)
        assert sample.freshness is Freshness.SINGLE
        assert live.openings == {"rtsp": 1}

    asyncio.run(main())


@pytest.mark.parametrize("ending", [".live.flv", ".live.ts", ".live.mp4"])
def test_a_url_that_opens_once_is_opened_once(ending: str) -> None:
    async def main() -> None:
        live = media()

        async def answer(request: HttpRequest) -> HttpReply:
            return await live.http(request) or HttpReply(status=404)

        async with serving_http(answer, HERE) as here:
            sample = await visit(f"http://{HERE}:{here}/a{ending}", pictures=1, single_use=True)
        assert len(sample.key_frames) == 1
        assert sum(live.openings.values()) == 1

    asyncio.run(main())


def test_a_stream_that_only_libav_reads_is_not_opened_twice() -> None:
    """Its one opening was ours: the error says so, instead of a refusal that nobody understands."""

    async def main() -> None:
        opened = []

        async def describe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            opened.append(await reader.readuntil(b"\r\n\r\n"))
            sdp = "v=0\r\ns=x\r\nm=video 0 RTP/AVP 26\r\na=control:t\r\n"
            head = f"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: {len(sdp)}\r\n\r\n"
            writer.write((head + sdp).encode())
            await writer.drain()
            await reader.read()

        async with serving_connections(describe, HERE) as here:
            with pytest.raises(StreamError, match="this URL opens once"):
                await visit(f"rtsp://{HERE}:{here}/live", single_use=True)
        assert len(opened) == 1

    asyncio.run(main())
