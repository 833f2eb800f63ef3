"""leave.csv, optional → who is on leave (请假), from when until when, and who stands in.

`from` and `until` are days (`2026-12-01`), the last one included, or moments (`2026-12-01 13:30`)
in the site's time zone. Who stands in may be of another grid, never a maintainer for somebody on
the ladder of yards, never a helper for a leader: they would see what they never see.
"""

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta, tzinfo
from pathlib import Path
from typing import Final

from patrol.domain.ids import PersonId, plain_id_problem
from patrol.domain.leave import Leave, overlapping
from patrol.domain.registry import HELPER_ROLES, Person, Role
from patrol.settings.config_file import FileProblemLog
from patrol.settings.csv_file import CsvRow, read_date, read_table

LEAVE_REQUIRED: Final = ("person_id", "from", "until")
LEAVE_OPTIONAL: Final = ("substitute", "note")
_MOMENT: Final = re.compile(r"(.+?)[ T](\d{1,2}):(\d{2})(:00)?", re.ASCII)


def load_leaves(
    path: Path, people: Mapping[PersonId, Person] | None, zone: tzinfo, notes: FileProblemLog
) -> tuple[Leave, ...]:
    """Every row in the order of the file; empty where there is no file."""
    if not path.exists():
        return ()
    rows = read_table(
        path, required=LEAVE_REQUIRED, optional=LEAVE_OPTIONAL, notes=notes, may_be_empty=True
    )
    found: dict[int, Leave] = {}
    for row in (CsvRow(record, notes) for record in rows or ()):
        leave = _read_leave(row, people, zone)
        if leave is not None:
            found[row.record.line] = leave
    lines = {id(leave): line for line, leave in found.items()}
    for first, second in overlapping(list(found.values())):
        text = f"overlaps the leave of {first.person} on line {lines[id(first)]}, make them one"
        notes.add_problem(lines[id(second)], "from", text)
    return tuple(found.values())


def _read_leave(
    row: CsvRow, people: Mapping[PersonId, Person] | None, zone: tzinfo
) -> Leave | None:
    person = row.code("person_id", plain_id_problem, "the person_id of people.csv")
    begins = _moment(row, "from", zone, is_end=False)
    ends = _moment(row, "until", zone, is_end=True)
    note = row.one_line_text("note")
    substitute = row.text("substitute")
    if begins and ends and begins >= ends:
        row.add_problem("until", "is not after from, give the last day of the leave")
    if people is not None and row.ok:
        _check_people(row, people, person, substitute)
    if not row.ok or begins is None or ends is None:
        return None
    return Leave(
        person=PersonId(person), begins=begins, ends=ends,
        substitute=PersonId(substitute) if substitute else None, note=note,
        written_from=row.text("from"),
    )  # fmt: skip


def _check_people(
    row: CsvRow, people: Mapping[PersonId, Person], person: str, substitute: str
) -> None:
    away = people.get(PersonId(person))
    if away is None:
        row.add_problem("person_id", f"person {person!r} is not in people.csv, add them there")
    if not substitute or (substitute != person and row.is_made_a_number("substitute", "write it")):
        return
    instead = people.get(PersonId(substitute))
    if substitute == person:
        row.add_problem("substitute", "nobody stands in for themselves, name another person")
    elif instead is None:
        row.add_problem(
            "substitute", f"person {substitute!r} is not in people.csv, give a person_id of it"
        )
    elif away is not None and (why := _cannot_stand_in(instead, away)):
        row.add_problem("substitute", f"{substitute} is a {instead.role}: {why}")


def _cannot_stand_in(instead: Person, away: Person) -> str:
    """Why not; empty where they can."""
    if (instead.role is Role.MAINTAINER) != (away.role is Role.MAINTAINER):
        return "only a maintainer stands in for a maintainer, who never sees people's yards"
    if instead.role in HELPER_ROLES and away.role not in HELPER_ROLES:
        return f"a helper never sees what a {away.role} sees, name somebody else"
    return ""


def _moment(row: CsvRow, column: str, zone: tzinfo, *, is_end: bool) -> datetime | None:
    """A day or a moment in UTC; the end of a day where it is one and `is_end`."""
    text = unicodedata.normalize("NFKC", row.required_text(column, "a day such as 2026-12-01"))
    if not text:
        return None
    match = _MOMENT.fullmatch(text)
    day = read_date(match[1] if match else text)
    try:
        clock = time(int(match[2]), int(match[3])) if match else time()
        local = datetime.combine(day, clock, zone) if day else None
        if local is not None and is_end and match is None:
            local = datetime.combine(local.date() + timedelta(days=1), time(), zone)
    except (ValueError, OverflowError):
        local = None
    if local is None:
        row.add_problem(column, f"{text!r} is not a day, write YYYY-MM-DD or YYYY-MM-DD HH:MM")
        return None
    return local.astimezone(UTC)
