"""Where a URL that was handed out may lead, and that every way of connecting asks."""

import asyncio
import ipaddress
import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import target_policy
from streams.address import StreamAddress
from streams.capture import StreamCameraClient
from streams.errors import BadAddress, StreamError
from streams.model import VisitOptions
from streams.target_policy import TargetPolicy, TargetRefused, checked_connect
from tests.support.lookalikes import NOON

PUBLIC = TargetPolicy()
INNER = TargetPolicy(networks=(ipaddress.ip_network("10.0.0.0/8"),), hosts=frozenset({"zlm"}))


@pytest.mark.parametrize(
    "ip",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "240.0.0.1", "224.0.0.1", "255.255.255.255", "::1", "fe80::1", "fc00::1", "::",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "64:ff9b::7f00:1", "ff02::1",
    ],
)  # fmt: skip
def test_an_address_that_is_not_public_is_refused(ip: str) -> None:
    host = f"[{ip}]" if ":" in ip else ip
    with pytest.raises(TargetRefused, match=r"no public address.*sources\.yaml") as caught:
        PUBLIC.check_address(StreamAddress.parse(f"rtsp://{host}/live"))
    assert isinstance(caught.value, BadAddress)


@pytest.mark.parametrize("ip", ["8.8.8.8", "114.114.114.114", "2400:3200::1", "64:ff9b::808:808"])
def test_a_public_address_passes(ip: str) -> None:
    assert PUBLIC.permits("media", ip)


def test_networks_and_hosts_that_a_person_wrote_pass() -> None:
    assert INNER.permits("x", "10.9.9.9")
    assert INNER.permits("x", "::ffff:10.9.9.9")
    assert INNER.permits("ZLM.", "192.168.1.5")
    assert not INNER.permits("x", "192.168.1.5")
    assert not INNER.permits("x", "no address")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "/etc/passwd", "rtspu://8.8.8.8/a"])
def test_what_is_no_stream_scheme_is_refused(url: str) -> None:
    with pytest.raises(TargetRefused, match="scheme"):
        PUBLIC.check_address(StreamAddress.parse(url))


def test_a_name_with_one_inner_address_is_refused_whole() -> None:
    with pytest.raises(TargetRefused, match=r"media \(10\.0\.0\.1\)"):
        PUBLIC.check_all("media", ["8.8.8.8", "10.0.0.1"])


@given(st.ip_addresses())
def test_every_address_is_decided(ip: Any) -> None:
    passes = PUBLIC.permits("h", str(ip))
    assert passes is False or ip.is_global or ip in ipaddress.ip_network("64:ff9b::/96")


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://inner/live", "rtsps://inner/live", "rtmp://inner/live", "rtmps://inner/live",
        "http://inner/live.flv", "https://inner/hls.m3u8", "http://inner/picture.jpg",
        "http://inner/live.mp4", "rtsp://user:word@inner/live",
    ],
)  # fmt: skip
@pytest.mark.parametrize("single_use", [True, False])
def test_no_way_of_opening_connects_to_a_name_that_is_an_inner_address(
    monkeypatch: pytest.MonkeyPatch, url: str, *, single_use: bool
) -> None:
    """The name resolves to this machine, where a server waits that nobody may reach."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        port = server.getsockname()[1]

        def found(host: str, _port: object = None, *_: Any, **__: Any) -> list[Any]:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

        monkeypatch.setattr(socket, "getaddrinfo", found)
        options = VisitOptions(pictures=1, visit_timeout_s=3, targets=PUBLIC, single_use=single_use)
        with pytest.raises(StreamError, match="no public address"):
            asyncio.run(StreamCameraClient(lambda: NOON)(StreamAddress.parse(url), options))
        with pytest.raises(BlockingIOError):
            server.accept()


def test_the_address_that_was_checked_is_the_one_that_is_connected_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A name that resolves to another address the second time gains nothing."""
    answers = iter([["127.0.0.1"], ["169.254.169.254"]])
    monkeypatch.setattr(target_policy, "resolve", lambda *_: next(answers))
    policy = TargetPolicy(networks=(ipaddress.ip_network("127.0.0.0/8"),))
    with socket.create_server(("127.0.0.1", 0)) as server:
        with checked_connect(policy)(("media", server.getsockname()[1]), 2.0) as sock:
            assert sock.getpeername() == server.getsockname()
        with pytest.raises(TargetRefused):
            checked_connect(policy)(("media", 1), 2.0)
