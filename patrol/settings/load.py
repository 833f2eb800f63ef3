"""A site's own files → Site: settings and registry, or every problem of every file at once.

`load_site` reads a configuration directory (`CONFIG_FILES`), whole or not at all. Reaching the
broker or the database is not part of it (`patrol check`).
"""

import os
from collections.abc import Container, Mapping
from dataclasses import replace
from datetime import UTC
from pathlib import Path

from patrol.domain.registry import Registry
from patrol.lazy_imports import collection_paused
from patrol.settings.cameras_csv import CrossReferences, load_cameras
from patrol.settings.config_file import (
    ConfigProblem,
    ConfigProblems,
    FileProblemLog,
    ProblemLog,
)
from patrol.settings.grids_people import load_grids, load_people, load_shapes
from patrol.settings.leave_csv import load_leaves
from patrol.settings.models_yaml import load_models
from patrol.settings.points_csv import load_points
from patrol.settings.rules_yaml import load_rules
from patrol.settings.site_calendar import note_unknown_maintenance
from patrol.settings.site_patrols import note_unknown_checkpoints
from patrol.settings.site_sampling import note_unknown_sampling
from patrol.settings.site_settings import (
    Settings,
    Site,
    load_site_file,
)
from patrol.settings.sources_yaml import SourcesSettings, load_sources
from patrol.settings.yaml_file import read_yaml
from patrol.settings.zones_yaml import load_areas

CONFIG_FILES = (
    "site.yaml", "grids.csv", "people.csv", "cameras.csv",
    "zones.yaml", "rules.yaml", "models.yaml", "sources.yaml", "grids.geojson", "leave.csv",
    "points.csv",
)  # fmt: skip


def load_site(
    config_dir: Path,
    env: Mapping[str, str] | None = None,
    *,
    base: Path | None = None,
    with_areas: bool = True,
    with_named_files: bool = True,
) -> Site:
    """Read every file. Raises ConfigProblems with all problems of all files.

    `base`: the directory that relative paths count from, where the files are copies of its own.
    `with_areas`: False for a command that shows lists: zones.yaml, the largest file by far, is not
    read, and no camera has areas. `with_named_files`: False for the command that makes the files of
    passwords that site.yaml names.
    """
    if not config_dir.is_dir():
        why = "is a file" if config_dir.exists() else "does not exist"
        text = f"{why}, give the directory of site.yaml with -c DIR"
        raise ConfigProblems([ConfigProblem(str(config_dir), 1, "directory", text)])
    # Zones of 10,000 cameras are 400,000 live nodes: 1.9 s without collection, 4.5 s with.
    with collection_paused():
        here, variables = base or config_dir, os.environ if env is None else env
        return _load(
            config_dir, here, variables, with_areas=with_areas, with_named_files=with_named_files
        )


def _load(
    config_dir: Path, base: Path, env: Mapping[str, str], *,
    with_areas: bool, with_named_files: bool,
) -> Site:  # fmt: skip
    (
        site_yaml, grids_csv, people_csv, cameras_csv,
        zones_yaml, rules_yaml, models_yaml, sources_yaml, grids_geojson, leave_csv, points_csv,
    ) = (config_dir / name for name in CONFIG_FILES)  # fmt: skip
    notes = ProblemLog()
    site_file = load_site_file(
        site_yaml, base, env, notes.for_file(site_yaml), with_named_files=with_named_files
    )
    grids = load_grids(grids_csv, notes.for_file(grids_csv))
    people = load_people(people_csv, grids, notes.for_file(people_csv))
    zone = site_file[0].site.tz if site_file else UTC
    leaves = load_leaves(leave_csv, people, zone, notes.for_file(leave_csv))
    models = load_models(models_yaml, base, notes.for_file(models_yaml))
    areas, area_lines = (
        load_areas(zones_yaml, notes.for_file(zones_yaml), models) if with_areas else ({}, {})
    )
    sources = load_sources(sources_yaml, base, env, notes.for_file(sources_yaml))
    references = CrossReferences(grids, areas, env, sources)
    loaded = load_cameras(cameras_csv, references, notes.for_file(cameras_csv))
    _note_unknown_cameras(areas, area_lines, loaded and loaded[1], notes.for_file(zones_yaml))
    rules = load_rules(rules_yaml, notes.for_file(rules_yaml))
    shapes = load_shapes(grids_geojson, grids, notes.for_file(grids_geojson))
    points = load_points(points_csv, grids, notes.for_file(points_csv))
    if site_file and loaded:
        note_unknown_sampling(site_file[0].sampling, loaded[0], site_yaml, notes)
    if notes.problems or site_file is None or grids is None or people is None or loaded is None:
        raise ConfigProblems(notes.problems, count=notes.problem_count)
    settings, relative_paths = site_file
    registry = Registry(
        cameras=loaded[0], tree=replace(grids.tree, centres=settings.centres), people=people,
        office=settings.office, leaves=leaves, points=points,
        teams=settings.teams.notified_together,
    )  # fmt: skip
    _note_unknown_names(settings, registry, site_yaml, notes)
    return Site(
        settings=settings, registry=registry, rules=rules, own_models=models,
        sources=sources or SourcesSettings(), shapes=shapes, config_dir=base,
        relative_paths=relative_paths, notices=tuple(sorted(notes.notices)),
    )  # fmt: skip


def _note_unknown_names(
    settings: Settings, registry: Registry, path: Path, notes: ProblemLog
) -> None:
    """Note what names something that is in no file: it may have been removed."""
    note_unknown_maintenance(settings.calendar, registry, path, notes)
    note_unknown_checkpoints(settings.patrol_sections, registry, path, notes)
    unknown = list(settings.ground_patrols.unknown_names(registry, settings.calendar.all_plans))
    document = read_yaml(path, ProblemLog().for_file(path)) if unknown else None
    for where, text in unknown:
        line = document.line(where) if document else 1
        notes.for_file(path).add_notice(line, ".".join(where), text)


def _note_unknown_cameras(
    areas: Mapping[str, object],
    lines: Mapping[str, int],
    known: Container[str] | None,
    notes: FileProblemLog,
) -> None:
    """Note areas of cameras that cameras.csv does not have; None: nobody knows which it has."""
    for camera in areas:
        if known is not None and camera not in known:
            text = "this camera is not in cameras.csv, add or delete it"
            notes.add_problem(lines[camera], camera, text)
