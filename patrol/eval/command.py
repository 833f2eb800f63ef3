"""`patrol eval`: what the command line calls, without the command line.

`run` judges a folder with `visits.csv`, a built-in set by name, or all of them, and answers with a
plain document. It raises BadLabels and NoFootage, whose words are for the user.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from patrol.eval.document import document
from patrol.eval.labels import BadLabels, Labelled, read_folder
from patrol.eval.page import page
from patrol.eval.score import Scores, score
from patrol.eval.sets import SETS
from patrol.eval.walk import Judged, walk
from patrol.inference import DetectorUnavailable, open_detector
from patrol.inference.manifest import ModelSpec, Purpose
from patrol.ports import Detector
from patrol.vision.judge import EyePolicy

PROGRESS_EVERY = 50  # visits
MODELS = Path("var/models")
ALL = "all"
TOWN = "town"
Tell = Callable[[str], None]


class NoFootage(RuntimeError):
    """A built-in set has no clip here; says what to install."""


def run(
    what: str = ALL,
    *,
    out: Path | None = None,
    tell: Tell = lambda _: None,
    models: Path = MODELS,
    half: str = "judging",
    policy: EyePolicy | None = None,
    own: Sequence[ModelSpec] = (),
) -> Mapping[str, Any]:
    """Judge and count. `out`: an HTML page with the worst mistakes; `own`: a site's own models.

    Raises BadLabels when the folder cannot be used, NoFootage when a set's clips are not there.
    """
    mine = {model.purpose: model for model in own}
    detector, note = _detector(models, mine.get(Purpose.OBJECTS))
    fire_model, fire_note = None, ""
    if Purpose.FIRE in mine:
        fire_model, fire_note = _detector(models, mine[Purpose.FIRE])
    notes = tuple(filter(None, (note, fire_note)))
    tell("; ".join(notes))
    if what == TOWN:
        from patrol.eval.town import run_town  # noqa: PLC0415  RTSP and settings, only here

        return run_town(detector=detector, policy=policy, tell=tell, note=note)
    names = list(SETS) if what == ALL else [what]
    found: dict[str, Any] = {}
    pages = []
    for name in names:
        title, visits = _visits(name, half)
        judged = walk(visits, detector=detector, fire_model=fire_model, policy=policy)
        scores = score(_counted(judged, tell), detects=detector is not None)
        if scores.visits == 0:
            raise NoFootage(f"eval {name}: none of its clips is here, install opencv-doc")
        found[name] = document(scores, title, notes)
        pages.append((title, scores))
    if out is not None:
        _write(out, pages, notes)
    return found[what] if what != ALL else {"sets": found}


def _detector(models: Path, own: ModelSpec | None) -> tuple[Detector | None, str]:
    """A model (`own`: None for the house's detector), and a note on it."""
    try:
        if own is None:
            detector = open_detector(models)
        else:
            detector = open_detector(models, own.name, manifest={own.name: own})
    except DetectorUnavailable as exc:
        purpose = own.purpose if own is not None else Purpose.OBJECTS
        return None, f"{purpose} are not judged by a model: {exc}"
    return detector, f"detector {detector.gauge}"


def _visits(what: str, half: str) -> tuple[str, Iterator[Labelled]]:
    if what in SETS:
        return f"{what} ({half})", SETS[what](half)
    folder = Path(what)
    if not folder.is_dir():
        known = ", ".join((ALL, *SETS, TOWN))
        raise BadLabels([f"{what}:1: folder: there is none, give a folder or one of {known}"])
    return what, iter(read_folder(folder))


def _counted(judged: Iterator[Judged], tell: Tell) -> Iterator[Judged]:
    for number, one in enumerate(judged, start=1):
        yield one
        if number % PROGRESS_EVERY == 0:
            tell(f"{number} visits judged")


def _write(out: Path, pages: list[tuple[str, Scores]], notes: tuple[str, ...]) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(page(pages, notes), encoding="utf-8")
