"""sources.yaml, optional → the platforms, vendors and gateways that cameras are asked for at.

One section a kind of source: `gb28181:` (sources_gb28181.py), `vendors:` and `gateways:`
(sources_http.py). A camera's address names one of them (`gb28181://PEER/CHANNEL`). Secrets are read
from files or the environment here, and print themselves nowhere. Read at start: a change takes a
restart, as of site.yaml.
"""

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pydantic import Field

from patrol.settings.config_file import (
    SITE_ENV_PREFIX,
    BadEnvReference,
    FileProblemLog,
    ProblemLog,
    did_you_mean,
    expand_env,
)
from patrol.settings.site_integrations import missing_file
from patrol.settings.site_paths import HomeNotExpanded, resolve_paths_of
from patrol.settings.sources_gb28181 import Gb28181Settings, SourceName
from patrol.settings.sources_http import GatewayKind, GatewaySettings, VendorSettings
from patrol.settings.vendor_profile import SHIPPED, load_profile, shipped_profile_path
from patrol.settings.yaml_file import YamlDocument, read_yaml
from patrol.settings.yaml_types import SettingsSection
from patrol.settings.yaml_validation import validate
from streams.address import StreamAddress
from streams.source_schemes import SOURCE_SCHEMES
from streams.ticket.profile import VendorProfile

# The place of the names that the addresses of a scheme may use.
SECTION_OF_SCHEME = {
    "gb28181": "gb28181.peers",
    "ticket": "vendors",
    "wvp": "gateways",
    "zlm": "gateways",
}
SECRET_KEYS = frozenset({"password", "secret", "api_key", "app_secret", "token"})


class SourcesSettings(SettingsSection):
    """All of sources.yaml; empty without the file."""

    gb28181: Gb28181Settings | None = None
    vendors: dict[SourceName, VendorSettings] = Field(default_factory=dict)
    gateways: dict[SourceName, GatewaySettings] = Field(default_factory=dict)

    def names(self, scheme: str) -> Mapping[str, int | None]:
        """The hosts that addresses of a scheme may name, with their limits of sessions at once."""
        if scheme == "gb28181" and self.gb28181 is not None:
            return {name: peer.sessions for name, peer in self.gb28181.peers.items()}
        if scheme == "ticket":
            return {name: vendor.sessions for name, vendor in self.vendors.items()}
        kinds = {kind.value for kind in GatewayKind}
        return {
            name: gateway.sessions
            for name, gateway in (self.gateways.items() if scheme in kinds else ())
            if gateway.kind == scheme
        }

    def unknown_name(self, address: StreamAddress) -> str | None:
        """Why an address names no source of this file; None when it does, or needs none."""
        rules = SOURCE_SCHEMES.get(address.scheme)
        if rules is None or not rules.names_host:
            return None
        known = self.names(address.scheme)
        if address.host in known:
            return None
        section = SECTION_OF_SCHEME[address.scheme]
        hint = did_you_mean(address.host, sorted(known)) if known else ", add it there"
        return f"sources.yaml has no {address.host!r} under {section}{hint}"

    def session_limits(self) -> Mapping[StreamAddress, int]:
        """How many streams each source may be asked for at once, by an address of its scheme."""
        return {
            StreamAddress(scheme=scheme, host=name, port=rules.default_port, path="/"): limit
            for scheme, rules in SOURCE_SCHEMES.items()
            for name, limit in self.names(scheme).items()
            if limit is not None
        }


def load_sources(
    path: Path, base: Path, env: Mapping[str, str], notes: FileProblemLog
) -> SourcesSettings | None:
    """The sources; the empty ones when there is no file, None after problems were noted."""
    if not path.exists():
        return SourcesSettings()
    document = read_yaml(path, notes)
    if document is None:
        return None
    _expand_secrets(document.data, (), env, document, notes)
    validated: SourcesSettings | None = validate(SourcesSettings, document, notes)
    if validated is None:
        return None
    try:
        sources = resolve_paths_of(validated, base)
    except HomeNotExpanded as exc:
        notes.add_problem(document.line(exc.where), ".".join(exc.where), str(exc))
        return None
    _check_files(sources, (), document, notes)
    _check_gateways(sources, document, notes)
    for below, text in sources.gb28181.problems() if sources.gb28181 is not None else ():
        place = ("gb28181", *below)
        notes.add_problem(document.line(place), ".".join(place), text)
    for name, vendor in sources.vendors.items():
        _check_vendor(name, vendor, document, notes)
    return sources


def _check_gateways(
    sources: SourcesSettings, document: YamlDocument, notes: FileProblemLog
) -> None:
    for name, gateway in sources.gateways.items():
        media = sources.gateways.get(gateway.media)
        if gateway.media and (media is None or media.kind is not GatewayKind.ZLM):
            place = ("gateways", name, "media")
            text = f"{gateway.media[:64]!r} is no gateway of kind: zlm here"
            notes.add_problem(document.line(place), ".".join(place), text)


def _check_vendor(
    name: str, vendor: VendorSettings, document: YamlDocument, notes: FileProblemLog
) -> None:
    """The vendor's profile, in its own file's lines, and whether it has all that it asks for."""
    where = ("vendors", name)
    if vendor.profile and vendor.profile not in SHIPPED:
        text = (
            f"{vendor.profile[:64]!r} is not shipped{did_you_mean(vendor.profile, list(SHIPPED))}"
        )
        notes.add_problem(document.line((*where, "profile")), f"vendors.{name}.profile", text)
        return
    if vendor.profile_file is not None and not vendor.profile_file.is_file():
        return  # noted already
    profile = read_vendor_profile(vendor, notes.notes)
    for field, text in _vendor_problems(vendor, profile) if profile is not None else ():
        place = (*where, *field.split("."))
        notes.add_problem(document.line(place), ".".join(place), text)


def read_vendor_profile(vendor: VendorSettings, notes: ProblemLog) -> VendorProfile | None:
    """The profile of a vendor; None after problems were noted under its own file's name."""
    path = vendor.profile_file or shipped_profile_path(vendor.profile)
    return load_profile(path, notes.for_file(path))


def _vendor_problems(vendor: VendorSettings, profile: VendorProfile) -> Iterator[tuple[str, str]]:
    given = vendor.secrets.keys() | vendor.secret_files.keys()
    missing = [secret for secret in profile.secrets if secret not in given]
    if missing:
        yield "secrets", f"the profile needs {', '.join(missing)}, add them"
    for secret in sorted(given - set(profile.secrets)):
        place = "secrets" if secret in vendor.secrets else "secret_files"
        known = did_you_mean(secret, list(profile.secrets))
        yield f"{place}.{secret}", f"the profile has no such secret{known}"
    if not (vendor.url or profile.base):
        yield "url", "is missing, and the profile names no address"
    if profile.needs_cryptography and find_spec("cryptography") is None:
        yield "profile", "signs with AES or RSA: install the extra `tickets` (cryptography)"


def _expand_secrets(
    data: Any,
    where: tuple[str, ...],
    env: Mapping[str, str],
    document: YamlDocument,
    notes: FileProblemLog,
) -> None:
    """`${NAME}` in the values of secrets, and in all of `secrets:`, wherever they stand."""
    for key, value in data.items() if isinstance(data, dict) else ():
        place = (*where, str(key))
        if isinstance(value, dict):
            _expand_secrets(value, place, env, document, notes)
        elif isinstance(value, str) and (key in SECRET_KEYS or where[-1:] == ("secrets",)):
            try:
                data[key] = expand_env(value, env, SITE_ENV_PREFIX)
            except BadEnvReference as exc:
                notes.add_problem(document.line(place), ".".join(place), str(exc))


def _check_files(
    section: Any, where: tuple[str, ...], document: YamlDocument, notes: FileProblemLog
) -> None:
    """Note files that are named and are not there."""
    if isinstance(section, SettingsSection):
        names = type(section).model_fields
        parts: Mapping[str, Any] = {name: getattr(section, name) for name in names}
    else:
        parts = section
    for name, value in parts.items():
        place = (*where, name)
        if isinstance(value, SettingsSection | dict):
            _check_files(value, place, document, notes)
        elif isinstance(value, Path):
            for at, wrong in missing_file(place, value):
                notes.add_problem(document.line(at), ".".join(at), wrong)
