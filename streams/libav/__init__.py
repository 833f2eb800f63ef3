"""Whatever is not plain RTSP over TCP, through libavformat: HLS, FLV, RTMP, RTSP over UDP, files.

Each visit has a thread of its own; nothing is decoded in it. libav's words are never quoted, as
they may hold the URL with its password: errors carry its error *code's* text alone, and libav's own
log stays off (PyAV's default).
"""

import threading
from collections.abc import Callable
from datetime import datetime

from streams.address import StreamAddress
from streams.libav.watch import Watch
from streams.model import Sample, VisitOptions
from streams.threads import in_thread


async def visit(
    address: StreamAddress,
    options: VisitOptions,
    now: Callable[[], datetime],
    *,
    over_udp: bool = False,
) -> Sample:
    """One visit. Raises StreamError, and only StreamError."""
    stop = threading.Event()
    watch = Watch(address, options, now, stop, over_udp=over_udp or address.scheme == "rtspu")
    try:
        return await in_thread(watch.run, f"libav {address.host}")
    finally:
        stop.set()
