"""The Transport header of SETUP (RFC 2326 §12.39). Pure."""

import re
from dataclasses import dataclass
from typing import Final

_PORTS: Final = re.compile(r"(interleaved|client_port)=(\d+)(?:-(\d+))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One transport that the client would take."""

    tcp: bool
    first: int | None  # channel or port; None: the server chooses


def choose_transport(header: str) -> Asked | None:
    """The first that a camera can do: unicast, over TCP interleaved or over UDP."""
    for spec in header.split(","):
        words = spec.strip()
        upper = words.upper()
        if not upper.startswith("RTP/AVP") or ";MULTICAST" in upper:
            continue
        found = _PORTS.search(words)
        first = int(found[2]) if found else None
        if upper.startswith("RTP/AVP/TCP"):
            return Asked(tcp=True, first=first)
        if first is not None:
            return Asked(tcp=False, first=first)
    return None
