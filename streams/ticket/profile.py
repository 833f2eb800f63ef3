"""How one vendor's ticket service is asked: a declarative profile, checked whole before it is used.

A profile names calls (path, parameters), the steps that sign them (primitives.py), and where in
the answers token, URL, expiry and devices stand. Texts hold `{NAME}` for values: those of the call
(`id`, `channel`, `token`, `page`, `size`, `refresh_token`), the profile's constants, the site's
secrets, and what a signing step made. `profile_problems` finds names that nothing provides.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum, auto
from typing import Any, Final

from streams.ticket.primitives import (
    GENERATED,
    JOINS,
    KEYED,
    NEEDS_CRYPTOGRAPHY,
    Decryption,
    Operation,
)

PLACEHOLDER: Final = re.compile(r"\{([a-z][a-z0-9_]*)\}", re.ASCII)
CALL_VALUES: Final = frozenset({"id", "channel", "token", "page", "size", "refresh_token"})
PARAMETERS: Final = "params"  # the name of a call's parameters in `from`


class Encoding(StrEnum):
    """Where a call's fields go."""

    FORM = auto()  # application/x-www-form-urlencoded
    JSON = auto()
    QUERY = auto()


class ExpiryFormat(StrEnum):
    """How an expiry is written."""

    EPOCH_S = auto()
    EPOCH_MS = auto()
    SECONDS = auto()  # from now
    ISO = auto()  # ISO 8601; without a zone, the profile's
    LOCAL = auto()  # `2026-11-30 16:40:00` in the profile's zone


class VendorError(StrEnum):
    """What a vendor's error code means to the patrol."""

    TOKEN = auto()  # the token is refused: fetched anew, once
    AUTH = auto()
    BUSY = auto()
    RATE = auto()
    OFFLINE = auto()
    NOT_FOUND = auto()
    GRANT = auto()  # the account may not see this device


@dataclass(frozen=True, slots=True, kw_only=True)
class SignStep:
    """One step of signing: what goes in, what is done, under which name the result is known."""

    operation: Operation
    into: str
    source: str = ""  # `params`, or a name
    parts: tuple[str, ...] = ()  # names whose values are joined instead
    separator: str = ""  # between parts; "&" between parameters where empty
    equals: str = "="
    key: str = ""
    iv: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceCall:
    """One call of a service."""

    path: str
    method: str = "POST"
    params: Mapping[str, Any] = field(default_factory=dict)  # text may hold placeholders
    headers: Mapping[str, str] = field(default_factory=dict)
    encoding: Encoding | None = None  # None: the profile's
    signed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiryRule:
    """Where an expiry stands and how it is written."""

    path: str
    format: ExpiryFormat = ExpiryFormat.EPOCH_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRule:
    """How a token is fetched and refreshed."""

    call: ServiceCall
    value: str
    expires: ExpiryRule | None = None
    default_ttl_s: float = 3600.0
    refresh_value: str = ""  # where the refresh token stands
    refresh_call: ServiceCall | None = None
    early_s: float = 300.0  # fetched anew so long before its end
    from_header: str = ""  # the token comes in a header of the answer instead


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRule:
    """How the devices are listed, page by page."""

    call: ServiceCall
    items: str
    id: str
    name: str = ""
    online: str = ""
    online_values: frozenset[str] = frozenset()
    first_page: int = 1
    page_size: int = 50
    page_step: int = 1  # services that count an offset step by the size


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlRule:
    """How a stream URL is minted."""

    call: ServiceCall
    url: str
    expires: ExpiryRule | None = None
    default_ttl_s: float = 60.0
    single_use: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class HiddenRule:
    """The encrypted part of an answer; absent there, the answer is taken as it is."""

    path: str
    how: Decryption
    key: str
    iv: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorProfile:
    """A vendor's service as far as the patrol uses it."""

    url: UrlRule
    base: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    encoding: Encoding = Encoding.FORM
    zone_hours: float = 8.0  # of times without a zone: China's
    sign: tuple[SignStep, ...] = ()
    send: Mapping[str, str] = field(default_factory=dict)  # in the place of the parameters
    add: Mapping[str, str] = field(default_factory=dict)  # beside them
    ok_path: str = ""
    ok_values: frozenset[str] = frozenset()
    message_path: str = ""
    hidden: HiddenRule | None = None
    token: TokenRule | None = None
    list: ListRule | None = None
    errors: Mapping[str, VendorError] = field(default_factory=dict)
    default_channel: str = "1"
    calls_per_s: float = 2.0
    parallel: int = 4
    remark: str = ""  # where it comes from, and whether it was tried

    @property
    def needs_cryptography(self) -> bool:
        """Whether it uses AES or RSA, for which a package is wanted."""
        used: set[Operation | Decryption] = {step.operation for step in self.sign}
        used |= {self.hidden.how} if self.hidden is not None else set()
        return bool(used & NEEDS_CRYPTOGRAPHY)

    def calls(self) -> Iterator[tuple[str, ServiceCall]]:
        """Every call with the field of the profile that it stands in."""
        yield "url.call", self.url.call
        if self.token is not None:
            yield "token.call", self.token.call
            if self.token.refresh_call is not None:
                yield "token.refresh.call", self.token.refresh_call
        if self.list is not None:
            yield "list.call", self.list.call


def placeholders(value: Any) -> Iterator[str]:
    """The names that a text, or the texts inside lists and mappings, ask for."""
    if isinstance(value, str):
        yield from PLACEHOLDER.findall(value)
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from placeholders(name)
            yield from placeholders(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from placeholders(inner)


def profile_problems(profile: VendorProfile) -> Iterator[tuple[str, str]]:
    """(field, what is wrong): names that nothing provides, steps without what they need."""
    known = CALL_VALUES | profile.constants.keys() | set(profile.secrets)
    for number, step in enumerate(profile.sign):
        yield from ((f"sign[{number}]", problem) for problem in _step_problems(step, known))
        known |= {step.into}
    for field_name, text in (
        ("send", profile.send),
        ("add", profile.add),
        ("headers", profile.headers),
    ):
        yield from _unknown(field_name, text, known)
    for field_name, call in profile.calls():
        for part in (call.path, call.params, call.headers):
            yield from _unknown(field_name, part, known)
    hidden = (profile.hidden.key, profile.hidden.iv) if profile.hidden is not None else ()
    for name in filter(None, hidden):
        if name not in known:
            yield "response.decrypt", f"{name!r} is no secret or constant"
    if profile.token is None and any(
        "token" in placeholders([c.params, c.headers, c.path]) for _, c in profile.calls()
    ):
        yield "token", "is missing, and a call asks for {token}"


def _step_problems(step: SignStep, known: frozenset[str] | set[str]) -> Iterator[str]:
    operation = step.operation
    if operation in JOINS:
        if step.source != PARAMETERS:
            yield f"{operation} joins the parameters, write from: {PARAMETERS}"
        return
    if operation in KEYED and not step.key:
        yield f"{operation} wants a key"
    if operation not in GENERATED and not (step.source or step.parts):
        yield f"{operation} wants from or parts"
    for name in filter(None, (step.source, step.key, step.iv, *step.parts)):
        if name not in known:
            yield f"{name!r} is no secret, constant or earlier step"


def _unknown(
    field_name: str, text: Any, known: frozenset[str] | set[str]
) -> Iterator[tuple[str, str]]:
    for name in placeholders(text):
        if name not in known:
            yield field_name, f"{{{name}}} is no secret, constant, step or value of the call"
