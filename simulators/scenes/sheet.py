"""`python -m simulators.scenes.sheet FILE`: a contact sheet of scenes, lights and faults."""

import sys
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from simulators.faults import Fault
from simulators.scenes.catalogue import SceneLight, by_name, catalogue, clean_name
from simulators.scenes.spoil import spoiled, turned_by
from simulators.scenes.still import still

_M, _A, _I = SceneLight.MORNING, SceneLight.AFTERNOON, SceneLight.INFRARED
_PICTURES: Final = (
    ("yard-01", _M, Fault.NONE),
    ("gate-02", _A, Fault.NONE),
    ("road-02", _M, Fault.NONE),
    ("canal-02", _A, Fault.NONE),
    ("gate-01+blocking_vehicle", _A, Fault.NONE),
    ("road-01+livestock", _M, Fault.NONE),
    ("canal-01+person_near_water", _M, Fault.NONE),
    ("road-03+blocking_vehicle", _I, Fault.NONE),
    ("yard-03", _M, Fault.BLURRED),
    ("road-03", _A, Fault.COVERED),
    ("canal-02", _M, Fault.DUSTY),
    ("gate-03", _M, Fault.SHIFTED),
)
_ACROSS: Final = 4
_SIZE: Final = (320, 180)


def sheet() -> NDArray[np.uint8]:
    """All of them, four across."""
    scenes = by_name(catalogue("town"))
    small = []
    for name, light, fault in _PICTURES:
        scene = scenes[clean_name(name)]
        variant = scene.variant(name)
        named = variant.name if variant else None
        picture = still(scene, named, light, turned_deg=turned_by(fault), widest=960).bgr
        shown = spoiled(picture, fault, scene.serial)
        small.append(cv2.resize(shown, _SIZE, interpolation=cv2.INTER_AREA))
    rows = [np.hstack(small[at : at + _ACROSS]) for at in range(0, len(small), _ACROSS)]
    return np.clip(np.vstack(rows) * 255, 0, 255).astype(np.uint8)


if __name__ == "__main__":
    cv2.imwrite(sys.argv[1], sheet(), [cv2.IMWRITE_PNG_COMPRESSION, 9])
