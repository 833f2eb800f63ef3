"""Draw scenes, lights and faults on one sheet: `python -m simulators.scenes.contact_sheet FILE`."""

import sys
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from simulators.faults import CameraFault
from simulators.scenes.catalogue import SceneLight, by_name, catalogue, clean_name
from simulators.scenes.frames import turned_by, with_picture_fault
from simulators.scenes.rendering import render_scene

_M, _A, _I = SceneLight.MORNING, SceneLight.AFTERNOON, SceneLight.INFRARED
_PICTURES: Final = (
    ("yard-01", _M, CameraFault.NONE),
    ("gate-02", _A, CameraFault.NONE),
    ("road-02", _M, CameraFault.NONE),
    ("canal-02", _A, CameraFault.NONE),
    ("gate-01+blocking_vehicle", _A, CameraFault.NONE),
    ("road-01+livestock", _M, CameraFault.NONE),
    ("canal-01+person_near_water", _M, CameraFault.NONE),
    ("road-03+blocking_vehicle", _I, CameraFault.NONE),
    ("yard-03", _M, CameraFault.BLURRED),
    ("road-03", _A, CameraFault.COVERED),
    ("canal-02", _M, CameraFault.DUSTY),
    ("gate-03", _M, CameraFault.SHIFTED),
)
_ACROSS: Final = 4
_SIZE: Final = (320, 180)


def render_contact_sheet() -> NDArray[np.uint8]:
    """All pictures on one sheet, four across."""
    scenes = by_name(catalogue("town"))
    small = []
    for name, light, fault in _PICTURES:
        scene = scenes[clean_name(name)]
        variant = scene.variant(name)
        named = variant.name if variant else None
        picture = render_scene(scene, named, light, turned_deg=turned_by(fault), widest=960).bgr
        shown = with_picture_fault(picture, fault, scene.serial)
        small.append(cv2.resize(shown, _SIZE, interpolation=cv2.INTER_AREA))
    rows = [np.hstack(small[at : at + _ACROSS]) for at in range(0, len(small), _ACROSS)]
    return np.clip(np.vstack(rows) * 255, 0, 255).astype(np.uint8)


if __name__ == "__main__":
    cv2.imwrite(sys.argv[1], render_contact_sheet(), [cv2.IMWRITE_PNG_COMPRESSION, 9])
