"""Ticket services: one with tokens and single-use URLs, and China Telecom's way to sign and hide.

`TicketServiceSimulator` speaks the small API of `profile_text()`, with a signature over time and
nonce, and the one of the shipped profile `china-telecom` (XXTEA parameters, HMAC, RSA answers),
as far as public documents describe it. Every URL that was handed out is remembered: a second
opening, or one too late, is refused by the media server.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum, auto
from typing import Any, Final
from urllib.parse import parse_qsl

from simulators.http_sources.http_server import HttpReply, HttpRequest, json_reply, serving_http
from simulators.http_sources.live_media import LiveMedia
from streams.ticket.primitives import xxtea_decrypt

APP_KEY: Final = "sim-app"
APP_SECRET: Final = "sim-secret-0123"  # noqa: S105  a made-up one
SIGNATURE_TOLERANCE: Final = timedelta(minutes=5)
TOKEN_LIFE: Final = timedelta(hours=2)
PAGE: Final = 50


class TicketFault(StrEnum):
    """What is wrong with a simulated service; the value stands on the command line."""

    EXPIRED_ONCE = auto()  # the first URL of each device has expired already
    EXPIRED = auto()  # every URL has
    TOKEN_FORGOTTEN = auto()  # each token is good for three calls, whatever its life says
    TOKEN_DEAD = auto()  # no token is ever right
    CLOCK_AHEAD = auto()  # two hours
    OFFLINE = auto()
    NOT_FOUND = auto()
    NO_GRANT = auto()
    BUSY = auto()
    ERROR_500 = auto()
    NOT_JSON = auto()
    NO_URL = auto()
    PRIVATE_URL = auto()  # names an address of the inner network
    FILE_URL = auto()
    ENDLESS_PAGES = auto()  # every page is full, and the same
    SLOW = auto()
    STALE_HLS = auto()  # the URL is a playlist that nobody renews
    FLV = auto()  # the URL is FLV over HTTP
    HLS = auto()


_CODES: Final = {
    TicketFault.OFFLINE: 3001,
    TicketFault.NOT_FOUND: 3002,
    TicketFault.NO_GRANT: 3003,
    TicketFault.BUSY: 3004,
}


@dataclass(slots=True)
class TicketServiceSimulator:
    """One service and its media server; what it was asked is counted."""

    media: LiveMedia
    faults: frozenset[TicketFault] = frozenset()
    devices: int = 120
    life_s: float = 30.0
    asked: Counter[str] = field(default_factory=Counter)
    host: str = "127.0.0.1"
    port: int = 0
    rsa_key: Any = None  # of `cryptography`: answers of the Telecom API are hidden with it
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))  # noqa: TID251  its clock
    _tokens: Counter[str] = field(default_factory=Counter)  # uses of each
    _tickets: dict[str, datetime] = field(default_factory=dict)  # until when each opens
    _minted: Counter[str] = field(default_factory=Counter)
    _nonces: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.media.admit = self.admit

    @property
    def clock(self) -> datetime:
        """The service's own time."""
        ahead = TicketFault.CLOCK_AHEAD in self.faults
        return self.now() + (timedelta(hours=2) if ahead else timedelta())

    @asynccontextmanager
    async def serving(self, port: int = 0, rtsp_port: int = 0) -> AsyncIterator[int]:
        """Listen for calls and media; the HTTP port."""
        async with (
            self.media.serving_rtsp(self.host, rtsp_port),
            serving_http(self.handle, self.host, port, now=lambda: self.clock) as self.port,
        ):
            yield self.port

    # -- the media server ----------------------------------------------------------------------

    def admit(self, path: str, query: str) -> int:
        """The status of an opening: each ticket opens once, until its end."""
        ticket = dict(parse_qsl(query)).get("ticket", "")
        until = self._tickets.get(ticket)
        playlist = path.endswith(".m3u8")  # asked for again and again, by its nature
        if until is not None and not playlist:
            del self._tickets[ticket]
        if until is None or until < self.clock:
            return 403 if until is None else 401
        return 200

    # -- calls ---------------------------------------------------------------------------------

    async def handle(self, request: HttpRequest) -> HttpReply:
        """Answer one HTTP request."""
        if request.path.startswith("/live/") or "/segment-" in request.path:
            return await self.media.http(request) or HttpReply(status=404)
        self.asked[request.path] += 1
        if TicketFault.SLOW in self.faults:
            await asyncio.sleep(60)
        if TicketFault.ERROR_500 in self.faults:
            return HttpReply(status=500, body=b"Internal Server Error")
        if TicketFault.NOT_JSON in self.faults:
            return HttpReply(body=b"<html>maintenance</html>", content_type="text/html")
        if request.path.startswith("/open/"):
            return self._telecom(request)
        return json_reply(self._answer(request.path, request.form))

    def _answer(self, path: str, given: Mapping[str, str]) -> dict[str, Any]:
        if not self._is_signed(given):
            return {"code": 1001, "msg": "签名错误"}
        if path == "/api/token":
            return {"code": 0, "data": self._new_token()}
        if not self._takes_token(given.get("token", "")):
            return {"code": 1002, "msg": "token 已失效"}
        if path == "/api/devices":
            return {"code": 0, "data": self._page(int(given.get("page", "1")), PAGE)}
        if path == "/api/live":
            return self._live(given.get("device", ""))
        return {"code": 9999, "msg": "no such call"}

    def _is_signed(self, given: Mapping[str, str]) -> bool:
        """SHA-256 HMAC over sorted parameters, time and nonce; each nonce once."""
        stamp, nonce = given.get("timestamp", ""), given.get("nonce", "")
        own = {k: v for k, v in given.items() if k not in {"timestamp", "nonce", "sign", "key"}}
        text = "&".join(f"{k}={v}" for k, v in sorted(own.items())) + stamp + nonce
        made = hmac.new(APP_SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
        if not stamp.isdecimal() or nonce in self._nonces or given.get("key") != APP_KEY:
            return False
        self._nonces.add(nonce)
        age = self.clock - datetime.fromtimestamp(int(stamp) / 1000, UTC)
        return abs(age) < SIGNATURE_TOLERANCE and hmac.compare_digest(made, given.get("sign", ""))

    def _new_token(self) -> dict[str, Any]:
        token = secrets.token_hex(16)
        self._tokens[token] = 0
        return {"token": token, "expire": int((self.clock + TOKEN_LIFE).timestamp() * 1000)}

    def _takes_token(self, token: str) -> bool:
        if token not in self._tokens or TicketFault.TOKEN_DEAD in self.faults:
            return False
        self._tokens[token] += 1
        return TicketFault.TOKEN_FORGOTTEN not in self.faults or self._tokens[token] <= 3  # noqa: PLR2004

    def _page(self, page: int, size: int) -> dict[str, Any]:
        page = 1 if TicketFault.ENDLESS_PAGES in self.faults else page
        first = (page - 1) * size
        numbers = range(first, min(first + size, self.devices))
        items = [
            {"deviceCode": f"D{n:05d}", "deviceName": f"摄像头{n}", "status": 1 if n % 9 else 0}
            for n in numbers
        ]
        return {"total": self.devices, "list": items}

    def _live(self, device: str) -> dict[str, Any]:
        for fault, code in _CODES.items():
            if fault in self.faults:
                return {"code": code, "msg": str(fault)}
        if TicketFault.NO_URL in self.faults:
            return {"code": 0, "data": {"url": None}}
        return {"code": 0, "data": self._minted_url(device)}

    def _minted_url(self, device: str) -> dict[str, Any]:
        ticket = secrets.token_urlsafe(12)
        expired = TicketFault.EXPIRED in self.faults or (
            TicketFault.EXPIRED_ONCE in self.faults and not self._minted[device]
        )
        self._minted[device] += 1
        life = timedelta(seconds=-60 if expired else self.life_s)
        self._tickets[ticket] = self.clock + life
        return {
            "url": self._url(device, ticket),
            "expireTime": int(self._tickets[ticket].timestamp() * 1000),
        }

    def _url(self, device: str, ticket: str) -> str:
        if TicketFault.PRIVATE_URL in self.faults:
            return f"rtsp://169.254.169.254:554/live/{device}?ticket={ticket}"
        if TicketFault.FILE_URL in self.faults:
            return "file:///etc/passwd"
        http = f"http://{self.host}:{self.port}/live/{device}"
        if TicketFault.FLV in self.faults:
            return f"{http}.live.flv?ticket={ticket}"
        if self.faults & {TicketFault.HLS, TicketFault.STALE_HLS}:
            return f"{http}/hls.m3u8?ticket={ticket}"
        return f"rtsp://{self.host}:{self.media.rtsp_port}/live/{device}?ticket={ticket}"

    # -- China Telecom's way -------------------------------------------------------------------

    def _telecom(self, request: HttpRequest) -> HttpReply:
        given = request.form
        signed = "".join(
            given.get(name, "")
            for name in ("appId", "clientType", "params", "timestamp", "version")
        )
        made = hmac.new(APP_SECRET.encode(), signed.encode(), hashlib.sha256).hexdigest()
        if request.headers.get("apiversion") != "2.0":
            return json_reply({"code": 10001, "msg": "app does not exist"})
        if not hmac.compare_digest(made, given.get("signature", "")):
            return json_reply({"code": 10002, "msg": "signature"})
        hidden = bytes.fromhex(given.get("params", ""))
        params = dict(parse_qsl(xxtea_decrypt(hidden, APP_SECRET.encode()).decode()))
        if request.path.endswith("getAccessToken"):
            token = self._new_token()["token"]
            return self._hidden({"accessToken": token, "expiresIn": 7200, "refreshToken": "r1"})
        if not self._takes_token(params.get("accessToken", "")):
            return json_reply({"code": 10003, "msg": "accessToken"})
        if request.path.endswith("getDeviceList"):
            return self._hidden(self._page(int(params["pageNo"]), int(params["pageSize"])))
        minted = self._minted_url(params.get("deviceCode", ""))
        return self._hidden({"url": minted["url"], "expireTime": self.life_s})

    def _hidden(self, data: Mapping[str, Any]) -> HttpReply:
        """The answer with its data encrypted, block by block, by the public key."""
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15  # noqa: PLC0415  an extra

        text = json.dumps(data, ensure_ascii=False).encode()
        public = self.rsa_key.public_key()
        size = public.key_size // 8 - 11
        blocks = [
            public.encrypt(text[at : at + size], PKCS1v15()) for at in range(0, len(text), size)
        ]
        return json_reply(
            {"code": 0, "msg": "ok", "data": base64.b64encode(b"".join(blocks)).decode()}
        )


def profile_text() -> str:
    """The profile of the small API, as a file beside sources.yaml."""
    return """\
remark: the simulated service of simulators.http_sources
encode: form
secrets: [app_key, app_secret]
sign:
  steps:
    - {op: sort_join, from: params, into: plain}
    - {op: now_ms, into: timestamp}
    - {op: nonce, into: nonce}
    - {op: hmac_sha256_hex, parts: [plain, timestamp, nonce], key: app_secret, into: sign}
  add: {key: "{app_key}", timestamp: "{timestamp}", nonce: "{nonce}", sign: "{sign}"}
response: {ok: {path: code, equals: [0]}, message: msg}
token:
  call: {path: /api/token, params: {grant: client}}
  value: data.token
  expires: {path: data.expire, as: epoch_ms}
list:
  call: {path: /api/devices, params: {token: "{token}", page: "{page}", size: "{size}"}}
  items: data.list
  page: {first: 1, size: 50}
  map: {id: deviceCode, name: deviceName, online: {path: status, equals: [1]}}
url:
  call: {path: /api/live, params: {token: "{token}", device: "{id}"}}
  url: data.url
  expires: {path: data.expireTime, as: epoch_ms}
errors:
  {token: [1002], auth: [1001], offline: [3001], not_found: [3002], grant: [3003], busy: [3004]}
limits: {calls_per_s: 100, parallel: 8}
"""
