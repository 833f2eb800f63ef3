"""ZLMediaKit: whether a stream is live by its API, and its live URLs.

Used of `/index/api/`: `getMediaList` and `isMediaOnline` alone. Every answer is HTTP 200, its
`code` says what it is. Never used: `getSnap`, which renames an old picture to now, and everything
that closes streams or changes the server. Streams that a gateway pulls on demand are not listed
until somebody opens them, so one that is not listed is opened all the same where the site says so.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode

from streams.address import StreamAddress
from streams.control_http import Ask, ControlAnswer, ControlRequest, value_at
from streams.errors import (
    DEVICE_OFFLINE,
    LOGIN_REFUSED,
    BadAddress,
    RefusedUs,
    StreamError,
    Unreachable,
    Unreadable,
    WentSilent,
)
from streams.gateways.gateway import LiveProtocol, ZlmGateway
from streams.gateways.live_urls import open_first
from streams.model import Capture, Sample, VisitOptions
from streams.rtsp.message import printable

CALL_TIMEOUT_S: Final = 5.0
DEFAULT_VHOST: Final = "__defaultVhost__"
_CODES: Final[Mapping[int, tuple[type[StreamError], str, str]]] = {
    -100: (
        RefusedUs,
        "the secret is not accepted, or our address is not in its list",
        LOGIN_REFUSED,
    ),
    -300: (Unreadable, "it does not understand the request", ""),
    -400: (WentSilent, "it reports an exception of its own", ""),
    -1: (WentSilent, "it reports a failure", ""),
}


def live_urls(gateway: ZlmGateway, app: str, stream: str, query: str) -> dict[LiveProtocol, str]:
    """The URLs of a stream by ZLMediaKit's own naming; the query (a ticket) goes into each."""
    path = f"{quote(app, safe='')}/{quote(stream, safe='')}"
    base, ticket = gateway.base.rstrip("/"), f"?{query}" if query else ""
    return {
        LiveProtocol.RTSP: f"rtsp://{gateway.host}:{gateway.rtsp_port}/{path}{ticket}",
        LiveProtocol.TS: f"{base}/{path}.live.ts{ticket}",
        LiveProtocol.FMP4: f"{base}/{path}.live.mp4{ticket}",
        LiveProtocol.FLV: f"{base}/{path}.live.flv{ticket}",
        LiveProtocol.HLS: f"{base}/{path}/hls.m3u8{ticket}",
        LiveProtocol.RTMP: f"rtmp://{gateway.host}:{gateway.rtmp_port}/{path}{ticket}",
    }


def media_list_request(gateway: ZlmGateway, app: str, stream: str) -> ControlRequest:
    """Ask which tracks of a stream are live; the secret goes into the body, not into a log."""
    values = {"secret": gateway.secret, "vhost": DEFAULT_VHOST, "app": app, "stream": stream}
    return ControlRequest(
        method="POST",
        url=f"{gateway.base.rstrip('/')}/index/api/getMediaList",
        headers=(("Content-Type", "application/x-www-form-urlencoded"),),
        body=urlencode(values).encode(),
    )


def read_zlm(answer: ControlAnswer) -> Any:
    """The `data` of an answer. Raises StreamError by its `code`."""
    if answer.status != 200:  # noqa: PLR2004  ZLMediaKit answers 200 to everything
        raise Unreadable(f"the gateway answers HTTP {answer.status}, which ZLMediaKit never does")
    data = answer.json()
    code = value_at(data, "code")
    if code == 0:
        return value_at(data, "data")
    kind, what, reason = _CODES.get(code if isinstance(code, int) else 0, (Unreadable, "", ""))
    message = printable(str(value_at(data, "msg") or ""), 60)
    seen = "; ".join(part for part in (what, message) if part)
    raise kind(f"the gateway answers code {printable(str(code), 12)}: {seen}", reason=reason)


def reader_count(data: Any) -> int | None:
    """How many watch a stream over all protocols; None where the answer does not say."""
    counts = [
        count
        for item in (data if isinstance(data, list) else [])
        if isinstance(count := value_at(item, "totalReaderCount"), int)
    ]
    return max(counts) if counts else None


class ZlmOpener:
    """Opens addresses `zlm://GATEWAY/APP/STREAM`; `capture` visits the live URL."""

    def __init__(self, gateways: Mapping[str, ZlmGateway], ask: Ask, capture: Capture) -> None:
        self._gateways = gateways
        self._ask = ask
        self._capture = capture

    async def __call__(self, address: StreamAddress, options: VisitOptions) -> Sample:
        """Make one visit. Raises StreamError, and only StreamError."""
        gateway = self._gateways.get(address.host)
        if gateway is None:
            raise BadAddress(f"sources.yaml has no ZLMediaKit gateway {address.host!r}")
        deadline_s = asyncio.get_running_loop().time() + options.visit_timeout_s
        app, stream = address.source_path[:2]
        is_listed = await self._is_listed(gateway, app, stream, options)
        if is_listed is False and not gateway.on_demand:
            raise Unreachable(f"{app}/{stream} is not live on the gateway", reason=DEVICE_OFFLINE)
        urls = live_urls(gateway, app, stream, address.query)
        try:
            return await open_first(urls, gateway.live, options, self._capture, deadline_s)
        except StreamError as exc:
            if is_listed is False and exc.reason != LOGIN_REFUSED:
                raise Unreachable(
                    f"{app}/{stream} is not live on the gateway ({exc.seen})", reason=DEVICE_OFFLINE
                ) from None
            raise

    async def _is_listed(
        self, gateway: ZlmGateway, app: str, stream: str, options: VisitOptions
    ) -> bool | None:
        """Whether the stream is live now; None where the API is not asked."""
        if not gateway.secret:
            return None
        timeout_s = min(CALL_TIMEOUT_S, options.visit_timeout_s)
        answer = await self._ask(media_list_request(gateway, app, stream), timeout_s)
        listed = bool(read_zlm(answer))
        options.reach("listed", "live" if listed else "not live")
        return listed
