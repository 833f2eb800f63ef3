"""Sender reports: they tie the stream's clock to the wall clock (RFC 3550 §6.4.1). Pure."""

from dataclasses import dataclass
from datetime import datetime
from struct import pack

from simulators.farm.timeline import ntp_time

_NAME = b"camera"


@dataclass(slots=True)
class Counted:
    """What a track has sent so far."""

    packets: int = 0
    octets: int = 0


def sender_report(ssrc: int, at: datetime, rtp_time: int, counted: Counted) -> bytes:
    """SR and SDES (CNAME), one compound packet."""
    report = pack(
        ">BBHIQIII",
        0x80,
        200,
        6,
        ssrc,
        ntp_time(at),
        rtp_time % (1 << 32),
        counted.packets % (1 << 32),
        counted.octets % (1 << 32),
    )
    item = pack(">IBB", ssrc, 1, len(_NAME)) + _NAME
    item += b"\0" * (4 - len(item) % 4)
    return report + pack(">BBH", 0x81, 202, len(item) // 4) + item


def goodbye(ssrc: int) -> bytes:
    """BYE."""
    return pack(">BBHI", 0x81, 203, 1, ssrc)
