"""The live URLs of a media gateway, in the order in which they bring a key frame soonest.

Measured on ZLMediaKit: RTSP 0.01–0.8 s, MPEG-TS and fMP4 over HTTP next, FLV up to 1.1 s, HLS 4 s
for its first playlist. `open_first` tries one after the other while time is left; what it never
does is ask a gateway for a snapshot: they answer with an old picture, or a logo, and HTTP 200.
"""

import asyncio
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Final

from streams.address import StreamAddress
from streams.errors import BadAddress, StreamBusy, StreamError, Unreadable
from streams.gateways.gateway import LiveProtocol, LiveUrlRules
from streams.model import Capture, Sample, VisitOptions

MIN_LEFT_S: Final = 2.0  # less of the visit is left: no further URL is opened


def live_address(url: str, rewrite_host: str) -> StreamAddress | None:
    """The address of a live URL, its query with the ticket kept; None where it is none for us."""
    try:
        address = StreamAddress.parse(url)
    except BadAddress:
        return None
    return dataclasses.replace(address, host=rewrite_host) if rewrite_host else address


async def open_first(
    urls: Mapping[LiveProtocol, str],
    rules: LiveUrlRules,
    options: VisitOptions,
    capture: Capture,
    deadline_s: float,
) -> Sample:
    """The sample of the first URL that brings a picture. Raises StreamError: the first one's.

    A stream that is busy is not asked for over another protocol: it is the same stream.
    """
    found = (
        (protocol, live_address(urls.get(protocol, ""), rules.rewrite_host))
        for protocol in rules.order
        if urls.get(protocol)
    )
    addresses = [(protocol, address) for protocol, address in found if address is not None]
    if not addresses:
        raise Unreadable(f"the gateway names none of {', '.join(rules.order)}")
    first: StreamError | None = None
    for protocol, address in addresses:
        left_s = deadline_s - asyncio.get_running_loop().time()
        if left_s < MIN_LEFT_S and first is not None:
            break
        options.reach("live_url", f"{protocol} {address}")
        share_s = _share_s(left_s, last=protocol is addresses[-1][0])
        opened = dataclasses.replace(options, visit_timeout_s=share_s, targets=rules.targets)
        try:
            return await capture(address, opened)
        except StreamBusy:
            raise
        except StreamError as exc:
            first = first or exc
    raise first or Unreadable("no live URL was opened")


def _share_s(left_s: float, *, last: bool) -> float:
    """How long one URL may take: most of what is left, so that another can still be tried."""
    return max(0.1, left_s if last else left_s * 0.6)


def first_of(names: Sequence[str], data: Mapping[str, object]) -> str:
    """The first of several keys that holds a URL; as text, or as an object with its `url`."""
    for name in names:
        value = data.get(name)
        if isinstance(value, Mapping):
            value = value.get("url")
        if isinstance(value, str) and "://" in value:
            return value
    return ""
