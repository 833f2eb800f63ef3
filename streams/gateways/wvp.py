"""WVP-GB28181-pro (2.7): start a channel through its REST API, open the live URL that it names.

Calls are pure functions; `WvpOpener` makes them in order: log in, look whether the channel is
already watched, start, open, leave. Leaving means to close our own connection: WVP's stop sends a
BYE to the camera, watched or not, so it is called in one case alone, when the site says that the
patrol owns its streams, we started this one, and its media server counts no viewer any more. WVP's
snapshot is never asked: it serves the last file.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote, urlencode

from streams.address import StreamAddress
from streams.call_limit import CallLimit, SingleFlight
from streams.control_http import Ask, ControlAnswer, ControlRequest, value_at
from streams.errors import (
    DEVICE_OFFLINE,
    LOGIN_REFUSED,
    NOT_FOUND,
    BadAddress,
    RefusedUs,
    StreamBusy,
    StreamError,
    Unreachable,
    Unreadable,
    WentSilent,
)
from streams.gateways.gateway import LiveProtocol, WvpGateway
from streams.gateways.live_urls import first_of, open_first
from streams.gateways.zlm import media_list_request, read_zlm, reader_count
from streams.model import Capture, Sample, VisitOptions
from streams.rtsp.message import printable

CALL_TIMEOUT_S: Final = 5.0
PARALLEL_STARTS: Final = 4  # more at once stall WVP
START_MARGIN_S: Final = 2.0  # beyond WVP's own limit: who hangs up before leaks a stream
_NAMES: Final[Mapping[LiveProtocol, tuple[str, ...]]] = {
    LiveProtocol.RTSP: ("rtsp", "rtsps"),
    LiveProtocol.TS: ("ts", "https_ts"),
    LiveProtocol.FMP4: ("fmp4", "https_fmp4"),
    LiveProtocol.FLV: ("flv", "https_flv"),
    LiveProtocol.HLS: ("hls", "https_hls"),
    LiveProtocol.RTMP: ("rtmp", "rtmps"),
}
_SIP_BUSY: Final = 486  # RFC 3261 §21.4.24
_SERVER_ERROR: Final = 500
_BUSY: Final = ("upper limit", "486", "busy", "上限")
_WORDINGS: Final[tuple[tuple[tuple[str, ...], type[StreamError], str], ...]] = (
    (("离线", "不在线", "offline", "未注册"), Unreachable, DEVICE_OFFLINE),
    (("超时", "timeout", "timed out"), WentSilent, ""),
    (("不存在", "未找到", "not found", "not exist"), RefusedUs, NOT_FOUND),
    (("密码错误", "用户名", "password"), RefusedUs, LOGIN_REFUSED),
)
_CODES: Final[Mapping[int, tuple[type[StreamError], str]]] = {
    100: (WentSilent, ""),  # WVP's "failed"
    404: (RefusedUs, NOT_FOUND),
    408: (WentSilent, ""),
}


class WvpTokenRefused(Exception):
    """WVP does not take the token or the key."""


def login_request(gateway: WvpGateway) -> ControlRequest:
    """`/api/user/login`, which takes the MD5 of the password in its query."""
    digest = hashlib.md5(gateway.password.encode(), usedforsecurity=False).hexdigest()
    query = urlencode({"username": gateway.user, "password": digest})
    return ControlRequest(method="GET", url=f"{_api(gateway)}/user/login?{query}")


def _api(gateway: WvpGateway) -> str:
    return f"{gateway.base.rstrip('/')}/api"


def call_request(gateway: WvpGateway, path: str, token: str) -> ControlRequest:
    """A GET with the key or the token; neither where WVP runs without authentication."""
    headers: tuple[tuple[str, str], ...] = ()
    if gateway.api_key:
        headers = (("api-key", gateway.api_key),)
    elif token:
        headers = (("access-token", token),)
    return ControlRequest(method="GET", url=f"{_api(gateway)}{path}", headers=headers)


def play_path(verb: str, device: str, channel: str) -> str:
    """`/play/start/…` and `/play/stop/…`."""
    return f"/play/{verb}/{quote(device, safe='')}/{quote(channel, safe='')}"


def channels_path(device: str, channel: str) -> str:
    """The page of a device's channels that holds one of them."""
    query = urlencode({"page": 1, "count": 100, "query": channel})
    return f"/device/query/devices/{quote(device, safe='')}/channels?{query}"


def read_wvp(answer: ControlAnswer) -> Any:
    """The `data` of an answer: business errors come with HTTP 200.

    Raises WvpTokenRefused, StreamError.
    """
    if answer.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        raise WvpTokenRefused
    try:
        data = answer.json()
    except Unreadable:
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise WentSilent(f"the gateway answers HTTP {answer.status}") from None
        raise
    code = value_at(data, "code")
    message = str(value_at(data, "msg") or "")
    if code == 0 and answer.status == HTTPStatus.OK:
        return value_at(data, "data")
    number = code if isinstance(code, int) else answer.status
    if number == HTTPStatus.UNAUTHORIZED or (
        answer.status == HTTPStatus.BAD_REQUEST and "token" in message.lower()
    ):
        raise WvpTokenRefused
    raise _business_error(number, message)


def _business_error(code: int, message: str) -> StreamError:
    """The error of a code and its text, which says more: 100 stands for anything."""
    seen = f"the gateway answers {code}: {printable(message, 60)}"
    low = message.lower()
    if code == _SIP_BUSY or any(wording in low for wording in _BUSY):
        return StreamBusy(seen, status=_SIP_BUSY)
    for wordings, kind, reason in _WORDINGS:
        if any(wording in low for wording in wordings):
            return kind(seen, reason=reason)
    kind, reason = _CODES.get(code, (Unreadable, ""))
    return kind(seen, reason=reason) if code < _SERVER_ERROR else WentSilent(seen)


def is_watched(data: Any, channel: str) -> bool:
    """Whether a page of channels shows a stream open on one of them."""
    for item in value_at(data, "list") or []:
        codes = (value_at(item, name) for name in ("channelId", "deviceId", "gbDeviceId"))
        if channel in codes and value_at(item, "streamId"):
            return True
    return False


def read_live_urls(data: Any) -> dict[LiveProtocol, str]:
    """The live URLs of a started stream; texts in newer versions, objects in older ones."""
    if not isinstance(data, Mapping):
        raise Unreadable("the gateway started the stream and names no URL")
    found = {protocol: first_of(names, data) for protocol, names in _NAMES.items()}
    return {protocol: url for protocol, url in found.items() if url}


class WvpSession:
    """One gateway's login, shared by all visits; the token is fetched by one for all."""

    def __init__(self, gateway: WvpGateway, ask: Ask) -> None:
        self.gateway = gateway
        self.starts = CallLimit(PARALLEL_STARTS, 0)
        self._ask = ask
        self._token = ""  # nosec B105
        self._flight: SingleFlight[str] = SingleFlight()

    async def log_in(self, timeout_s: float) -> str:
        """The token in use; empty where a key or nothing is used. Raises StreamError."""
        gateway = self.gateway
        if gateway.api_key or not gateway.user:
            return ""
        return self._token or await self._flight.run(lambda: self._fetch_token(timeout_s))

    async def _fetch_token(self, timeout_s: float) -> str:
        answer = await self._ask(login_request(self.gateway), timeout_s)
        if answer.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            answer.json()  # something else is no answer about a password
        try:
            data = read_wvp(answer)
        except (WvpTokenRefused, Unreadable, RefusedUs):
            seen = "the gateway does not accept user and password"
            raise RefusedUs(seen, reason=LOGIN_REFUSED) from None
        token = value_at(data, "accessToken")
        if not isinstance(token, str) or not token:
            raise Unreadable("the gateway gives no access token")
        self._token = token
        return token

    async def get(self, path: str, timeout_s: float) -> Any:
        """The data of a call; a token that ran out is fetched anew, once. Raises StreamError."""
        for is_last in (False, True):
            token = await self.log_in(timeout_s)
            answer = await self._ask(call_request(self.gateway, path, token), timeout_s)
            try:
                return read_wvp(answer)
            except WvpTokenRefused:
                if self._token == token:
                    self._token = ""  # nosec B105
                if is_last or not token:
                    break
        key = "api_key" if self.gateway.api_key else "user and password"
        raise RefusedUs(f"the gateway does not accept the {key}", reason=LOGIN_REFUSED)


class WvpOpener:
    """Opens addresses `wvp://GATEWAY/DEVICE/CHANNEL`; `capture` visits the live URL."""

    def __init__(self, gateways: Mapping[str, WvpGateway], ask: Ask, capture: Capture) -> None:
        self._sessions = {name: WvpSession(gateway, ask) for name, gateway in gateways.items()}
        self._ask = ask
        self._capture = capture
        self._late: set[asyncio.Task[Any]] = set()  # starts that outlast their visit

    async def __call__(self, address: StreamAddress, options: VisitOptions) -> Sample:
        """Make one visit. Raises StreamError, and only StreamError."""
        session = self._sessions.get(address.host)
        if session is None:
            raise BadAddress(f"sources.yaml has no WVP gateway {address.host!r}")
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + options.visit_timeout_s
        device, channel = address.source_path[:2]
        call_s = min(CALL_TIMEOUT_S, options.visit_timeout_s)
        await session.log_in(call_s)
        options.reach("logged_in", session.gateway.name)
        watched = await self._is_watched(session, device, channel, call_s)
        options.reach("listed", "watched" if watched else "")
        async with session.starts.slot():
            data = await self._start(session, device, channel, deadline_s)
        options.reach("started")
        try:
            urls = read_live_urls(data)
            rules = session.gateway.live
            return await open_first(urls, rules, options, self._capture, deadline_s)
        finally:
            if session.gateway.owns_streams and not watched:
                await self._leave(session, device, channel, data)

    async def _is_watched(
        self, session: WvpSession, device: str, channel: str, timeout_s: float
    ) -> bool:
        """Whether the channel has a viewer already; where that is not known, it has."""
        try:
            return is_watched(await session.get(channels_path(device, channel), timeout_s), channel)
        except StreamError as exc:
            if exc.reason in {LOGIN_REFUSED, NOT_FOUND, DEVICE_OFFLINE}:
                raise
            return True

    async def _start(
        self, session: WvpSession, device: str, channel: str, deadline_s: float
    ) -> Any:
        """Start the channel. A start that takes longer than the visit goes on without it.

        Hanging up would not end it: WVP would keep a stream that nobody knows of.
        """
        path = play_path("start", device, channel)
        wait_s = session.gateway.play_timeout_s + START_MARGIN_S
        task = asyncio.create_task(session.get(path, wait_s), name="wvp start")
        self._late.add(task)
        task.add_done_callback(self._forget)
        left_s = deadline_s - asyncio.get_running_loop().time()
        done, _ = await asyncio.wait({task}, timeout=max(0.0, left_s))
        if not done:
            raise WentSilent("the gateway did not start the stream within the visit")
        return task.result()

    def _forget(self, task: "asyncio.Task[Any]") -> None:
        self._late.discard(task)
        if not task.cancelled():
            task.exception()  # it was seen, or came too late for anybody

    async def _leave(self, session: WvpSession, device: str, channel: str, data: Any) -> None:
        """Stop a stream that we started and that nobody watches by now."""
        media = session.gateway.media
        if media is None:
            return
        app, stream = value_at(data, "app"), value_at(data, "stream")
        if not (isinstance(app, str) and isinstance(stream, str)):
            return
        with contextlib.suppress(StreamError):
            request = media_list_request(media, app, stream)
            listed = read_zlm(await self._ask(request, CALL_TIMEOUT_S))
            if reader_count(listed) == 0:
                await session.get(play_path("stop", device, channel), CALL_TIMEOUT_S)
