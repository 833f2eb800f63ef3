"""Our own way to one key frame of each camera, as a program: `python -m patrol.bench.capture_ours`.

All cameras at once in one event loop, decoded on as many threads as there are cores, each picture
dropped as soon as it is there. Reads `{"urls": […]}` on stdin; writes what it cost, and the
compressed key frames, so that the bare decode of the very same frames can be measured beside it.
"""

import asyncio
import base64
import json
import os
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

from patrol.clock import SystemClock
from streams.address import StreamAddress
from streams.capture import StreamCameraClient
from streams.decode import decode
from streams.errors import StreamError
from streams.model import KeyFrame, VisitOptions

# All cameras are visited at once, on as few cores as there are: waiting is not what is measured.
OPTIONS = VisitOptions(
    pictures=1, connect_timeout_s=30.0, answer_timeout_s=30.0, visit_timeout_s=60.0
)


async def capture(
    urls: Sequence[str], now: Callable[[], datetime]
) -> tuple[list[KeyFrame], Counter[str]]:
    """The key frames whose pictures were decoded, and how often each kind of failure came."""
    visitor, loop = StreamCameraClient(now), asyncio.get_running_loop()
    taken: list[KeyFrame] = []
    failures: Counter[str] = Counter()
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:

        async def one(url: str) -> None:
            try:
                sample = await visitor(StreamAddress.parse(url), OPTIONS)
                await loop.run_in_executor(pool, _decode, sample.key_frames[0])
            except StreamError as exc:
                failures[exc.kind] += 1
            else:
                taken.append(sample.key_frames[0])

        await asyncio.gather(*map(one, urls))
    return taken, failures


def _decode(key_frame: KeyFrame) -> None:
    decode(key_frame)  # to BGR; nobody needs the picture here


def main() -> None:
    """Read one JSON document from stdin, write one to stdout."""
    asked: dict[str, Any] = json.load(sys.stdin)
    start_s, cpu_s = time.monotonic(), _cpu_s()
    frames, failures = asyncio.run(capture(asked["urls"], SystemClock().now))
    cost = {
        "got": len(frames),
        "failures": dict(failures),
        "wall_s": time.monotonic() - start_s,
        "cpu_s": _cpu_s() - cpu_s,
        "peak_rss_mb": _peak_rss_mb(),
    }
    cost["codecs"] = [frame.codec.value for frame in frames]
    cost["frames"] = [base64.b64encode(frame.data).decode() for frame in frames]
    sys.stdout.write(json.dumps(cost))


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _peak_rss_mb() -> float:
    # Not ru_maxrss: a child inherits its parent's. This begins anew with each program.
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


if __name__ == "__main__":
    main()
