"""sources.yaml, optional → the platforms, vendors and gateways that cameras are asked for at.

One section a kind of source: `gb28181:` (sources_gb28181.py) and its like. A camera's address names
one of them (`gb28181://PEER/CHANNEL`). Secrets are read from files or the environment here, and
print themselves nowhere. Read at start: a change takes a restart, as of site.yaml.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from patrol.settings.config_file import (
    SITE_ENV_PREFIX,
    BadEnvReference,
    FileProblemLog,
    did_you_mean,
    expand_env,
)
from patrol.settings.site_integrations import missing_file
from patrol.settings.site_paths import HomeNotExpanded, resolve_paths_of
from patrol.settings.sources_gb28181 import Gb28181Settings
from patrol.settings.yaml_file import YamlDocument, read_yaml, validate
from patrol.settings.yaml_types import SettingsSection
from streams.address import StreamAddress
from streams.source_schemes import SOURCE_SCHEMES

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

    def names(self, scheme: str) -> Mapping[str, int | None]:
        """The hosts that addresses of a scheme may name, with their limits of sessions at once."""
        if scheme == "gb28181" and self.gb28181 is not None:
            return {name: peer.sessions for name, peer in self.gb28181.peers.items()}
        return {}

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
    return sources


def _expand_secrets(
    data: Any,
    where: tuple[str, ...],
    env: Mapping[str, str],
    document: YamlDocument,
    notes: FileProblemLog,
) -> None:
    """`${NAME}` in the values of secrets, wherever they stand."""
    for key, value in data.items() if isinstance(data, dict) else ():
        place = (*where, str(key))
        if isinstance(value, dict):
            _expand_secrets(value, place, env, document, notes)
        elif isinstance(value, str) and key in SECRET_KEYS:
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
