"""Addresses of platforms and gateways: what is read, what is refused, what is shown."""

import asyncio
from datetime import UTC, datetime

import pytest

from streams.address import StreamAddress
from streams.capture import StreamCameraClient
from streams.errors import BadAddress, Unreachable
from streams.model import Sample, VisitOptions

CHANNEL = "62090204001320000001"
GOOD = [
    f"gb28181://town/{CHANNEL}",
    f"gb28181://town.1_a-b/{CHANNEL}?stream=sub",
    "onvif://192.0.2.7/",
    "onvif://192.0.2.7/Profile_1",
    "onvif://user:p%40ss@[2001:db8::1]:8080/Profile_1",
    "ticket://ctcc/3TP-01%2F2",
    "wvp://centre/34020000001320000001/34020000001320000002",
    "zlm://edge/live/cam_1",
]
BAD = [
    (f"gb28181://town:5060/{CHANNEL}", "the port stands in sources.yaml"),
    (f"gb28181://u:s3cret@town/{CHANNEL}", "user and password stand in sources.yaml"),
    ("gb28181://town/1", "20-digit"),
    ("gb28181://town", "20-digit"),
    (f"gb28181://town/{CHANNEL}/{CHANNEL}", "20-digit"),
    (f"gb28181://town/{CHANNEL}?ticket=s3cret", "behind ?"),
    (f"gb28181://城镇/{CHANNEL}", "no name of sources.yaml"),
    ("gb28181:///x", "no host"),
    ("onvif://192.0.2.7/a/b", "one profile"),
    ("ticket://ctcc", "one device"),
    ("wvp://centre/1", "a device's and a channel's"),
    ("zlm://edge/live", "an application and a stream"),
    ("zlm://edge/live//x", "an application and a stream"),
]


@pytest.mark.parametrize("url", GOOD)
def test_a_source_is_read_and_written_back(url: str) -> None:
    address = StreamAddress.parse(url)
    assert address.is_source
    assert StreamAddress.parse(address.with_credentials) == address


@pytest.mark.parametrize(("url", "said"), BAD)
def test_a_source_that_cannot_be_meant_is_refused(url: str, said: str) -> None:
    with pytest.raises(BadAddress, match=said) as refused:
        StreamAddress.parse(url)
    assert "s3cret" not in str(refused.value)


def test_codes_are_decoded_and_nothing_else_is_a_source() -> None:
    assert StreamAddress.parse("ticket://ctcc/3TP-01%2F2").source_path == ("3TP-01/2",)
    assert not StreamAddress.parse("rtsp://192.0.2.1/a").is_source


def test_the_scheme_chooses_the_opener_and_none_is_an_error_of_the_address() -> None:
    asked: list[StreamAddress] = []

    async def opener(address: StreamAddress, _options: VisitOptions) -> Sample:
        asked.append(address)
        raise Unreachable("as told")

    client = StreamCameraClient(lambda: datetime(2026, 11, 22, tzinfo=UTC), {"gb28181": opener})
    with pytest.raises(Unreachable, match="as told"):
        asyncio.run(client(StreamAddress.parse(GOOD[0]), VisitOptions()))
    assert asked == [StreamAddress.parse(GOOD[0])]
    with pytest.raises(BadAddress, match="zlm is not set up"):
        asyncio.run(client(StreamAddress.parse(GOOD[-1]), VisitOptions()))
