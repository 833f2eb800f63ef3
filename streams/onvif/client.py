"""Ask an ONVIF device for the address of a profile's stream: few calls, never locked out.

`OnvifClient` keeps the state of one visit: the device's clock, the way it takes the login
(WS-UsernameToken first, HTTP Digest where that is refused) and how often it refused one. After
MAX_LOGIN_REFUSALS it is asked nothing more: devices lock accounts after three to five.

Every address that a device names is taken by its path and port alone: behind NAT and in other
networks it names a host that is not there, so the host that was reached stays.
"""

import dataclasses
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from streams.address import StreamAddress
from streams.control_http import Ask, ControlAnswer, ControlRequest
from streams.errors import (
    LOGIN_REFUSED,
    BadAddress,
    RefusedUs,
    StreamError,
    Unreadable,
    WentSilent,
)
from streams.onvif import soap
from streams.onvif.soap import OnvifProfile, SoapCall, SoapFault, UsernameToken
from streams.onvif.xml import SoapElement
from streams.rtsp.digest_auth import DigestAuthenticator
from streams.rtsp.message import printable

SERVICE_PATH: Final = "/onvif/device_service"  # ONVIF Core §5.1.2 wants it there
HTTPS_PORT: Final = 443
MAX_LOGIN_REFUSALS: Final = 2  # of one visit
CLOCK_CHANGED_S: Final = 2.0  # less is the time that a call takes
MAX_PROFILES: Final = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFacts:
    """What a device told of itself before its profiles."""

    clock_offset_s: float | None  # its clock minus ours
    media: dict[str, str]  # media namespace → path of the service


@dataclass(slots=True, kw_only=True)
class OnvifClient:
    """One device in one visit; `ask` makes the HTTP calls, `now` is our UTC clock."""

    address: StreamAddress  # onvif://[user:password@]host[:port]/…
    ask: Ask
    now: Callable[[], datetime]
    left_s: Callable[[], float]  # how long a call may take now
    make_nonce: Callable[[], bytes] = lambda: secrets.token_bytes(soap.NONCE_BYTES)
    clock_offset: timedelta | None = None
    login_refusals: int = 0
    over_http_digest: bool = False
    _let_in: bool = False  # by HTTP Digest, once
    _digest: DigestAuthenticator = field(init=False)

    def __post_init__(self) -> None:
        self._digest = DigestAuthenticator(self.address.user, self.address.password)

    async def read_clock(self) -> None:
        """Take the device's clock, which needs no login; one that cannot be read changes nothing.

        Raises StreamError where there is no device at all.
        """
        self.clock_offset = await self._clock_offset()

    async def facts(self) -> DeviceFacts:
        """The media services: capabilities, or the list of services where they are not given.

        Raises StreamError.
        """
        media: dict[str, str] = {}
        for call in (soap.GET_CAPABILITIES, soap.GET_SERVICES):
            try:
                media |= soap.read_media_services(await self.call(SERVICE_PATH, call))
            except (RefusedUs, Unreadable):
                if self.login_refusals or (call is soap.GET_SERVICES and not media):
                    raise
            if media:
                break
        if not media:
            raise Unreadable("the device names no media service (is it a camera?)")
        paths = {namespace: path_of(address) for namespace, address in media.items()}
        offset = self.clock_offset
        return DeviceFacts(
            clock_offset_s=offset.total_seconds() if offset is not None else None, media=paths
        )

    async def profiles(self, facts: DeviceFacts) -> tuple[str, list[OnvifProfile]]:
        """The namespace of the media service that gave profiles, and these. Raises StreamError.

        Media2 comes second: profiles with H.265 stand there alone on newer devices.
        """
        namespace, found = "", []
        for service in (soap.MEDIA, soap.MEDIA2):
            if service not in facts.media:
                continue
            answer = await self.call(facts.media[service], soap.get_profiles(service))
            namespace, found = service, soap.read_profiles(answer)[:MAX_PROFILES]
            if found:
                break
        if not found:
            raise Unreadable("the device has no profile")
        return namespace, found

    async def stream_address(
        self, facts: DeviceFacts, namespace: str, profile: OnvifProfile
    ) -> StreamAddress:
        """The RTSP address of a profile, host and login as we know them. Raises StreamError."""
        call = soap.get_stream_uri(namespace, profile.token)
        return await self._named_address(facts.media[namespace], call)

    async def snapshot_address(
        self, facts: DeviceFacts, namespace: str, profile: OnvifProfile
    ) -> StreamAddress:
        """The HTTP address of a profile's still picture. Raises StreamError."""
        call = soap.get_snapshot_uri(namespace, profile.token)
        return await self._named_address(facts.media[namespace], call)

    async def _named_address(self, path: str, call: SoapCall) -> StreamAddress:
        return reached_address(self.address, soap.read_uri(await self.call(path, call)))

    # -- one call ------------------------------------------------------------------------------

    async def call(self, path: str, call: SoapCall) -> SoapElement:
        """The answer to one operation, with the login where there is one. Raises StreamError."""
        while True:
            answer = await self.ask(self._request(path, call), self.left_s())
            try:
                body = self._read(answer, call)
            except SoapFault as fault:
                if not await self._may_ask_again(answer, fault):
                    raise self._refusal(call, answer, fault) from None
                continue
            self._let_in = self._let_in or self.over_http_digest
            self._digest.confirm()
            return body

    def _request(self, path: str, call: SoapCall) -> ControlRequest:
        headers = [("Content-Type", call.content_type), ("User-Agent", "patrol-streams")]
        if self.over_http_digest:
            authorization = self._digest.authorization("POST", path)
            headers += [("Authorization", authorization)] if authorization else []
        token = None
        if self.address.user and not self.over_http_digest and call is not soap.GET_CLOCK:
            created = self.now() + (self.clock_offset or timedelta())
            token = UsernameToken(
                self.address.user, self.address.password, self.make_nonce(), created
            )
        url = f"{device_origin(self.address)}{path}"
        body = call.envelope(token)
        return ControlRequest(method="POST", url=url, headers=tuple(headers), body=body)

    def _read(self, answer: ControlAnswer, call: SoapCall) -> SoapElement:
        """The body of a 200; faults come as 200, 400 and 500. Raises SoapFault, StreamError."""
        if answer.status == HTTPStatus.UNAUTHORIZED:
            raise SoapFault("NotAuthorized", "401 Unauthorized")
        try:
            return soap.read_soap(answer.body)
        except Unreadable as exc:
            name = operation_of(call)
            if answer.status == HTTPStatus.OK:
                raise Unreadable(f"{name}: {exc.seen}") from None
            if answer.status == HTTPStatus.FORBIDDEN:
                raise RefusedUs(f"{name}: 403 Forbidden") from None
            if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                raise WentSilent(f"{name}: HTTP {answer.status}") from None
            raise Unreadable(f"{name}: HTTP {answer.status}, no ONVIF device") from None

    async def _may_ask_again(self, answer: ControlAnswer, fault: SoapFault) -> bool:
        """After a refused login: by the device's new clock, or by HTTP Digest; then no more."""
        if not (fault.login and self.address.user):
            return False
        challenged = answer.status == HTTPStatus.UNAUTHORIZED
        answerable = challenged and self._digest.accept_challenges(answer.all("www-authenticate"))
        if self.over_http_digest and self._let_in and answerable:
            return True  # the nonce ran out
        self.login_refusals += 1
        if self.over_http_digest or self.login_refusals >= MAX_LOGIN_REFUSALS:
            return False
        if answerable:
            self.over_http_digest = True
            return True
        return await self._clock_changed()

    async def _clock_changed(self) -> bool:
        """Read the device's clock again; whether it is another than the login was made by."""
        before = self.clock_offset or timedelta()
        self.clock_offset = await self._clock_offset()
        after = self.clock_offset or timedelta()
        return abs((after - before).total_seconds()) > CLOCK_CHANGED_S

    async def _clock_offset(self) -> timedelta | None:
        asked_at = self.now()
        answer = await self.ask(self._request(SERVICE_PATH, soap.GET_CLOCK), self.left_s())
        try:
            clock = soap.read_clock(self._read(answer, soap.GET_CLOCK))
        except SoapFault:
            clock = answer.date  # some devices want a login for it: its HTTP clock is the same
        return clock - (asked_at + (self.now() - asked_at) / 2) if clock is not None else None

    def _refusal(self, call: SoapCall, answer: ControlAnswer, fault: SoapFault) -> StreamError:
        name = operation_of(call)
        if not fault.login:
            return RefusedUs(f"{name} refused: {printable(str(fault))}")
        why = "the user or the password is not accepted"
        if not self.address.user:
            why = "a user and a password are wanted, the address has none"
        elif answer.status == HTTPStatus.UNAUTHORIZED and not self._digest.answered:
            why = self._digest.refusal_text()
        offset = self.clock_offset
        off_s = offset.total_seconds() if offset is not None else 0.0
        seconds = (
            f", its clock is {round(off_s):+d} s off ours" if abs(off_s) > CLOCK_CHANGED_S else ""
        )
        return RefusedUs(
            f"{name}: {why} ({printable(str(fault), 60)}{seconds})", reason=LOGIN_REFUSED
        )


def operation_of(call: SoapCall) -> str:
    """`GetProfiles` of a call's action."""
    return call.action.rpartition("/")[2]


def device_origin(address: StreamAddress) -> str:
    """`http://host[:port]` of an onvif address; TLS at port 443."""
    secure = address.port == HTTPS_PORT
    web = dataclasses.replace(address, scheme="https" if secure else "http")
    return f"{web.scheme}://{web.authority}"


def path_of(uri: str) -> str:
    """Path and query of a service's address; the host that it names may not be there."""
    parts = urlsplit(uri if "://" in uri else f"//host/{uri.lstrip('/')}")
    path = parts.path or "/"
    return f"{path}?{parts.query}" if parts.query else path


def reached_address(device: StreamAddress, uri: str) -> StreamAddress:
    """A media address that a device named: its path and port, our host, our login.

    A login that the device itself put into the URI is its own choice and stays. Raises Unreadable.
    """
    try:
        named = StreamAddress.parse(uri)
    except BadAddress as exc:
        raise Unreadable(f"the device names an address that is none: {exc.seen}") from None
    if named.scheme not in {"rtsp", "rtsps", "http", "https"}:
        raise Unreadable(f"the device names {named}, which is neither RTSP nor HTTP")
    user, password = (named.user, named.password) if named.user else (device.user, device.password)
    return dataclasses.replace(named, host=device.host, user=user, password=password)


def choose_profile(profiles: list[OnvifProfile], wanted: str) -> OnvifProfile:
    """The profile of this token or name; the largest picture where none is named.

    Raises RefusedUs where the device has no such profile, and names those
    that it has.
    """
    if wanted:
        for profile in profiles:
            if wanted == profile.token:
                return profile
        for profile in profiles:
            if wanted.casefold() == profile.name.casefold():
                return profile
        known = ", ".join(printable(profile.token, 40) for profile in profiles[:8])
        raise RefusedUs(f"no profile {printable(wanted, 40)!r}; the device has {known}")
    video = [profile for profile in profiles if profile.encoding] or profiles
    moving = [profile for profile in video if profile.encoding != "JPEG"] or video
    return max(moving, key=lambda profile: profile.width_px * profile.height_px)
