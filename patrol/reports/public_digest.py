"""The public monthly digest (一晒一督): a town's month for the public, without a picture or a name.

It names no camera, person or grid. A number of cases under 3 could identify a household: it is
hidden, and so are the next smallest of its column until the hidden ones add up to 3 or more, so
that none can be computed from the rest. Shares with such a part are hidden, too.
"""

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Final

from patrol.domain.case import CaseState
from patrol.domain.finding import CATEGORIES, CATEGORY_BY_ID
from patrol.domain.labels import CHAPTERS
from patrol.reports.figures import Figure, report_figures
from patrol.reports.queries import ReportHeading, ReportMaterial
from patrol.reports.writers import tables_workbook

MIN_SHOWN: Final = 3
HIDDEN: Final = "<3"
# Counts of visits are in the thousands and of no household; small counts of cases are hidden.
COVERAGE_FIGURES: Final = (
    "planned",
    "seen",
    "coverage",
    "completion",
    "online",
    "intact",
    "qualified",
)
CASE_FIGURES: Final = ("accepted", "closure", "closure_on_time", "ack_in_time", "feedback_in_time")
CHAPTER_COLUMNS: Final = ("类别", "受理", "办结")
FIGURE_COLUMNS: Final = ("指标", "本月")
Cell = int | None  # None: hidden


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicDigest:
    """The composed digest, its small counts hidden already."""

    title: str
    made: str
    month: str
    figures: tuple[tuple[str, str, str], ...]  # id, label, value
    chapters: tuple[tuple[str, str, Cell, Cell], ...]  # code, label, accepted, closed


def public_digest(heading: ReportHeading, material: ReportMaterial) -> PublicDigest:
    """Compose the digest of a month from its rows."""
    found = {figure.id: figure for figure in report_figures(material, heading.made_at)}
    shown = [(found[name], _coverage_text(found[name])) for name in COVERAGE_FIGURES]
    shown += [(found[name], _case_rate_text(found[name])) for name in CASE_FIGURES]
    counted = [case for case in material.cases if case.state is not CaseState.VOIDED]
    closed = [case for case in counted if case.state is CaseState.CLOSED]
    accepted_of, closed_of = (
        hide_small_counts(_by_chapter(one.category for one in cases)) for cases in (counted, closed)
    )
    return PublicDigest(
        title=f"{heading.site}视频巡查月报（公开） {heading.period}",
        made=f"{heading.made_at.astimezone(heading.zone):%Y-%m-%d}",
        month=heading.period,
        figures=tuple((figure.id, figure.zh, value) for figure, value in shown),
        chapters=tuple(
            (code, name, accepted_of[code], closed_of[code]) for code, (name, _) in CHAPTERS.items()
        ),
    )


def hide_small_counts(counts: Mapping[str, int]) -> dict[str, Cell]:
    """The counts with those under 3 hidden, and as many more as keep them hidden."""
    hidden = {name for name, count in counts.items() if count < MIN_SHOWN}
    left = sorted((count, name) for name, count in counts.items() if name not in hidden)
    while hidden and left and (len(hidden) < 2 or sum(counts[n] for n in hidden) < MIN_SHOWN):  # noqa: PLR2004  two hide each other
        hidden.add(left.pop(0)[1])
    return {name: None if name in hidden else count for name, count in counts.items()}


def _by_chapter(categories: Iterable[str]) -> dict[str, int]:
    codes = Counter(
        CATEGORY_BY_ID[one].code if one in CATEGORY_BY_ID else CATEGORIES[-1].code
        for one in categories
    )
    return {code: codes[code] for code in CHAPTERS}


def _coverage_text(figure: Figure) -> str:
    if figure.value is None:
        return "—"
    return f"{figure.value:g}" if figure.whole is None else f"{100 * figure.value:.1f} %"


def _case_rate_text(figure: Figure) -> str:
    """Hidden where the part, or the rest of the whole, is a small number of cases."""
    part, whole = figure.part, figure.whole
    if part is None or whole == 0:
        return "—"
    if whole is None:
        return HIDDEN if part < MIN_SHOWN else f"{part:g}"
    if whole < MIN_SHOWN or 0 < part < MIN_SHOWN:
        return HIDDEN
    if 0 < whole - part < MIN_SHOWN:
        return "接近 100 %"
    return f"{100 * part / whole:.0f} %"


def _cell_text(cell: Cell) -> str:
    return HIDDEN if cell is None else str(cell)


def to_csv(made: PublicDigest) -> bytes:
    """Figures, then categories, in one file."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(FIGURE_COLUMNS)
    writer.writerows((name, value) for _, name, value in made.figures)
    writer.writerow(())
    writer.writerow(CHAPTER_COLUMNS)
    writer.writerows((name, _cell_text(a), _cell_text(c)) for _, name, a, c in made.chapters)
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def to_json(made: PublicDigest) -> bytes:
    """For programs; a hidden number is null."""
    document: dict[str, Any] = {
        "digest": "month", "month": made.month, "title": made.title, "made": made.made,
        "figures": [{"id": i, "zh": name, "value": value} for i, name, value in made.figures],
        "categories": [
            {"code": code, "zh": name, "accepted": accepted, "closed": closed}
            for code, name, accepted, closed in made.chapters
        ],
        "suppressed_under": MIN_SHOWN,
    }  # fmt: skip
    return f"{json.dumps(document, ensure_ascii=False, indent=2)}\n".encode()


def to_html(made: PublicDigest) -> bytes:
    """One page, to be printed for the notice board."""
    text = _PAGE.format(
        title=escape(made.title),
        made=escape(made.made),
        figures=_rows((name, value) for _, name, value in made.figures),
        chapters=_rows((name, _cell_text(a), _cell_text(c)) for _, name, a, c in made.chapters),
        figure_head=_head(FIGURE_COLUMNS),
        chapter_head=_head(CHAPTER_COLUMNS),
    )
    return text.encode()


def _head(columns: Sequence[str]) -> str:
    return "".join(f"<th>{escape(column)}</th>" for column in columns)


def _rows(lines: Iterable[Sequence[str]]) -> str:
    return "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in line)}</tr>\n" for line in lines
    )


def to_xlsx(made: PublicDigest) -> bytes:
    """A workbook. Raises ImportError without the `reports` extra."""
    return tables_workbook(
        made.title,
        {
            "指标": (FIGURE_COLUMNS, [(name, value) for _, name, value in made.figures]),
            "类别": (
                CHAPTER_COLUMNS,
                [(name, _cell_text(a), _cell_text(c)) for _, name, a, c in made.chapters],
            ),
        },
    )


FORMATS: Final[Mapping[str, Callable[[PublicDigest], bytes]]] = {
    "html": to_html, "xlsx": to_xlsx, "csv": to_csv, "json": to_json,
}  # fmt: skip
_PAGE: Final = """<!DOCTYPE html>
<html lang="zh-CN"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ margin: 32px auto; max-width: 720px; color: #1d2733; background: #fff;
  font: 16px/1.6 "Noto Sans CJK SC", "Source Han Sans SC", "Microsoft YaHei", sans-serif; }}
table {{ border-collapse: collapse; width: 100%; margin: 12px 0 28px; }}
th, td {{ padding: 6px 10px; border: 1px solid #cfd6dd; text-align: left; }}
th {{ background: #eef2f5; }}
p {{ color: #5b6875; }}
</style></head><body>
<h1>{title}</h1><p>制表 {made}</p>
<table><thead><tr>{figure_head}</tr></thead><tbody>
{figures}</tbody></table>
<table><thead><tr>{chapter_head}</tr></thead><tbody>
{chapters}</tbody></table>
<p>少于 3 件的数字不公开（“&lt;3”），由此可推算的数字一并不公开。
本页不含画面、姓名、点位和网格。</p>
</body></html>
"""
