"""GB/T 28181 in the application: the store's journal, restarts, what commands ask."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import Mock
from zoneinfo import ZoneInfo

import pytest

from patrol.app.gb28181 import MAX_ORPHAN_TRIES, ORPHANS_EVERY_S, Gb28181Service, SipPortTaken
from patrol.app.gb28181_control import ServiceAway, ask_service, read_sample, serve_control
from patrol.cli.gb import proposed_rows
from patrol.clock import SystemClock
from patrol.settings.sources_gb28181 import Gb28181Settings
from patrol.store import Store, open_store, upgrade
from simulators.gb28181.channels import DeviceChannel
from simulators.gb28181.device import SimulatedDevice
from simulators.gb28181.fleet import free_sip_port
from simulators.gb28181.media import EncodedPicture, LoopSource
from streams.address import StreamAddress
from streams.decode import decode
from streams.errors import Unreachable
from streams.gb28181.invite_session import Dialog
from streams.gb28181.peers import PeerConfig
from streams.gb28181.platform import Gb28181Platform
from streams.gb28181.requests import Identity
from streams.gb28181.sip_message import parse_message
from streams.gb28181.transactions import Flow
from streams.model import VisitOptions
from tests.zoo.clips import START, clip_of

OURS, DEVICE, PASSWORD = "62090204012000000001", "62090204011180000001", "s3cret-28181"
CAMERA = "62090204011320000001"
ADDRESS = StreamAddress.parse(f"gb28181://nvr/{CAMERA}")
QUICK = VisitOptions(pictures=2, spacing_s=0.2, visit_timeout_s=8.0)
CLOCK = SystemClock()


class DeviceThread:
    """A simulated device in a loop and a thread of its own."""

    def __init__(self, port: int) -> None:
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        clip = clip_of("h264")
        pictures = [EncodedPicture(START + START.join(u.nals), u.key, "h264") for u in clip.units]
        self.device = self.call(self._open(port, LoopSource(pictures, frames_per_s=40.0)))

    async def _open(self, port: int, source: LoopSource) -> SimulatedDevice:
        device = SimulatedDevice(
            code=DEVICE, password=PASSWORD, server=("127.0.0.1", port), server_code=OURS,
            channels=[DeviceChannel(code=CAMERA, name="张三家门口", source=source)],
            keepalive_s=0.5, on_ready=self._ready.set,
        )  # fmt: skip
        await device.start()
        return device

    def call(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    def wait_registered(self) -> None:
        assert self._ready.wait(10)

    def close(self) -> None:
        self.call(self.device.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def settings(port: int) -> Gb28181Settings:
    peer = {"id": DEVICE, "password": PASSWORD, "allow_from": ["127.0.0.1"]}
    return Gb28181Settings.model_validate(
        {"id": OURS, "host": "127.0.0.1", "port": port, "media_ports": "26000-26998",
         "peers": {"nvr": peer}}
    )  # fmt: skip


@contextmanager
def store_in(folder: Path) -> Iterator[Store]:
    url = f"sqlite:///{folder / 'patrol.db'}"
    upgrade(url)
    with open_store(url) as store:
        yield store


@pytest.fixture
def town(tmp_path: Path) -> Iterator[tuple[Gb28181Service, DeviceThread]]:
    with store_in(tmp_path) as store:
        service = Gb28181Service(
            settings(free_sip_port("127.0.0.1")), store, CLOCK, ZoneInfo("Asia/Shanghai"),
            control=lambda service: serve_control(service, tmp_path),
        )  # fmt: skip
        service.start_resident()
        device = DeviceThread(service.port)
        try:
            device.wait_registered()
            yield service, device
        finally:
            service.close()
            device.close()


def test_a_visit_a_second_process_and_what_commands_ask(
    town: tuple[Gb28181Service, DeviceThread], tmp_path: Path
) -> None:
    service, device = town
    sample = asyncio.run(service.capture(ADDRESS, QUICK))
    assert decode(sample.key_frames[0]).size_px == (320, 176)
    twin = Gb28181Service(settings(service.port), service.store, CLOCK, ZoneInfo("Asia/Shanghai"))
    with pytest.raises(SipPortTaken, match="is `patrol run` up"):
        twin.start()
    with pytest.raises(Unreachable, match="SIP port"):
        asyncio.run(twin.capture(ADDRESS, QUICK))

    (synced,) = ask_service(tmp_path, {"do": "sync", "peer": "nvr"})
    assert (synced["channels"], synced["complete"]) == (1, True)
    with service.store.begin_read() as uow:
        channels = uow.gb28181.channels("nvr")
        assert uow.gb28181.open_sessions() == []
        assert uow.gb28181.registrations()["nvr"].until is not None
    (row,) = proposed_rows("nvr", channels, set())
    assert (row["url"], row["consent"], row["outdoor"], row["grid_code"]) == (
        f"gb28181://nvr/{CAMERA}", "pending", "unknown", "",
    )  # fmt: skip
    assert proposed_rows("nvr", channels, {CAMERA}) == []

    *stages, last = ask_service(
        tmp_path, {"do": "probe", "address": str(ADDRESS), "timeout_s": 8.0}
    )
    assert [stage["stage"] for stage in stages] == [
        "registered", "catalogue", "invited", "answered", "media", "key_frame",
    ]  # fmt: skip
    assert read_sample(last["sample"]).key_frames[0].data
    (unknown,) = ask_service(tmp_path, {"do": "sync", "peer": "nobody"})
    assert "no peer" in unknown["error"]
    (state,) = ask_service(tmp_path, {"do": "state"})
    assert state["peers"]["nvr"]["reachable"]
    assert device.device.clock_seen.startswith("20")


def test_a_log_of_messages_names_nobody_and_can_be_replayed(
    town: tuple[Gb28181Service, DeviceThread], tmp_path: Path
) -> None:
    service, _ = town
    logged: list[dict[str, Any]] = []
    recording = threading.Thread(
        target=lambda: logged.extend(ask_service(tmp_path, {"do": "record", "seconds": 2.0}))
    )
    recording.start()
    for _ in range(3):
        assert list(ask_service(tmp_path, {"do": "sync", "peer": "nvr"}))
    recording.join()
    entries = [entry["log"] for entry in logged if "log" in entry]
    text = json.dumps(entries, ensure_ascii=False)
    for secret in ("张三", DEVICE, OURS, CAMERA, "127.0.0.1", PASSWORD, "98.75"):
        assert secret not in text
    assert any("Catalog" in entry["text"] for entry in entries)
    identity = service.endpoint.platform.identity
    platform = Gb28181Platform(identity, [], b"k", lambda _host: "192.0.2.1")
    for entry in entries:
        data = entry["text"].encode(entry["charset"])
        message = parse_message(data)
        platform.receive(message, Flow("udp", "192.0.2.1", 5060), entry["at_s"], CLOCK.now())


def test_an_orphan_of_a_peer_that_is_away_waits_for_it(tmp_path: Path) -> None:
    config = PeerConfig(name="nvr", id=DEVICE, password=PASSWORD)
    identity = Identity(id=OURS, domain=OURS[:10], port=5060, token=lambda: "t")
    platform = Gb28181Platform(identity, [config], b"k", lambda _host: "192.0.2.1")
    orphans, endpoint = platform.sessions.orphans, Mock(now_s=1000.0)
    flow = Flow("udp", "192.0.2.7", 5060)
    orphans["c"] = Dialog(peer="nvr", channel=CAMERA, call_id="c", from_tag="f", flow=flow)
    with store_in(tmp_path) as store:
        service = Gb28181Service(settings(0), store, CLOCK, ZoneInfo("Asia/Shanghai"))

        async def tries(count: int) -> None:
            for _ in range(count):
                await service._end_orphans(platform, endpoint)
                endpoint.now_s += ORPHANS_EVERY_S
                platform.tick(endpoint.now_s)  # nobody answered: the BYE is given up

        asyncio.run(tries(3 * MAX_ORPHAN_TRIES))
        assert list(orphans) == ["c"]
        assert len(platform.outbox) == MAX_ORPHAN_TRIES
        platform.restore("nvr", flow, 3600, 1000.0)
        asyncio.run(tries(1))
        assert platform.sessions.ended_orphans == ["c"]


def test_without_a_service_the_socket_says_so(tmp_path: Path) -> None:
    with pytest.raises(ServiceAway):
        list(ask_service(tmp_path, {"do": "state"}))


VISITING = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.app.test_gb28181 import CLOCK, ADDRESS, settings
from patrol.app.gb28181 import Gb28181Service
from patrol.store import open_store
from streams.model import VisitOptions
from zoneinfo import ZoneInfo
with open_store(sys.argv[2]) as store:
    service = Gb28181Service(settings(int(sys.argv[3])), store, CLOCK, ZoneInfo("Asia/Shanghai"))
    options = VisitOptions(pictures=9, spacing_s=5.0, visit_timeout_s=90.0, connect_timeout_s=15.0,
        on_key_frame=lambda _: print("picture", flush=True))
    asyncio.run(service.capture(ADDRESS, options))
"""


def test_after_kill_9_in_mid_visit_the_restart_ends_the_session(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    with store_in(tmp_path) as store:
        port = free_sip_port("127.0.0.1")
        url = f"sqlite:///{tmp_path / 'patrol.db'}"
        command = [sys.executable, "-c", VISITING, str(root), url, str(port)]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root, text=True)
        device = DeviceThread(port)
        try:
            assert child.stdout is not None
            assert "picture\n" in child.stdout  # behind what it logs
            os.kill(child.pid, signal.SIGKILL)
            child.wait()
            child.stdout.close()
            assert len(device.device.sessions.open) == 1
            with store.begin_read() as uow:
                (orphan,) = uow.gb28181.open_sessions()
            assert (orphan.channel, bool(orphan.to_tag)) == (CAMERA, True)
            service = Gb28181Service(settings(port), store, CLOCK, ZoneInfo("Asia/Shanghai"))
            service.start()
            try:
                deadline_s = CLOCK.monotonic_s() + 15
                left = True
                while left and CLOCK.monotonic_s() < deadline_s:
                    with store.begin_read() as uow:
                        left = bool(uow.gb28181.open_sessions())
                    CLOCK.sleep(0.1)
                assert not left
                assert device.device.sessions.open == {}
                assert device.device.counts.byes == 1
            finally:
                service.close()
        finally:
            device.close()
