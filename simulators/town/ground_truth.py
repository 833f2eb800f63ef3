"""Ground truth of every simulated camera: what it shows, what is broken, what is to be found."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from simulators.faults import HIDES_SCENE, CameraFault
from simulators.scenes.annotations import StagedObject, objects_of
from simulators.scenes.catalogue import Scene, SceneLight, by_name, catalogue, clean_name
from simulators.town.model import Town, TownCamera

FILE_NAME: Final = "truth.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class GroundTruth:
    """The truth about one camera. A round must never connect to it unless `patrolled`."""

    camera: str
    kind: str  # yard, gate, road, canal
    scene: str  # what it shows
    clean: str  # what it shows when nothing is wrong
    fault: str
    problem: str | None  # category of what a person on the spot would find
    visible_problem: bool  # and whether the pictures that arrive can show it
    objects: tuple[StagedObject, ...]
    light: str
    codec: str
    width: int
    height: int
    key_frame_interval_s: int
    patrolled: bool


def truth_of(
    camera: TownCamera,
    scene: Scene,
    *,
    shows: str,
    fault: CameraFault,
    light: SceneLight,
    patrolled: bool,
) -> GroundTruth:
    """The truth for what a camera shows just now."""
    variant = scene.variant(shows)
    problem = variant.problem if variant is not None else None
    return GroundTruth(
        camera=camera.id,
        kind=scene.kind,
        scene=shows,
        clean=camera.clean,
        fault=fault,
        problem=problem,
        visible_problem=problem is not None and fault not in HIDES_SCENE,
        objects=objects_of(scene, shows),
        light=light,
        codec=scene.main.codec,
        width=scene.main.width,
        height=scene.main.height,
        key_frame_interval_s=scene.main.gop_s,
        patrolled=patrolled,
    )


def town_truth(town: Town, profile: str, light: SceneLight) -> dict[str, GroundTruth]:
    """The truth about each camera as the town was built, by id."""
    scenes = by_name(catalogue(profile))
    return {
        camera.id: truth_of(
            camera,
            scenes[clean_name(camera.scene)],
            shows=camera.scene,
            fault=camera.fault,
            light=light,
            patrolled=camera.patrolled(town.today),
        )
        for camera in town.cameras
    }


def write_truth(
    directory: Path, truths: Mapping[str, GroundTruth], *, about: Mapping[str, object]
) -> None:
    """Write truth.json: `about` (seed, count, mixture, light) and `cameras`, one line each."""
    rows = ",\n".join(
        f"{json.dumps(ident)}: {json.dumps(asdict(truth), ensure_ascii=False)}"
        for ident, truth in truths.items()
    )
    head = json.dumps(dict(about), ensure_ascii=False)[1:-1]
    (directory / FILE_NAME).write_text(f'{{{head}, "cameras": {{\n{rows}\n}}}}\n', encoding="utf-8")
