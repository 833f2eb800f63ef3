"""Open the detectors of visits and of outgoing pictures; list in one line each what is missing.

`open_detectors` opens the models that judge visits, when the application is built; a site's own
model (models.yaml) takes the place of ours, and one that is not what its entry says is refused by
name and replaced by nothing: rounds go on without it. `PictureRedactor` opens the three models that
find persons, faces and plates in pictures that leave the centre, when the first picture leaves:
most processes never send one, and the models hold some 270 MB. While one of them is missing, it
is tried again at each picture, so that `patrol models install` needs no restart.
"""

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import structlog

from patrol.domain.observation import Box
from patrol.domain.problem_texts import problem_text
from patrol.domain.reader_language import translate
from patrol.inference.errors import DetectorUnavailable
from patrol.inference.face_plate_detectors import open_face_plate_detector
from patrol.inference.manifest import ModelSpec, ModelState, Purpose, list_models
from patrol.inference.onnx_detector import open_detector
from patrol.logs import LastReason
from patrol.package_files import FILE_STATES
from patrol.ports import Detector
from patrol.settings import Settings, Site
from patrol.vision.redaction import PERSON_SCORE, PrivacyDetectors, Redacted, Watermark, redact

log = structlog.get_logger(__name__)

SWITCHED_OFF: Final = (
    "site.yaml 中已关闭（objects: false）",
    "switched off in site.yaml (objects: false)",
)
NO_OBJECTS: Final = ("不做目标检测", "no objects are looked for")
NO_FIRE_MODEL: Final = ("不用火情模型", "no fire model is used")
COARSE_NOTICE: Final = ("外发照片将整体粗化", "pictures leave coarse")
FACES, PLATES, PERSONS = "centerface", "plates", "yolox_nano"  # a site's own may know no persons


@dataclass(frozen=True, slots=True, kw_only=True)
class Detectors:
    """The models that judge visits, and what is not done for want of one."""

    objects: Detector | None = None
    fire: Detector | None = None
    without: tuple[str, ...] = ()  # sentences: what is not done, and why

    @property
    def model_names(self) -> str:
        """The models' names and versions."""
        return " · ".join(
            detector.gauge for detector in (self.objects, self.fire) if detector is not None
        )


class PictureRedactor:
    """Redacts one picture at a time, from any thread; a round keeps the other core."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._one_at_a_time = threading.Lock()
        self._detectors: PrivacyDetectors | None = None
        self._last_problem = LastReason()

    def __call__(self, jpeg: bytes, box: Box | None, watermark: Watermark) -> Redacted:
        """The redacted picture (JPEG bytes in and out). Raises ValueError: not a picture."""
        with self._one_at_a_time:
            return redact(jpeg, box, watermark, self._models())

    def _models(self) -> PrivacyDetectors | None:
        """All three, or None: with one missing no picture can be called clean."""
        if self._detectors is None:
            self._detectors, why = _open_privacy_models(self._settings)
            if self._last_problem.changes_to(why) and why:
                log.warning("pictures leave coarse", reason=why)
        return self._detectors


def open_detectors(site: Site) -> Detectors:
    """Open the site's own models and the product's; never raises for a model."""
    settings = site.settings
    own = {model.purpose: model for model in site.own_models}
    without: list[str] = []
    objects, why = (None, translate(*SWITCHED_OFF))
    if settings.objects:
        objects, why = _open_model(settings, own.get(Purpose.OBJECTS))
    if why:
        without.append(_sentence(NO_OBJECTS, why))
    fire = None
    if (model := own.get(Purpose.FIRE)) is not None:
        fire, why = _open_model(settings, model)
        if why:
            without.append(_sentence(NO_FIRE_MODEL, why))
    return Detectors(objects=objects, fire=fire, without=tuple(without))


def _sentence(what: tuple[str, str], why: str) -> str:
    """What is not done and why, for the reader at the terminal; `why` as it was raised."""
    zh, en = what
    return translate(f"{zh}：{problem_text(why, 'zh')}", f"{en}: {why}")


def missing_models(settings: Settings) -> str:
    """The warning that pictures leave coarse, with the missing models; "" when all are ready.

    Opens no model.
    """
    wanted = [m for m in list_models(settings.models) if m.name in (FACES, PLATES, PERSONS)]
    missing = model_states(wanted)
    zh, en = COARSE_NOTICE
    text = translate(
        f"{zh}：{missing}；请执行 `patrol models install`",
        f"{en}: {missing}; run `patrol models install`",
    )
    return text if missing else ""


def model_states(models: Iterable[ModelState]) -> str:
    """The models whose weight files are not ready, each with its state, for the reader."""
    named = [(m.name, FILE_STATES[m.state]) for m in models if m.state != "ready"]
    return translate(
        "、".join(f"{name}（{zh}）" for name, (zh, _) in named),
        ", ".join(f"{name} ({en})" for name, (_, en) in named),
    )


def _open_model(settings: Settings, own: ModelSpec | None) -> tuple[Detector | None, str]:
    """A detector (`own`: None for ours), or why there is none."""
    try:
        if own is None:
            return open_detector(settings.models), ""
        return open_detector(settings.models, own.name, manifest={own.name: own}), ""
    except DetectorUnavailable as exc:
        return None, str(exc)


def _open_privacy_models(settings: Settings) -> tuple[PrivacyDetectors | None, str]:
    """The three models, or why one of them cannot be opened."""
    models = settings.models
    try:
        return PrivacyDetectors(
            faces=open_face_plate_detector(models, FACES),
            plates=open_face_plate_detector(models, PLATES),
            persons=open_detector(models, PERSONS, min_score=PERSON_SCORE),
        ), ""
    except DetectorUnavailable as exc:
        return None, str(exc)
