"""`patrol eval asked`: each number asked of the gauges, and what they reach on real pictures.

One row a demand: what is reached with its 95 % interval, the number asked, whether it is met, and
the simple alternative (own_median.py) on the same pictures where there is one. The rows come from
the documents of `patrol eval real` of one half, and of the folders of newcomers and fires beside
it. A row says in its note what its figure cannot tell: which pictures were seen while limits were
chosen, or that there are too few.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from operator import attrgetter
from typing import Any, Final

from patrol.evaluation.evaluate import evaluate
from patrol.evaluation.labels import LabelledVisit, read_folder
from patrol.evaluation.metrics import rate_document
from patrol.evaluation.placeholders import PLACEHOLDERS
from patrol.evaluation.real_faults import FIRST, NINE, SOUND_KIND, STUCK
from patrol.evaluation.real_results import run_real
from patrol.evaluation.real_scenes import REAL, real_visits
from patrol.evaluation.results import FORMAT, document
from patrol.evaluation.score import score_visits
from patrol.ports import Detector
from patrol.vision.types import VisionThresholds

WEEKS: Final = timedelta(days=7)  # from a camera's first visit to its last
EVERY_CLIP: Final = 0.6  # of its visits with a flame
NOT_HERE: Final = (
    "own median: the simple alternative on the same pictures; not measured here: persons and"
    " vehicles (docs/eval.md), flames on scenes that their fit did not see (fit_flames.py)"
)
SEEN: Final = "pictures that limits were chosen on"


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultDemand:
    """A share of the cases of `patrol eval real` that must be named."""

    what: str
    kinds: Sequence[str]
    severities: Sequence[str]
    history: str
    at_least: float | None  # None: no less than the simple alternative


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedRow:
    """One demand and what is reached."""

    what: str
    reached: Mapping[str, Any]  # count, of, rate, interval
    at_least: float | None = None
    at_most: float | None = None
    own_median: Mapping[str, Any] | None = None
    note: str = ""

    @property
    def is_met(self) -> bool | None:
        """Whether the share is as asked; None: nothing was measured."""
        rate = self.reached["rate"]
        if rate is None:
            return None
        return (self.at_least is None or rate >= self.at_least) and (
            self.at_most is None or rate <= self.at_most
        )

    def as_document(self) -> Mapping[str, Any]:
        """As `--json` prints it."""
        return {
            "what": self.what, "reached": self.reached, "at_least": self.at_least,
            "at_most": self.at_most, "met": self.is_met, "own_median": self.own_median,
            "note": self.note,
        }  # fmt: skip


def _demand(
    what: str, kinds: str, severities: str, at_least: float | None, *, history: str = NINE
) -> FaultDemand:
    return FaultDemand(
        what=what, kinds=kinds.split(), severities=severities.split(","), history=history,
        at_least=at_least,
    )  # fmt: skip


DEMANDS: Final = (
    _demand("infrared by day, told at the second visit", STUCK, "visit 2", 0.95),
    _demand("pale cover, 30 %", "pale_cover", "mild", None),
    _demand("pale cover, 50 %", "pale_cover", "moderate", None),
    _demand("pale cover, 85 %", "pale_cover", "severe", None),
    _demand("plastic bag, 30 %", "plastic_bag", "mild", None),
    _demand("plastic bag, 50 %", "plastic_bag", "moderate", None),
    _demand("plastic bag, 85 %", "plastic_bag", "severe", None),
    _demand("hand, cloth, pale sheet over half and more, first visit", "hand cloth pale_cover",
            "moderate,severe", 0.8, history=FIRST),
    _demand("drops, web, paint, severe", "drops web paint", "severe", 0.5),
    _demand("blur, first visit, mild", "blur", "mild", 12 / 17, history=FIRST),
    _demand("blur, first visit, moderate", "blur", "moderate", 16 / 17, history=FIRST),
    _demand("blur, first visit, severe", "blur", "severe", 1.0, history=FIRST),
    _demand("frozen, encoded again by a recorder", "freeze_recorded", "", 0.9),
    _demand("H.265 damaged on the way", "damaged_h265",
            "a byte flipped,three bytes flipped,a packet lost,two packets lost,cut off", 0.9,
            history=FIRST),
    _demand("too bright, three times the light", "too_bright", "mild", 14 / 17),
    _demand("noise, mild", "noise", "mild", 8 / 17),
    _demand("stripes, mild", "stripes", "mild", 8 / 17),
    _demand("camera re-aimed, and again months later", "reaimed",
            "mild,moderate,severe,months later", 0.9),
    _demand("placeholders, first visit", " ".join(PLACEHOLDERS), "visit 1", 1.0, history=FIRST),
    _demand("placeholders, second visit", " ".join(PLACEHOLDERS), "visit 2", 1.0, history=FIRST),
)  # fmt: skip


def run_asked(
    half: str,
    *,
    policy: VisionThresholds | None,
    detector: Detector | None,
    report: Callable[[str], None],
    notes: Sequence[str] = (),
) -> Mapping[str, Any]:
    """The document of all rows; `visits` is 0 where the real pictures are not there."""
    real = run_real(half, policy=policy, report=report)
    rows: list[AskedRow] = []
    if real["visits"]:
        rows += [_sound_row(real), *_weeks_rows(half, policy)]
        rows += [_fault_row(demand, real["severities"]) for demand in DEMANDS]
        rows += _new_object_rows(policy, detector)
        rows += _fire_rows(policy, detector)
    return {
        "format": FORMAT,
        "set": f"asked ({half})",
        "visits": real["visits"],
        "cameras": real["cameras"],
        "kinds": {},
        "summary": {"met": rate_document(sum(row.is_met is True for row in rows), len(rows))},
        "rows": [row.as_document() for row in rows],
        "notes": [NOT_HERE, *notes],
    }


def _fault_row(demand: FaultDemand, severities: Sequence[Mapping[str, Any]]) -> AskedRow:
    rows = [
        row
        for row in severities
        if row["kind"] in demand.kinds
        and row["severity"] in demand.severities
        and row["history"] == demand.history
    ]
    reached, alternative = _sum(rows, "named"), _sum(rows, "own_median")
    least = demand.at_least if demand.at_least is not None else alternative["rate"]
    return AskedRow(
        what=demand.what, reached=reached, at_least=least, own_median=alternative,
        note="" if demand.at_least is not None else "asked: the alternative's share",
    )  # fmt: skip


def _sum(rows: Sequence[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    return rate_document(
        sum(row[name]["count"] for row in rows), sum(row[name]["of"] for row in rows)
    )


def _sound_row(real: Mapping[str, Any]) -> AskedRow:
    """Sound visits with any fault: made ones with and without a history, and the folder's own."""
    made = [row for row in real["severities"] if row["kind"] == SOUND_KIND]
    untouched = real["summary"]["ok_visits_flagged"]
    count = sum(row["reported"]["count"] for row in made) + untouched["count"]
    of = sum(row["reported"]["of"] for row in made) + untouched["of"]
    return AskedRow(
        what="sound visits flagged", reached=rate_document(count, of), at_most=0.01,
        own_median=_sum(made, "own_median"),
    )  # fmt: skip


def _weeks_rows(half: str, policy: VisionThresholds | None) -> list[AskedRow]:
    """Visits of real weeks with a fault, and regions proposed on them though nothing is new."""
    of = flagged = regions = compared = 0
    for one in evaluate(_over_weeks(real_visits(half)), policy=policy):
        of += 1
        flagged += bool(one.judgement.faults)
        scene = one.judgement.scene
        if scene is not None and scene.change.shift is not None:
            compared += 1
            regions += len(scene.change.new_objects)
    few = "few visits of this half; reference ready from the eighth"
    return [
        AskedRow(
            what="visits over real weeks flagged", reached=rate_document(flagged, of), at_most=0.02,
            note=few,
        ),
        AskedRow(
            what="false regions a visit over real weeks", at_most=0.02, note=few,
            reached={"count": regions, "of": compared, "interval": None,
                     "rate": round(regions / compared, 4) if compared else None},
        ),
    ]  # fmt: skip


def _over_weeks(visits: Sequence[LabelledVisit]) -> list[LabelledVisit]:
    by_camera = (list(of) for _, of in groupby(visits, key=attrgetter("camera")))
    return [one for of in by_camera if of[-1].at - of[0].at >= WEEKS for one in of]


def _new_object_rows(policy: VisionThresholds | None, detector: Detector | None) -> list[AskedRow]:
    folder = REAL.parent / "newcomers"
    if not folder.is_dir():
        return []
    rows = []
    for model, how in ((None, "without a detector"), (detector, "with the detector")):
        if how == "with the detector" and model is None:
            continue
        scores = score_visits(
            evaluate(read_folder(folder), policy=policy, detector=model), detects=model is not None
        )
        found = document(scores, "newcomers")
        new_objects, false = (
            found["kinds"]["newcomer"],
            found["summary"]["false_regions_per_100_clean_visits"],
        )
        rows.append(
            AskedRow(
                what=f"newcomers of 2 % and more, {how}", at_least=0.93, note=SEEN,
                reached=rate_document(new_objects["tp"], new_objects["tp"] + new_objects["fn"]),
            )
        )  # fmt: skip
        rows.append(
            AskedRow(
                what=f"false regions a clean visit, {how}", at_most=0.01, note=SEEN,
                reached={**false, "interval": None,
                         "rate": None if false["rate"] is None else false["rate"] / 100},
            )
        )  # fmt: skip
    return rows


def _fire_rows(policy: VisionThresholds | None, detector: Detector | None) -> list[AskedRow]:
    folder = REAL.parent / "fire"
    if not folder.is_dir():
        return []
    scores = score_visits(
        evaluate(read_folder(folder), policy=policy, detector=detector), detects=False
    )
    found = document(scores, "fire")
    rows = []
    for kind, least in (("flame", 0.85), ("smoke", 0.5)):
        clips = found["clips"].get(kind, {})
        rows.append(
            AskedRow(
                what=f"{kind} on real clips", at_least=least, note=SEEN,
                reached=rate_document(
                    sum(clip["count"] for clip in clips.values()),
                    sum(clip["of"] for clip in clips.values()),
                ),
            )
        )  # fmt: skip
        if kind == "flame":
            good = sum(clip["rate"] >= EVERY_CLIP for clip in clips.values())
            rows.append(
                AskedRow(
                    what="clips with a flame on 60 % of their visits", at_least=1.0, note=SEEN,
                    reached=rate_document(good, len(clips)),
                )
            )  # fmt: skip
    none = found["summary"]["flames_proposed_where_none"]
    rows.append(AskedRow(what="flames where none burns", reached=none, at_most=0.005, note=SEEN))
    return rows
