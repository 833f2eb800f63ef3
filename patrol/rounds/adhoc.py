"""An ad-hoc round (专项巡查): what somebody wants looked at now, beside the plans.

Over villages, groups, links or single cameras; all that is named is visited. It is on no calendar:
it is never due, never missed, and no plan's round is done by it. Consent, maintenance, caps and the
rule that rounds never overlap are the same.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from patrol.domain.camera import Camera
from patrol.domain.grid import GridTree
from patrol.domain.ids import CameraId, GridCode, LinkId
from patrol.domain.registry import Registry


class NothingThere(ValueError):
    """No camera is meant; says by which word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be visited; a camera that fits any of it is."""

    grids: frozenset[GridCode] = frozenset()  # with all grids below them
    links: frozenset[LinkId] = frozenset()
    cameras: frozenset[CameraId] = frozenset()

    @classmethod
    def of(
        cls,
        registry: Registry,
        *,
        grids: Iterable[str] = (),
        links: Iterable[str] = (),
        cameras: Iterable[str] = (),
    ) -> "Wanted":
        """Checked against the registry. Raises NothingThere."""
        known = registry.cameras.values()
        for code in grids:
            if code not in registry.tree.grids:
                raise NothingThere(f"grid {code!r} is not in grids.csv")
            if not any(_stands_in(camera, GridCode(code), registry.tree) for camera in known):
                raise NothingThere(f"grid {code!r} has no camera")
        for link in links:
            if all(camera.link != link for camera in known):
                raise NothingThere(f"link {link!r} is no camera's in cameras.csv")
        for ident in cameras:
            if ident not in registry.cameras:
                raise NothingThere(f"camera {ident!r} is not in cameras.csv")
        return cls(
            grids=frozenset(map(GridCode, grids)),
            links=frozenset(map(LinkId, links)),
            cameras=frozenset(map(CameraId, cameras)),
        )

    @property
    def scope(self) -> str:
        """The same wish in the same words, whichever way it was said."""
        named = (("grid", self.grids), ("link", self.links), ("camera", self.cameras))
        return "; ".join(f"{kind} {' '.join(sorted(some))}" for kind, some in named if some)

    def wants(self, camera: Camera, tree: GridTree) -> bool:
        """Whether it is to be visited."""
        return (
            camera.id in self.cameras
            or camera.link in self.links
            or any(_stands_in(camera, code, tree) for code in self.grids)
        )


def _stands_in(camera: Camera, code: GridCode, tree: GridTree) -> bool:
    if camera.grid not in tree.grids:
        return camera.grid == code
    return any(grid.code == code for grid in tree.path_up(camera.grid))
