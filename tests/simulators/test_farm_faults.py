"""Every fault can be observed on the wire, and nothing else goes wrong with it."""

import socket
from typing import Any
from urllib.parse import urlsplit

import av
import numpy as np
import pytest

from simulators.faults import CameraFault

KEY_H264, KEY_HEVC = {5, 7, 8, 24}, {19, 20, 32, 33, 34, 48}


def nal_kind(codec: object, payload: bytes) -> int:
    """The NAL unit type that an RTP payload begins or goes on with."""
    if codec == "h264":
        kind = payload[0] & 0x1F
        return payload[1] & 0x1F if kind == 28 else kind
    kind = (payload[0] >> 1) & 0x3F
    return payload[2] & 0x3F if kind == 49 else kind


def key_frame_times(farm: Any, talk: Any, ident: str, packets: int) -> list[int]:
    """RTP times of the key frames among the next video packets."""
    codec = farm.truth[ident]["codec"]
    keys = KEY_H264 if codec == "h264" else KEY_HEVC
    times: dict[int, None] = {}
    with talk(farm.urls[ident]) as client:
        channel = int(client.start()["transport"].split("interleaved=")[1][0])
        for _ in range(packets):
            got, data = client.packet()
            if got == channel and nal_kind(codec, data[12:]) in keys:
                times[int.from_bytes(data[4:8], "big")] = None
    return list(times)


def test_refuses_connection(farm: Any) -> None:
    ident = farm.with_fault(CameraFault.REFUSES_CONNECTION)
    port = urlsplit(farm.urls[ident]).port
    assert port != farm.info.port
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def test_never_answers(farm: Any, talk: Any) -> None:
    url = farm.urls[farm.with_fault(CameraFault.NEVER_ANSWERS)]
    with talk(url, timeout_s=1.0) as client, pytest.raises(TimeoutError):
        client.ask("OPTIONS")


def test_unauthorized_whatever_the_password(farm: Any, talk: Any) -> None:
    with talk(farm.urls[farm.with_fault(CameraFault.UNAUTHORIZED_401)]) as client:
        assert client.ask("DESCRIBE")[0] == 401


def test_not_found(farm: Any, talk: Any) -> None:
    with talk(farm.urls[farm.with_fault(CameraFault.NOT_FOUND_404)]) as client:
        assert client.ask("DESCRIBE")[0] == 404


def test_no_packets(farm: Any, talk: Any) -> None:
    with talk(farm.urls[farm.with_fault(CameraFault.NO_PACKETS)], timeout_s=1.5) as client:
        client.start()
        with pytest.raises(TimeoutError):
            client.packet()


def test_no_key_frame(farm: Any, talk: Any) -> None:
    """One-second groups of pictures: forty frames of a sound camera hold two key frames."""
    assert key_frame_times(farm, talk, farm.with_fault(CameraFault.NO_KEY_FRAME_30S), 36) == []
    assert len(key_frame_times(farm, talk, farm.with_fault(CameraFault.NONE), 60)) >= 2


def test_drops_in_mid_picture(farm: Any, talk: Any) -> None:
    with talk(farm.urls[farm.with_fault(CameraFault.DROPS_MID_PICTURE)]) as client:
        client.start()
        with pytest.raises(ConnectionError):
            client.until_hung_up()


def test_garbage_instead_of_packets(farm: Any, talk: Any) -> None:
    with talk(farm.urls[farm.with_fault(CameraFault.GARBAGE_BYTES)]) as client:
        client.start()
        assert b"$" not in client.file.read(500)


def test_wrong_sdp(farm: Any, talk: Any) -> None:
    with talk(farm.urls[farm.with_fault(CameraFault.WRONG_SDP)]) as client:
        status, headers, body = client.ask("DESCRIBE")
        assert (status, headers["content-type"]) == (200, "application/sdp")
        assert "m=video" not in body


def test_flaky_fails_every_other_pull(farm: Any, talk: Any) -> None:
    url = farm.urls[farm.with_fault(CameraFault.FLAKY)]
    with talk(url) as client, pytest.raises(ConnectionError):
        client.start()
    with talk(url) as client:
        client.start()
        client.packet()


def test_closes_on_the_second_session(farm: Any, talk: Any) -> None:
    url = farm.urls[farm.with_fault(CameraFault.CLOSES_SECOND_SESSION)]
    with talk(url) as first:
        first.start()
        first.packet()
        with talk(url) as second:
            second.start()
            with pytest.raises(ConnectionError):
                second.packet()
        first.packet()
        assert first.socket.fileno() >= 0


def group_of_pictures(farm: Any, talk: Any, ident: str) -> list[bytes]:
    """The slice data of two key frames."""
    codec = farm.truth[ident]["codec"]
    slices = {5} if codec == "h264" else {19, 20}
    pictures: dict[int, bytes] = {}
    with talk(farm.urls[ident]) as client:
        channel = int(client.start()["transport"].split("interleaved=")[1][0])
        while len(pictures) < 3:
            got, data = client.packet()
            if got == channel and nal_kind(codec, data[12:]) in slices:
                time = int.from_bytes(data[4:8], "big")
                pictures[time] = pictures.get(time, b"") + data[12:]
    return list(pictures.values())[:2]


def test_frozen_repeats_bits_while_time_runs_and_live_does_not(farm: Any, talk: Any) -> None:
    frozen = group_of_pictures(farm, talk, farm.with_fault(CameraFault.FROZEN))
    assert len(set(frozen)) == 1
    live = group_of_pictures(farm, talk, farm.with_fault(CameraFault.NONE))
    assert len(set(live)) == 2


def restlessness(url: str) -> float:
    """The largest change from one frame to the next in two seconds, in grey levels."""
    largest, last = 0.0, None
    with av.open(url, options={"rtsp_transport": "tcp"}, timeout=15) as source:
        for number, frame in enumerate(source.decode(video=0)):
            now = frame.to_ndarray(format="gray").astype(np.float32)
            if last is not None:
                largest = max(largest, float(np.abs(now - last).mean()))
            last = now
            if number > 20:
                break
    return largest


def test_a_corrupt_bit_stream_shows_as_mosaic(farm: Any) -> None:
    calm = restlessness(farm.urls[farm.with_fault(CameraFault.NONE)])
    assert restlessness(farm.urls[farm.with_fault(CameraFault.CORRUPT_BITSTREAM)]) > 2 * calm


@pytest.mark.parametrize(
    ("fault", "darkest", "brightest"),
    [
        (CameraFault.BLACK, 0, 30),
        (CameraFault.DARK, 0, 45),
        (CameraFault.BRIGHT, 200, 255),
        (CameraFault.SOLID, 40, 200),
    ],
)
def test_picture_faults_show_in_the_picture(
    farm: Any, fault: CameraFault, darkest: float, brightest: float
) -> None:
    ident = farm.with_fault(fault)
    with av.open(farm.urls[ident], options={"rtsp_transport": "tcp"}, timeout=15) as source:
        luma = next(source.decode(video=0)).to_ndarray(format="gray")
    assert darkest <= luma.mean() <= brightest
    if fault is CameraFault.SOLID:
        assert luma.std() < 3


def test_a_skewed_clock_is_minutes_off_in_sender_reports(farm: Any, talk: Any) -> None:
    def wall_s(fault: CameraFault) -> float:
        with talk(farm.urls[farm.with_fault(fault)]) as client:
            channel = int(client.start()["transport"].split("interleaved=")[1][0])
            while True:
                got, data = client.packet()
                if got == channel + 1:
                    return int.from_bytes(data[8:16], "big") / 2**32

    sound = wall_s(CameraFault.NONE)
    assert sound - wall_s(CameraFault.CLOCK_SKEW) == pytest.approx(420, abs=30)
