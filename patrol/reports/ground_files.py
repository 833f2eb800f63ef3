"""The ledger of patrols on the ground as files: xlsx, csv for Excel, json."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from patrol.domain.timestamps import rfc3339
from patrol.reports.ground_ledger import GROUND_COLUMNS, GroundLedger
from patrol.reports.queries import ReportHeading
from patrol.reports.writers import escape_formula, tables_workbook

TITLE: Final = "联动巡防台账"
FIGURE_COLUMNS: Final = ("指标", "数")


def ground_xlsx(ledger: GroundLedger, heading: ReportHeading) -> bytes:
    """The ledger and its counts, a sheet each."""
    sheets: dict[str, tuple[Sequence[str], Iterable[Sequence[str]]]] = {
        "台账": (GROUND_COLUMNS, [[row[one] for one in GROUND_COLUMNS] for row in ledger.rows]),
        "合计": (FIGURE_COLUMNS, _figures(ledger)),
    }
    return tables_workbook(f"{heading.site}{TITLE} {heading.period}", sheets)


def _figures(ledger: GroundLedger) -> list[tuple[str, str]]:
    counts = ledger.counts
    coverage = "—" if counts.coverage is None else f"{100 * counts.coverage:.1f} %"
    numbers = (
        ("巡防次数", ledger.patrols), ("漏巡次数", ledger.missed_patrols),
        ("应到点位", counts.planned), ("按时签到", counts.done), ("迟到签到", counts.late),
        ("待复核", counts.review),
        ("漏签", counts.missed), ("待签到", counts.pending),
    )  # fmt: skip
    return [*((name, str(number)) for name, number in numbers), ("点位覆盖率", coverage)]


def ground_csv(ledger: GroundLedger, _heading: ReportHeading) -> bytes:
    """The ledger: UTF-8 with a byte-order mark for Excel, CRLF."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(GROUND_COLUMNS)
    for row in ledger.rows:
        writer.writerow([escape_formula(row[column]) for column in GROUND_COLUMNS])
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def ground_json(ledger: GroundLedger, heading: ReportHeading) -> bytes:
    """Rows and counts as one document."""
    counts = ledger.counts
    document = {
        "title": TITLE,
        "site": heading.site,
        "period": heading.period,
        "made_at": rfc3339(heading.made_at),
        "patrols": ledger.patrols,
        "missed_patrols": ledger.missed_patrols,
        "planned": counts.planned,
        "done": counts.done,
        "late": counts.late,
        "review": counts.review,
        "missed": counts.missed,
        "pending": counts.pending,
        "rows": list(ledger.rows),
    }
    return json.dumps(document, ensure_ascii=False, indent=1).encode()


GROUND_FORMATS: Final[Mapping[str, Callable[[GroundLedger, ReportHeading], bytes]]] = {
    "xlsx": ground_xlsx,
    "csv": ground_csv,
    "json": ground_json,
}
