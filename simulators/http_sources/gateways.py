"""Look-alikes of ZLMediaKit and WVP-GB28181-pro, by their contracts; calls are counted.

Their traps are there as well: ZLMediaKit answers HTTP 200 to everything, and its `getSnap` serves
an old picture; WVP's errors come with HTTP 200, its stop cuts off every viewer, and its snapshot is
the last file.
"""

import asyncio
import hashlib
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum, auto
from typing import Any, Final

from simulators.http_sources.http_server import HttpReply, HttpRequest, json_reply, serving_http
from simulators.http_sources.live_media import LiveMedia

ZLM_SECRET: Final = "zlm-secret-0123456789"  # noqa: S105  a made-up one
WVP_USER: Final = "patrol"
WVP_PASSWORD: Final = "wvp-pass"  # noqa: S105
WVP_KEY: Final = "wvp-api-key"
APP: Final = "live"
WRONG_HOST: Final = "192.168.254.254"
FORBIDDEN_CALLS: Final = ("getSnap", "close_streams", "setServerConfig", "restartServer")


class GatewayFault(StrEnum):
    """What is wrong with a simulated gateway; the value stands on the command line."""

    OFFLINE = auto()  # the stream is not there
    NOT_LISTED = auto()  # zlm: it starts only when it is opened
    BAD_SECRET = auto()  # no secret or key is right
    BUSY = auto()  # wvp: the camera serves no more sessions
    NO_MEDIA = auto()  # wvp: the camera sends nothing
    UNKNOWN_CHANNEL = auto()  # wvp
    TOKEN_FORGOTTEN = auto()  # wvp: each token is good for one call
    WRONG_HOST = auto()  # wvp: its URLs name an inner address
    ONLY_HLS = auto()  # wvp: names no other URL
    OLD_OBJECTS = auto()  # wvp: URLs are objects, as older versions have them
    RTSP_SILENT = auto()  # RTSP plays and nothing comes
    WATCHED = auto()  # wvp: somebody watches already
    SLOW_START = auto()  # wvp: starting takes longer than a visit
    NOT_JSON = auto()


@dataclass(slots=True)
class ZlmSimulator:
    """ZLMediaKit's API and its live URLs."""

    media: LiveMedia
    faults: frozenset[GatewayFault] = frozenset()
    asked: Counter[str] = field(default_factory=Counter)
    host: str = "127.0.0.1"
    port: int = 0

    def __post_init__(self) -> None:
        if GatewayFault.OFFLINE in self.faults:
            self.media.admit = lambda _path, _query: 404
        self.media.silent = GatewayFault.RTSP_SILENT in self.faults

    @asynccontextmanager
    async def serving(self, port: int = 0, rtsp_port: int = 0) -> AsyncIterator[int]:
        """Listen; the HTTP port."""
        async with (
            self.media.serving_rtsp(self.host, rtsp_port),
            serving_http(self.handle, self.host, port) as self.port,
        ):
            yield self.port

    async def handle(self, request: HttpRequest) -> HttpReply:
        """Answer one HTTP request."""
        if request.path.startswith("/index/api/"):
            return self._api(request.path.rpartition("/")[2], request)
        return await self.media.http(request) or HttpReply(status=404)

    def _api(self, call: str, request: HttpRequest) -> HttpReply:
        self.asked[call] += 1
        if GatewayFault.NOT_JSON in self.faults:
            return HttpReply(body=b"<html>", content_type="text/html")
        given = request.values()
        if given.get("secret") != ZLM_SECRET or GatewayFault.BAD_SECRET in self.faults:
            return json_reply({"code": -100, "msg": "Please login first"})
        if call == "getMediaList":
            return json_reply({"code": 0, "data": self._listed(given)})
        if call == "getSnap":  # the old picture, and HTTP 200
            return HttpReply(body=b"\xff\xd8\xff\xd9", content_type="image/jpeg")
        return json_reply({"code": 0, "data": {}})

    def _listed(self, given: dict[str, str]) -> list[dict[str, Any]]:
        if self.faults & {GatewayFault.OFFLINE, GatewayFault.NOT_LISTED}:
            return []
        return [
            {
                "app": given.get("app", APP),
                "stream": given.get("stream", ""),
                "schema": schema,
                "readerCount": self.media.viewers,
                "totalReaderCount": self.media.viewers,
            }
            for schema in ("rtsp", "fmp4")
        ]


@dataclass(slots=True)
class WvpSimulator:
    """WVP's REST API in front of a ZLMediaKit."""

    zlm: ZlmSimulator
    faults: frozenset[GatewayFault] = frozenset()
    asked: Counter[str] = field(default_factory=Counter)
    open_channels: set[str] = field(default_factory=set)
    host: str = "127.0.0.1"
    port: int = 0
    wait_for_start: Callable[[], Awaitable[object]] = field(default=lambda: asyncio.sleep(6))
    _tokens: set[str] = field(default_factory=set)

    @asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncIterator[int]:
        """Listen, the media server too; the HTTP port."""
        async with (
            self.zlm.serving(),
            serving_http(self.handle, self.host, port) as self.port,
        ):
            yield self.port

    async def handle(self, request: HttpRequest) -> HttpReply:
        """Answer one HTTP request."""
        parts = request.path.strip("/").split("/")
        call = "/".join(parts[1:3])
        self.asked[call] += 1
        if GatewayFault.NOT_JSON in self.faults:
            return HttpReply(body=b"<html>", content_type="text/html")
        if call == "user/login":
            return self._login(request)
        if not self._is_let_in(request):
            return json_reply({"code": 401, "msg": "请登录后重新请求"}, status=401)
        return await self._call(call, parts, request)

    async def _call(self, call: str, parts: list[str], request: HttpRequest) -> HttpReply:
        if call == "device/query" and parts[-1] == "channels":
            return self._channels(request)
        if call == "play/start":
            return await self._start(parts[-2], parts[-1])
        if call == "play/stop":
            self.open_channels.discard(parts[-1])
            return json_reply({"code": 0, "msg": "成功", "data": None})
        return json_reply({"code": 404, "msg": "not found"})

    def _login(self, request: HttpRequest) -> HttpReply:
        wanted = hashlib.md5(WVP_PASSWORD.encode()).hexdigest()  # noqa: S324  WVP's own  # nosec B324
        right = request.query.get("username") == WVP_USER
        right = right and request.query.get("password") == wanted
        if not right or GatewayFault.BAD_SECRET in self.faults:
            return json_reply({"code": 100, "msg": "用户名或密码错误"})
        token = secrets.token_hex(16)
        self._tokens.add(token)
        return json_reply({"code": 0, "data": {"accessToken": token, "username": WVP_USER}})

    def _is_let_in(self, request: HttpRequest) -> bool:
        if GatewayFault.BAD_SECRET in self.faults:
            return False
        if request.headers.get("api-key") == WVP_KEY:
            return True
        token = request.headers.get("access-token", "")
        known = token in self._tokens
        if GatewayFault.TOKEN_FORGOTTEN in self.faults:
            self._tokens.discard(token)
        return known

    def _channels(self, request: HttpRequest) -> HttpReply:
        channel = request.query.get("query", "")
        watched = GatewayFault.WATCHED in self.faults or channel in self.open_channels
        item = {"channelId": channel, "name": "路口", "streamId": "x" if watched else None}
        return json_reply({"code": 0, "data": {"total": 1, "list": [item]}})

    async def _start(self, device: str, channel: str) -> HttpReply:
        refusals = {
            GatewayFault.OFFLINE: (100, "设备离线"),
            GatewayFault.BUSY: (486, "Session number has reached the upper limit '10'"),
            GatewayFault.NO_MEDIA: (408, "收流超时"),
            GatewayFault.UNKNOWN_CHANNEL: (404, "通道不存在"),
        }
        for fault, (code, message) in refusals.items():
            if fault in self.faults:
                return json_reply({"code": code, "msg": message})
        if GatewayFault.SLOW_START in self.faults:
            await self.wait_for_start()
        self.open_channels.add(channel)
        return json_reply({"code": 0, "msg": "成功", "data": self._urls(f"{device}_{channel}")})

    def _urls(self, stream: str) -> dict[str, Any]:
        host = WRONG_HOST if GatewayFault.WRONG_HOST in self.faults else self.host
        http = f"http://{host}:{self.zlm.port}/{APP}/{stream}"
        urls = {
            "flv": f"{http}.live.flv?callId=1",
            "ws_flv": f"ws://{host}:{self.zlm.port}/{APP}/{stream}.live.flv?callId=1",
            "fmp4": f"{http}.live.mp4?callId=1",
            "ts": f"{http}.live.ts?callId=1",
            "hls": f"{http}/hls.m3u8?callId=1",
            "rtsp": f"rtsp://{host}:{self.zlm.media.rtsp_port}/{APP}/{stream}?callId=1",
        }
        if GatewayFault.ONLY_HLS in self.faults:
            urls = {"hls": urls["hls"]}
        named: dict[str, Any] = dict(urls)
        if GatewayFault.OLD_OBJECTS in self.faults:
            named = {name: {"url": url} for name, url in urls.items()}
        return {"app": APP, "stream": stream, "mediaServerId": "sim", **named}
