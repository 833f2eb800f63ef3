"""`patrol queue`: the findings that wait for a person, without a browser; decisions: confirm.py."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

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
from patrol.cli.site import site_names, store_of, stored_texts_of, trusted_now
from patrol.domain.finding import Finding
from patrol.domain.labels import level_label
from patrol.domain.reader_language import translate
from patrol.review import QueueLine, review_queue

if TYPE_CHECKING:
    from patrol.settings.site_names import SiteNames


_READABLE_WIDTH: Final = 110  # columns: ids whole, and a few words of the reasons a line


def show_queue(
    context: typer.Context,
    *,
    limit: Limit = None,
    page: Page = 1,
    as_json: AsJson = False,
) -> None:
    """待核线索，最要紧的在前。 What waits for a person's judgement, the worst first."""
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
        console().print(translate("没有待核线索。", "Nothing waits for review."))
        return
    _print_queue(queue.lines, site, count=queue.count)
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


def _print_queue(lines: Sequence[QueueLine], site: "SiteNames", *, count: int) -> None:
    """A table of one page, or paragraphs on a narrow terminal; `count`: of all pages."""
    title = translate(f"待核线索 · {count}", f"review queue · {count}")
    table = Table(title=title, title_justify="left")
    for heading, is_typed in (  # what a person will type is never cut
        (translate("编号", "id"), True),
        (translate("级别", "level"), False),
        (translate("摄像头", "camera"), True),
        (translate("为什么", "why"), False),
        (translate("得分", "score"), False),
        (translate("等待", "waiting"), False),
    ):
        table.add_column(heading, no_wrap=is_typed)
    paragraphs: list[str] = []
    read = stored_texts_of(site)
    for line in lines:
        finding = line.finding
        known, level = site.cameras.get(finding.camera), level_label(finding.level)
        name = known.name if known else ""
        score, waiting = f"{finding.score:.2f}", _rough_age(line.waiting)
        seen = f"\n{read(finding.recheck.why)}" if finding.recheck else ""
        rank_zh, _, rank_en = line.why.partition(" / ")
        rank = translate(rank_zh, rank_en)
        why = Text.assemble(  # … which gauge saw it, and why it has this place
            read(finding.why), seen, "\n", (" · ".join(filter(None, (finding.gauge, rank))), "dim")
        )
        camera = Text(f"{name}\n{finding.camera}")
        table.add_row(finding.id, level, camera, why, score, waiting)
        paragraphs += [
            translate(
                f"{finding.id}  {level}  得分 {score}  等待 {waiting}",
                f"{finding.id}  {level}  score {score}  waiting {waiting}",
            ),
            f"  {finding.camera}  {name}",
            *(f"  {part}" for part in why.plain.splitlines()),
        ]
    console().print(FittedTable(table, title, paragraphs, least_width=_READABLE_WIDTH))


def _rough_age(span: timedelta) -> str:
    """A time span in its largest unit: `5 分钟`, `5 min`."""
    seconds = span.total_seconds()
    for size, zh, en in ((86400, "天", "d"), (3600, "小时", "h"), (60, "分钟", "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {translate(zh, en)}"
    return translate("刚刚", "just now")
