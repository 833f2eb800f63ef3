"""The protocol's lifecycle: authentication, methods, UDP, time-outs, the control channel."""

import asyncio
import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from simulators.faults import CameraFault
from simulators.rtsp_farm.control import ControlError, FarmControl
from simulators.rtsp_farm.server import FarmInfo, FarmOptions, serve
from simulators.scenes.library import EncodingCancelled, LoopLibrary, LoopSpec

RECEIVER_REPORT = b"$\x01\x00\x08" + b"\x80\xc9\x00\x01" + b"\0\0\0\1"


def sound(farm: Any) -> str:
    return str(farm.with_fault(CameraFault.NONE))


def test_the_description_has_video_and_pcma(farm: Any, talk: Any) -> None:
    with talk(farm.urls[sound(farm)]) as client:
        status, heard, sdp = client.ask("DESCRIBE")
        assert status == 200
        assert heard["content-type"] == "application/sdp"
        assert "a=rtpmap:8 PCMA/8000" in sdp
        assert "m=video 0 RTP/AVP 96" in sdp


def test_nothing_is_told_without_the_password(farm: Any, talk: Any) -> None:
    ident = next(
        i for i, url in farm.urls.items() if "@" in url and farm.truth[i]["fault"] == "none"
    )
    with talk(farm.urls[ident]) as client:
        client.login = ("admin", "guess")
        assert client.ask("DESCRIBE")[0] == 401
        assert client.ask("SETUP", Transport="RTP/AVP/TCP;interleaved=0-1")[0] == 401


def test_methods_in_the_wrong_place_are_refused(farm: Any, talk: Any) -> None:
    with talk(farm.urls[sound(farm)]) as client:
        assert "PLAY" in client.ask("OPTIONS")[1]["public"]
        assert client.ask("PLAY")[0] == 454
        assert client.ask("SETUP", Transport="RTP/AVP/TCP;interleaved=0-1")[0] == 459
        assert client.ask("RECORD")[0] == 501
        _, heard, sdp = client.ask("DESCRIBE")
        client.base = heard.get("content-base", client.url).rstrip("/")
        track = client.control(sdp)
        assert client.ask("SETUP", track, Transport="RTP/AVP;multicast")[0] == 461
        assert client.ask("DESCRIBE", client.url.replace("/6209", "/9999"))[0] == 404


def test_a_session_plays_pauses_and_is_torn_down(farm: Any, talk: Any) -> None:
    ident = sound(farm)
    with talk(farm.urls[ident]) as client:
        client.start()
        before = farm.control.stats()["playing"]
        assert before >= 1
        client.socket.sendall(
            f"TEARDOWN {client.base} RTSP/1.0\r\nCSeq: 99\r\nSession: {client.session}\r\n"
            f"Authorization: {client._proof('TEARDOWN', client.base) if client.challenge else '-'}"
            "\r\n\r\n".encode()
        )
        while client.file.peek(1)[:1] == b"$":
            client.packet()
        assert client._answer()[0] == 200
        assert farm.control.stats()["playing"] == before - 1
        assert client.ask("GET_PARAMETER")[0] == 454


def test_packets_of_the_moment_come_before_the_first_key_frame(farm: Any, talk: Any) -> None:
    """A client that joins is in mid-stream: over several joins some packets precede a key frame."""
    starts = set()
    for _ in range(4):
        with talk(farm.urls[sound(farm)]) as client:
            channel = int(client.start()["transport"].split("interleaved=")[1][0])
            got, data = client.packet()
            while got != channel:
                got, data = client.packet()
            starts.add(int.from_bytes(data[4:8], "big"))
    assert len(starts) > 1


def test_udp_goes_to_the_clients_ports_and_reports_to_the_next(farm: Any, talk: Any) -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rtp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rtcp,
        talk(farm.urls[sound(farm)]) as client,
    ):
        port = bind_pair(rtp, rtcp)
        transport = client.start(f"RTP/AVP;unicast;client_port={port}-{port + 1}")["transport"]
        assert f"client_port={port}-{port + 1}" in transport
        assert rtp.recv(2000)[1] & 0x7F == 96
        assert rtcp.recv(2000)[1] == 200


def bind_pair(rtp: socket.socket, rtcp: socket.socket) -> int:
    for port in range(40_000, 60_000, 2):
        try:
            rtp.bind(("127.0.0.1", port))
            rtcp.bind(("127.0.0.1", port + 1))
        except OSError:
            continue
        for sock in (rtp, rtcp):
            sock.settimeout(8)
        return port
    raise OSError("no free pair of ports")


def test_a_silent_client_is_timed_out_and_one_that_asks_is_not(farm: Any, talk: Any) -> None:
    """The farm of the tests has a time-out of four seconds."""
    url = farm.urls[sound(farm)]
    with talk(url, timeout_s=12) as silent, talk(url, timeout_s=12) as lively:
        assert "timeout=4" in silent.start()["session"]
        lively.start()
        hung_up = False
        while not hung_up:
            lively.packet()
            lively.socket.sendall(RECEIVER_REPORT)
            try:
                silent.packet()
            except ConnectionError:
                hung_up = True
        lively.packet()


def test_the_control_channel_stages_and_clears_a_scene(farm: Any) -> None:
    staged = {"gate": "blocking_vehicle", "road": "livestock", "canal": "person_near_water"}
    sound = (i for i, t in farm.truth.items() if t["fault"] == "none" and t["kind"] in staged)
    ident = next(sound)
    problem = staged[farm.truth[ident]["kind"]]
    farm.control.scene(ident, problem)
    truth = farm.control.truth(ident)
    assert (truth["problem"], truth["visible_problem"]) == (problem, True)
    assert truth["objects"]
    farm.control.scene(ident, "clean")
    assert farm.control.truth(ident)["problem"] is None
    assert farm.control.truth(ident)["scene"] == truth["clean"]


def test_the_control_channel_breaks_and_mends(farm: Any, talk: Any) -> None:
    ident = farm.with_fault(CameraFault.CLOCK_SKEW)
    farm.control.fault(ident, "not_found_404")
    with talk(farm.urls[ident]) as client:
        assert client.ask("DESCRIBE")[0] == 404
    farm.control.fault(ident, "none")
    with talk(farm.urls[ident]) as client:
        assert client.ask("DESCRIBE")[0] == 200
    farm.control.fault(ident, "clock_skew")


def test_a_dead_camera_can_be_mended(farm: Any, talk: Any) -> None:
    refusing = [i for i, t in farm.truth.items() if t["fault"] == CameraFault.REFUSES_CONNECTION]
    farm.control.fault(refusing[-1], "none")
    with talk(farm.urls[refusing[-1]]) as client:
        assert client.ask("DESCRIBE")[0] == 200
    with talk(farm.urls[refusing[-2]]) as client, pytest.raises(ConnectionError):
        client.ask("DESCRIBE")


def test_the_control_channel_says_what_it_cannot_do(farm: Any) -> None:
    ident = sound(farm)
    with FarmControl(farm.info.control_port) as control:
        for wrong in (
            lambda: control.scene("nobody"),
            lambda: control.scene(ident, "volcano"),
            lambda: control.fault(ident, "hail"),
            lambda: control._ask({"do": "dance"}),
        ):
            with pytest.raises(ControlError):
                wrong()
        assert control.stats()["connections"] > 0


def test_options_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    for options in (
        FarmOptions(count=0, out=tmp_path, profile="tiny"),
        FarmOptions(count=1, out=tmp_path, profile="tiny", faults="hail"),
    ):
        with pytest.raises(ValueError, match=r"no town|no mixture"):
            asyncio.run(serve(options, print, asyncio.Event()))


def test_the_command_says_one_line_and_stops_when_told(tmp_path: Path, stream_cache: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "simulators.rtsp_farm",
        "--count",
        "4",
        "--out",
        str(tmp_path / "town"),
        "--profile",
        "tiny",
        "--faults",
        "none",
        "--light",
        "morning",
        "--cache",
        str(stream_cache),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        info = json.loads(process.stdout.readline())
        assert (info["cameras"], info["pid"]) == (4, process.pid)
        with FarmControl(info["control_port"]) as control:
            assert control.stats()["playing"] == 0
            process.terminate()
            assert process.wait(10) == 0
    assert (tmp_path / "town" / "truth.json").exists()


def test_the_first_cameras_are_served_before_all_streams_are_encoded(
    tmp_path: Path, stream_cache: Path, farm: Any
) -> None:
    """And where everything is in the cache, all of them at once."""
    cache = shutil.copytree(stream_cache, tmp_path / "cache")
    max(cache.glob("*.loop"), key=lambda path: path.stat().st_size).unlink()
    options = FarmOptions(
        count=len(farm.urls), out=tmp_path / "config", cache=cache, profile="tiny",
        faults="each", light="morning", first_stream=True,
    )  # fmt: skip

    async def lines() -> list[FarmInfo]:
        stop, infos = asyncio.Event(), list[FarmInfo]()

        def on_ready(info: FarmInfo) -> None:
            infos.append(info)
            if not info.first:
                stop.set()

        await serve(options, on_ready, stop)
        return infos

    early, late = asyncio.run(lines())
    assert 0 < len(early.first) < options.count
    assert (late.first, late.port) == ((), early.port)
    assert len(asyncio.run(lines())) == 1


def test_a_farm_that_is_stopped_while_it_encodes_ends_without_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its first cameras are served meanwhile, by tasks that end with it."""
    asked = []

    def ensure(
        _library: LoopLibrary, specs: Sequence[LoopSpec], _progress: object,
        cancelled: Callable[[], bool],
    ) -> None:  # fmt: skip
        asked.append(len(specs))
        if cancelled():
            raise EncodingCancelled

    monkeypatch.setattr(LoopLibrary, "ensure", ensure)
    served: list[FarmInfo] = []

    async def serve_until_ready() -> None:
        stop = asyncio.Event()

        def ready(info: FarmInfo) -> None:
            served.append(info)
            stop.set()

        options = FarmOptions(
            count=6, out=tmp_path / "town", cache=tmp_path, first_stream=True, profile="tiny",
            light="morning",
        )  # fmt: skip
        await serve(options, ready, stop)

    asyncio.run(serve_until_ready())
    assert [bool(info.first) for info in served] == [True]
    assert asked[0] == 1 < asked[1]
