"""The simulated people of the demonstration: whose problem a case is, what the visitor keeps."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from patrol.domain.account import AccountRole
from patrol.domain.ids import CaseId, GridCode
from patrol.domain.observation import Subject
from patrol.domain.registry import Grid, GridLevel
from patrol.reports.demo_terminal import fold_repeats
from patrol.settings.config_file import ProblemLog
from patrol.settings.points_csv import load_points
from simulators.people.leaders import SceneClearer
from simulators.people.operator import is_still_there
from simulators.people.patrollers import points_table
from simulators.people.visitor import CASES_LEFT, FINDINGS_LEFT, LeftToVisitor

CAMERAS = (
    "camera_id,grid_code\n"
    "62090204011327000001,620902104203001\n"
    "62090204011327000002,620902104203002\n"
    "62090205011327000002,620902104204001\n"  # ends as the one before it, in another village
)


@pytest.mark.parametrize(
    ("subject", "category", "truth", "there"),
    [
        (Subject.SCENE, "dumping", {"problem": "dumping", "fault": "none"}, True),
        (Subject.SCENE, "dumping", {"problem": None, "fault": "dark"}, False),
        (Subject.SCENE, "dumping", {"problem": "smoke", "fault": "none"}, False),
        (Subject.SCENE, "dumping", {"problem": "dumping", "fault": "covered"}, True),
        (Subject.SCENE, "scene_change", {"problem": "smoke", "fault": "none"}, True),
        (Subject.SCENE, "scene_change", {"problem": None, "fault": "frozen"}, False),
        (Subject.EQUIPMENT, "picture_fault", {"problem": "dumping", "fault": "none"}, False),
        (Subject.EQUIPMENT, "picture_fault", {"problem": None, "fault": "dark"}, True),
        (Subject.SCENE, "dumping", {}, False),
    ],
)
def test_a_case_is_about_its_own_subject(
    subject: Subject, category: str, truth: Mapping[str, Any], *, there: bool
) -> None:
    assert is_still_there(subject, category, truth) is there


@dataclass
class Control:
    done: list[tuple[str, str, str]] = field(default_factory=list)

    def scene(self, camera: str, name: str) -> None:
        self.done.append(("scene", camera, name))

    def fault(self, camera: str, name: str) -> None:
        self.done.append(("fault", camera, name))


@pytest.mark.parametrize(
    ("grid", "last6", "camera"),
    [
        ("620902104203001", "000001", "62090204011327000001"),
        ("620902104203000", "000001", "62090204011327000001"),  # given to the village
        ("620902104000000", "000001", "62090204011327000001"),  # and to the town
        ("620902104203000", "000002", "62090204011327000002"),
        ("620902104204000", "000002", "62090205011327000002"),
        ("620902104000000", "000002", None),  # one of two: nothing is guessed
        ("620902104203001", "999999", None),
    ],
)
def test_a_scene_is_cleared_wherever_its_case_was_given(
    grid: str, last6: str, camera: str | None, tmp_path: Path
) -> None:
    (tmp_path / "cameras.csv").write_text(CAMERAS, "utf-8")
    control = Control()
    clear = SceneClearer(control, tmp_path / "cameras.csv")  # type: ignore[arg-type]  # a control that only notes
    case = {"grid": {"code": grid}, "camera_last6": last6, "category": {"code": "02"}}
    clear(json.loads(json.dumps(case)))
    assert [one[1] for one in control.done] == ([camera] if camera else [])


@dataclass(frozen=True)
class Waiting:
    id: str


@dataclass(frozen=True)
class Open:
    id: str
    camera: str | None = "c"


def test_the_visitor_finds_work(tmp_path: Path) -> None:
    left = LeftToVisitor(finding_count=FINDINGS_LEFT, cases=CASES_LEFT)
    queue = [Waiting(f"F{number}") for number in range(75)]
    left.choose_findings(queue)  # type: ignore[arg-type]  # as far as an id goes
    assert len(left.findings) == FINDINGS_LEFT == 20
    assert "F0" in left.findings  # the worst, too
    left.choose_findings([Waiting("F99")])  # type: ignore[list-item]  # of a later round: chosen once
    assert len(left.findings) == 20
    kept = [left.keeps(Open(f"C{number}")) for number in range(9)]  # type: ignore[arg-type]  # likewise
    assert kept == [True] * 5 + [False] * 4
    assert left.keeps(Open("C0"))  # type: ignore[arg-type]  # asked again
    small = LeftToVisitor(finding_count=20)
    small.choose_findings(queue[:6])  # type: ignore[arg-type]  # a small town: half of it
    assert len(small.findings) == 3
    assert not LeftToVisitor().keeps(Open("C0"))  # type: ignore[arg-type]  # `--once` leaves nothing


def test_cases_of_the_reserve_stay_open_where_too_few_are() -> None:
    left = LeftToVisitor(finding_count=FINDINGS_LEFT, cases=CASES_LEFT)
    queue = [Waiting(f"F{number}") for number in range(60)]
    real = {f"F{number}" for number in range(0, 60, 2)}
    left.choose_findings(queue, lambda one: one.id in real)  # type: ignore[arg-type]  # as above
    assert len(left.reserve) == CASES_LEFT == 5
    assert left.reserve <= real - left.findings
    assert all(left.holds(one) for one in (*left.findings, *left.reserve))
    for number in range(3):
        assert left.keeps(Open(f"C{number}"))  # type: ignore[arg-type]  # as above
    assert left.forget_closed({CaseId("C1"), CaseId("C7")}) == 4  # two were closed after all
    left.leave_unanswered(CaseId("C9"))
    assert left.unanswered == {"C9"}
    assert left.forget_closed({CaseId("C1"), CaseId("C9")}) == 3


def test_every_duty_has_an_account() -> None:
    from simulators.people.visitor import NAMES  # noqa: PLC0415  of this test alone

    assert len(NAMES) >= 7
    assert set(NAMES) <= set(AccountRole)


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ("a b c", "a b c"),
        ("a b b b c", "a b ×3 c"),
        ("a b c d b c d b c d e", "a （b → c → d） ×3 e"),
        ("a a b a a b", "（a → a → b） ×2"),
        ("", ""),
        ("x", "x"),
    ],
)
def test_repeats_are_told_once(steps: str, told: str) -> None:
    assert " ".join(fold_repeats(steps.split())) == told


def test_the_points_of_the_demonstration_are_a_table_that_a_site_reads(tmp_path: Path) -> None:
    group = Grid(code=GridCode("620902104203001"), name="一组", level=GridLevel.GROUP, parent=None)
    file, notes = tmp_path / "points.csv", ProblemLog()
    file.write_text(points_table([group]), "utf-8")
    points = load_points(file, None, notes.for_file(file))
    assert notes.problems == []
    assert [one.grid for one in points.values()] == [group.code, group.code]
