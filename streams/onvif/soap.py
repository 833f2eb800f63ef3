"""SOAP messages of ONVIF: requests written, answers and faults read. Pure.

The four calls that lead to a picture (ONVIF Core §5, Media §5) and the two that fall back: device
clock, capabilities or services, profiles, stream URI, snapshot URI. WS-UsernameToken as OASIS
WSS 1.0 "UsernameToken Profile" §3.1 has it: Base64(SHA-1(nonce + created + password)), `created` by
the *device's* clock.
"""

import base64
import hashlib
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from streams.errors import Unreadable
from streams.onvif.xml import SoapElement, escape, read_xml
from streams.rtsp.message import printable

SOAP_TYPE: Final = "application/soap+xml; charset=utf-8"
_ENVELOPE: Final = "http://www.w3.org/2003/05/soap-envelope"
_WSS: Final = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
DEVICE: Final = "http://www.onvif.org/ver10/device/wsdl"
MEDIA: Final = "http://www.onvif.org/ver10/media/wsdl"
MEDIA2: Final = "http://www.onvif.org/ver20/media/wsdl"
_SCHEMA: Final = "http://www.onvif.org/ver10/schema"
NONCE_BYTES: Final = 16
# Subcodes by which devices say that the login was not accepted, in lower case.
_LOGIN_SUBCODES: Final = ("notauthorized", "sendernotauthorized", "failedauthentication")
_LOGIN_WORDINGS: Final = ("not authorized", "unauthorized", "authentication", "authority failure")


@dataclass(frozen=True, slots=True)
class UsernameToken:
    """A login for one SOAP request; `created` is the device's time."""

    user: str
    password: str = field(repr=False)
    nonce: bytes = field(repr=False)
    created: datetime

    def header(self) -> str:
        """The `Security` header."""
        created = self.created.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        digest = hashlib.sha1(
            self.nonce + created.encode() + self.password.encode(), usedforsecurity=False
        ).digest()
        return (
            f'<wsse:Security xmlns:wsse="{_WSS}wssecurity-secext-1.0.xsd"'
            f' xmlns:wsu="{_WSS}wssecurity-utility-1.0.xsd" s:mustUnderstand="1">'
            f"<wsse:UsernameToken><wsse:Username>{escape(self.user)}</wsse:Username>"
            f'<wsse:Password Type="{_WSS}username-token-profile-1.0'
            f'#PasswordDigest">{_b64(digest)}</wsse:Password>'
            f'<wsse:Nonce EncodingType="{_WSS}soap-message-security-1.0#Base64Binary">'
            f"{_b64(self.nonce)}</wsse:Nonce>"
            f"<wsu:Created>{created}</wsu:Created></wsse:UsernameToken></wsse:Security>"
        )


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@dataclass(frozen=True, slots=True)
class SoapCall:
    """One operation: its action URI and the body's inside."""

    action: str
    body: str

    def envelope(self, token: UsernameToken | None = None) -> bytes:
        """The whole message."""
        header = f"<s:Header>{token.header()}</s:Header>" if token is not None else ""
        return (
            f'<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="{_ENVELOPE}">'
            f"{header}<s:Body>{self.body}</s:Body></s:Envelope>"
        ).encode()

    @property
    def content_type(self) -> str:
        """The Content-Type, with the action that some devices dispatch by (RFC 3902 §4)."""
        return f'{SOAP_TYPE}; action="{self.action}"'


def _call(namespace: str, operation: str, inside: str = "") -> SoapCall:
    body = f'<o:{operation} xmlns:o="{namespace}" xmlns:t="{_SCHEMA}">{inside}</o:{operation}>'
    return SoapCall(f"{namespace}/{operation}", body)


GET_CLOCK: Final = _call(DEVICE, "GetSystemDateAndTime")
GET_DEVICE: Final = _call(DEVICE, "GetDeviceInformation")
GET_CAPABILITIES: Final = _call(DEVICE, "GetCapabilities", "<o:Category>All</o:Category>")
GET_SERVICES: Final = _call(
    DEVICE, "GetServices", "<o:IncludeCapability>false</o:IncludeCapability>"
)


def get_profiles(namespace: str) -> SoapCall:
    """GetProfiles of Media (ver10) or Media2 (ver20), which gives encoders only when asked to."""
    inside = "<o:Type>VideoSource</o:Type><o:Type>VideoEncoder</o:Type>"
    return _call(namespace, "GetProfiles", inside if namespace == MEDIA2 else "")


def get_stream_uri(namespace: str, profile: str) -> SoapCall:
    """GetStreamUri for RTSP."""
    token = f"<o:ProfileToken>{escape(profile)}</o:ProfileToken>"
    if namespace == MEDIA2:
        return _call(namespace, "GetStreamUri", f"<o:Protocol>RTSP</o:Protocol>{token}")
    setup = (
        "<o:StreamSetup><t:Stream>RTP-Unicast</t:Stream>"
        "<t:Transport><t:Protocol>RTSP</t:Protocol></t:Transport></o:StreamSetup>"
    )
    return _call(namespace, "GetStreamUri", setup + token)


def get_snapshot_uri(namespace: str, profile: str) -> SoapCall:
    """GetSnapshotUri."""
    return _call(namespace, "GetSnapshotUri", f"<o:ProfileToken>{escape(profile)}</o:ProfileToken>")


class SoapFault(Exception):
    """A device's refusal of a call; `login` when it is about user or password."""

    def __init__(self, subcode: str, reason: str) -> None:
        super().__init__(f"{subcode}: {reason}" if subcode else reason)
        self.subcode = subcode
        low = reason.lower()
        known = subcode.lower() in _LOGIN_SUBCODES
        self.login = known or any(wording in low for wording in _LOGIN_WORDINGS)


def read_soap(data: bytes) -> SoapElement:
    """The first element of the body. Raises SoapFault, Unreadable."""
    root = read_xml(data)
    body = root.child("Body") if root.name == "Envelope" else None
    if body is None:
        raise Unreadable("XML, but no SOAP envelope")
    fault = body.child("Fault")
    if fault is not None:
        raise _fault(fault)
    if not body.children:
        raise Unreadable("an empty SOAP body")
    return body.children[0]


def _fault(fault: SoapElement) -> SoapFault:
    """SOAP 1.2 (Code/Subcode/Value, Reason/Text), or SOAP 1.1 (faultcode, faultstring)."""
    values = [e.text.strip() for e in fault.descendants() if e.name == "Value" and e.text.strip()]
    subcode = (values[-1] if values else fault.text_at("faultcode")).rpartition(":")[2]
    reason = fault.text_at("Reason", "Text") or fault.text_at("faultstring") or "a SOAP fault"
    return SoapFault(printable(subcode, 40), printable(reason, 120))


def read_clock(answer: SoapElement) -> datetime | None:
    """The device's UTC time; from its local time and zone where it gives that alone."""
    utc = answer.find("UTCDateTime")
    found = _date_time(utc) if utc is not None else None
    if found is not None:
        return found
    local, zone = answer.find("LocalDateTime"), answer.find("TZ")
    found = _date_time(local) if local is not None else None
    if found is None:
        return None
    return found + timedelta(hours=_posix_offset_h(zone.text if zone is not None else ""))


def _date_time(element: SoapElement) -> datetime | None:
    numbers = [
        element.text_at("Date", "Year"), element.text_at("Date", "Month"),
        element.text_at("Date", "Day"), element.text_at("Time", "Hour"),
        element.text_at("Time", "Minute"), element.text_at("Time", "Second"),
    ]  # fmt: skip
    try:
        year, month, day, hour, minute, second = (int(number[:4]) for number in numbers)
        return datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
    except ValueError:
        return None


_POSIX_ZONE: Final = re.compile(
    r"(?:<[^<>]{1,12}>|[A-Za-z]{1,12})([+-]?)(\d{1,2})(?::(\d{2}))?", re.ASCII
)


def _posix_offset_h(text: str) -> float:
    """Hours to add to local time for UTC, of a POSIX TZ such as `CST-8` (IEEE 1003.1 §8.3)."""
    match = _POSIX_ZONE.match(text.strip())
    if match is None:
        return 0.0
    hours = int(match[2]) + int(match[3] or 0) / 60
    return 0.0 if hours > 14 else -hours if match[1] == "-" else hours  # noqa: PLR2004  no zone is farther


@dataclass(frozen=True, slots=True, kw_only=True)
class OnvifProfile:
    """One media profile as a device describes it."""

    token: str
    name: str
    encoding: str  # H264, H265, JPEG as the device writes it; empty where it has no video
    width_px: int
    height_px: int


def read_profiles(answer: SoapElement) -> list[OnvifProfile]:
    """The profiles, in the device's order; both versions of the media service."""
    found = []
    for element in answer.descendants():
        token = element.attributes.get("token", "")
        if element.name != "Profiles" or not token:
            continue
        encoder = element.child("VideoEncoderConfiguration") or element.child(
            "Configurations", "VideoEncoder"
        )
        found.append(
            OnvifProfile(
                token=token,
                name=element.text_at("Name"),
                encoding=encoder.text_at("Encoding").upper() if encoder is not None else "",
                width_px=_int(encoder, "Width"),
                height_px=_int(encoder, "Height"),
            )
        )
    return found


def _int(encoder: SoapElement | None, name: str) -> int:
    text = encoder.text_at("Resolution", name) if encoder is not None else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0  # noqa: PLR2004


def read_uri(answer: SoapElement) -> str:
    """The URI of GetStreamUri and GetSnapshotUri. Raises Unreadable."""
    uri = answer.text_at("MediaUri", "Uri") or answer.text_at("Uri")
    if "://" not in uri:
        raise Unreadable("the device names no URI")
    return uri


def read_media_services(answer: SoapElement) -> dict[str, str]:
    """Media namespaces → addresses, of GetCapabilities or GetServices."""
    found = {}
    for service in answer.all("Service"):
        namespace = service.text_at("Namespace")
        if namespace in {MEDIA, MEDIA2}:
            found[namespace] = service.text_at("XAddr")
    media = answer.child("Capabilities", "Media")
    if media is not None and media.text_at("XAddr"):
        found.setdefault(MEDIA, media.text_at("XAddr"))
    return {namespace: address for namespace, address in found.items() if address}


def read_device(answer: SoapElement) -> dict[str, str]:
    """Manufacturer, model and firmware, each one printable line."""
    names = ("Manufacturer", "Model", "FirmwareVersion", "SerialNumber")
    return {name: printable(answer.text_at(name)) for name in names}
