"""site.yaml → Settings: short forms, the files that it names, and notices.

The settings themselves, with their defaults, are in site_settings.py, site_integrations.py and
site_calendar.py.
"""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from patrol.settings.problems import FileProblemLog, did_you_mean
from patrol.settings.site_integrations import FileProblem, is_loopback, missing_file
from patrol.settings.site_settings import Settings
from patrol.settings.text_file import BadEnvReference, expand_env
from patrol.settings.yaml_file import YamlDocument, read_yaml, validate


def load_site_file(path: Path, env: Mapping[str, str], notes: FileProblemLog) -> Settings | None:
    """The settings, or None after problems were noted."""
    document = read_yaml(path, notes)
    if document is None:
        return None
    if isinstance(document.data, dict):
        _expand_short_forms(document, env, notes)
    settings: Settings | None = validate(Settings, document, notes)
    if settings is None:
        return None
    for where, wrong in _file_problems(settings):
        notes.add_problem(document.line(where), ".".join(where), wrong)
    _check_quality(settings, document, notes)
    _check_links(settings, document, notes)
    return settings


def _expand_short_forms(
    document: YamlDocument, env: Mapping[str, str], notes: FileProblemLog
) -> None:
    """`${NAME}` in the two URLs; `mqtt: embedded` and `mqtt: mqtt://…` as short forms."""
    data = document.data
    if isinstance(data.get("mqtt"), str):
        data["mqtt"] = {"url": data["mqtt"]}
    _expand(data, ("database",), document, env, notes)
    hooks = data.get("webhooks")
    for name, hook in hooks.items() if isinstance(hooks, dict) else ():
        if isinstance(hook, dict):
            _expand(hook, ("webhooks", str(name), "url"), document, env, notes)
    if isinstance(data.get("mqtt"), dict):
        _expand(data["mqtt"], ("mqtt", "url"), document, env, notes)


def _expand(
    holder: dict[str, Any],
    where: tuple[str, ...],
    document: YamlDocument,
    env: Mapping[str, str],
    notes: FileProblemLog,
) -> None:
    text = holder.get(where[-1])
    if not isinstance(text, str):
        return
    try:
        holder[where[-1]] = expand_env(text, env)
    except BadEnvReference as exc:
        notes.add_problem(document.line(where), ".".join(where), str(exc))


def _file_problems(settings: Settings) -> Iterator[FileProblem]:
    """What is wrong with the files that site.yaml names."""
    for name in ("password_file", "ca_file"):
        path: Path | None = getattr(settings.mqtt, name)
        if path is not None:
            yield from missing_file(("mqtt", name), path)
    yield from settings.integration_file_problems()


def _check_links(settings: Settings, document: YamlDocument, notes: FileProblemLog) -> None:
    """Note `links:` without an address that telephones can reach."""
    console = settings.console
    nowhere = console.enabled and is_loopback(console.host) and not is_loopback(settings.mqtt.host)
    if nowhere and not settings.integrations.links.base_url:
        text = "the links in cases open on this machine alone, say how telephones reach the console"
        notes.add_notice(document.line(("links",)), "links.base_url", text)


def _check_quality(settings: Settings, document: YamlDocument, notes: FileProblemLog) -> None:
    """Note thresholds whose name no gauge has."""
    if not settings.quality:
        return
    from patrol.vision.quality.report import QualityThresholds  # noqa: PLC0415  numpy, OpenCV

    known = [field.name for field in fields(QualityThresholds)]
    for name in settings.quality:
        if name not in known:
            text = f"unknown threshold{did_you_mean(name, known)}"
            notes.add_problem(document.line(("quality", name)), f"quality.{name}", text)
