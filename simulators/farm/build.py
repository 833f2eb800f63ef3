"""From the town to cameras that can be served: which loops are needed, which reel each plays."""

from collections.abc import Iterable

from simulators.farm.camera import FarmCamera
from simulators.farm.shelf import Shelf
from simulators.farm.vendors import VENDORS
from simulators.faults import SHOWN_IN_PICTURE, Fault
from simulators.scenes.catalogue import SceneLight, by_name, catalogue, clean_name
from simulators.scenes.library import LoopSpec
from simulators.town.model import Town


def loop_spec(profile: str, scene: str, light: SceneLight, fault: Fault) -> LoopSpec:
    """The loop that a camera plays: wire faults are made of a sound one."""
    shown = fault if fault in SHOWN_IN_PICTURE else Fault.NONE
    return LoopSpec(profile=profile, scene=scene, light=light, fault=shown)


def loops_needed(town: Town, profile: str, light: SceneLight) -> list[LoopSpec]:
    """Each once: what the cameras show, and the clean twin of each problem."""
    specs: dict[LoopSpec, None] = {}
    for camera in town.cameras:
        specs[loop_spec(profile, camera.scene, light, camera.fault)] = None
        if camera.scene != camera.clean:
            specs[loop_spec(profile, camera.clean, light, Fault.NONE)] = None
    return list(specs)


def farm_cameras(town: Town, profile: str, light: SceneLight, shelf: Shelf) -> Iterable[FarmCamera]:
    """Every camera with its reel."""
    scenes = by_name(catalogue(profile))
    for number, record in enumerate(town.cameras):
        scene = scenes[clean_name(record.clean)]
        spec = loop_spec(profile, record.scene, light, record.fault)
        yield FarmCamera(
            record=record,
            scene=scene,
            reel=shelf.reel(spec, VENDORS[scene.vendor]),
            shows=record.scene,
            fault=record.fault,
            number=number,
        )
