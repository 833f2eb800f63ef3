"""The table of what is asked: rows from the documents, and what counts as met."""

from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from patrol.evaluation import asked, command
from patrol.evaluation.asked import DEMANDS, AskedRow, run_asked
from patrol.evaluation.command import NoFootage
from patrol.evaluation.lens_faults import LENS_FAULTS
from patrol.evaluation.metrics import rate_document
from patrol.evaluation.real_scenes import JUDGING
from patrol.evaluation.results import render


@pytest.mark.parametrize(("row", "met"), [
    (AskedRow(what="w", reached=rate_document(8, 10), at_least=0.8), True),
    (AskedRow(what="w", reached=rate_document(7, 10), at_least=0.8), False),
    (AskedRow(what="w", reached=rate_document(1, 100), at_most=0.01), True),
    (AskedRow(what="w", reached=rate_document(2, 100), at_most=0.01), False),
    (AskedRow(what="w", reached=rate_document(0, 0), at_most=0.01), None),
])  # fmt: skip
def test_a_share_is_met_or_not_or_unknown(row: AskedRow, *, met: bool | None) -> None:
    assert row.is_met is met
    assert row.as_document()["met"] is met


def real_document(named: int) -> Mapping[str, Any]:
    """What run_real answers, with `named` of ten for every kind and severity."""
    cases = {
        (kind, severity, demand.history)
        for demand in DEMANDS
        for kind in demand.kinds
        for severity in demand.severities
    } | {("sound", "", "nine visits"), ("sound", "", "first visit")}
    return {
        "visits": 10 * len(cases), "cameras": 3,
        "summary": {"ok_visits_flagged": rate_document(0, 10)},
        "severities": [
            {"kind": kind, "severity": severity, "history": history,
             "named": rate_document(named, 10), "own_median": rate_document(9, 10),
             "reported": rate_document(0 if kind == "sound" else named, 10)}
            for kind, severity, history in sorted(cases)
        ],
    }  # fmt: skip


@pytest.mark.parametrize("named", [0, 5, 10])
def test_every_demand_has_a_row_with_its_alternative(
    named: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asked, "run_real", lambda *_, **__: real_document(named))
    monkeypatch.setattr(asked, "real_visits", lambda _: [])
    monkeypatch.setattr(asked, "REAL", tmp_path / "clean")
    found = run_asked(JUDGING, policy=None, detector=None, report=print)
    rows = {row["what"]: row for row in found["rows"]}
    assert rows.keys() >= {demand.what for demand in DEMANDS}
    assert rows["sound visits flagged"]["reached"]["of"] == 30
    assert rows["sound visits flagged"]["met"] is True
    assert rows["visits over real weeks flagged"]["met"] is None
    for demand in DEMANDS:
        row = rows[demand.what]
        assert row["at_least"] == (demand.at_least if demand.at_least is not None else 0.9)
        assert row["met"] is (named / 10 >= row["at_least"])
        assert row["own_median"]["count"] == 9 * row["reached"]["of"] // 10
    assert found["summary"]["met"]["count"] == sum(row["met"] is True for row in found["rows"])
    text = StringIO()
    Console(file=text, width=200).print(render(found))
    assert all(demand.what in text.getvalue() for demand in DEMANDS)


def test_demands_name_what_the_set_has() -> None:
    made = {*LENS_FAULTS, "infrared_by_day", "freeze_recorded", "damaged_h265", "reaimed",
            "slide", "channel_logo", "colour_bars"}  # fmt: skip
    assert {kind for demand in DEMANDS for kind in demand.kinds} <= made


def test_absent_pictures_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asked, "run_real", lambda *_, **__: {"visits": 0, "cameras": 0})
    with pytest.raises(NoFootage, match=r"eval asked: no .*visits\.csv, put the real frames there"):
        command.run("asked")
