"""`patrol queue`: the findings that wait for review, without a browser."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

import typer
from rich.table import Table
from rich.text import Text

from patrol.cli.cases import level_label
from patrol.cli.options import AsJson
from patrol.cli.output import console, print_json
from patrol.cli.site import site_of, store_of
from patrol.clock import SystemClock
from patrol.domain.finding import Finding
from patrol.reports import documents
from patrol.review import QueueLine, review_queue

_NEVER_CUT: Final = ("编号 id", "摄像头 camera")  # to be typed


def show_queue(context: typer.Context, *, as_json: AsJson = False) -> None:
    """待核线索,最要紧的在前。 What waits for a person's judgement, the worst first."""
    site = site_of(context)
    now = SystemClock().now()
    with store_of(site) as store, store.begin_read() as uow:
        lines = review_queue(uow, now, cameras=site.registry.cameras)
    if as_json:
        print_json([{**finding_document(line.finding), "rank_why": line.why} for line in lines])
        return
    if not lines:
        console().print("没有待核线索。 Nothing waits for review.")
        return
    names = {camera.id: camera.name for camera in site.registry.cameras.values()}
    _print_queue(lines, names)


def finding_document(finding: Finding) -> dict[str, Any]:
    """A finding as the API has it, and the names of its pictures."""
    plain, again = documents.finding_document(finding), finding.recheck
    return {
        **plain,
        "picture": finding.picture,
        "box": list(finding.box) if finding.box else None,
        "again": again and {**plain["again"], "picture": again.picture},
    }


def _print_queue(lines: Sequence[QueueLine], names: dict[Any, str]) -> None:
    table = Table(title=f"待核线索 review queue · {len(lines)}", title_justify="left")
    for heading in ("编号 id", "级别 level", "摄像头 camera", "为什么 why", "得分", "等待 waiting"):
        table.add_column(heading, no_wrap=heading in _NEVER_CUT)
    for line in lines:
        finding = line.finding
        camera = f"{names.get(finding.camera, '')}\n{finding.camera}"
        score, waiting = f"{finding.score:.2f}", _rough_age(line.waiting)
        seen = f"\n{finding.recheck.why}" if finding.recheck else ""
        why = Text.assemble(finding.why, seen, "\n", (line.why, "dim"))  # … why it has this place
        table.add_row(finding.id, level_label(finding.level), Text(camera), why, score, waiting)
    console().print(table)


def _rough_age(span: timedelta) -> str:
    """A time span in its largest unit: `5 分 5 min`."""
    seconds = span.total_seconds()
    for size, zh, en in ((86400, "天", "d"), (3600, "时", "h"), (60, "分", "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {zh} {en}"
    return "刚刚 just now"
