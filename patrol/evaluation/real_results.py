"""Judge and count `patrol eval real`, and lay it out: one row a kind, severity and history.

Each row says how often the right fault was reported, how often any was, and how often the simple
alternative (own_median.py) reported the right one, with 95 % intervals. Sound visits are rows too;
there every fault is a false one.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from patrol.evaluation.damaged_streams import damaged_cases
from patrol.evaluation.evaluate import evaluate
from patrol.evaluation.metrics import Counts, rate_document
from patrol.evaluation.own_median import OwnMedian
from patrol.evaluation.real_faults import (
    FIRST,
    NINE,
    NOT_NORMAL,
    SOUND_KIND,
    Case,
    FaultCase,
    placeholder_cases,
    real_cases,
)
from patrol.evaluation.real_scenes import REAL, real_scenes, real_visits
from patrol.evaluation.results import FORMAT
from patrol.evaluation.score import Scores, score_visits
from patrol.vision.types import VisionThresholds

PROGRESS_EVERY = 10  # cameras
AS_THEY_ARE = "as it is"  # the visits of the folder, nothing put on


@dataclass(slots=True)
class CaseCounts:
    """How often one kind at one severity and history was judged and reported."""

    of: int = 0
    named: int = 0  # the right fault
    reported: int = 0  # any fault
    own_median: int = 0  # the right one, by the simple alternative


RowKey = tuple[str, str, str]  # kind, severity, history


def run_real(
    half: str,
    *,
    policy: VisionThresholds | None,
    report: Callable[[str], None],
    folder: Path = REAL,
) -> Mapping[str, Any]:
    """The document of all cases of a half; `visits` is 0 where the folder is not there."""
    groups = chain(
        placeholder_cases(),
        damaged_cases(real_scenes(half, folder)),
        real_cases(real_scenes(half, folder)),
    )
    plain = real_visits(half, folder)
    rows = judge_cases(groups if plain else (), policy=policy, report=report)
    untouched = score_visits(evaluate(plain, policy=policy), detects=False)
    return _document(half, rows, untouched)


def judge_cases(
    groups: Iterable[list[Case]],
    *,
    policy: VisionThresholds | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> dict[RowKey, CaseCounts]:
    """Judge camera by camera as a round does; count per kind, severity and history."""
    rows: dict[RowKey, CaseCounts] = defaultdict(CaseCounts)
    for number, cases in enumerate(groups, start=1):
        simple = OwnMedian()
        judged = evaluate([visit for _, visit in cases], policy=policy)
        for (case, visit), one in zip(cases, judged, strict=True):
            alternative = simple.judge(one.judgement.pictures, accept=visit.accept)
            if case.history:
                row = rows[case.kind, case.severity, case.history]
                _count(row, case, frozenset(one.judgement.faults), alternative)
        if number % PROGRESS_EVERY == 0:
            report(f"{number} cameras judged")
    return rows


def _count(
    row: CaseCounts, case: FaultCase, reported: frozenset[str], simple: frozenset[str]
) -> None:
    any_will_do = case.expected in (NOT_NORMAL, frozenset())
    row.of += 1
    row.reported += bool(reported)
    row.named += bool(reported) if any_will_do else bool(reported & case.expected)
    row.own_median += bool(simple) if any_will_do else bool(simple & case.expected)


def _document(half: str, rows: Mapping[RowKey, CaseCounts], untouched: Scores) -> dict[str, Any]:
    kinds: dict[str, Counts] = defaultdict(Counts)
    for (kind, _, _), row in rows.items():
        if kind != SOUND_KIND:
            kinds[kind] += Counts(tp=row.named, fn=row.of - row.named)
    sound = {name: rows.get((SOUND_KIND, "", name), CaseCounts()) for name in (NINE, FIRST)}
    return {
        "format": FORMAT,
        "set": f"real ({half})",
        "visits": sum(row.of for row in rows.values()) + untouched.visits,
        "cameras": len(untouched.cameras),
        "kinds": {
            kind: {"group": "fault", **counts.as_document()}
            for kind, counts in sorted(kinds.items())
        },
        "summary": {
            "ok_visits_flagged": rate_document(untouched.ok_flagged, untouched.ok_visits),
            **{
                f"sound_flagged_{name.replace(' ', '_')}": rate_document(row.reported, row.of)
                for name, row in sound.items()
            },
        },
        "severities": [
            {
                "kind": kind,
                "severity": severity,
                "history": history,
                "named": rate_document(row.named, row.of),
                "reported": rate_document(row.reported, row.of),
                "own_median": rate_document(row.own_median, row.of),
            }
            for (kind, severity, history), row in sorted(
                rows.items(), key=lambda item: (item[0][2], item[0])
            )
        ],
        "notes": ["real frames, faults put on by optics; own_median is a simple alternative"],
    }
