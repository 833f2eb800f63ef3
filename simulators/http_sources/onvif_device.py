"""An ONVIF device: the calls that lead to a picture, WS-Discovery, and a fault for each known trap.

Written against the WSDL, not against our client: it checks the login by itself (WS-UsernameToken
with its own clock, HTTP Digest), counts refused ones, and locks the account as devices do.
"""

import asyncio
import base64
import binascii
import hashlib
import re
import secrets
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from enum import StrEnum, auto
from html import escape
from typing import Final

from typing_extensions import override

from simulators.http_sources.http_server import HttpReply, HttpRequest, serving_http
from simulators.http_sources.live_media import LiveMedia
from simulators.rtsp_farm.auth import challenges, is_authorized
from simulators.town.model import Login

SERVICE: Final = "/onvif/device_service"
MEDIA_PATH: Final = "/onvif/media_service"
CLOCK_TOLERANCE: Final = timedelta(seconds=30)
LOCKED_AFTER: Final = 3  # refused logins
WRONG_HOST: Final = "192.168.254.254"  # the inner address behind NAT: nobody is there
GONE: Final = "/gone"  # a path of RTSP that is not there
SNAPSHOT_AGE: Final = timedelta(days=2)
_DEVICE: Final = "http://www.onvif.org/ver10/device/wsdl"
_MEDIA: Final = "http://www.onvif.org/ver10/media/wsdl"
_MEDIA2: Final = "http://www.onvif.org/ver20/media/wsdl"
_OPERATION: Final = re.compile(rb"<(?:[\w.-]+:)?Body[^>]*>\s*<(?:[\w.-]+:)?(\w+)")
_TEXT: Final = r"<(?:[\w.-]+:)?{0}(?:\s[^>]*)?>([^<]*)</(?:[\w.-]+:)?{0}>"


class OnvifFault(StrEnum):
    """What is wrong with a simulated device; the value stands on the command line."""

    CLOCK_BEHIND = auto()  # five hours
    CLOCK_JUMPS = auto()  # the clock moves between the first answer and the login
    WRONG_XADDR = auto()  # every address that it names is an inner one
    HTTP_DIGEST = auto()  # WS-UsernameToken is answered 401 with a Digest challenge
    CLOCK_NEEDS_LOGIN = auto()
    FAULTS_AS_500 = auto()  # SOAP faults come as HTTP 500 (else 400)
    NO_CAPABILITIES = auto()  # GetServices alone
    MEDIA2_ONLY = auto()
    NO_STREAM = auto()  # RTSP answers 404: the still picture is all there is
    OLD_SNAPSHOT = auto()  # and that one is two days old
    FROZEN_SNAPSHOT = auto()  # the same bytes again and again, without a date
    NO_PROFILES = auto()
    NO_ONVIF = auto()  # a web server that is no camera
    NO_ANSWER = auto()
    XML_BOMB = auto()
    HUGE_ANSWER = auto()


@dataclass(slots=True)
class OnvifDevice:
    """One device; what it was asked is counted."""

    media: LiveMedia
    user: str = "admin"
    password: str = "pa/ss@wörd"  # noqa: S105  a made-up one with specials
    faults: frozenset[OnvifFault] = frozenset()
    snapshot: bytes = b""
    asked: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    host: str = "127.0.0.1"
    port: int = 0
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))  # noqa: TID251  its clock
    _nonce: str = field(default_factory=lambda: secrets.token_hex(8))
    _snapshots: int = 0

    @property
    def offset(self) -> timedelta:
        """Its clock minus the true one."""
        if OnvifFault.CLOCK_BEHIND in self.faults:
            return timedelta(hours=-5)
        jumped = self.asked["GetCapabilities"] + self.asked["GetServices"] > 0
        moves = OnvifFault.CLOCK_JUMPS in self.faults and jumped
        return timedelta(minutes=10) if moves else timedelta()

    @asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncIterator[int]:
        """Listen for SOAP and RTSP; the HTTP port."""
        self.media.admit = self._admit
        async with (
            self.media.serving_rtsp(self.host),
            serving_http(
                self.handle, self.host, port, now=lambda: self.now() + self.offset
            ) as self.port,
        ):
            yield self.port

    def _admit(self, path: str, _query: str) -> int:
        return 404 if OnvifFault.NO_STREAM in self.faults and path == GONE else 200

    # -- requests ------------------------------------------------------------------------------

    async def handle(self, request: HttpRequest) -> HttpReply:
        """Answer one HTTP request."""
        if OnvifFault.NO_ANSWER in self.faults:
            await asyncio.sleep(3600)
        if request.path.startswith("/snapshot"):
            return self._snapshot(request)
        if OnvifFault.NO_ONVIF in self.faults or not request.path.startswith("/onvif/"):
            return HttpReply(status=404, body=b"<html>404</html>", content_type="text/html")
        found = _OPERATION.search(request.body)
        operation = found[1].decode() if found else ""
        self.asked[operation] += 1
        refusal = self._refusal(operation, request)
        return refusal if refusal is not None else self._answer(operation, request)

    def _refusal(self, operation: str, request: HttpRequest) -> HttpReply | None:
        """Why a call is not answered: the login, or a fault."""
        if OnvifFault.XML_BOMB in self.faults:
            bomb = '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">]><a>&a;</a>'
            return HttpReply(body=bomb.encode(), content_type="application/soap+xml")
        if OnvifFault.HUGE_ANSWER in self.faults:
            return HttpReply(body=b"<a>" + b"x" * (8 << 20), content_type="application/soap+xml")
        free = operation == "GetSystemDateAndTime"
        if free and OnvifFault.CLOCK_NEEDS_LOGIN not in self.faults:
            return None
        if not self.user or self._is_authorized(request):
            return None
        if b"UsernameToken" in request.body or "authorization" in request.headers:
            self.refused += 1
        if OnvifFault.HTTP_DIGEST in self.faults:
            login = Login(scheme="digest-md5-qop", user=self.user, password=self.password)
            offered = tuple(("WWW-Authenticate", c) for c in challenges(login, self._nonce))
            return HttpReply(status=401, headers=offered)
        return self._fault("ter:NotAuthorized", "Sender not Authorized")

    def _is_authorized(self, request: HttpRequest) -> bool:
        if self.refused >= LOCKED_AFTER:
            return False
        if OnvifFault.HTTP_DIGEST in self.faults:
            login = Login(scheme="digest-md5-qop", user=self.user, password=self.password)
            header = request.headers.get("authorization")
            return is_authorized(login, header, request.method, self._nonce)
        body = request.body.decode("utf-8", "replace")
        given = {name: _text(body, name) for name in ("Username", "Password", "Nonce", "Created")}
        try:
            nonce = base64.b64decode(given["Nonce"], validate=True)
            created = datetime.fromisoformat(given["Created"])
        except (ValueError, binascii.Error):
            return False
        if abs(created - (self.now() + self.offset)) > CLOCK_TOLERANCE:
            return False
        made = hashlib.sha1(nonce + given["Created"].encode() + self.password.encode()).digest()  # noqa: S324  the standard's  # nosec B324
        return given["Username"] == self.user and base64.b64decode(given["Password"]) == made

    def _fault(self, subcode: str, reason: str) -> HttpReply:
        body = (
            "<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode>"
            f"<s:Value>{subcode}</s:Value></s:Subcode></s:Code>"
            f'<s:Reason><s:Text xml:lang="en">{reason}</s:Text></s:Reason></s:Fault>'
        )
        return _soap(body, status=500 if OnvifFault.FAULTS_AS_500 in self.faults else 400)

    # -- answers -------------------------------------------------------------------------------

    def _answer(self, operation: str, request: HttpRequest) -> HttpReply:
        make = _ANSWERS.get(operation)
        if make is None or (
            operation == "GetCapabilities" and OnvifFault.NO_CAPABILITIES in self.faults
        ):
            return self._fault("ter:ActionNotSupported", "Optional Action Not Implemented")
        return _soap(make(self, request.body.decode("utf-8", "replace")))

    @property
    def _named_host(self) -> str:
        return WRONG_HOST if OnvifFault.WRONG_XADDR in self.faults else self.host

    def _url(self, path: str) -> str:
        return f"http://{self._named_host}:{self.port}{path}"

    def clock_answer(self, _body: str) -> str:
        """GetSystemDateAndTime."""
        at = self.now() + self.offset
        return (
            f'<tds:GetSystemDateAndTimeResponse xmlns:tds="{_DEVICE}"><tds:SystemDateAndTime>'
            "<tt:DateTimeType>NTP</tt:DateTimeType><tt:DaylightSavings>false</tt:DaylightSavings>"
            "<tt:TimeZone><tt:TZ>CST-8</tt:TZ></tt:TimeZone>"
            f"<tt:UTCDateTime><tt:Time><tt:Hour>{at.hour}</tt:Hour><tt:Minute>{at.minute}"
            f"</tt:Minute><tt:Second>{at.second}</tt:Second></tt:Time><tt:Date><tt:Year>{at.year}"
            f"</tt:Year><tt:Month>{at.month}</tt:Month><tt:Day>{at.day}</tt:Day></tt:Date>"
            "</tt:UTCDateTime></tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>"
        )

    def device_answer(self, _body: str) -> str:
        """GetDeviceInformation."""
        return (
            f'<tds:GetDeviceInformationResponse xmlns:tds="{_DEVICE}">'
            "<tds:Manufacturer>Look-alike</tds:Manufacturer><tds:Model>SIM-1</tds:Model>"
            "<tds:FirmwareVersion>1.0</tds:FirmwareVersion>"
            "<tds:SerialNumber>0001</tds:SerialNumber><tds:HardwareId>1</tds:HardwareId>"
            "</tds:GetDeviceInformationResponse>"
        )

    def capabilities_answer(self, _body: str) -> str:
        """GetCapabilities."""
        media = (
            f"<tt:Media><tt:XAddr>{self._url(MEDIA_PATH)}</tt:XAddr><tt:StreamingCapabilities>"
            "<tt:RTPMulticast>false</tt:RTPMulticast><tt:RTP_TCP>true</tt:RTP_TCP>"
            "<tt:RTP_RTSP_TCP>true</tt:RTP_RTSP_TCP></tt:StreamingCapabilities></tt:Media>"
        )
        inside = "" if OnvifFault.MEDIA2_ONLY in self.faults else media
        return (
            f'<tds:GetCapabilitiesResponse xmlns:tds="{_DEVICE}"><tds:Capabilities>'
            f"{inside}</tds:Capabilities></tds:GetCapabilitiesResponse>"
        )

    def services_answer(self, _body: str) -> str:
        """GetServices."""
        namespaces = (_DEVICE, _MEDIA2 if OnvifFault.MEDIA2_ONLY in self.faults else _MEDIA)
        services = "".join(
            f"<tds:Service><tds:Namespace>{namespace}</tds:Namespace>"
            f"<tds:XAddr>{self._url(SERVICE if namespace == _DEVICE else MEDIA_PATH)}</tds:XAddr>"
            "<tds:Version><tt:Major>2</tt:Major><tt:Minor>0</tt:Minor></tds:Version></tds:Service>"
            for namespace in namespaces
        )
        return (
            f'<tds:GetServicesResponse xmlns:tds="{_DEVICE}">{services}</tds:GetServicesResponse>'
        )

    def profiles_answer(self, body: str) -> str:
        """GetProfiles of either media service."""
        namespace = _MEDIA2 if _MEDIA2 in body else _MEDIA
        size = self.media.loop.format
        profiles = (
            ""
            if OnvifFault.NO_PROFILES in self.faults
            else "".join(
                _profile(namespace, token, size.width // part, size.height // part)
                for token, part in (("Profile_2", 2), ("Profile_1", 1))
            )
        )
        return f'<m:GetProfilesResponse xmlns:m="{namespace}">{profiles}</m:GetProfilesResponse>'

    def stream_answer(self, body: str) -> str:
        """GetStreamUri; the URI holds an ampersand."""
        namespace, token = _MEDIA2 if _MEDIA2 in body else _MEDIA, _text(body, "ProfileToken")
        path = GONE if OnvifFault.NO_STREAM in self.faults else "/live"
        uri = escape(
            f"rtsp://{self._named_host}:{self.media.rtsp_port}{path}?profile={token}&unicast=true"
        )
        return _uri_answer("GetStreamUri", namespace, uri)

    def snapshot_answer(self, body: str) -> str:
        """GetSnapshotUri."""
        namespace = _MEDIA2 if _MEDIA2 in body else _MEDIA
        return _uri_answer("GetSnapshotUri", namespace, self._url("/snapshot.jpg"))

    def _snapshot(self, request: HttpRequest) -> HttpReply:
        login = Login(scheme="digest-md5-qop", user=self.user, password=self.password)
        header = request.headers.get("authorization")
        if self.user and not is_authorized(login, header, request.method, self._nonce):
            self.refused += header is not None
            offered = tuple(("WWW-Authenticate", c) for c in challenges(login, self._nonce))
            return HttpReply(status=401, headers=offered)
        self._snapshots += 1
        made = self.now() + self.offset
        if OnvifFault.OLD_SNAPSHOT in self.faults:
            made -= SNAPSHOT_AGE
        frozen = OnvifFault.FROZEN_SNAPSHOT in self.faults
        dated = () if frozen else (("Last-Modified", format_datetime(made, usegmt=True)),)
        # A comment makes each picture another one, as a sensor's noise does.
        comment = b"\xff\xfe\x00\x06" + self._snapshots.to_bytes(4, "big")
        body = self.snapshot if frozen else self.snapshot[:2] + comment + self.snapshot[2:]
        return HttpReply(body=body, content_type="image/jpeg", headers=dated)


_ANSWERS: Final[dict[str, Callable[[OnvifDevice, str], str]]] = {
    "GetSystemDateAndTime": OnvifDevice.clock_answer,
    "GetDeviceInformation": OnvifDevice.device_answer,
    "GetCapabilities": OnvifDevice.capabilities_answer,
    "GetServices": OnvifDevice.services_answer,
    "GetProfiles": OnvifDevice.profiles_answer,
    "GetStreamUri": OnvifDevice.stream_answer,
    "GetSnapshotUri": OnvifDevice.snapshot_answer,
}


def _text(body: str, name: str) -> str:
    found = re.search(_TEXT.format(name), body)
    return found[1].strip() if found else ""


def _soap(body: str, status: int = 200) -> HttpReply:
    envelope = (
        '<?xml version="1.0" encoding="utf-8"?>'
        '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"'
        ' xmlns:tt="http://www.onvif.org/ver10/schema" xmlns:ter="http://www.onvif.org/ver10/error">'
        f"<s:Body>{body}</s:Body></s:Envelope>"
    )
    return HttpReply(
        status=status, body=envelope.encode(), content_type="application/soap+xml; charset=utf-8"
    )


def _uri_answer(operation: str, namespace: str, uri: str) -> str:
    if namespace == _MEDIA2:
        inside = f"<m:Uri>{uri}</m:Uri>"
    else:
        inside = (
            f"<m:MediaUri><tt:Uri>{uri}</tt:Uri>"
            "<tt:InvalidAfterConnect>false</tt:InvalidAfterConnect>"
            "<tt:InvalidAfterReboot>false</tt:InvalidAfterReboot>"
            "<tt:Timeout>PT0S</tt:Timeout></m:MediaUri>"
        )
    return f'<m:{operation}Response xmlns:m="{namespace}">{inside}</m:{operation}Response>'


def _profile(namespace: str, token: str, width: int, height: int) -> str:
    size = f"<tt:Resolution><tt:Width>{width}</tt:Width><tt:Height>{height}</tt:Height>"
    size += "</tt:Resolution>"
    if namespace == _MEDIA2:
        return (
            f'<m:Profiles token="{token}" fixed="true"><m:Name>{token}</m:Name><m:Configurations>'
            f'<m:VideoEncoder token="v_{token}"><tt:Name>v</tt:Name><tt:UseCount>1</tt:UseCount>'
            f"<tt:Encoding>H264</tt:Encoding>{size}<tt:Quality>1</tt:Quality></m:VideoEncoder>"
            "</m:Configurations></m:Profiles>"
        )
    return (
        f'<m:Profiles token="{token}" fixed="true"><tt:Name>{token}</tt:Name>'
        f'<tt:VideoEncoderConfiguration token="v_{token}"><tt:Name>v</tt:Name>'
        f"<tt:UseCount>1</tt:UseCount><tt:Encoding>H264</tt:Encoding>{size}"
        "<tt:Quality>1</tt:Quality><tt:Multicast><tt:Address><tt:Type>IPv4</tt:Type>"
        "</tt:Address><tt:Port>0</tt:Port><tt:TTL>0</tt:TTL><tt:AutoStart>false</tt:AutoStart>"
        "</tt:Multicast><tt:SessionTimeout>PT60S</tt:SessionTimeout>"
        "</tt:VideoEncoderConfiguration></m:Profiles>"
    )


class _DiscoveryAnswer(asyncio.DatagramProtocol):
    """Answers WS-Discovery probes for a device."""

    def __init__(self, device: OnvifDevice) -> None:
        self._device = device
        self._transport: asyncio.DatagramTransport | None = None

    @override
    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    @override
    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        found = re.search(_TEXT.format("MessageID"), data.decode("utf-8", "replace"))
        if self._transport is None or found is None or b"Probe>" not in data:
            return
        device = self._device
        self._transport.sendto(probe_match(device, found[1]), addr)


def probe_match(device: OnvifDevice, relates_to: str) -> bytes:
    """The device's answer to a probe."""
    scopes = "onvif://www.onvif.org/name/Look%20alike onvif://www.onvif.org/hardware/SIM-1"
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"'
        ' xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"'
        ' xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery">'
        f"<s:Header><a:RelatesTo>{relates_to}</a:RelatesTo></s:Header><s:Body><d:ProbeMatches>"
        f"<d:ProbeMatch><a:EndpointReference><a:Address>urn:uuid:sim-{device.port}</a:Address>"
        "</a:EndpointReference><d:Types>dn:NetworkVideoTransmitter</d:Types>"
        f"<d:Scopes>{scopes}</d:Scopes><d:XAddrs>http://{device.host}:{device.port}{SERVICE}"
        "</d:XAddrs><d:MetadataVersion>1</d:MetadataVersion></d:ProbeMatch></d:ProbeMatches>"
        "</s:Body></s:Envelope>"
    ).encode()


@asynccontextmanager
async def answering_discovery(device: OnvifDevice, port: int = 0) -> AsyncIterator[int]:
    """Answer probes at a UDP port of the device's host; the port."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((device.host, port))
    sock.setblocking(False)  # noqa: FBT003  the socket's own signature
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _DiscoveryAnswer(device), sock=sock)
    try:
        yield int(sock.getsockname()[1])
    finally:
        transport.close()
