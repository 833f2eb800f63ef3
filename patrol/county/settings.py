"""county.yaml: the county, its towns with their addresses and keys, how often and where to serve.

Read whole or not at all; every problem is one line `FILE:LINE: field: what is wrong, the fix`.
Paths count from the file's directory. `${NAME}` in `database` comes from the environment.
"""

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

from patrol.domain.account import API_KEY_PREFIX
from patrol.settings.config_file import (
    SITE_ENV_PREFIX,
    BadEnvReference,
    ConfigProblem,
    ConfigProblems,
    FileProblemLog,
    ProblemLog,
    expand_env,
    first_line,
)
from patrol.settings.site_integrations import MetricsSettings, is_loopback, missing_file
from patrol.settings.site_paths import HomeNotExpanded, resolve_paths_of
from patrol.settings.yaml_file import YamlDocument, read_yaml
from patrol.settings.yaml_types import DatabaseUrl, PlainId, SettingsSection, ZoneName
from patrol.settings.yaml_validation import validate

COUNTY_FILE: Final = "county.yaml"
SQLITE: Final = "sqlite:///"
MIN_KEY_CHARS: Final = 32  # of a reader's key: too long to be guessed
Where = tuple[str | int, ...]


def town_url(value: str) -> str:
    """The address of a town's console; the API's path is added to it."""
    try:
        parts = urlsplit(value)
        credentials, host = parts.username is not None, parts.hostname
        _ = parts.port
    except ValueError:
        raise ValueError("the host or the port cannot be read, write https://HOST:8624") from None
    if credentials:
        raise ValueError("holds credentials, put the key into key_file")
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
        raise ValueError("is no address of a town, write https://HOST:8624")
    return value.rstrip("/")


class CountyInfo(SettingsSection):
    """Who the county is, its clock, and the language that comes first."""

    id: PlainId
    name: Annotated[str, Field(min_length=1, max_length=80)]
    timezone: ZoneName = "Asia/Shanghai"
    language: Literal["zh", "en"] = "zh"

    @property
    def tz(self) -> ZoneInfo:
        """Its time zone."""
        return ZoneInfo(self.timezone)


class PullSettings(SettingsSection):
    """How often the towns are asked, and when one counts as silent."""

    every_min: float = Field(default=5.0, gt=0, le=1440)
    silent_after_min: float = Field(default=60.0, gt=0, le=10_080)
    timeout_s: float = Field(default=30.0, gt=0, le=600)  # of one answer, whole
    at_once: int = Field(default=8, ge=1, le=64)  # towns that are asked at the same time
    changes_at_once: int = Field(default=50, ge=1, le=200)  # of one answer

    @property
    def silent_after(self) -> timedelta:
        """Not heard of for longer than this, a town is silent."""
        return timedelta(minutes=self.silent_after_min)


class ServeSettings(SettingsSection):
    """Where the county's page and API are served; on loopback unless the file says otherwise."""

    enabled: bool = True
    host: str = Field(default="127.0.0.1", min_length=1)
    port: int = Field(default=8625, ge=0, le=65535)
    keys_file: Path | None = None  # `NAME KEY` a line; without it everybody on this machine reads
    tls_certificate: Path | None = None
    tls_key: Path | None = None


class CountyMetrics(MetricsSettings):
    """Prometheus and /healthz of the county's process."""

    port: int = Field(default=9625, ge=0, le=65535)


class TownSection(SettingsSection):
    """One town: the id of its site.yaml, its address, and the key that it issued."""

    id: PlainId
    name: Annotated[str, Field(min_length=1, max_length=80)]
    url: Annotated[str, AfterValidator(town_url)]
    key_file: Path  # one line: a key of `patrol key add NAME --scope county:read`
    ca_file: Path | None = None  # of a certificate that no public authority vouches for
    plain_http: bool = False  # the way there is closed by other means (a VPN)


class CountySettings(SettingsSection):
    """Everything of county.yaml."""

    county: CountyInfo
    database: DatabaseUrl = Field(default="sqlite:///var/county.db", repr=False)
    pull: PullSettings = PullSettings()
    serve: ServeSettings = ServeSettings()
    metrics: CountyMetrics = CountyMetrics()
    towns: tuple[TownSection, ...] = Field(min_length=1, max_length=500)


@dataclass(frozen=True, slots=True, kw_only=True)
class County:
    """The settings with absolute paths, and what is legal and worth a look."""

    settings: CountySettings
    notices: tuple[ConfigProblem, ...] = ()


def load_county(directory: Path, env: Mapping[str, str] | None = None) -> County:
    """Read county.yaml of the directory. Raises ConfigProblems with all its problems."""
    path, notes = directory / COUNTY_FILE, ProblemLog()
    log = notes.for_file(path)
    settings = _read(path, os.environ if env is None else env, log)
    if notes.problems or settings is None:
        raise ConfigProblems(notes.problems, count=notes.problem_count)
    return County(settings=settings, notices=tuple(sorted(notes.notices)))


def _read(path: Path, env: Mapping[str, str], log: FileProblemLog) -> CountySettings | None:
    document = read_yaml(path, log)
    if document is None:
        return None
    if isinstance(document.data, dict):
        _expand_database(document, env, log)
    written: CountySettings | None = validate(CountySettings, document, log)
    if written is None:
        return None
    in_home = list(_home_problems(written))
    for where, text in in_home:
        log.add_problem(document.line(where), _dotted(where), text)
    if in_home:
        return None
    settings = _with_absolute_paths(written, path.parent)
    for where, text in (*_town_problems(settings), *_serve_problems(settings)):
        log.add_problem(document.line(where), _dotted(where), text)
    for where, text in _notices(settings):
        log.add_notice(document.line(where), _dotted(where), text)
    return settings


def _dotted(where: Where) -> str:
    return "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in where).lstrip(".")


def _expand_database(document: YamlDocument, env: Mapping[str, str], log: FileProblemLog) -> None:
    text: Any = document.data.get("database")
    if isinstance(text, str):
        try:
            document.data["database"] = expand_env(text, env, SITE_ENV_PREFIX)
        except BadEnvReference as exc:
            log.add_problem(document.line(("database",)), "database", str(exc))
            del document.data["database"]


def _home_problems(settings: CountySettings) -> Iterator[tuple[Where, str]]:
    """Paths that begin with `~`, which nothing expands."""
    paths: list[tuple[Where, Path | None]] = [
        (("serve", name), getattr(settings.serve, name))
        for name in ("keys_file", "tls_certificate", "tls_key")
    ]
    for number, town in enumerate(settings.towns):
        paths += [
            (("towns", number, name), getattr(town, name)) for name in ("key_file", "ca_file")
        ]
    if settings.database.startswith(SQLITE):
        paths.append((("database",), Path(settings.database.removeprefix(SQLITE))))
    for where, path in paths:
        if path is not None and str(path).startswith("~"):
            yield where, str(HomeNotExpanded(()))


def _with_absolute_paths(settings: CountySettings, base: Path) -> CountySettings:
    resolved = resolve_paths_of(settings, base)
    towns = tuple(resolve_paths_of(town, base) for town in settings.towns)
    database = settings.database
    if database.startswith(SQLITE):
        file = base.resolve() / database.removeprefix(SQLITE)
        database = f"{SQLITE}{os.path.normpath(file)}"
    return resolved.model_copy(update={"towns": towns, "database": database})


def _town_problems(settings: CountySettings) -> Iterator[tuple[Where, str]]:
    """What is wrong between towns, and with the files that they name."""
    seen: dict[tuple[str, str], int] = {}
    for number, town in enumerate(settings.towns):
        for field, value in (("id", town.id), ("url", town.url)):
            first = seen.setdefault((field, value), number)
            if first != number:
                text = f"is that of towns[{first}] already, each town stands once"
                yield ("towns", number, field), text
        parts = urlsplit(town.url)
        if parts.scheme == "http" and not (town.plain_http or is_loopback(str(parts.hostname))):
            text = (
                "the key would cross a network in clear text, write https://"
                " (or plain_http: true where a VPN closes the way)"
            )
            yield ("towns", number, "url"), text
        yield from _key_problems(("towns", number, "key_file"), town.key_file)
        if town.ca_file is not None:
            for _, text in missing_file(("ca_file",), town.ca_file):
                yield ("towns", number, "ca_file"), text


def _key_problems(where: Where, file: Path) -> Iterator[tuple[Where, str]]:
    missing = list(missing_file(("key_file",), file))
    for _, text in missing:
        yield where, text
    if missing:
        return
    try:
        key = first_line(file).strip()
    except (OSError, UnicodeDecodeError):
        yield where, f"{file} cannot be read as text, put the town's key into its first line"
        return
    if not key.startswith(API_KEY_PREFIX) or not key.isascii() or " " in key:
        text = "holds no key of a town, put what `patrol key add … --scope county:read` printed"
        yield where, f"{file} {text}"


def _serve_problems(settings: CountySettings) -> Iterator[tuple[Where, str]]:
    serve = settings.serve
    for name in ("keys_file", "tls_certificate", "tls_key"):
        path: Path | None = getattr(serve, name)
        if path is not None:
            for _, text in missing_file((name,), path):
                yield ("serve", name), text
    if (serve.tls_certificate is None) != (serve.tls_key is None):
        absent = "tls_key" if serve.tls_key is None else "tls_certificate"
        yield ("serve", absent), "is missing: certificate and key go together, give both or none"
    yield from _exposure_problems(serve)
    if serve.keys_file is not None and serve.keys_file.is_file():
        try:
            read_reader_keys(serve.keys_file)
        except ValueError as exc:
            yield ("serve", "keys_file"), str(exc)


def _exposure_problems(serve: ServeSettings) -> Iterator[tuple[Where, str]]:
    if not serve.enabled or is_loopback(serve.host):
        return
    if serve.keys_file is None:
        text = "other machines reach it: give serve.keys_file, so that only readers with a key"
        yield ("serve", "host"), f"{text} read, or serve on 127.0.0.1"
    if serve.tls_certificate is None:
        text = "readers' keys would cross a network in clear text: give serve.tls_certificate"
        yield ("serve", "host"), f"{text} and tls_key, or serve on 127.0.0.1 behind a proxy"


def _notices(settings: CountySettings) -> Iterator[tuple[Where, str]]:
    for number, town in enumerate(settings.towns):
        if town.key_file.is_file() and town.key_file.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
            text = f"others on this machine can read {town.key_file}: chmod 600"
            yield ("towns", number, "key_file"), text
    pull = settings.pull
    if pull.silent_after_min < 2 * pull.every_min:
        text = "one failed pull already makes a town silent, give at least twice every_min"
        yield ("pull", "silent_after_min"), text


def read_reader_keys(file: Path) -> Mapping[str, str]:
    """Readers' names by their keys. Raises ValueError, which names the line and quotes no key."""
    readers: dict[str, str] = {}
    try:
        lines = file.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise ValueError(f"{file} cannot be read as text, write NAME KEY in each line") from None
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, key = line.strip().partition(" ")
        key = key.strip()
        if len(key) < MIN_KEY_CHARS or not key.isascii() or " " in key:
            raise ValueError(
                f"line {number} of {file}: write NAME KEY, the key of {MIN_KEY_CHARS} characters"
                " or more (`openssl rand -hex 32` makes one)"
            )
        readers[key] = name
    if not readers:
        raise ValueError(f"{file} holds no key, write NAME KEY in each line")
    return readers
