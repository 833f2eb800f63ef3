"""What a verb that lists rows of the store needs of a site: its database, clock and names.

`load_site` reads and checks every file with pydantic, which takes longer than most lists.
`load_site_names` reads the few settings of site.yaml that a list needs, and a table's names when
somebody asks for them. It judges nothing: where what it looks for is not plainly there it gives
None, and the caller loads the whole site, which names every problem.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from patrol.domain.camera import Priority
from patrol.domain.ids import CameraId
from patrol.settings.config_file import ProblemLog
from patrol.settings.csv_file import CsvRecord, read_table, vocabulary_value
from patrol.settings.site_paths import Defaults, HomeNotExpanded, joined, resolved_database
from patrol.settings.yaml_file import read_yaml

if TYPE_CHECKING:
    from patrol.settings.site_settings import Site

PRIORITIES: Final = {priority.value: priority for priority in Priority}
PRIORITY_ALIASES: Final = {"重点": Priority.KEY, "是": Priority.KEY, "一般": Priority.NORMAL,
                           "普通": Priority.NORMAL, "否": Priority.NORMAL}  # fmt: skip


@dataclass(frozen=True, slots=True)
class NamedCamera:
    """A row of cameras.csv as far as a list shows it."""

    name: str
    priority: Priority


@dataclass(frozen=True, slots=True)
class KeysForLists:
    """`keys:` of site.yaml."""

    file: Path | None


@dataclass(frozen=True, slots=True)
class SiteForLists:
    """`site:` of site.yaml."""

    tz: ZoneInfo


@dataclass(frozen=True, slots=True)
class SettingsForLists:
    """Some settings of site.yaml, under the names of `Settings`; paths are absolute."""

    site: SiteForLists
    database: str
    evidence: Path
    models: Path
    assets: Path
    keys: KeysForLists


@dataclass(frozen=True)
class SiteNames:
    """A site as far as lists need it; its tables are read at the first use."""

    settings: SettingsForLists
    config_dir: Path
    relative_paths: Mapping[str, Path]
    sections: Mapping[str, Any] = field(default_factory=dict, repr=False)  # as they are written

    @cached_property
    def cameras(self) -> Mapping[CameraId, NamedCamera]:
        """Cameras by id."""
        return {
            CameraId(row.cells["camera_id"]): NamedCamera(row.cells["name"], _priority(row))
            for row in self._rows("cameras.csv", "camera_id", "name", "priority")
        }

    @cached_property
    def grids(self) -> Mapping[str, str]:
        """Names of grids by code."""
        rows = self._rows("grids.csv", "grid_code", "name")
        return {row.cells["grid_code"]: row.cells["name"] for row in rows}

    def _rows(self, file: str, *columns: str) -> list[CsvRecord]:
        path = self.config_dir / file
        notes = ProblemLog().for_file(path)  # `patrol check` reads and shows them
        return read_table(path, required=columns[:2], optional=columns[2:], notes=notes) or []


def load_site_names(config_dir: Path) -> SiteNames | None:
    """The names of the site in this directory; None where only the whole site will do."""
    path = config_dir / "site.yaml"
    notes = ProblemLog()
    document = read_yaml(path, notes.for_file(path)) if path.is_file() else None
    if document is None or not isinstance(document.data, dict):
        return None
    try:
        settings, relative = _settings(document.data, config_dir.resolve())
    except (HomeNotExpanded, ValueError, KeyError, OSError):
        return None
    return SiteNames(settings, config_dir, relative, document.data)


def names_of(site: "Site") -> SiteNames:
    """The same of a site that was loaded whole."""
    settings = site.settings
    return SiteNames(
        SettingsForLists(
            site=SiteForLists(settings.site.tz),
            database=settings.database,
            evidence=settings.evidence,
            models=settings.models,
            assets=settings.console.assets,
            keys=KeysForLists(settings.keys.file),
        ),
        site.config_dir,
        site.relative_paths,
    )


def _settings(data: dict[str, Any], base: Path) -> tuple[SettingsForLists, Mapping[str, Path]]:
    """Raises ValueError, KeyError (no such time zone), HomeNotExpanded: not plainly there."""
    site, keys = _section(data, "site"), _section(data, "keys")
    if not site.get("id"):
        raise ValueError("no site")
    relative: dict[str, Path] = {}

    def resolve(path: Path, where: tuple[str, ...]) -> Path:
        if str(path).startswith("~"):
            raise HomeNotExpanded(where)
        if path.is_absolute():
            return path
        relative[".".join(where)] = path
        return joined(base, path)

    evidence = resolve(Path(_text(data, "evidence", Defaults.EVIDENCE)), ("evidence",))
    models = resolve(Path(_text(data, "models", Defaults.MODELS)), ("models",))
    console = _section(data, "console")
    assets = resolve(Path(_text(console, "assets", Defaults.ASSETS)), ("console", "assets"))
    key_file = _text(keys, "file", "")
    settings = SettingsForLists(
        site=SiteForLists(ZoneInfo(_text(site, "timezone", Defaults.ZONE))),
        database=resolved_database(_text(data, "database", Defaults.DATABASE), resolve),
        evidence=evidence,
        models=models,
        assets=assets,
        keys=KeysForLists(resolve(Path(key_file), ("keys", "file")) if key_file else None),
    )
    return settings, relative


def _section(data: dict[str, Any], name: str) -> dict[str, Any]:
    section = data.get(name, {})
    if not isinstance(section, dict):
        raise ValueError(f"{name} is no mapping")  # noqa: TRY004  one kind for the caller
    return section


def _text(data: dict[str, Any], name: str, default: str) -> str:
    value = data.get(name, default)
    if not isinstance(value, str) or "$" in value:
        raise ValueError(f"{name} is no plain text")
    return value


def _priority(row: CsvRecord) -> Priority:
    text = row.cells["priority"]
    return vocabulary_value(text, PRIORITIES, PRIORITY_ALIASES) or Priority.NORMAL
