"""Pictures on their way out: the models that find what must be hidden, opened when first needed.

Most processes never send a picture, and the three models hold some 270 MB once they have looked at
one; so they are opened at the first picture that leaves, and looked for again at each while one of
them is missing: after `patrol models install` the next picture is sharp without a restart. One
picture at a time: a round beside it keeps the other core.
"""

import threading

import structlog

from patrol.domain.observation import Box
from patrol.inference.errors import DetectorUnavailable
from patrol.inference.face_plate_detectors import open_face_plate_detector
from patrol.inference.install import list_models
from patrol.inference.onnx_detector import open_detector
from patrol.logs import LastReason
from patrol.settings import Settings
from patrol.vision.redaction import PrivacyDetectors, Redacted, Watermark, redact
from patrol.vision.redaction.find_private import PERSON_SCORE

log = structlog.get_logger(__name__)

COARSE_NOTICE = "外发照片将整体粗化 pictures leave coarse"
FACES, PLATES, PERSONS = "centerface", "plates", "yolox_nano"  # a site's own may know no persons


def missing_models(settings: Settings) -> str:
    """Why pictures would leave coarse, in words; empty when they would not. Opens no model."""
    wanted = [m for m in list_models(settings.models) if m.name in (FACES, PLATES, PERSONS)]
    missing = ", ".join(f"{m.name} ({m.state})" for m in wanted if m.state != "ready")
    text = f"{COARSE_NOTICE}: {missing}; run `patrol models install`"
    return text if missing else ""


class PictureRedactor:
    """Callable from any thread."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._one_at_a_time = threading.Lock()
        self._detectors: PrivacyDetectors | None = None
        self._last_problem = LastReason()

    def __call__(self, jpeg: bytes, box: Box | None, watermark: Watermark) -> Redacted:
        """What may leave of a stored picture. Raises ValueError: not a picture."""
        with self._one_at_a_time:
            return redact(jpeg, box, watermark, self._models())

    def _models(self) -> PrivacyDetectors | None:
        """All three, or nothing: with one missing no picture can be called clean."""
        if self._detectors is None:
            self._detectors, why = _open_models(self._settings)
            if self._last_problem.changes_to(why) and why:
                log.warning("pictures leave coarse", reason=why)
        return self._detectors


def _open_models(settings: Settings) -> tuple[PrivacyDetectors | None, str]:
    """The models, or why they are not there."""
    models = settings.models
    try:
        return PrivacyDetectors(
            faces=open_face_plate_detector(models, FACES),
            plates=open_face_plate_detector(models, PLATES),
            persons=open_detector(models, PERSONS, min_score=PERSON_SCORE),
        ), ""
    except DetectorUnavailable as exc:
        return None, str(exc)
