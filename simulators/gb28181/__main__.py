"""`python -m simulators.gb28181 device|above`: a recorder or a platform above, until a signal.

Prints a line of JSON when it is there: addresses to visit and the configuration that it wrote; at
the end another with what it counted. With `--out DIR` (a site's configuration directory) it writes
sources.yaml there. A device registers with the port that this file names, again and again.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Final

from simulators.gb28181.channels import DeviceChannel
from simulators.gb28181.device import SimulatedDevice
from simulators.gb28181.faults import DeviceFaults
from simulators.gb28181.fleet import MEDIA_PORTS, PASSWORD, SERVER_CODE, free_sip_port
from simulators.gb28181.media import EncodedPicture, LoopSource
from simulators.gb28181.platform_above import AboveFaults, PlatformAbove
from simulators.gb28181.program_stream import MuxOptions
from simulators.http_sources.live_media import load_loop
from simulators.scenes.library import DEFAULT_CACHE
from simulators.serving import serve_until_signal

HOST: Final = "127.0.0.1"
NAME: Final = "sim"
CODES: Final = {"device": "62090204011187000001", "above": "62090204002000000009"}
FRAMES_PER_S: Final = 15.0  # of the loop
KEEPALIVE_S: Final = 20.0
Serve = Callable[[asyncio.Event], Awaitable[None]]
Knobs = DeviceFaults | MuxOptions | AboveFaults
_IS_TRUE: Final = {"": True, "true": True, "false": False}


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve; 0 when stopped by a signal, 1 when a port is taken, 2 for bad options."""
    options = _options(arguments)
    return serve_until_signal("simulator", lambda stop: _run(options, stop))


async def _run(options: argparse.Namespace, stop: asyncio.Event) -> None:
    port = options.port or free_sip_port(HOST)
    simulated = _made(options, port)
    await simulated.start()
    ready: dict[str, object] = {
        "kind": options.kind,
        "sip_port": simulated.address[1],
        "patrol_sip_port": port,
        "addresses": [f"gb28181://{NAME}/{code}" for code in simulated.channels],
    }
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        path = options.out / "sources.yaml"
        path.write_text(_sources_yaml(options.kind, simulated, port), encoding="utf-8")
        ready["config"] = str(path)
    _print(ready)
    try:
        await stop.wait()
    finally:
        counts = asdict(simulated.counts) | {"open": len(simulated.sessions.open)}
        if isinstance(simulated, PlatformAbove):
            counts |= asdict(simulated.above)
        await simulated.close()
        _print(counts)


def _made(options: argparse.Namespace, port: int) -> SimulatedDevice:
    loop = load_loop(options.cache, options.profile)
    pictures = [
        EncodedPicture(unit, loop.is_key(at), loop.format.codec)
        for at, unit in enumerate(loop.units)
    ]
    source = LoopSource(pictures, frames_per_s=FRAMES_PER_S)
    code = CODES[options.kind]
    channels = [
        DeviceChannel(code=f"{code[:10]}132{number:07d}", name=f"{number}号点", source=source)
        for number in range(1, options.channels + 1)
    ]
    faults = read_faults(options.faults, options.kind)
    if options.kind == "device":
        return SimulatedDevice(
            code=code, password=PASSWORD, server=(HOST, port), server_code=SERVER_CODE,
            channels=channels, faults=faults[0], transport=options.transport,
            keepalive_s=KEEPALIVE_S,
        )  # fmt: skip
    return PlatformAbove(
        code=code, accounts={SERVER_CODE: PASSWORD}, client_code=SERVER_CODE, channels=channels,
        faults=faults[0], above_faults=faults[1],
    )  # fmt: skip


def read_faults(text: str, of: str = "device") -> tuple[DeviceFaults, AboveFaults]:
    """`NAME` or `NAME=VALUE`, with commas between them. Raises ValueError.

    A name that a device and a platform above both have is meant of the kind that is served.
    """
    values: dict[str, dict[str, Any]] = {"device": {}, "mux": {}, "above": {}}
    every: dict[str, Knobs] = {
        "device": DeviceFaults(),
        "mux": MuxOptions(),
        "above": AboveFaults(),
    }
    knobs = {kind: every[kind] for kind in (of, *(kind for kind in every if kind != of))}
    for entry in filter(None, text.split(",")):
        name, _, value = entry.partition("=")
        kind = next((k for k, one in knobs.items() if name in _names(one)), None)
        if kind is None:
            known = ", ".join(sorted(set().union(*map(_names, knobs.values()))))
            raise ValueError(f"no fault {name!r}, give some of {known}")
        values[kind][name] = _value(name, getattr(knobs[kind], name), value)
    device = DeviceFaults(mux=MuxOptions(**values["mux"]), **values["device"])
    return device, AboveFaults(**values["above"])


def _names(knobs: Knobs) -> set[str]:
    """The knobs that a word can turn."""
    plain = (bool, int, float, str, bytes)
    return {f.name for f in fields(knobs) if isinstance(getattr(knobs, f.name), plain)}


def _value(name: str, default: object, text: str) -> object:
    try:
        if isinstance(default, bool):
            return _IS_TRUE[text.lower()] if text else not default
        if isinstance(default, bytes):
            return bytes.fromhex(text)
        if isinstance(default, int):
            return int(text)
        return float(text) if isinstance(default, float) else text
    except (ValueError, KeyError):
        raise ValueError(f"fault {name}: {text!r} is no {type(default).__name__}") from None


def _sources_yaml(kind: str, simulated: SimulatedDevice, port: int) -> str:
    above = f"registration: register, address: '{HOST}:{simulated.address[1]}', "
    return (
        f'gb28181:\n  id: "{SERVER_CODE}"\n  host: {HOST}\n  port: {port}\n'
        f'  media_ports: "{MEDIA_PORTS}"\n  peers:\n'
        f'    {NAME}: {{id: "{simulated.code}", {above if kind == "above" else ""}'
        f"password: {PASSWORD}, allow_from: [{HOST}], alarms: true}}\n"
    )


def _print(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m simulators.gb28181", description=__doc__)
    parser.add_argument("kind", choices=sorted(CODES))
    parser.add_argument("--port", type=int, default=0, help="of the patrol's SIP; 0: any free one")
    parser.add_argument("--channels", type=int, default=4)
    parser.add_argument("--transport", choices=["udp", "tcp"], default="udp", help="of a device")
    parser.add_argument("--faults", default="", help="NAME or NAME=VALUE, with commas between")
    parser.add_argument("--out", type=Path, help="where to write sources.yaml")
    parser.add_argument("--profile", default="tiny", choices=["tiny", "town", "bench"])
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
