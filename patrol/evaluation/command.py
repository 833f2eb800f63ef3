"""`run`, which `patrol eval` calls: judge a folder or a set, score it, return a plain document.

A folder has a `visits.csv` (labels.py); a set is built in (datasets.py), or `town`, the simulated
one (simulated_town.py), or `real`, faults put onto real frames (real_faults.py), or `fire`, the
real fires beside them, or `asked`, every number that is asked beside what is reached (asked.py).
The messages of BadLabels and NoFootage are for the user.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from patrol.domain.errors import Failed
from patrol.evaluation.asked import run_asked
from patrol.evaluation.datasets import SETS
from patrol.evaluation.evaluate import EvaluatedVisit, evaluate
from patrol.evaluation.labels import VISITS_FILE, BadLabels, LabelledVisit, read_folder
from patrol.evaluation.real_results import run_real
from patrol.evaluation.real_scenes import REAL
from patrol.evaluation.results import document
from patrol.evaluation.results_page import html_page
from patrol.evaluation.score import Scores, score_visits
from patrol.evaluation.simulated_town import run_town
from patrol.inference.errors import DetectorUnavailable
from patrol.inference.manifest import ModelSpec, Purpose
from patrol.inference.onnx_detector import open_detector
from patrol.ports import Detector
from patrol.vision.types import VisionThresholds

PROGRESS_EVERY = 50  # visits
MODELS = Path("var/models")
ALL = "all"
TOWN = "town"
REAL_FAULTS = "real"
ASKED = "asked"
REAL_FIRE = "fire"
ReportProgress = Callable[[str], None]


class NoFootage(Failed, RuntimeError):
    """No clip of a built-in set is installed; the message says which package has them."""


def run(
    what: str = ALL,
    *,
    out: Path | None = None,
    report: ReportProgress = lambda _: None,
    models: Path = MODELS,
    half: str = "judging",
    policy: VisionThresholds | None = None,
    own: Sequence[ModelSpec] = (),
) -> Mapping[str, Any]:
    """Judge and count. `out`: an HTML page with the worst mistakes; `own`: a site's own models.

    Raises BadLabels when the folder cannot be used, NoFootage when a set's clips are not there.
    """
    own_by_purpose = {model.purpose: model for model in own}
    detector, note = _detector(models, own_by_purpose.get(Purpose.OBJECTS))
    fire_model, fire_note = None, ""
    if Purpose.FIRE in own_by_purpose:
        fire_model, fire_note = _detector(models, own_by_purpose[Purpose.FIRE])
    notes = tuple(filter(None, (note, fire_note)))
    report("; ".join(notes))
    if what == TOWN:
        return run_town(detector=detector, policy=policy, report=report, note=note)
    if what == REAL_FAULTS:
        return _there(run_real(half, policy=policy, report=report), what)
    if what == ASKED:
        rows = run_asked(half, policy=policy, detector=detector, report=report, notes=notes)
        return _there(rows, what)
    names = list(SETS) if what == ALL else [what]
    found: dict[str, Any] = {}
    pages = []
    for name in names:
        title, visits = _labelled_visits(name, half)
        evaluated = evaluate(visits, detector=detector, fire_model=fire_model, policy=policy)
        scores = score_visits(_with_progress(evaluated, report), detects=detector is not None)
        if scores.visits == 0:
            raise NoFootage(f"eval {name}: none of its clips is here, install opencv-doc")
        found[name] = document(scores, title, notes)
        pages.append((title, scores))
    if out is not None:
        _write(out, pages, notes)
    return found[what] if what != ALL else {"sets": found}


def _there(found: Mapping[str, Any], what: str) -> Mapping[str, Any]:
    if not found["visits"]:
        raise NoFootage(f"eval {what}: no {REAL / VISITS_FILE}, put the real frames there")
    return found


def _detector(models: Path, own: ModelSpec | None) -> tuple[Detector | None, str]:
    """A model (`own`: None for the shipped detector), and a note on it."""
    try:
        if own is None:
            detector = open_detector(models)
        else:
            detector = open_detector(models, own.name, manifest={own.name: own})
    except DetectorUnavailable as exc:
        purpose = own.purpose if own is not None else Purpose.OBJECTS
        return None, f"{purpose} are not judged by a model: {exc}"
    return detector, f"detector {detector.gauge}"


def _labelled_visits(what: str, half: str) -> tuple[str, Iterator[LabelledVisit]]:
    if what in SETS:
        return f"{what} ({half})", SETS[what](half)
    if what == REAL_FIRE:
        folder = REAL.parent / REAL_FIRE
        if not (folder / VISITS_FILE).is_file():
            raise NoFootage(
                f"eval {REAL_FIRE}: no {folder / VISITS_FILE}, put the real fires there"
            )
        return what, iter(read_folder(folder))
    folder = Path(what)
    if not folder.is_dir():
        known = ", ".join((ALL, *SETS, TOWN, REAL_FAULTS, REAL_FIRE, ASKED))
        raise BadLabels([f"{what}:1: folder: there is none, give a folder or one of {known}"])
    return what, iter(read_folder(folder))


def _with_progress(
    evaluated: Iterator[EvaluatedVisit], report: ReportProgress
) -> Iterator[EvaluatedVisit]:
    for number, one in enumerate(evaluated, start=1):
        yield one
        if number % PROGRESS_EVERY == 0:
            report(f"{number} visits judged")


def _write(out: Path, pages: list[tuple[str, Scores]], notes: tuple[str, ...]) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(html_page(pages, notes), encoding="utf-8")
