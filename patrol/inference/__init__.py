"""onnxruntime behind ports.Detector: the manifest of weight files, installing, opening, detecting.

The one room that imports onnxruntime, which is an optional extra: without it, or without a weight
file, `open_detector` raises DetectorUnavailable with one line of advice, and rounds go on.
"""

from patrol.inference.errors import (
    DetectorUnavailable,
    InstallFailed,
    ManifestBroken,
    ModelBroken,
    ModelMissing,
    ModelUnknown,
    RuntimeMissing,
)
from patrol.inference.face_plate_detectors import FacePlateDetector, open_face_plate_detector
from patrol.inference.install import ModelState, install, list_models
from patrol.inference.manifest import Manifest, ModelSpec, read_manifest, shipped
from patrol.inference.onnx_detector import OnnxDetector, open_detector

__all__ = [
    "DetectorUnavailable",
    "FacePlateDetector",
    "InstallFailed",
    "Manifest",
    "ManifestBroken",
    "ModelBroken",
    "ModelMissing",
    "ModelSpec",
    "ModelState",
    "ModelUnknown",
    "OnnxDetector",
    "RuntimeMissing",
    "install",
    "list_models",
    "open_detector",
    "open_face_plate_detector",
    "read_manifest",
    "shipped",
]
