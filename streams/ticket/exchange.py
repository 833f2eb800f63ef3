"""Calls of a ticket service written, its answers read. Pure: no socket, no clock.

`write_call` signs a call by the profile; `read_answer` turns whatever came back into data or into
the error that names whose move it is. No error quotes a URL, a token or a body.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote, urlencode

from streams.address import StreamAddress
from streams.control_http import ControlAnswer, ControlRequest, read_json, value_at
from streams.errors import (
    DEVICE_OFFLINE,
    LOGIN_REFUSED,
    NOT_FOUND,
    BadAddress,
    RefusedUs,
    StreamBusy,
    StreamError,
    Unreachable,
    Unreadable,
    WentSilent,
)
from streams.rtsp.message import printable, read_retry_after
from streams.ticket import primitives
from streams.ticket.primitives import GENERATED, JOINS
from streams.ticket.profile import (
    PLACEHOLDER,
    Encoding,
    ExpiryFormat,
    ExpiryRule,
    ServiceCall,
    SignStep,
    VendorError,
    VendorProfile,
)

VENDOR_ERROR: Final = "vendor_error"  # the reason of an Unreadable
NO_GRANT: Final = "no_grant"  # the reason of a RefusedUs
EXPIRED_TICKET: Final = "expired_ticket"  # the reason of a RefusedUs
_TYPES: Final = {
    Encoding.FORM: "application/x-www-form-urlencoded; charset=utf-8",
    Encoding.JSON: "application/json; charset=utf-8",
}
_MAX_EPOCH_S: Final = 253_402_300_799  # the last second of the year 9999


class TokenRefused(Exception):
    """The service does not take the token (any more); a new one may do."""

    def __init__(self, error: StreamError) -> None:
        super().__init__(error.seen)
        self.error = error


@dataclass(frozen=True, slots=True, kw_only=True)
class CallValues:
    """What goes into one call."""

    base: str = field(repr=False)
    secrets: Mapping[str, str] = field(repr=False)
    values: Mapping[str, str] = field(repr=False)  # id, channel, token, page, size
    now_ms: int  # by the service's clock
    nonce: str


def write_call(profile: VendorProfile, call: ServiceCall, given: CallValues) -> ControlRequest:
    """The HTTP request of a call, signed. Raises Unreadable where a key does not fit."""
    names = {**given.secrets, **profile.constants, **given.values}
    params = filled(call.params, names)
    sent = params
    if call.signed and profile.sign:
        names |= _signed(profile, params, names, given)
        sent = filled(profile.send, names) if profile.send else params
        sent |= filled(profile.add, names)
    encoding = call.encoding or profile.encoding
    headers = {**filled(profile.headers, names), **filled(call.headers, names)}
    path = PLACEHOLDER.sub(lambda match: quote(names.get(match[1], ""), safe=""), call.path)
    url, body = f"{given.base.rstrip('/')}/{path.lstrip('/')}", b""
    if encoding is Encoding.QUERY or call.method == "GET":
        query = urlencode(_plain(sent))
        url += (("&" if "?" in url else "?") + query) if query else ""
    else:
        headers.setdefault("Content-Type", _TYPES[encoding])
        text = json.dumps(sent, ensure_ascii=False) if encoding is Encoding.JSON else ""
        body = (text or urlencode(_plain(sent))).encode()
    headers.setdefault("Accept", "application/json")
    filled_in = tuple((name, value) for name, value in headers.items() if value)
    return ControlRequest(method=call.method, url=url, headers=filled_in, body=body)


def _plain(sent: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in sent.items()
    }


def filled(value: Any, names: Mapping[str, str]) -> Any:
    """The value with `{NAME}` replaced in its texts, inside lists and mappings, too."""
    if isinstance(value, str):
        return PLACEHOLDER.sub(lambda match: names.get(match[1], ""), value)
    if isinstance(value, Mapping):
        return {name: filled(inner, names) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [filled(inner, names) for inner in value]
    return value


def _signed(
    profile: VendorProfile, params: Mapping[str, Any], names: Mapping[str, str], given: CallValues
) -> dict[str, str]:
    """What the signing steps made, by name."""
    known = dict(names)
    made: dict[str, str] = {}
    for step in profile.sign:
        made[step.into] = known[step.into] = _step(step, params, known, given)
    return made


def _step(
    step: SignStep, params: Mapping[str, Any], known: Mapping[str, str], given: CallValues
) -> str:
    operation = step.operation
    if operation in GENERATED:
        return primitives.generate(operation, given.now_ms, given.nonce)
    if operation in JOINS:
        separator = step.separator or "&"
        return primitives.join_parameters(operation, params, separator, step.equals)
    text = known.get(step.source, "")
    if step.parts:
        text = step.separator.join(known.get(name, "") for name in step.parts)
    key, iv = known.get(step.key, ""), known.get(step.iv, "")
    return primitives.apply(operation, text, key, iv)


def read_answer(profile: VendorProfile, answer: ControlAnswer, secrets: Mapping[str, str]) -> Any:
    """The data of an answer. Raises TokenRefused, StreamError."""
    if answer.status != HTTPStatus.OK:
        raise _refused_by_status(profile, answer)
    data = answer.json()
    code = value_at(data, profile.ok_path) if profile.ok_path else None
    if profile.ok_path and _text(code) not in profile.ok_values:
        message = _text(value_at(data, profile.message_path)) if profile.message_path else ""
        raise _refused_by_code(profile, _text(code), message)
    return _opened(profile, data, secrets)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None or isinstance(value, dict | list) else str(value)


def _opened(profile: VendorProfile, data: Any, secrets: Mapping[str, str]) -> Any:
    """The data with its encrypted part replaced by what is in it."""
    hidden = profile.hidden
    found = value_at(data, hidden.path) if hidden is not None else None
    if hidden is None or not isinstance(found, str) or not found:
        return data
    names = {**secrets, **profile.constants}
    key, iv = names.get(hidden.key, ""), names.get(hidden.iv, "")
    inside = read_json(primitives.decrypt(hidden.how, found, key, iv).encode())
    parent_path, _, last = hidden.path.rpartition(".")
    parent = value_at(data, parent_path)
    if isinstance(parent, dict):
        parent[last] = inside
    return data


def _refused_by_status(profile: VendorProfile, answer: ControlAnswer) -> Exception:
    status = answer.status
    code = ""
    if profile.ok_path:
        try:
            code = _text(value_at(answer.json(), profile.ok_path))
        except Unreadable:
            code = ""
    if code in profile.errors:
        return _refused_by_code(profile, code, "")
    seen = f"the ticket service answers HTTP {status}"
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return TokenRefused(RefusedUs(seen, reason=LOGIN_REFUSED))
    if status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
        wait_s = read_retry_after(answer.get("retry-after"))
        return StreamBusy(seen, status=status, retry_after_s=wait_s)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return WentSilent(seen)
    if status == HTTPStatus.NOT_FOUND:
        return RefusedUs(seen, reason=NOT_FOUND)
    return Unreadable(seen, reason=VENDOR_ERROR)


def _refused_by_code(profile: VendorProfile, code: str, message: str) -> Exception:
    """The error of a vendor's code, whatever the HTTP status was."""
    meaning = profile.errors.get(code)
    seen = f"the ticket service answers {printable(code, 30) or 'no code'}"
    seen += f" ({printable(message)})" if message else ""
    if meaning is VendorError.TOKEN:
        return TokenRefused(RefusedUs(seen, reason=LOGIN_REFUSED))
    if meaning in {VendorError.BUSY, VendorError.RATE}:
        return StreamBusy(seen)
    kind, reason = _ERRORS.get(meaning or "", (Unreadable, VENDOR_ERROR))
    return kind(seen, reason=reason)


_ERRORS: Final[Mapping[str, tuple[type[StreamError], str]]] = {
    VendorError.AUTH: (RefusedUs, LOGIN_REFUSED),
    VendorError.OFFLINE: (Unreachable, DEVICE_OFFLINE),
    VendorError.NOT_FOUND: (RefusedUs, NOT_FOUND),
    VendorError.GRANT: (RefusedUs, NO_GRANT),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """An access token and until when it is used, by the service's clock."""

    value: str = field(repr=False)
    until: datetime
    refresh: str = field(default="", repr=False)


def read_token(profile: VendorProfile, data: Any, answer: ControlAnswer, now: datetime) -> Token:
    """The token of an answer. Raises Unreadable."""
    rule = profile.token
    if rule is None:
        raise Unreadable("the profile has no token")
    value = _text(value_at(data, rule.value))
    if rule.from_header:
        value = answer.get(rule.from_header.lower())
    if not value:
        raise Unreadable("the service gave no token", reason=VENDOR_ERROR)
    ends = read_expiry(data, rule.expires, now, profile.zone_hours)
    ends = ends or now + timedelta(seconds=rule.default_ttl_s)
    # One whose whole life is shorter than `early_s` is used for half of it.
    life_s = max(0.0, (ends - now).total_seconds())
    until = ends - timedelta(seconds=min(rule.early_s, life_s / 2))
    refresh = _text(value_at(data, rule.refresh_value)) if rule.refresh_value else ""
    return Token(value=value, until=until, refresh=refresh)


@dataclass(frozen=True, slots=True, kw_only=True)
class MintedUrl:
    """A stream URL that was just handed out; kept nowhere, printed without its ticket."""

    address: StreamAddress
    expires_at: datetime  # by the service's clock
    single_use: bool


def read_minted(profile: VendorProfile, data: Any, now: datetime) -> MintedUrl:
    """The URL of an answer. Raises Unreadable."""
    rule = profile.url
    text = _text(value_at(data, rule.url)).strip()
    if not text:
        raise Unreadable("the service gave no URL", reason=VENDOR_ERROR)
    if "://" not in text:
        raise Unreadable("the service gave a URL without a scheme", reason=VENDOR_ERROR)
    try:
        address = StreamAddress.parse(text)
    except BadAddress as exc:
        raise Unreadable(f"the service gave what is no URL: {exc.seen}") from None
    ends = read_expiry(data, rule.expires, now, profile.zone_hours)
    ends = ends or now + timedelta(seconds=rule.default_ttl_s)
    return MintedUrl(address=address, expires_at=ends, single_use=rule.single_use)


def read_expiry(
    data: Any, rule: ExpiryRule | None, now: datetime, zone_hours: float
) -> datetime | None:
    """When something ends, UTC; None where the answer does not say."""
    text = _text(value_at(data, rule.path)).strip() if rule is not None else ""
    if rule is None or not text:
        return None
    zone = timezone(timedelta(hours=zone_hours))
    try:
        if rule.format in {ExpiryFormat.ISO, ExpiryFormat.LOCAL}:
            when = datetime.fromisoformat(text)
            return (when if when.tzinfo else when.replace(tzinfo=zone)).astimezone(UTC)
        number = float(text)
        if rule.format is ExpiryFormat.SECONDS:
            return now + timedelta(seconds=max(0.0, min(number, 10 * 365 * 86_400.0)))
        seconds = number / 1000 if rule.format is ExpiryFormat.EPOCH_MS else number
        return datetime.fromtimestamp(min(max(seconds, 0.0), _MAX_EPOCH_S), UTC)
    except (ValueError, OverflowError, OSError):
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketDevice:
    """A device as the service lists it."""

    id: str
    name: str
    online: bool | None  # None: the service does not tell


def read_devices(profile: VendorProfile, data: Any) -> list[TicketDevice]:
    """The devices of one page. Raises Unreadable."""
    rule = profile.list
    items = value_at(data, rule.items) if rule is not None else None
    if rule is None or not isinstance(items, list):
        raise Unreadable("the service gave no list of devices", reason=VENDOR_ERROR)
    found = []
    for item in items:
        ident = _text(value_at(item, rule.id))
        if not ident:
            continue
        status = _text(value_at(item, rule.online)) if rule.online else ""
        online = status in rule.online_values if status else None
        name = printable(_text(value_at(item, rule.name))) if rule.name else ""
        found.append(TicketDevice(id=printable(ident, 64), name=name, online=online))
    return found
