"""`vendors:` and `gateways:` of sources.yaml: ticket services, media gateways by live URLs.

A vendor is asked for a stream URL per visit by its profile (vendor_profile.py); a gateway is a
ZLMediaKit (`kind: zlm`) or a WVP (`kind: wvp`). Both hand out URLs, which may lead to public
addresses, and beyond them to what `allow` names. Times end in their unit.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Final, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from patrol.settings.config_file import first_line
from patrol.settings.sources_gb28181 import MAX_PORT, NetworkText, SourceName
from patrol.settings.yaml_types import SettingsSection
from streams.gateways.gateway import (
    DEFAULT_ORDER,
    LiveProtocol,
    LiveUrlRules,
    WvpGateway,
    ZlmGateway,
)
from streams.target_policy import TargetPolicy

MAX_STREAMS: Final = 10_000


def http_base(value: str) -> str:
    """`http(s)://host[:port][/path]` of a service, without credentials and query."""
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("the host or the port cannot be read, write https://host[:port]") from None
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError("is no address of a service, write https://host[:port]")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("holds more than host and path; keys stand in settings of their own")
    return value.rstrip("/")


def host_text(value: str) -> str:
    """A host name or an IP address; empty: none."""
    plain = value.strip("[]")
    if value and (not plain or any(character in value for character in " /@?#\t")):
        raise ValueError(f"{value[:60]!r} is no host, write a name or an IP address")
    return plain.lower()


BaseUrl = Annotated[str, AfterValidator(http_base)]
Host = Annotated[str, AfterValidator(host_text)]
SecretName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Port = Annotated[int, Field(ge=1, le=MAX_PORT)]


class VendorSettings(SettingsSection):
    """One ticket service of `vendors`."""

    profile: str = ""  # one that is shipped: china-telecom, ezviz, huawei-ivm
    profile_file: Path | None = None  # the site's own
    url: BaseUrl | None = None  # where it is, if not where the profile says
    secrets: dict[SecretName, str] = Field(default_factory=dict, repr=False)
    secret_files: dict[SecretName, Path] = Field(default_factory=dict)  # whole files: keys
    allow: tuple[NetworkText, ...] = ()  # networks beside the public ones that its URLs may name
    sessions: int | None = Field(default=None, ge=1, le=MAX_STREAMS)  # streams at once

    @model_validator(mode="after")
    def _has_one_profile(self) -> Self:
        if bool(self.profile) == (self.profile_file is not None):
            raise ValueError("give profile: NAME or profile_file: FILE, one of them")
        twice = self.secrets.keys() & self.secret_files.keys()
        if twice:
            raise ValueError(f"{min(twice)} stands in secrets and secret_files, keep one")
        return self

    def read_secrets(self) -> dict[str, str]:
        """Every secret by its name. Raises OSError, UnicodeDecodeError."""
        files = {name: path.read_text("utf-8").strip() for name, path in self.secret_files.items()}
        return {**self.secrets, **files}


class GatewayKind(StrEnum):
    """What a media gateway is."""

    ZLM = "zlm"
    WVP = "wvp"


class GatewaySettings(SettingsSection):
    """One media gateway of `gateways`."""

    kind: GatewayKind
    url: BaseUrl
    verify_tls: bool = True
    secret: str = Field(default="", repr=False)  # zlm: of its API; empty: the API is not asked
    rtsp_port: Port = 554  # zlm
    rtmp_port: Port = 1935  # zlm
    on_demand: bool = True  # zlm: a stream that is not listed may start when it is opened
    api_key: str = Field(default="", repr=False)  # wvp, preferred
    user: str = ""  # wvp
    password: str = Field(default="", repr=False)  # wvp
    password_file: Path | None = None  # wvp
    play_timeout_s: float = Field(default=18.0, gt=0, le=300)  # wvp: its own `play-timeout`
    owns_streams: bool = False  # wvp: a stream that we started and nobody watches is stopped
    media: str = ""  # wvp: its ZLMediaKit among the gateways, by which viewers are counted
    protocols: tuple[LiveProtocol, ...] = DEFAULT_ORDER  # in the order in which they are tried
    rewrite_host: Host = ""  # the media server as we reach it, where it names itself otherwise
    allow: tuple[NetworkText, ...] = ()
    sessions: int | None = Field(default=None, ge=1, le=MAX_STREAMS)

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        wvp_alone = {"api_key", "user", "password", "password_file", "play_timeout_s"}
        wvp_alone |= {"owns_streams", "media"}
        zlm_alone = {"secret", "rtsp_port", "rtmp_port", "on_demand"}
        foreign = wvp_alone if self.kind is GatewayKind.ZLM else zlm_alone
        wrong = sorted(foreign & self.model_fields_set)
        if wrong:
            raise ValueError(f"{wrong[0]} is no setting of kind: {self.kind}")
        if not self.protocols:
            raise ValueError("protocols is empty, name one or leave it out")
        return self

    @model_validator(mode="after")
    def _has_one_login(self) -> Self:
        has_password = bool(self.password) or self.password_file is not None
        if self.password and self.password_file is not None:
            raise ValueError("gives password and password_file, keep one")
        if self.api_key and (self.user or has_password):
            raise ValueError("gives api_key and a user, keep the api_key")
        if bool(self.user) != has_password:
            raise ValueError("user and password (or password_file) go together")
        if self.owns_streams and not self.media:
            raise ValueError(
                "owns_streams needs media: NAME of its ZLMediaKit, by which viewers are counted"
            )
        return self

    def read_password(self) -> str:
        """The password; empty where there is none. Raises OSError."""
        return self.password if self.password_file is None else first_line(self.password_file)

    def live_rules(self, setting: str) -> LiveUrlRules:
        """How its live URLs are used; its own host is where a person sent us."""
        own = (urlsplit(self.url).hostname or "", self.rewrite_host)
        return LiveUrlRules(
            order=self.protocols,
            rewrite_host=self.rewrite_host,
            targets=target_policy(self.allow, setting, own),
        )


def target_policy(allow: Iterable[str], setting: str, hosts: Iterable[str] = ()) -> TargetPolicy:
    """The policy for URLs that were handed out; `setting` is where to allow more."""
    return TargetPolicy(
        networks=tuple(ip_network(text) for text in allow),
        hosts=frozenset(filter(None, hosts)),
        setting=f"sources.yaml, {setting}.allow",
    )


def zlm_gateways(gateways: Mapping[SourceName, GatewaySettings]) -> dict[str, ZlmGateway]:
    """The ZLMediaKit gateways by name."""
    return {
        name: ZlmGateway(
            name=name,
            base=gateway.url,
            secret=gateway.secret,
            rtsp_port=gateway.rtsp_port,
            rtmp_port=gateway.rtmp_port,
            on_demand=gateway.on_demand,
            live=gateway.live_rules(f"gateways.{name}"),
        )
        for name, gateway in gateways.items()
        if gateway.kind is GatewayKind.ZLM
    }


def wvp_gateways(gateways: Mapping[SourceName, GatewaySettings]) -> dict[str, WvpGateway]:
    """The WVP gateways by name. Raises OSError."""
    media = zlm_gateways(gateways)
    return {
        name: WvpGateway(
            name=name,
            base=gateway.url,
            api_key=gateway.api_key,
            user=gateway.user,
            password=gateway.read_password(),
            play_timeout_s=gateway.play_timeout_s,
            owns_streams=gateway.owns_streams,
            media=media.get(gateway.media),
            live=gateway.live_rules(f"gateways.{name}"),
        )
        for name, gateway in gateways.items()
        if gateway.kind is GatewayKind.WVP
    }
