"""Ad-hoc round (专项巡查): the selection of what a person names: villages, groups, links, cameras.

It is on no calendar, so it is never due or missed, and no plan's round is done by it. Consent,
maintenance, connection limits and the rule that rounds never overlap hold for it as for others. The
planner (planner.py) begins it. Pure.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from patrol.domain.camera import Camera
from patrol.domain.errors import BadInput
from patrol.domain.ids import CameraId, GridCode, LinkId
from patrol.domain.registry import GridTree, Registry


class NoCameraSelected(BadInput, ValueError):
    """No camera fits a person's selection; the message names the part that fits none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdhocSelection:
    """The cameras of an ad-hoc round: those that fit any of the three sets."""

    grids: frozenset[GridCode] = frozenset()  # with all grids below them
    links: frozenset[LinkId] = frozenset()
    cameras: frozenset[CameraId] = frozenset()

    @classmethod
    def resolve(
        cls,
        registry: Registry,
        *,
        grids: Iterable[str] = (),
        links: Iterable[str] = (),
        cameras: Iterable[str] = (),
    ) -> "AdhocSelection":
        """The selection, checked against the registry. Raises NoCameraSelected."""
        known = registry.cameras.values()
        for code in grids:
            if code not in registry.tree.grids:
                raise NoCameraSelected(f"grid {code!r} is not in grids.csv")
            if not any(registry.tree.is_within(camera.grid, code) for camera in known):
                raise NoCameraSelected(f"grid {code!r} has no camera")
        for link in links:
            if all(camera.link != link for camera in known):
                raise NoCameraSelected(f"link {link!r} is no camera's in cameras.csv")
        for ident in cameras:
            if ident not in registry.cameras:
                raise NoCameraSelected(f"camera {ident!r} is not in cameras.csv")
        return cls(
            grids=frozenset(map(GridCode, grids)),
            links=frozenset(map(LinkId, links)),
            cameras=frozenset(map(CameraId, cameras)),
        )

    @property
    def scope(self) -> str:
        """The selection as text; equal selections have equal texts."""
        named = (("grid", self.grids), ("link", self.links), ("camera", self.cameras))
        return "; ".join(f"{kind} {' '.join(sorted(codes))}" for kind, codes in named if codes)

    def includes(self, camera: Camera, tree: GridTree) -> bool:
        """Whether the round visits this camera."""
        return (
            camera.id in self.cameras
            or camera.link in self.links
            or any(tree.is_within(camera.grid, code) for code in self.grids)
        )
