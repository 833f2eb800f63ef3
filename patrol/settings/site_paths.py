"""Relative paths of site.yaml count from the configuration directory, wherever a command is run.

`resolve_paths` makes every path of the settings absolute, also the SQLite file and the
certificates within a database URL. They counted from the working directory once: `old_places`
finds what still lies there, and `check_old_places` refuses to begin with an empty database, or an
empty store of pictures, beside a full one.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote, unquote

from patrol.domain.errors import Failed

if TYPE_CHECKING:
    from patrol.settings.site_names import SiteNames
    from patrol.settings.site_settings import Settings, Site
    from patrol.settings.yaml_types import SettingsSection

SQLITE: Final = "sqlite:///"
# Files that libpq opens (its documentation, "Parameter Key Words"); `system` is no file.
_LIBPQ_FILE: Final = re.compile(
    r"(?P<head>[?&](?:sslrootcert|sslcert|sslkey|sslcrl|sslcrldir|passfile)=)(?P<path>[^&#]+)"
)
_HOLDING_DATA: Final = ("database", "evidence")

Where = tuple[str, ...]
Resolve = Callable[[Path, Where], Path]
S = TypeVar("S", bound="SettingsSection")


class Defaults:
    """What site.yaml means where it does not say; two readers need it (site_names.py)."""

    DATABASE: Final = "sqlite:///var/patrol.db"
    EVIDENCE: Final = "var/evidence"
    MODELS: Final = "var/models"
    ASSETS: Final = "var/assets"
    ZONE: Final = "Asia/Shanghai"


class DataElsewhere(Failed):
    """What site.yaml names is not there, and lies where an earlier version looked for it."""


class HomeNotExpanded(ValueError):
    """A path begins with `~`; `where` is its setting."""

    def __init__(self, where: Where) -> None:
        super().__init__("`~` is not expanded, write the whole path")
        self.where = where


@dataclass(frozen=True, slots=True, kw_only=True)
class OldPlace:
    """A path of site.yaml that is not there, and what lies at it by the working directory."""

    setting: str
    now: Path
    before: Path


def resolve_paths(settings: "Settings", base: Path) -> tuple["Settings", Mapping[str, Path]]:
    """The settings with absolute paths, and the relative ones as they were written, by setting.

    `base`: the configuration directory. Raises HomeNotExpanded.
    """
    real_base = base.resolve()
    written: dict[str, Path] = {}

    def resolve(path: Path, where: Where) -> Path:
        if str(path).startswith("~"):
            raise HomeNotExpanded(where)
        if path.is_absolute():
            return path
        written[".".join(where)] = path
        return joined(real_base, path)

    resolved = _resolved_section(settings, (), resolve)
    database = resolved_database(settings.database, resolve)
    return resolved.model_copy(update={"database": database}), written


def resolve_paths_of(section: S, base: Path) -> S:
    """The section of another file with every path absolute. Raises HomeNotExpanded."""
    real_base = base.resolve()

    def resolve(path: Path, where: Where) -> Path:
        if str(path).startswith("~"):
            raise HomeNotExpanded(where)
        return path if path.is_absolute() else joined(real_base, path)

    return _resolved_section(section, (), resolve)


def joined(base: Path, path: Path) -> Path:
    """The path below `base`, without `..`."""
    # Without following links: a secret's link may lead elsewhere tomorrow.
    return Path(os.path.normpath(base / path))


def _resolved_section(section: S, where: Where, resolve: Resolve) -> S:
    update = {}
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        resolved = _resolved_value(value, (*where, field.alias or name), resolve)
        if resolved is not value:
            update[name] = resolved
    return section.model_copy(update=update) if update else section


def _resolved_value(value: Any, where: Where, resolve: Resolve) -> Any:
    from patrol.settings.yaml_types import SettingsSection  # noqa: PLC0415  pydantic: not for lists

    if isinstance(value, Path):
        return resolve(value, where)
    if isinstance(value, SettingsSection):
        return _resolved_section(value, where, resolve)
    if isinstance(value, dict):
        return {
            key: _resolved_value(one, (*where, str(key)), resolve) for key, one in value.items()
        }
    return value


def resolved_database(url: str, resolve: Resolve) -> str:
    """The database's URL with absolute paths of the files in it. Raises as `resolve` does."""
    where = ("database",)
    if url.startswith(SQLITE):
        return f"{SQLITE}{resolve(Path(url.removeprefix(SQLITE)), where)}"

    def absolute(match: re.Match[str]) -> str:
        path = unquote(match["path"])
        if path == "system":
            return match[0]
        return f"{match['head']}{quote(str(resolve(Path(path), where)))}"

    return _LIBPQ_FILE.sub(absolute, url)


def old_places(site: "Site | SiteNames", working_directory: Path) -> Iterator[OldPlace]:
    """Everything that lies where the working directory says, and not where site.yaml does."""
    base = site.config_dir.resolve()
    for setting, path in site.relative_paths.items():
        now, before = joined(base, path), joined(working_directory.resolve(), path)
        if now != before and before.exists() and not now.exists():
            yield OldPlace(setting=setting, now=now, before=before)


def check_old_places(site: "Site | SiteNames", working_directory: Path) -> None:
    """Raise DataElsewhere where the database or the pictures lie at their old place."""
    for old in old_places(site, working_directory):
        if old.setting in _HOLDING_DATA:
            raise DataElsewhere(describe_old_place(old))


def describe_old_place(old: OldPlace) -> str:
    """One line: what is missing, what is there instead, and the fix."""
    value = f"{SQLITE}{old.before}" if old.setting == "database" else str(old.before)
    return (
        f"{old.now} does not exist, and {old.before} does: relative paths of site.yaml count from"
        " its own directory, no longer from the working directory; move it there, or write"
        f" `{old.setting}: {value}` (another absolute path, if a new one is meant)"
    )
