"""Run the camera farm as a child process, for benchmarks and the demo.

They meet its cameras over RTSP, as they meet real ones. The farm ends with the block, and with the
process that started it even where that was killed: its standard input is a pipe from there.
"""

import csv
import json
import os
import signal
import subprocess  # nosec B404
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

END_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningFarm:
    """A farm that serves: its configuration directory, ports and process id.

    `first`: the cameras that it serves until `all_served` is set; none where it serves all.
    """

    config_dir: Path
    port: int
    control_port: int
    pid: int
    first: tuple[str, ...] = ()
    all_served: threading.Event = field(default_factory=threading.Event)

    def urls(self) -> list[str]:
        """Main stream URLs in the order of the registry, credentials included."""
        with (self.config_dir / "cameras.csv").open(encoding="utf-8-sig", newline="") as handle:
            return [os.path.expandvars(row["url"]) for row in csv.DictReader(handle)]


@contextmanager
def running_farm(
    config_dir: Path,
    *,
    cameras: int,
    profile: str = "town",
    faults: str = "none",
    seed: int = 1,
    port: int = 0,
    mqtt_url: str = "",
    light: str = "morning",
    stream_limit: str = "",
    sources: str = "",
    devices: int = 20,
    first_stream: bool = False,
) -> Iterator[RunningFarm]:
    """Serve `cameras` cameras while the block runs. Raises RuntimeError when it does not start.

    `first_stream`: begin with the cameras of one stream where streams have to be encoded.
    """
    command = [
        sys.executable, "-m", "simulators.rtsp_farm", "--count", str(cameras), "--port", str(port),
        "--out", str(config_dir), "--seed", str(seed), "--profile", profile, "--faults", faults,
        "--light", light, "--end-with-stdin",
        *(["--stream-limit", stream_limit] if stream_limit else []),
        *(["--sources", sources, "--devices", str(devices)] if sources else []),
        *(["--first-stream"] if first_stream else []),
        *(["--mqtt-url", mqtt_url] if mqtt_url else []),
    ]  # fmt: skip
    process = subprocess.Popen(  # noqa: S603  our own program, our own arguments  # nosec B603
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is for the patrol; it ends its town last
    )
    try:
        ready = process.stdout.readline() if process.stdout else ""
        if not ready:
            raise RuntimeError(f"the simulated town ended with {process.wait()} before it served")
        yield _running(process, json.loads(ready), config_dir)
    finally:
        _end(process)


def _running(
    process: "subprocess.Popen[str]", ready: Mapping[str, Any], config_dir: Path
) -> RunningFarm:
    """The farm of its first line; `all_served` is set when it prints the second, or ends."""
    farm = RunningFarm(
        config_dir=config_dir, port=ready["port"], control_port=ready["control_port"],
        pid=process.pid, first=tuple(ready["first"]),
    )  # fmt: skip
    if not farm.first:
        farm.all_served.set()
        return farm

    def wait_for_line() -> None:
        if process.stdout is not None:
            process.stdout.readline()
        farm.all_served.set()

    threading.Thread(target=wait_for_line, name="farm's second line", daemon=True).start()
    return farm


def _end(process: "subprocess.Popen[str]") -> None:
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(END_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
