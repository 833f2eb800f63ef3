"""A month of 100,000 visits as a workbook: CPU time and MB, from the store to its bytes."""

import json
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
from python_calamine import CalamineWorkbook

from patrol.store.engine import make_engine, parse_url
from patrol.store.schema import rounds, visit_pictures, visits
from patrol.store.upgrade import upgrade
from tests.support.peak_memory import ROOT

CAMERAS: Final = 625
CPU_S, PEAK_MB = 3.0, 200.0  # of 100,000 visits
NOISE: Final = 2.0  # a slice on a machine that has other work
WRITE: Final = """
import json, re, sys, time
from datetime import date, datetime, timezone
from pathlib import Path
from zoneinfo import ZoneInfo
from patrol.domain.registry import GridTree, Registry
from patrol.reports.queries import ReportHeading, period_of
from patrol.reports.report import load_report
from patrol.reports.writers import to_xlsx
from patrol.store import open_store
period = period_of(a_round="", day=None, month=date(2026, 11, 1))
heading = ReportHeading(
    kind=period.kind, period=period.name, site="x", zone=ZoneInfo("Asia/Shanghai"),
    made_at=datetime(2026, 12, 1, tzinfo=timezone.utc),
    registry=Registry(cameras={}, tree=GridTree(grids={}), people={}),
)
started = time.process_time()
with open_store(sys.argv[1]) as store, store.begin_read() as uow:
    report = load_report(uow, heading, ["morning"], period)
book = to_xlsx(report)
took = time.process_time() - started
peak_kb = int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
Path(sys.argv[2]).write_bytes(book)
print(json.dumps({"cpu_s": took, "peak_mb": peak_kb / 1024, "rows": len(report.rows)}))
"""


def write_month(url: str, count: int) -> None:
    """So many rounds of `CAMERAS` visits, each twentieth camera out of reach."""
    upgrade(url)
    engine = make_engine(parse_url(url), durable=False)
    start = datetime(2026, 11, 1, 1, tzinfo=UTC)
    with engine.begin() as db:
        for number in range(count):
            at = start + timedelta(days=number // 6, hours=2 * (number % 6))
            ident = f"{at:%Y%m%d}-morning-{number % 6 + 1}"
            row = {
                "id": ident, "plan": "morning", "day": date(2026, 11, at.day), "planned_at": at,
                "finish_by": at + timedelta(hours=1), "planned": CAMERAS, "refused": {},
                "state": "finished", "started_at": at, "finished_at": at + timedelta(minutes=30),
                "reason": "", "wall_s": 1.0, "cpu_s": 1.0, "peak_rss_mb": 1.0,
            }  # fmt: skip
            db.execute(rounds.insert(), row)
            seen = [_visit(ident, number * CAMERAS + k, k, at) for k in range(CAMERAS)]
            db.execute(visits.insert(), seen)
            db.execute(visit_pictures.insert(), [_picture(v) for v in seen if not v["failure"]])
    engine.dispose()


def _visit(ident: str, number: int, place: int, at: datetime) -> dict[str, object]:
    gone = place % 20 == 3
    return {
        "number": number + 1, "round": ident, "camera": f"62090204011327{place:06}",
        "place": place, "outcome": "not_viewable" if gone else "normal", "tries": 1,
        "started_at": at, "finished_at": at + timedelta(seconds=place),
        "failure": "unreachable" if gone else "", "seen": "refused" if gone else "",
        "usable_pictures": 0 if gone else 2, "faults": [], "readings": {"blur": 0.5},
        "facts": {"codec": "h264"}, "freshness": "", "light": "",
    }  # fmt: skip


def _picture(visit: dict[str, object]) -> dict[str, object]:
    return {
        "visit": visit["number"], "place": 0, "sha256": f"{visit['number']:064x}",
        "taken_at": visit["finished_at"], "width_px": 1920, "height_px": 1080, "bytes": 1,
        "purpose": "sample", "delete_after": visit["finished_at"], "picture": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("count", "cpu_s"),
    [pytest.param(16, NOISE * CPU_S / 10, id="10,000"),
     pytest.param(160, CPU_S, marks=pytest.mark.soak, id="100,000")],
)  # fmt: skip
def test_a_month_as_a_workbook(tmp_path: Path, count: int, cpu_s: float) -> None:
    url, book = f"sqlite:///{tmp_path}/month.db", tmp_path / "month.xlsx"
    write_month(url, count)
    done = subprocess.run(
        [sys.executable, "-c", WRITE, url, str(book)],
        capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    found = json.loads(done.stdout)
    sheet = CalamineWorkbook.from_path(book).get_sheet_by_index(0).to_python()
    assert found["rows"] == count * CAMERAS
    assert len(sheet) == count * CAMERAS + 6, "title, time, totals, header; signatures"
    first, gone = sheet[4], sheet[4 + 3]
    assert (first[7], first[14], first[18]) == (
        "62090204011327000000", "正常", "62090204011327000000022026110109000000001",
    )  # fmt: skip
    assert gone[14] != first[14]
    assert gone[18] == ""
    assert found["peak_mb"] <= PEAK_MB, found
    assert found["cpu_s"] <= cpu_s, found
