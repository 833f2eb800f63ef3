"""`patrol simulate cameras|leaders`: cameras, or the people who answer, for a site of one's own."""

import asyncio
import threading
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from patrol.clock import SystemClock
from patrol.domain.errors import BadInput
from patrol.domain.reader_language import translate
from simulators.faults import mixture_problem
from simulators.people.leaders import ReplySimulator, load_options
from simulators.people.reply_profile import ReplyProfile
from simulators.rtsp_farm.server import FarmInfo, FarmOptions
from simulators.rtsp_farm.server import serve as serve_farm

SPEED: Final = 900.0  # the leaders' hours pass in seconds; the patrol's own clocks stay real
POLL_S: Final = 0.3


def simulate_cameras(
    *,
    count: int,
    port: int,
    out: Path,
    seed: int,
    faults: str,
    stop: threading.Event,
) -> None:
    """`patrol simulate cameras`: write a ready configuration, serve until `stop`.

    Raises BadInput when `faults` is neither a mixture nor a fault.
    """
    if (problem := mixture_problem(faults)) is not None:
        raise BadInput(f"--faults: {problem}")
    err = Console(stderr=True, highlight=False)

    def ready(info: FarmInfo) -> None:
        err.print(
            translate(
                f"{info.cameras} 路摄像头已就绪，RTSP 端口 {info.port}，配置目录 {info.config}；"
                f"可执行 `patrol -c {info.config} check`",
                f"{info.cameras} cameras ready on port {info.port}; "
                f"`patrol -c {info.config} check`",
            )
        )

    def progress(done: int, whole: int) -> None:
        err.print(
            translate(
                f"[dim]编码视频流（仅首次）：{done}/{whole}[/]",
                f"[dim]encoding streams, once: {done}/{whole}[/]",
            )
        )

    options = FarmOptions(
        count=count, port=port, out=out, seed=seed, faults=faults, progress=progress
    )
    asyncio.run(_serve_farm(options, ready, stop))


async def _serve_farm(options: FarmOptions, ready: Any, stop: threading.Event) -> None:
    ended = asyncio.Event()
    serving = asyncio.create_task(serve_farm(options, ready, ended))
    while not stop.is_set() and not serving.done():
        await asyncio.wait({serving}, timeout=POLL_S)
    ended.set()
    await serving


def simulate_leaders(config_dir: Path, *, seed: int, stop: threading.Event) -> None:
    """`patrol simulate leaders`: answer cases on the configured broker until `stop`."""
    clock = SystemClock()
    people = load_options(config_dir, profile=ReplyProfile(), speed=SPEED, seed=seed)
    with ReplySimulator(people, clock.now, clock.monotonic_s):
        stop.wait()
