"""zeep, which reads the real WSDL, against our requests and against our device."""

import asyncio
from pathlib import Path
from typing import Any

import onvif
import pytest
from lxml import etree
from zeep import Client
from zeep.transports import Transport

from simulators.http_sources.http_server import HttpRequest
from simulators.http_sources.onvif_device import OnvifDevice, OnvifFault
from streams.onvif import soap
from tests.support.lookalikes import media

WSDL = Path(onvif.__file__).parent / "wsdl"
ENVELOPE = "{http://www.w3.org/2003/05/soap-envelope}"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def services() -> dict[str, Client]:
    """The two services of the WSDL, by their namespaces."""
    transport = Transport(cache=None)
    return {
        soap.DEVICE: Client(str(WSDL / "devicemgmt.wsdl"), transport=transport),
        soap.MEDIA: Client(str(WSDL / "media.wsdl"), transport=transport),
    }


CALLS = [
    soap.GET_CLOCK, soap.GET_DEVICE, soap.GET_CAPABILITIES, soap.GET_SERVICES,
    soap.get_profiles(soap.MEDIA), soap.get_stream_uri(soap.MEDIA, "Profile_1"),
    soap.get_snapshot_uri(soap.MEDIA, "Profile_1"),
]  # fmt: skip


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.action.rpartition("/")[2])
def test_the_wsdl_reads_our_requests_and_our_devices_answers(
    services: dict[str, Client], call: soap.SoapCall
) -> None:
    namespace, _, operation = call.action.rpartition("/")
    service = services[namespace]
    body = etree.fromstring(call.envelope()).find(f"{ENVELOPE}Body")
    element = service.get_element(f"{{{namespace}}}{operation}")
    read = element.parse(body[0], service.wsdl.types)
    if "ProfileToken" in call.body:
        assert read.ProfileToken == "Profile_1"
    if operation == "GetStreamUri":
        assert (read.StreamSetup.Stream, read.StreamSetup.Transport.Protocol) == (
            "RTP-Unicast", "RTSP",
        )  # fmt: skip
    if operation == "GetCapabilities":
        assert read.Category == ["All"]
    made = _answer(call)
    answer = service.get_element(f"{{{namespace}}}{operation}Response")
    assert answer.parse(made, service.wsdl.types) is not None


def _answer(call: soap.SoapCall) -> Any:
    device = OnvifDevice(media(), user="", faults=frozenset())
    device.port, device.media.rtsp_port = 8000, 8554
    request = HttpRequest(
        method="POST", path="/onvif/x", raw_target="/onvif/x", query={}, headers={},
        body=call.envelope(),
    )  # fmt: skip
    reply = asyncio.run(device.handle(request))
    return etree.fromstring(reply.body).find(f"{ENVELOPE}Body")[0]


@pytest.mark.parametrize("faults", [frozenset(), frozenset({OnvifFault.CLOCK_BEHIND})])
def test_an_onvif_client_that_is_not_ours_finds_the_stream(faults: frozenset[OnvifFault]) -> None:
    """With a login by its own WS-UsernameToken, and the device's clock hours off."""

    async def main() -> Any:
        device = OnvifDevice(media(), password="zeep-pass", faults=faults)
        async with device.serving() as port:
            camera = onvif.ONVIFCamera(
                "127.0.0.1", port, "admin", "zeep-pass", wsdl_dir=str(WSDL), adjust_time=True
            )
            try:
                await camera.update_xaddrs()
                service = await camera.create_media_service()
                profiles = await service.GetProfiles()
                setup = {"Stream": "RTP-Unicast", "Transport": {"Protocol": "RTSP"}}
                request = {"StreamSetup": setup, "ProfileToken": profiles[1].token}
                uri = await service.GetStreamUri(request)
                return profiles, uri.Uri, device
            finally:
                await camera.close()

    profiles, uri, device = asyncio.run(main())
    assert [profile.token for profile in profiles] == ["Profile_2", "Profile_1"]
    assert profiles[1].VideoEncoderConfiguration.Resolution.Width == 320
    assert uri.endswith("/live?profile=Profile_1&unicast=true")
    assert device.refused == 0
