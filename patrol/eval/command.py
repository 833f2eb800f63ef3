"""`patrol eval`: what the command line calls, without the command line.

`run` judges a folder with `visits.csv`, a built-in set by name, or all of them, and answers with a
plain document. It raises BadLabels and NoFootage, whose words are for the user.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from patrol.eval.document import document
from patrol.eval.labels import BadLabels, Labelled, read_folder
from patrol.eval.page import page
from patrol.eval.score import Scores, score
from patrol.eval.sets import SETS
from patrol.eval.walk import Judged, walk
from patrol.inference import DetectorUnavailable, open_detector
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
) -> Mapping[str, Any]:
    """Judge and count. `out`: an HTML page with the worst mistakes.

    Raises BadLabels when the folder cannot be used, NoFootage when a set's clips are not there.
    """
    detector, note = _detector(models)
    tell(note)
    if what == TOWN:
        from patrol.eval.town import run_town  # noqa: PLC0415  RTSP and settings, only here

        return run_town(detector=detector, policy=policy, tell=tell, note=note)
    names = list(SETS) if what == ALL else [what]
    found: dict[str, Any] = {}
    pages = []
    for name in names:
        title, visits = _visits(name, half)
        judged = walk(visits, detector=detector, policy=policy)
        scores = score(_counted(judged, tell), detects=detector is not None)
        if scores.visits == 0:
            raise NoFootage(f"eval {name}: none of its clips is here, install opencv-doc")
        found[name] = document(scores, title, (note,))
        pages.append((title, scores))
    if out is not None:
        _write(out, pages, note)
    return found[what] if what != ALL else {"sets": found}


def _detector(models: Path) -> tuple[Detector | None, str]:
    try:
        detector = open_detector(models)
    except DetectorUnavailable as exc:
        return None, f"objects are not judged: {exc}"
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


def _write(out: Path, pages: list[tuple[str, Scores]], note: str) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(page(pages, (note,)), encoding="utf-8")
