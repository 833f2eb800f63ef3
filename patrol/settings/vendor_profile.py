"""A vendor profile's YAML → streams.ticket.profile.VendorProfile; shipped ones and a site's own.

The shipped ones lie in `vendors/`: written from public documents, not tried on the real services.
A site changes one by copying the file and naming it as `profile_file`.
"""

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field

from patrol.settings.config_file import FileProblemLog
from patrol.settings.sources_http import BaseUrl
from patrol.settings.yaml_file import read_yaml
from patrol.settings.yaml_types import SettingsSection
from patrol.settings.yaml_validation import validate
from streams.ticket.primitives import Decryption, Operation
from streams.ticket.profile import (
    Encoding,
    ExpiryFormat,
    ExpiryRule,
    HiddenRule,
    ListRule,
    ServiceCall,
    SignStep,
    TokenRule,
    UrlRule,
    VendorError,
    VendorProfile,
    profile_problems,
)

SHIPPED: Final = ("china-telecom", "ezviz", "huawei-ivm")


def _codes(value: object) -> object:
    """Codes of an answer as text: services write `0`, `"0"` and `true`."""
    values = value if isinstance(value, list) else [value]
    return tuple(str(v).lower() if isinstance(v, bool) else str(v) for v in values)


def _path(value: str) -> str:
    if not value.startswith("/") or any(character in value for character in " \t\r\n#"):
        raise ValueError(f"{value[:60]!r} is no path, write /open/…")
    return value


def _method(value: str) -> str:
    if value not in {"GET", "POST", "PUT"}:
        raise ValueError(f"{value[:20]!r} is no method here, give GET, POST or PUT")
    return value


Codes = Annotated[tuple[str, ...], BeforeValidator(_codes)]
CallPath = Annotated[str, AfterValidator(_path)]
Method = Annotated[str, AfterValidator(_method)]
Seconds = Annotated[float, Field(gt=0, le=10 * 365 * 86_400)]


class _Call(SettingsSection):
    path: CallPath
    method: Method = "POST"
    params: dict[str, Any] = Field(default_factory=dict)
    headers: dict[str, str] = Field(default_factory=dict)
    encode: Encoding | None = None
    signed: bool = True

    def made(self) -> ServiceCall:
        """The call as streams.ticket has it."""
        return ServiceCall(
            path=self.path,
            method=self.method,
            params=self.params,
            headers=self.headers,
            encoding=self.encode,
            signed=self.signed,
        )


class _SignStepSettings(SettingsSection):
    op: Operation
    into: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    source: str = Field(default="", alias="from")
    parts: tuple[str, ...] = ()
    separator: str = ""
    equals: str = "="
    key: str = ""
    iv: str = ""

    def made(self) -> SignStep:
        """The step as streams.ticket has it."""
        return SignStep(
            operation=self.op,
            into=self.into,
            source=self.source,
            parts=self.parts,
            separator=self.separator,
            equals=self.equals,
            key=self.key,
            iv=self.iv,
        )


class _Sign(SettingsSection):
    steps: tuple[_SignStepSettings, ...]
    send: dict[str, str] = Field(default_factory=dict)  # in the place of the parameters
    add: dict[str, str] = Field(default_factory=dict)  # beside the parameters


class _Ok(SettingsSection):
    path: str
    equals: Codes


class _Decrypt(SettingsSection):
    path: str
    op: Decryption
    key: str
    iv: str = ""


class _Response(SettingsSection):
    ok: _Ok | None = None
    message: str = ""
    decrypt: _Decrypt | None = None


class _Expires(SettingsSection):
    path: str
    written: ExpiryFormat = Field(default=ExpiryFormat.EPOCH_MS, alias="as")

    def made(self) -> ExpiryRule:
        """The rule as streams.ticket has it."""
        return ExpiryRule(path=self.path, format=self.written)


class _Refresh(SettingsSection):
    value: str
    call: _Call


class _Token(SettingsSection):
    call: _Call
    value: str = ""
    from_header: str = ""
    expires: _Expires | None = None
    default_ttl_s: Seconds = 3600.0
    refresh: _Refresh | None = None
    early_s: Annotated[float, Field(ge=0, le=86_400)] = 300.0

    def made(self) -> TokenRule:
        """The rule as streams.ticket has it."""
        return TokenRule(
            call=self.call.made(),
            value=self.value,
            from_header=self.from_header,
            expires=self.expires.made() if self.expires else None,
            default_ttl_s=self.default_ttl_s,
            refresh_value=self.refresh.value if self.refresh else "",
            refresh_call=self.refresh.call.made() if self.refresh else None,
            early_s=self.early_s,
        )


class _Page(SettingsSection):
    first: Annotated[int, Field(ge=0, le=1)] = 1
    size: Annotated[int, Field(ge=1, le=1000)] = 50
    step: Annotated[int, Field(ge=1, le=1000)] = 1


class _Online(SettingsSection):
    path: str
    equals: Codes


class _Map(SettingsSection):
    id: str
    name: str = ""
    online: _Online | None = None


class _List(SettingsSection):
    call: _Call
    items: str
    page: _Page = Field(default_factory=_Page)
    fields: _Map = Field(alias="map")

    def made(self) -> ListRule:
        """The rule as streams.ticket has it."""
        online = self.fields.online
        return ListRule(
            call=self.call.made(),
            items=self.items,
            id=self.fields.id,
            name=self.fields.name,
            online=online.path if online else "",
            online_values=frozenset(online.equals if online else ()),
            first_page=self.page.first,
            page_size=self.page.size,
            page_step=self.page.step,
        )


class _Url(SettingsSection):
    call: _Call
    url: str
    expires: _Expires | None = None
    default_ttl_s: Seconds = 60.0
    single_use: bool = True

    def made(self) -> UrlRule:
        """The rule as streams.ticket has it."""
        return UrlRule(
            call=self.call.made(),
            url=self.url,
            expires=self.expires.made() if self.expires else None,
            default_ttl_s=self.default_ttl_s,
            single_use=self.single_use,
        )


class _Limits(SettingsSection):
    calls_per_s: Annotated[float, Field(gt=0, le=1000)] = 2.0
    parallel: Annotated[int, Field(ge=1, le=100)] = 4


class VendorProfileFile(SettingsSection):
    """The whole of a profile's file."""

    url: _Url
    remark: str = ""
    base: BaseUrl | None = None
    encode: Encoding = Encoding.FORM
    zone_hours: Annotated[float, Field(ge=-12, le=14)] = 8.0
    headers: dict[str, str] = Field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    constants: dict[str, str] = Field(default_factory=dict)
    channel: str = "1"
    sign: _Sign | None = None
    response: _Response = Field(default_factory=_Response)
    token: _Token | None = None
    list: _List | None = None
    errors: dict[VendorError, Codes] = Field(default_factory=dict)
    limits: _Limits = Field(default_factory=_Limits)

    def made(self) -> VendorProfile:
        """The profile as streams.ticket has it."""
        ok, hidden = self.response.ok, self.response.decrypt
        return VendorProfile(
            url=self.url.made(),
            base=self.base or "",
            headers=self.headers,
            constants=self.constants,
            secrets=self.secrets,
            encoding=self.encode,
            zone_hours=self.zone_hours,
            sign=tuple(step.made() for step in self.sign.steps) if self.sign else (),
            send=self.sign.send if self.sign else {},
            add=self.sign.add if self.sign else {},
            ok_path=ok.path if ok else "",
            ok_values=frozenset(ok.equals if ok else ()),
            message_path=self.response.message,
            hidden=_hidden_rule(hidden) if hidden else None,
            token=self.token.made() if self.token else None,
            list=self.list.made() if self.list else None,
            errors={code: kind for kind, codes in self.errors.items() for code in codes},
            default_channel=self.channel,
            calls_per_s=self.limits.calls_per_s,
            parallel=self.limits.parallel,
            remark=self.remark,
        )


def _hidden_rule(hidden: _Decrypt) -> HiddenRule:
    return HiddenRule(path=hidden.path, how=hidden.op, key=hidden.key, iv=hidden.iv)


def shipped_profile_path(name: str) -> Path:
    """The file of a profile that comes with the product."""
    return Path(str(resources.files("patrol.settings") / "vendors" / f"{name}.yaml"))


def load_profile(path: Path, notes: FileProblemLog) -> VendorProfile | None:
    """The profile of a file, or None after problems were noted with their lines."""
    document = read_yaml(path, notes)
    if document is None:
        return None
    read: VendorProfileFile | None = validate(VendorProfileFile, document, notes)
    if read is None:
        return None
    profile = read.made()
    problems = list(profile_problems(profile))
    for name, text in problems:
        notes.add_problem(document.line(_location(name)), name, text)
    return None if problems else profile


_PLACES: Final[Mapping[str, tuple[int | str, ...]]] = {
    "send": ("sign", "send"),
    "add": ("sign", "add"),
    "response.decrypt": ("response", "decrypt"),
}


def _location(name: str) -> tuple[int | str, ...]:
    """Where a field that streams.ticket names stands in the file."""
    if name.startswith("sign["):
        return ("sign", "steps", int(name[5:-1]))
    return _PLACES.get(name, tuple(name.split(".")))
