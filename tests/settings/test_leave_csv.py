"""leave.csv: days and moments in the site's zone; every mistake with its line and a way out."""

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from patrol.domain.ids import PersonId
from patrol.domain.leave import Leave
from patrol.domain.registry import Person, Role
from patrol.settings.config_file import ProblemLog
from patrol.settings.leave_csv import load_leaves
from simulators import small_site

ZONE = ZoneInfo("Asia/Shanghai")
HEADER = "person_id,from,until,substitute,note\n"
HELPER = Person(id=PersonId("helper"), name="h", role=Role.HELPER, grid=small_site.GROUP)
PEOPLE = {**small_site.registry().people, HELPER.id: HELPER}


def read(path: Path, text: str) -> tuple[tuple[Leave, ...], list[str]]:
    file, notes = path / "leave.csv", ProblemLog()
    file.write_text(text, "utf-8")
    found = load_leaves(file, PEOPLE, ZONE, notes.for_file(file))
    return found, [f"{one.line}: {one.field}: {one.text}" for one in sorted(notes.problems)]


def test_without_a_file_or_with_a_header_alone_nobody_is_away(tmp_path: Path) -> None:
    assert load_leaves(tmp_path / "leave.csv", PEOPLE, ZONE, ProblemLog().for_file(tmp_path)) == ()
    assert read(tmp_path, HEADER) == ((), [])


@pytest.mark.parametrize(
    ("cells", "begins", "ends"),
    [
        ("2026-12-01,2026-12-01", (2026, 11, 30, 16), (2026, 12, 1, 16)),
        ("2026/12/1,2026年12月3日", (2026, 11, 30, 16), (2026, 12, 3, 16)),
        ("2026-12-01 13:30,2026-12-01 18:00", (2026, 12, 1, 5, 30), (2026, 12, 1, 10)),
        ("2026-12-01T13:30,2026-12-02", (2026, 12, 1, 5, 30), (2026, 12, 2, 16)),
        ("2026-12-01 00:00:00,2026-12-02", (2026, 11, 30, 16), (2026, 12, 2, 16)),
    ],
)
def test_days_and_moments(
    tmp_path: Path, cells: str, begins: tuple[int, ...], ends: tuple[int, ...]
) -> None:
    ((one,), problems) = read(tmp_path, f"{HEADER}leader,{cells},party,病假\n")
    assert problems == []
    assert (one.begins, one.ends) == (
        datetime(*begins, tzinfo=UTC),  # type: ignore[misc,arg-type]
        datetime(*ends, tzinfo=UTC),  # type: ignore[misc,arg-type]
    )
    assert (one.person, one.substitute, one.note) == ("leader", "party", "病假")
    assert one.written_from == cells.partition(",")[0]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("nobody,2026-12-01,2026-12-02,,", "2: person_id: person 'nobody' is not in people.csv"),
        ("leader,1st December,2026-12-02,,", "2: from: '1st December' is not a day"),
        ("leader,2026-13-01,2026-12-02,,", "2: from: '2026-13-01' is not a day"),
        ("leader,2026-12-01 25:00,2026-12-02,,", "2: from: '2026-12-01 25:00' is not a day"),
        ("leader,,2026-12-02,,", "2: from: is empty"),
        ("leader,2026-12-03,2026-12-02,,", "2: until: is not after from"),
        ("leader,9999-12-31,9999-12-31,,", "2: until: '9999-12-31' is not a day"),
        ("leader,2026-12-01,2026-12-02,leader,", "2: substitute: nobody stands in for themselves"),
        ("leader,2026-12-01,2026-12-02,ghost,", "2: substitute: person 'ghost' is not in people"),
        ("leader,2026-12-01,2026-12-02,fixer,", "2: substitute: fixer is a maintainer"),
        ("fixer,2026-12-01,2026-12-02,leader,", "2: substitute: leader is a grid_leader"),
        ("leader,2026-12-01,2026-12-02,helper,", "2: substitute: helper is a helper"),
        ("leader,2026-12-01,2026-12-05,,\nleader,2026-12-05,2026-12-06,,",
         "3: from: overlaps the leave of leader on line 2"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line(tmp_path: Path, rows: str, expected: str) -> None:
    _, problems = read(tmp_path, f"{HEADER}{rows}\n")
    assert len(problems) == 1
    assert problems[0].startswith(expected)
