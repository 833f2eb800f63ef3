"""Session descriptions of GB/T 28181: the offer of an INVITE, the answer of a device. Pure.

The direction (`a=recvonly` where `sendonly` is due) and the payload types of answers are not
relied on; what comes is read off the stream (media_receiver.py).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from streams.gb28181.codes import read_ssrc
from streams.gb28181.text import decode_text

TCP_PASSIVE: Final = "tcp-passive"  # we listen
TCP_ACTIVE: Final = "tcp-active"  # we connect
UDP: Final = "udp"
_MEDIA: Final = re.compile(r"m=video\s+(\d{1,5})\s+(\S+)", re.IGNORECASE)
_CONNECTION: Final = re.compile(r"c=IN\s+IP[46]\s+([0-9A-Fa-f:.]{2,45})", re.IGNORECASE)
_SETUP: Final = re.compile(r"a=setup:\s*(\w+)", re.IGNORECASE)
_SOURCE: Final = re.compile(r"y=\s*(\S{1,40})", re.IGNORECASE)
MAX_SDP: Final = 16_384


def make_offer(
    *,
    owner: str,
    host: str,
    port: int,
    transport: str,
    source: str,
    extra: Sequence[str] = (),
) -> str:
    """The offer of a live view; `owner` is the code in `o=`, `source` the ten digits of `y=`."""
    version = "IP6" if ":" in host else "IP4"
    over_tcp = transport != UDP
    lines = [
        "v=0",
        f"o={owner} 0 0 IN {version} {host}",
        "s=Play",
        f"c=IN {version} {host}",
        "t=0 0",
        f"m=video {port} {'TCP/RTP/AVP' if over_tcp else 'RTP/AVP'} 96 97 98 99",
        "a=recvonly",
        "a=rtpmap:96 PS/90000",
        "a=rtpmap:97 MPEG4/90000",
        "a=rtpmap:98 H264/90000",
        "a=rtpmap:99 H265/90000",
    ]
    if over_tcp:
        lines += [f"a=setup:{'passive' if transport == TCP_PASSIVE else 'active'}"]
        lines += ["a=connection:new"]
    return "\r\n".join([*lines, *extra, f"y={source}", ""])


@dataclass(frozen=True, slots=True, kw_only=True)
class SdpAnswer:
    """What a device answered; None and 0 where it did not say."""

    host: str
    port: int
    over_tcp: bool
    setup: str  # active, passive, or empty
    ssrc: int | None


def read_answer(body: bytes) -> SdpAnswer | None:
    """The answer; None where there is no video in it."""
    text = decode_text(body[:MAX_SDP])
    media = _MEDIA.search(text)
    if media is None:
        return None
    behind = text[media.end() :]
    connection = _CONNECTION.search(behind) or _CONNECTION.search(text)
    setup, source = _SETUP.search(text), _SOURCE.search(text)
    port = int(media[1])
    return SdpAnswer(
        host=connection[1] if connection else "",
        port=port if port < 65_536 else 0,  # noqa: PLR2004
        over_tcp="TCP" in media[2].upper(),
        setup=setup[1].lower() if setup else "",
        ssrc=read_ssrc(source[1]) if source else None,
    )
