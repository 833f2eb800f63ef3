"""Which cameras the table shows (`/cameras?…`), and the address of what an entry is about.

Maintenance and troubles name a camera, a link, a village or another grid; each leads to its
cameras.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from patrol.domain.camera import Camera
from patrol.domain.ids import CameraId, GridCode
from patrol.domain.registry import Registry
from patrol.web.i18n import Translator, grid_name, village_of

UNKNOWN: Final = "unknown"


@dataclass(frozen=True, slots=True)
class CameraFilter:
    """The query of the table; an empty field asks for nothing."""

    text: str = ""
    village: str = ""
    health: str = ""
    link: str = ""
    grid: str = ""  # with all below it

    def fits(self, camera: Camera, registry: Registry, health: Mapping[CameraId, str]) -> bool:
        """Whether the camera is asked for; `health`: the states that are known."""
        searched = f"{camera.id} {camera.name} {camera.place}".lower()
        return (
            self.text.strip().lower() in searched
            and self.village in {"", village_of(registry, camera.grid)}
            and self.health in {"", health.get(camera.id, UNKNOWN)}
            and self.link in {"", camera.link}
            and (not self.grid or registry.tree.is_within(camera.grid, GridCode(self.grid)))
        )

    @property
    def query(self) -> str:
        """The query without the page's number, to be followed by `page=N`."""
        fields = ((name, getattr(self, name)) for name in self.__slots__)
        return "".join(f"{urlencode({name: value})}&" for name, value in fields if value)

    def scope_label(self, registry: Registry, t: Translator) -> str:
        """`链路 v203`, `网格 新上村`: what no field of the form shows; empty without."""
        shown = [t(f"链路 {self.link}", f"link {self.link}")] if self.link else []
        if self.grid:
            name = grid_name(registry, GridCode(self.grid))
            shown.append(t(f"网格 {name}", f"grid {name}"))
        return t("、", ", ").join(shown)


def subject_url(kind: str, subject: str) -> str:
    """Where the cameras of a camera, link, village or grid are; empty for what has none."""
    if kind == "camera":
        return f"/cameras/{subject}"
    field = {"link": "link", "village": "grid", "grid": "grid"}.get(kind)
    return f"/cameras?{urlencode({field: subject})}" if field and subject else ""
