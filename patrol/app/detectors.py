"""The models that look at pictures, and in one line each what the rounds go without, and why.

A site's own model (models.yaml) stands in for ours; one that is not what its entry says is refused
by name and replaced by nothing: the rounds go on without and say so.
"""

from dataclasses import dataclass
from typing import Final

from patrol.inference.errors import DetectorUnavailable
from patrol.inference.manifest import ModelSpec, Purpose
from patrol.inference.onnx_detector import open_detector
from patrol.ports import Detector
from patrol.settings import Settings

SWITCHED_OFF: Final = "switched off in site.yaml (objects: false)"
NO_OBJECTS: Final = "不做目标检测 no objects are looked for"
NO_FIRE_MODEL: Final = "不用火情模型 no fire model is used"


@dataclass(frozen=True, slots=True, kw_only=True)
class Detectors:
    """What was opened."""

    objects: Detector | None = None
    fire: Detector | None = None
    without: tuple[str, ...] = ()  # for people: what is not done, and why

    @property
    def model_names(self) -> str:
        """The models' names and versions."""
        return " · ".join(
            detector.gauge for detector in (self.objects, self.fire) if detector is not None
        )


def open_detectors(settings: Settings) -> Detectors:
    """Open what the site asks for; never raises for a model."""
    own = {model.purpose: model for model in settings.own_models}
    without: list[str] = []
    objects, why = (None, SWITCHED_OFF)
    if settings.objects:
        objects, why = _open_model(settings, own.get(Purpose.OBJECTS))
    if why:
        without.append(f"{NO_OBJECTS}: {why}")
    fire = None
    if (model := own.get(Purpose.FIRE)) is not None:
        fire, why = _open_model(settings, model)
        if why:
            without.append(f"{NO_FIRE_MODEL}: {why}")
    return Detectors(objects=objects, fire=fire, without=tuple(without))


def _open_model(settings: Settings, own: ModelSpec | None) -> tuple[Detector | None, str]:
    """A detector (`own`: None for ours), or why there is none."""
    try:
        if own is None:
            return open_detector(settings.models), ""
        return open_detector(settings.models, own.name, manifest={own.name: own}), ""
    except DetectorUnavailable as exc:
        return None, str(exc)
