"""`python -m simulators.http_sources KIND`: one look-alike until SIGTERM or SIGINT.

Prints a line of JSON when it serves: its ports, an address to visit, and the configuration that it
wrote. With `--out DIR` (a site's configuration directory) it writes sources.yaml there, and beside
it what that names.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Final

import av

from simulators.http_sources import ticket_service
from simulators.http_sources.gateways import (
    APP,
    WVP_KEY,
    ZLM_SECRET,
    GatewayFault,
    WvpSimulator,
    ZlmSimulator,
)
from simulators.http_sources.live_media import LiveMedia, load_loop
from simulators.http_sources.onvif_device import (
    OnvifDevice,
    OnvifFault,
    answering_discovery,
)
from simulators.http_sources.ticket_service import TicketFault, TicketServiceSimulator
from simulators.scenes.library import DEFAULT_CACHE
from simulators.serving import serve_until_signal

FAULTS: Final[dict[str, type[StrEnum]]] = {
    "onvif": OnvifFault,
    "ticket": TicketFault,
    "zlm": GatewayFault,
    "wvp": GatewayFault,
}
DEVICE: Final = "62090204001320000001"
CHANNEL: Final = "62090204001320000002"


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """A look-alike: how it is served, the address to visit, and its section of sources.yaml."""

    serving: AbstractAsyncContextManager[int]
    address: Callable[[int], str]
    section: Callable[[int], str]
    discovered: OnvifDevice | None = None  # answers discovery as well


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve; 0 when stopped by a signal, 1 when a port is taken, 2 for bad options."""
    options = _options(arguments)
    return serve_until_signal("simulator", lambda stop: _run(options, stop))


async def _run(options: argparse.Namespace, stop: asyncio.Event) -> None:
    kind, faults = options.kind, _faults(options.kind, options.faults)
    media = LiveMedia(load_loop(options.cache, options.profile))
    async with AsyncExitStack() as stack:
        ready: dict[str, object] = {"kind": kind, "faults": sorted(faults)}
        simulated = MAKERS[kind](media, faults, options.port)
        port = await stack.enter_async_context(simulated.serving)
        ready |= {"port": port, "rtsp_port": media.rtsp_port, "address": simulated.address(port)}
        if simulated.discovered is not None:
            ready["discovery_port"] = await stack.enter_async_context(
                answering_discovery(simulated.discovered, options.discovery_port)
            )
        if options.out is not None:
            ready["config"] = str(_write(options.out, simulated.section(port)))
        sys.stdout.write(json.dumps(ready, ensure_ascii=False) + "\n")
        sys.stdout.flush()
        await stop.wait()


def _faults(kind: str, text: str) -> frozenset[StrEnum]:
    """The faults by their names. Raises ValueError."""
    kinds = FAULTS[kind]
    found = set()
    for name in filter(None, text.split(",")):
        if name not in {fault.value for fault in kinds}:
            known = ", ".join(fault.value for fault in kinds)
            raise ValueError(f"no fault {name!r} of {kind}, give some of {known}")
        found.add(kinds(name))
    return frozenset(found)


def _write(folder: Path, section: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sim-vendor.yaml").write_text(ticket_service.profile_text(), encoding="utf-8")
    path = folder / "sources.yaml"
    path.write_text(section, encoding="utf-8")
    return path


def _onvif(media: LiveMedia, faults: frozenset[StrEnum], port: int) -> Simulated:
    device = OnvifDevice(
        media,
        faults=frozenset(map(OnvifFault, faults)),
        password="onvif-pass",  # noqa: S106  a made-up one  # nosec B106
        snapshot=first_jpeg(media),
    )
    return Simulated(
        serving=device.serving(port),
        address=lambda at: f"onvif://{device.user}:{device.password}@127.0.0.1:{at}/Profile_1",
        section=lambda _: "{}\n",
        discovered=device,
    )


def first_jpeg(media: LiveMedia) -> bytes:
    """The first picture of the stream as a JPEG."""
    decoder = av.CodecContext.create("h264", "r")
    frames = [*decoder.decode(av.Packet(media.loop.units[0])), *decoder.decode(None)]
    encoder = av.CodecContext.create("mjpeg", "w")
    frame = frames[0].reformat(format="yuvj420p")
    encoder.width, encoder.height, encoder.pix_fmt = frame.width, frame.height, "yuvj420p"
    encoder.time_base = Fraction(1, 25)
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])


def _ticket(media: LiveMedia, faults: frozenset[StrEnum], port: int) -> Simulated:
    service = TicketServiceSimulator(media, frozenset(map(TicketFault, faults)))
    if TicketFault.STALE_HLS in service.faults:
        media.stale_playlist_s = 7200.0
    return Simulated(
        serving=service.serving(port),
        address=lambda _: "ticket://sim/D00001",
        section=lambda at: (
            "vendors:\n  sim:\n    profile_file: sim-vendor.yaml\n"
            f"    url: http://127.0.0.1:{at}\n    allow: [127.0.0.0/8]\n"
            f"    secrets: {{app_key: {ticket_service.APP_KEY},"
            f" app_secret: {ticket_service.APP_SECRET}}}\n"
        ),
    )


def _zlm(media: LiveMedia, faults: frozenset[StrEnum], port: int) -> Simulated:
    zlm = ZlmSimulator(media, frozenset(map(GatewayFault, faults)))
    return Simulated(
        serving=zlm.serving(port),
        address=lambda _: f"zlm://sim/{APP}/{CHANNEL}",
        section=lambda at: f"gateways:\n{_zlm_section('sim', at, media)}",
    )


def _zlm_section(name: str, port: int, media: LiveMedia) -> str:
    return (
        f"  {name}:\n    kind: zlm\n    url: http://127.0.0.1:{port}\n"
        f"    secret: {ZLM_SECRET}\n    rtsp_port: {media.rtsp_port}\n"
    )


def _wvp(media: LiveMedia, faults: frozenset[StrEnum], port: int) -> Simulated:
    plain = frozenset(map(GatewayFault, faults))
    zlm = ZlmSimulator(media, plain & {GatewayFault.RTSP_SILENT})
    wvp = WvpSimulator(zlm, plain - {GatewayFault.RTSP_SILENT})
    return Simulated(
        serving=wvp.serving(port),
        address=lambda _: f"wvp://sim/{DEVICE}/{CHANNEL}",
        section=lambda at: (
            f"gateways:\n  sim:\n    kind: wvp\n    url: http://127.0.0.1:{at}\n"
            f"    api_key: {WVP_KEY}\n    media: sim-media\n"
            f"{_zlm_section('sim-media', zlm.port, media)}"
        ),
    )


MAKERS: Final[dict[str, Callable[[LiveMedia, frozenset[StrEnum], int], Simulated]]] = {
    "onvif": _onvif,
    "ticket": _ticket,
    "zlm": _zlm,
    "wvp": _wvp,
}


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m simulators.http_sources", description=__doc__)
    parser.add_argument("kind", choices=sorted(MAKERS))
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--faults", default="", help="names, with commas between them")
    parser.add_argument("--out", type=Path, help="where to write sources.yaml")
    parser.add_argument("--discovery-port", type=int, default=0, help="onvif: UDP, 3702 is usual")
    parser.add_argument("--profile", default="tiny", choices=["tiny", "town", "bench"])
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
