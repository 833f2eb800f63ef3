"""`patrol bench gb28181`: what cameras over GB/T 28181 cost, beside the same cameras over RTSP.

A whole two-picture round of 600 channels behind 20 simulated recorders that give four sessions
each; 2,000 registrations at 400 a second; the packets of a 1080p stream. The simulator and the
patrol are separate processes.
"""

import asyncio
import itertools
import secrets
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from patrol.bench.child_process import ReportProgress, json_from_process
from patrol.bench.round import ROUND_TIMEOUT_S, look_everywhere
from patrol.clock import SystemClock
from simulators.gb28181.program_stream import interleaved, mux_picture, rtp_packets
from simulators.gb28181.wire import digest_answer, read, write
from simulators.rtsp_farm.control import FarmControl
from simulators.rtsp_farm.process import running_farm
from simulators.scenes.catalogue import SceneLight, catalogue
from simulators.scenes.library import LoopLibrary, LoopSpec
from streams.gb28181.endpoint import Gb28181Endpoint, local_host_towards
from streams.gb28181.media_receiver import MediaReceiver
from streams.gb28181.peers import PeerConfig
from streams.gb28181.platform import Gb28181Platform
from streams.gb28181.requests import Identity
from streams.gb28181.rtp_framing import RtpStreamFramer

CHANNELS: Final = 600
RECORDERS: Final = 20
REGISTRATIONS: Final = 2000
PER_S: Final = 400.0
PACKETS: Final = 40_000
OURS: Final = "62090204002000000001"
PASSWORD: Final = "bench-28181"  # noqa: S105  of simulated devices
CEILINGS: Final = {
    "cpu_ratio_to_rtsp": 1.3,
    "open_dialogs_after": 0,
    "registration_cpu_ms": 1.0,
    "packet_us": 3.0,
}


def run(
    *,
    channels: int = CHANNELS,
    recorders: int = RECORDERS,
    registrations: int = REGISTRATIONS,
    report: ReportProgress = lambda _: None,
) -> dict[str, Any]:
    """Measure all of it. Raises RuntimeError when a round fails."""
    report(f"{PACKETS} packets of a 1080p stream")
    packets = measure_packets()
    report(f"{registrations} registrations at {PER_S:.0f}/s")
    registered = asyncio.run(measure_registrations(registrations))
    report(f"a round of {channels} channels behind {recorders} recorders")
    ours = _round(channels, recorders, "gb")
    report(f"the same {channels} cameras over RTSP")
    rtsp = _round(channels, recorders, "")
    ratio = ours["cpu_ms_per_camera"] / rtsp["cpu_ms_per_camera"]
    return {
        "round": ours,
        "rtsp_round": rtsp,
        "cpu_ratio_to_rtsp": round(ratio, 2),
        "registrations": registered,
        "packets": packets,
        "ceilings": CEILINGS,
    }


def _round(channels: int, recorders: int, sources: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="patrol-bench-") as folder:
        town = Path(folder) / "town"
        with running_farm(
            town, cameras=channels, profile="bench", sources=sources, devices=recorders
        ) as farm:
            row = round_row(town)
            with FarmControl(farm.control_port) as control:
                stats = control.stats()
    names = ("gb_invites", "gb_acks", "gb_byes", "gb_busy", "gb_most_sessions", "gb_sessions")
    return row | {name.removeprefix("gb_"): stats[name] for name in names if name in stats}


def round_row(town: Path) -> dict[str, Any]:
    """What a round as `patrol round morning` counted, and left open, in a process of its own."""
    look_everywhere(town)
    summary = json_from_process(
        [sys.executable, "-m", "patrol.bench.round_ours"],
        name="the round",
        timeout_s=ROUND_TIMEOUT_S,
        request={"config": str(town), "plan": "morning"},
        quote_stderr=True,
    )
    kept = (
        "planned", "seen", "missed", "pictures", "wall_s", "cpu_s", "peak_rss_mb",
        "descriptors_left",
    )  # fmt: skip
    each_ms = round(1000.0 * summary["cpu_s"] / max(1, summary["planned"]), 1)
    return {name: summary[name] for name in kept} | {"cpu_ms_per_camera": each_ms}


def measure_packets() -> dict[str, Any]:
    """CPU time of one packet: TCP framing, RTP, program stream, key pictures found."""
    packets = list(itertools.islice(_stream(), PACKETS))
    stream = interleaved(packets, "rfc4571")
    pieces = [stream[at : at + 65_536] for at in range(0, len(stream), 65_536)]
    receive_s, frame_s, pictures = float("inf"), float("inf"), 0
    for _ in range(3):
        receiver, began_s = MediaReceiver(8 << 20), time.process_time()
        for packet in packets:
            receiver.push(packet, 0.0)
        receive_s = min(receive_s, time.process_time() - began_s)
        pictures = len(receiver.pictures)
        framer, began_s = RtpStreamFramer(), time.process_time()
        for piece in pieces:
            framer.feed(piece)
        frame_s = min(frame_s, time.process_time() - began_s)
    return {
        "packets": len(packets),
        "key_pictures": pictures,
        "packet_us": round(1e6 * receive_s / len(packets), 2),
        "framing_us": round(1e6 * frame_s / len(packets), 2),
    }


def _stream() -> Iterator[bytes]:
    """The packets of a camera of the bench's town, again and again."""
    scene = catalogue("bench")[0]
    spec = LoopSpec(profile="bench", scene=scene.name, light=SceneLight.MORNING)
    loop = LoopLibrary().load(spec).main
    codec, sequence = loop.format.codec, 0
    for number in itertools.count():
        at = number % len(loop.units)
        pts = 90_000 + 6000 * number
        data = mux_picture(loop.units[at], pts, key=loop.is_key(at), codec=codec)
        for packet in rtp_packets(data, sequence=sequence, timestamp=pts, ssrc=7):
            sequence = (sequence + 1) & 0xFFFF
            yield packet


async def measure_registrations(count: int, per_s: float = PER_S) -> dict[str, Any]:
    """Register `count` devices, each with its challenge; CPU time of ours alone."""
    codes = [f"62090204011187{n:06d}" for n in range(1, count + 1)]
    configs = [
        PeerConfig(name=f"d{n}", id=code, user=code, password=PASSWORD)
        for n, code in enumerate(codes)
    ]
    identity = Identity(id=OURS, domain=OURS[:10], port=0, token=lambda: secrets.token_hex(8))
    platform = Gb28181Platform(identity, configs, secrets.token_bytes(32), local_host_towards)
    endpoint = Gb28181Endpoint(platform, local_time=SystemClock().now, on_event=lambda _event: None)
    port = await endpoint.open("127.0.0.1", 0)
    platform.use_port(port)
    stop = asyncio.Event()
    began_s = time.thread_time()
    devices = asyncio.create_task(asyncio.to_thread(_register_all, codes, port, per_s))
    devices.add_done_callback(lambda _done: stop.set())
    await stop.wait()
    cpu_s = time.thread_time() - began_s
    ok, wall_s = devices.result()
    await endpoint.close()
    return {
        "registrations": count,
        "accepted": ok,
        "per_s": round(count / wall_s, 0),
        "registration_cpu_ms": round(1000 * cpu_s / count, 3),
    }


def _register_all(codes: list[str], port: int, per_s: float) -> tuple[int, float]:
    """What the devices do, in a thread of its own: ask, be challenged, answer."""
    clock, accepted = SystemClock(), 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", port))
        sock.settimeout(2.0)
        began_s = clock.monotonic_s()
        for number, code in enumerate(codes):
            early_s = began_s + number / per_s - clock.monotonic_s()
            if early_s > 0:
                clock.sleep(early_s)
            sock.send(_register(code, number, ""))
            challenge = read(sock.recv(65_535)).headers["www-authenticate"]
            sock.send(_register(code, number, challenge))
            accepted += read(sock.recv(65_535)).status == 200  # noqa: PLR2004
        return accepted, clock.monotonic_s() - began_s


def _register(code: str, number: int, challenge: str) -> bytes:
    uri, cseq = f"sip:{OURS}@{OURS[:10]}", 2 if challenge else 1
    headers = [
        ("Via", f"SIP/2.0/UDP 127.0.0.1:5060;rport;branch=z9hG4bK{number}{cseq}"),
        ("From", f"<sip:{code}@{code[:10]}>;tag=t"),
        ("To", f"<sip:{code}@{code[:10]}>"),
        ("Call-ID", f"c{number}"),
        ("CSeq", f"{cseq} REGISTER"),
        ("Contact", f"<sip:{code}@127.0.0.1:5060>"),
        ("Expires", "3600"),
    ]
    if challenge:
        answer = digest_answer(
            challenge, user=code, password=PASSWORD, method="REGISTER", uri=uri, with_qop=True
        )
        headers.append(("Authorization", answer))
    return write(f"REGISTER {uri} SIP/2.0", headers)
