"""`patrol queue`: the findings that wait for a person, without a browser; decisions: confirm.py."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

import typer
from rich.table import Table
from rich.text import Text

from patrol.cli.options import AsJson, Limit, Page
from patrol.cli.output import (
    LINES_A_PAGE,
    NO_LIMIT,
    FittedTable,
    console,
    print_json,
    print_page_number,
)
from patrol.cli.site import site_names, store_of, trusted_now
from patrol.domain.finding import Finding
from patrol.domain.ids import CameraId
from patrol.domain.labels import level_label
from patrol.review import QueueLine, review_queue
from patrol.settings.site_names import NamedCamera

_READABLE_WIDTH: Final = 110  # columns: ids whole, and a few words of the reasons a line
_NEVER_CUT: Final = ("编号 id", "摄像头 camera")  # to be typed


def show_queue(
    context: typer.Context,
    *,
    limit: Limit = None,
    page: Page = 1,
    as_json: AsJson = False,
) -> None:
    """待核线索,最要紧的在前。 What waits for a person's judgement, the worst first."""
    site = site_names(context)
    size = limit or (NO_LIMIT if as_json else LINES_A_PAGE)
    with store_of(site) as store, store.begin_read() as uow:
        now = trusted_now(uow)
        queue = review_queue(uow, now, cameras=site.cameras, limit=size, offset=(page - 1) * size)
    if as_json:
        print_json(
            [{**finding_document(line.finding), "rank_why": line.why} for line in queue.lines]
        )
        return
    if not queue.count:
        console().print("没有待核线索。 Nothing waits for review.")
        return
    _print_queue(queue.lines, site.cameras, count=queue.count)
    print_page_number(page, queue.count, size)


def finding_document(finding: Finding) -> dict[str, Any]:
    """A finding as the API has it, and the names of its pictures."""
    from patrol.reports import documents  # noqa: PLC0415  every document's classes, for JSON alone

    plain, again = documents.finding_document(finding), finding.recheck
    return {
        **plain,
        "picture": finding.picture,
        "box": list(finding.box) if finding.box else None,
        "again": again and {**plain["again"], "picture": again.picture},
    }


def _print_queue(
    lines: Sequence[QueueLine], cameras: Mapping[CameraId, NamedCamera], *, count: int
) -> None:
    """A table of one page, or paragraphs on a narrow terminal; `count`: of all pages."""
    title = f"待核线索 review queue · {count}"
    table = Table(title=title, title_justify="left")
    for heading in ("编号 id", "级别 level", "摄像头 camera", "为什么 why", "得分", "等待 waiting"):
        table.add_column(heading, no_wrap=heading in _NEVER_CUT)
    paragraphs: list[str] = []
    for line in lines:
        finding = line.finding
        known, level = cameras.get(finding.camera), level_label(finding.level)
        name = known.name if known else ""
        score, waiting = f"{finding.score:.2f}", _rough_age(line.waiting)
        seen = f"\n{finding.recheck.why}" if finding.recheck else ""
        why = Text.assemble(  # … which gauge saw it, and why it has this place
            finding.why, seen, "\n", (" · ".join(filter(None, (finding.gauge, line.why))), "dim")
        )
        camera = Text(f"{name}\n{finding.camera}")
        table.add_row(finding.id, level, camera, why, score, waiting)
        paragraphs += [
            f"{finding.id}  {level}  得分 {score}  等待 {waiting}",
            f"  {finding.camera}  {name}",
            *(f"  {part}" for part in why.plain.splitlines()),
        ]
    console().print(FittedTable(table, title, paragraphs, least_width=_READABLE_WIDTH))


def _rough_age(span: timedelta) -> str:
    """A time span in its largest unit: `5 分 5 min`."""
    seconds = span.total_seconds()
    for size, zh, en in ((86400, "天", "d"), (3600, "时", "h"), (60, "分", "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {zh} {en}"
    return "刚刚 just now"
