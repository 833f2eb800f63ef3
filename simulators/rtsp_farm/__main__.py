"""`python -m simulators.rtsp_farm`: serve a simulated town until SIGTERM or SIGINT.

With `--end-with-stdin` also until its standard input closes: a farm that a program started for
itself (process.py) does not outlive it.
"""

import argparse
import json
import os
import sys
from pathlib import Path

from patrol.domain.reader_language import language_of, set_reader_language, translate
from patrol.settings.config_file import CAMERA_ENV_PREFIX
from simulators.rtsp_farm.server import FarmInfo, FarmOptions, serve
from simulators.rtsp_farm.server_state import StreamLimit
from simulators.scenes.catalogue import PROFILES, SceneLight
from simulators.scenes.library import DEFAULT_CACHE
from simulators.serving import serve_until_signal


def main(arguments: list[str] | None = None) -> int:
    """Serve; exit code 0 when stopped by a signal, 1 when a port is taken, 2 for bad options."""
    set_reader_language(language_of(os.environ))
    read = _read(arguments)
    options = _options(read)
    return serve_until_signal(
        "farm",
        lambda stop: serve(options, _print_ready, stop),
        until_closed=sys.stdin.fileno() if read.end_with_stdin else None,
    )


def _print_ready(info: FarmInfo) -> None:
    line = {
        "port": info.port,
        "control_port": info.control_port,
        "cameras": info.cameras,
        "pid": info.pid,
        "config": str(info.config),
        "light": info.light,
        "first": info.first,
    }
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def _print_progress(done: int, all_of_them: int) -> None:
    line = translate(
        f"编码视频流（仅首次）：{done}/{all_of_them}",
        f"encoding streams (once): {done} of {all_of_them}",
    )
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _variable(name: str) -> str:
    """A variable that the written cameras.csv may name."""
    if name and not name.startswith(CAMERA_ENV_PREFIX):
        raise argparse.ArgumentTypeError(
            f"{name}: give a name that begins with {CAMERA_ENV_PREFIX}"
        )
    return name


def _read(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m simulators.rtsp_farm", description=__doc__)
    parser.add_argument("--count", type=int, default=624)
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--out", type=Path, required=True, help="configuration directory to write")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--faults", default="town", help="a mixture or a fault's name")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--mqtt-url", default="mqtt://127.0.0.1:1883")
    parser.add_argument("--control-port", type=int, default=0)
    parser.add_argument("--light", default="auto", choices=["auto", *SceneLight])
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE)
    parser.add_argument("--profile", default="town", choices=PROFILES)
    parser.add_argument("--stream-limit", type=StreamLimit.parse, metavar="STREAMS[:STATUS]")
    parser.add_argument(
        "--password-env", default="", metavar="NAME", type=_variable, help=f"{CAMERA_ENV_PREFIX}…"
    )
    parser.add_argument("--session-timeout", type=int, default=60, metavar="SECONDS")
    parser.add_argument("--sources", default="", choices=["", "gb"], help="gb: over GB/T 28181")
    parser.add_argument(
        "--first-stream", action="store_true", help="serve what is encoded first, then all"
    )
    parser.add_argument("--devices", type=int, default=20, help="recorders of --sources gb")
    parser.add_argument("--end-with-stdin", action="store_true", help="end when stdin closes, too")
    return parser.parse_args(arguments)


def _options(read: argparse.Namespace) -> FarmOptions:
    return FarmOptions(
        count=read.count,
        out=read.out,
        port=read.port,
        control_port=read.control_port,
        host=read.host,
        seed=read.seed,
        faults=read.faults,
        light=read.light,
        profile=read.profile,
        cache=read.cache,
        mqtt_url=read.mqtt_url,
        password_env=read.password_env,
        session_timeout_s=read.session_timeout,
        stream_limit=read.stream_limit,
        sources=read.sources,
        devices=read.devices,
        first_stream=read.first_stream,
        progress=_print_progress,
    )


if __name__ == "__main__":
    raise SystemExit(main())
