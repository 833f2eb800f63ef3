"""What a verb that lists the registry or the calendar reads: those tables alone.

Each is read by the same function as in load.py, so that a row means the same; where one of them has
a problem the answer is None, and the caller loads the whole site, which names every problem. Lists
decide nothing: what refers from one file to another (`patrol check` judges it) is left out, as are
areas of cameras, points of patrols and whom site.yaml notifies.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from patrol.domain.registry import GridTree, Registry
from patrol.domain.schedule import Stoppage
from patrol.settings.cameras_csv import CrossReferences, load_cameras
from patrol.settings.config_file import FileProblemLog, ProblemLog
from patrol.settings.grids_people import load_grids, load_people
from patrol.settings.leave_csv import load_leaves
from patrol.settings.site_names import SiteNames

if TYPE_CHECKING:
    from patrol.settings.site_retention import RetentionSettings
    from patrol.settings.yaml_types import SettingsSection

S = TypeVar("S", bound="SettingsSection")
T = TypeVar("T")


def load_people_names(names: SiteNames) -> Registry | None:
    """Grids, people and their leave; no camera. None: one of the tables has a problem."""
    notes = ProblemLog()
    grids = _read(names, "grids.csv", notes, load_grids)
    people = None
    if grids is not None:
        people = _read(names, "people.csv", notes, lambda at, log: load_people(at, grids, log))
    zone = names.settings.site.tz
    leaves = _read(names, "leave.csv", notes, lambda at, log: load_leaves(at, people, zone, log))
    if notes.problems or grids is None or people is None:
        return None
    return Registry(cameras={}, tree=grids.tree, people=people, leaves=leaves)


def load_camera_names(names: SiteNames, env: Mapping[str, str]) -> Registry | None:
    """The cameras, and the grids that they stand in. None: one of the tables has a problem."""
    notes = ProblemLog()
    grids = _read(names, "grids.csv", notes, load_grids)
    known = CrossReferences(grids=grids, areas={}, env=env)
    loaded = _read(names, "cameras.csv", notes, lambda at, log: load_cameras(at, known, log))
    if notes.problems or loaded is None:
        return None
    tree = grids.tree if grids is not None else GridTree(grids={})
    return Registry(cameras=loaded[0], tree=tree, people={})


def load_maintenance(names: SiteNames) -> tuple[Stoppage, ...] | None:
    """The windows of `calendar: maintenance`. None: the section has a problem."""
    if "calendar" not in names.sections:
        return ()
    from patrol.settings.site_calendar import CalendarSection  # noqa: PLC0415  pydantic: 50 ms

    section = _section(names, "calendar", CalendarSection)
    if section is None:
        return None
    return tuple(window.policy(names.settings.site.tz) for window in section.maintenance)


def load_retention(names: SiteNames) -> "RetentionSettings | None":
    """The section `retention`, or its defaults. None: it has a problem."""
    from patrol.settings.site_retention import RetentionSettings  # noqa: PLC0415  pydantic: 50 ms

    return _section(names, "retention", RetentionSettings)


def _read(
    names: SiteNames, file: str, notes: ProblemLog, load: Callable[[Path, FileProblemLog], T]
) -> T:
    path = names.config_dir / file
    return load(path, notes.for_file(path))


def _section(names: SiteNames, name: str, kind: type[S]) -> S | None:
    from pydantic import ValidationError  # noqa: PLC0415  as above

    try:
        return kind.model_validate(names.sections.get(name, {}))
    except ValidationError:
        return None
