"""`patrol check` of cameras.csv: two cameras at one address, cameras outside every group.

Both are legal and may be meant: notices, each at its row.
"""

from collections.abc import Iterator
from pathlib import Path

from patrol.domain.registry import GridLevel
from patrol.settings import ConfigProblem, Site
from patrol.settings.csv_file import lines_by_first_cell


def check_addresses(site: Site, config: Path) -> Iterator[ConfigProblem]:
    """Two cameras at one address: one household is patrolled under the consent of another."""
    path = config / "cameras.csv"
    lines = lines_by_first_cell(path)
    first: dict[str, str] = {}
    for camera in site.registry.cameras.values():
        streams = {"url": camera.main_stream, "sub_url": camera.sub_stream}
        for column, address in streams.items():
            if address is None:
                continue
            owner = first.setdefault(address.request_uri, camera.id)
            if owner != camera.id:
                text = f"is the address of camera {owner}, too; each camera has its own"
                yield ConfigProblem(str(path), lines.get(camera.id, 1), column, text)


def check_camera_grids(site: Site, config: Path) -> Iterator[ConfigProblem]:
    """Cameras of a village's or the town's own grid, where no group's leader is told first."""
    path, grids = config / "cameras.csv", site.registry.tree.grids
    lines = lines_by_first_cell(path)
    for camera in site.registry.cameras.values():
        grid = grids[camera.grid]
        if grid.level is not GridLevel.GROUP:
            text = (
                f"{grid.code} is a {grid.level}: no group's leader is told of this camera; give the"
                " grid of its group, unless that is meant"
            )
            yield ConfigProblem(str(path), lines.get(camera.id, 1), "grid_code", text)
