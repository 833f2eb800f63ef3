"""A meeting pack as a file: html that prints on a few A4 pages, xlsx, docx, csv, json.

In the workbook numbers are numbers; codes stay text. The docx is for the notice board (一晒): it
holds the aggregates and no case list. Charts are drawn as plain SVG, so that they print.
"""

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import Any, Final

from typing_extensions import override

from patrol.domain import labels, town_labels
from patrol.domain.finding import category_named
from patrol.domain.labels import label_of
from patrol.domain.timestamps import rfc3339
from patrol.reports.figures import Figure
from patrol.reports.meeting import CountRow, MeetingPack
from patrol.reports.writers import SIGNATURES, escape_formula


class Share(float):
    """A share from 0 to 1: people read `95.2 %`; in the workbook it is a number of that format."""

    @override
    def __str__(self) -> str:
        return f"{100 * self:.1f} %"


Cell = str | int | float | None
FIGURE_COLUMNS: Final = ("指标", "本期", "分子", "分母", "环比", "同比", "口径")
COUNT_COLUMNS: Final = ("名称", "受理", "办结", "超时")
PRECISION_COLUMNS: Final = ("类型", "属实", "已判", "准确率", "95 % 区间")
OVERDUE_COLUMNS: Final = ("案件", "级别", "类别", "网格", "超时环节", "超时起", "督办")
CASE_COLUMNS: Final = ("案件", "级别", "类别", "网格", "位置", "下发", "状态", "超时", "标签")
MAX_CASES_PRINTED: Final = 400
STYLE: Final = """
@page { size: A4 portrait; margin: 14mm 12mm; }
body { font: 10.5pt/1.4 "Noto Sans CJK SC", "Microsoft YaHei", sans-serif; margin: 1.2em; }
h1 { font-size: 16pt; margin: 0 0 2mm; } h2 { font-size: 12pt; margin: 5mm 0 1.5mm; }
table { border-collapse: collapse; width: 100%; font-size: 9pt; }
th, td { border: .3pt solid #888; padding: .6mm 1.4mm; text-align: left; vertical-align: top; }
thead { display: table-header-group; } tr { break-inside: avoid; } td.n { text-align: right; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 4mm; }
svg { width: 100%; height: auto; }
svg text { font-size: 9px; } svg rect { fill: #2f6f9f; }
.sign { margin-top: 8mm; } small { color: #555; }
@media print { body { margin: 0; } h2 { break-after: avoid; } }
"""


def pack_document(pack: MeetingPack) -> dict[str, Any]:
    """The document of `--format json` and of the API."""
    return {
        "title": pack.title,
        "scope": pack.scope.id,
        "period": pack.period.name,
        "kind": pack.period.kind,
        "site": pack.site,
        "made_at": rfc3339(pack.made_at),
        "figures": [
            {
                "id": one.figure.id, "zh": one.figure.zh, "en": one.figure.en,
                "value": None if one.figure.value is None else round(one.figure.value, 4),
                "part": one.figure.part, "n": one.figure.whole, "mom": one.mom, "yoy": one.yoy,
                "note": one.figure.note,
            }
            for one in pack.figures
        ],
        "categories": [_row_document(row) for row in pack.categories],
        "villages": [_row_document(row) for row in pack.villages],
        "hours": list(pack.hours),
        "tags": [_row_document(row) for row in pack.tags],
        "precision": [
            {"kind": row.kind, "real": row.real, "decided": row.decided,
             "interval": [round(end, 4) for end in row.interval]}
            for row in pack.precision
        ],
        "overdue": [
            {"case": line.case.id, "step": str(line.step), "since": rfc3339(line.since)}
            for line in pack.overdue
        ],
        "cases": [
            {"case": case.id, "grid": case.grid, "category": case.category,
             "level": str(case.level), "state": str(case.state),
             "dispatched_at": rfc3339(case.dispatched_at), "tags": list(case.tags)}
            for case in pack.cases
        ],
    }  # fmt: skip


def _row_document(row: CountRow) -> dict[str, Any]:
    return {
        "key": row.key, "name": row.name, "count": row.count, "closed": row.closed,
        "late": row.late,
    }  # fmt: skip


def to_json(pack: MeetingPack) -> bytes:
    """The whole pack for programs."""
    text = json.dumps(pack_document(pack), ensure_ascii=False, indent=2, allow_nan=False)
    return f"{text}\n".encode()


def to_csv(pack: MeetingPack) -> bytes:
    """The case list: UTF-8 with a byte-order mark for Excel, CRLF, formulas disarmed."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(CASE_COLUMNS)
    for line in case_lines(pack):
        writer.writerow([escape_formula(str(cell if cell is not None else "")) for cell in line])
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def figure_lines(pack: MeetingPack) -> list[tuple[Cell, ...]]:
    """The figures: a rate as a number from 0 to 1, a count or minutes as such."""
    return [
        (one.figure.zh, _figure_value(one.figure), one.figure.part, one.figure.whole, one.mom,
         one.yoy, one.figure.note)
        for one in pack.figures
    ]  # fmt: skip


def _figure_value(figure: Figure) -> Cell:
    value = figure.value
    is_share = value is not None and figure.whole is not None and not figure.minutes
    return Share(value) if is_share and value is not None else value


def count_lines(rows: Iterable[CountRow]) -> list[tuple[Cell, ...]]:
    """A table of counts."""
    return [(row.name, row.count, row.closed, row.late) for row in rows]


def precision_lines(pack: MeetingPack) -> list[tuple[Cell, ...]]:
    """Precision of each kind."""
    lines: list[tuple[Cell, ...]] = []
    for row in pack.precision:
        low, high = row.interval
        name = label_of(labels.PICTURE_FAULTS, row.kind)[0]
        shown = category_named(row.kind).zh if name == row.kind else name
        share = Share(round(row.real / row.decided, 4))
        lines.append((shown, row.real, row.decided, share, f"{100 * low:.0f}–{100 * high:.0f} %"))
    return lines


def overdue_lines(pack: MeetingPack) -> list[tuple[Cell, ...]]:
    """The overdue list of now."""
    return [
        (
            line.case.id, str(line.case.level), category_named(line.case.category).zh,
            _grid(pack, line.case.grid), label_of(town_labels.OVERDUE_STEPS, line.step)[0],
            _moment(pack, line.since), "是" if line.case.supervision else "",
        )
        for line in pack.overdue
    ]  # fmt: skip


def case_lines(pack: MeetingPack) -> list[tuple[Cell, ...]]:
    """The cases of the period, the most urgent first."""
    late = {line.case.id for line in pack.overdue}
    return [
        (
            case.id, str(case.level), category_named(case.category).zh, _grid(pack, case.grid),
            case.place, _moment(pack, case.dispatched_at), labels.CASE_STATES[case.state][0],
            "是" if case.id in late else "", "、".join(case.tags),
        )
        for case in pack.cases
    ]  # fmt: skip


def _grid(pack: MeetingPack, code: Any) -> str:
    grid = pack.registry.tree.grids.get(code)
    return grid.name if grid else str(code)


def _moment(pack: MeetingPack, at: Any) -> str:
    return f"{at.astimezone(pack.zone):%m-%d %H:%M}"


# ---- html


def to_html(pack: MeetingPack) -> bytes:
    """One page without external files; a month prints on a few A4 pages."""
    made = f"{pack.made_at.astimezone(pack.zone):%Y-%m-%d %H:%M}"
    shown = case_lines(pack)[:MAX_CASES_PRINTED]
    left = len(pack.cases) - len(shown)
    more = f"<p><small>另有 {left} 件，见 Excel。</small></p>" if left > 0 else ""
    figures = [
        (one.figure.zh, one.figure.text, one.mom, one.yoy, one.figure.note) for one in pack.figures
    ]
    parts = [
        f"<h1>{escape(pack.title)}</h1><p><small>{escape(pack.site)} · 制表 {made}</small></p>",
        _section("指标", ("指标", "本期", "环比", "同比", "口径"), figures),
        "<div class=pair>",
        f"<div>{_section('按类别', COUNT_COLUMNS, count_lines(pack.categories))}</div>",
        f"<div><h2>按类别（图）</h2>{bar_chart([(r.name, r.count) for r in pack.categories[:12]])}",
        f"<h2>按发现时刻</h2>{hour_chart(pack.hours)}</div></div>",
        _section("按村", COUNT_COLUMNS, count_lines(pack.villages)),
        _section("按标签", COUNT_COLUMNS, count_lines(pack.tags)),
        _section("初筛准确率（按类型）", PRECISION_COLUMNS, precision_lines(pack)),
        _section("超时清单", OVERDUE_COLUMNS, overdue_lines(pack)),
        _section("案件清单", CASE_COLUMNS, shown) + more,
        "<p class=sign>" + "  ".join(f"{name}:____________" for name in SIGNATURES) + "</p>",
    ]
    head = f"<meta charset=utf-8><title>{escape(pack.title)}</title><style>{STYLE}</style>"
    page = f'<!DOCTYPE html>\n<html lang="zh-CN"><head>{head}</head><body>{"".join(parts)}'
    return f"{page}</body></html>\n".encode()


def _section(title: str, columns: Sequence[str], lines: Sequence[Sequence[Cell]]) -> str:
    if not lines:
        return f"<h2>{escape(title)}</h2><p><small>无</small></p>"
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    rows = "".join(f"<tr>{''.join(map(_cell, line))}</tr>" for line in lines)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return f"<h2>{escape(title)}</h2>{table}"


def _cell(value: Cell) -> str:
    if isinstance(value, float):
        shown = f"{value}" if isinstance(value, Share) else f"{value:.4g}"
        return f"<td class=n>{shown}</td>"
    if isinstance(value, int):
        return f"<td class=n>{value}</td>"
    return f"<td>{escape(value or '')}</td>"


def bar_chart(rows: Sequence[tuple[str, int]]) -> str:
    """Horizontal bars with their names and numbers."""
    if not rows:
        return "<p><small>无</small></p>"
    top, height = max(count for _, count in rows) or 1, 16 * len(rows)
    bars = "".join(
        f'<text x="0" y="{16 * n + 12}">{escape(name)}</text>'
        f'<rect x="96" y="{16 * n + 3}" width="{170 * count / top:.1f}" height="11"/>'
        f'<text x="{100 + 170 * count / top:.1f}" y="{16 * n + 12}">{count}</text>'
        for n, (name, count) in enumerate(rows)
    )
    return f'<svg viewBox="0 0 300 {height}" role="img">{bars}</svg>'


def hour_chart(hours: Sequence[int]) -> str:
    """24 columns, one an hour."""
    top = max(hours, default=0) or 1
    bars = "".join(
        f'<rect x="{12 * hour + 4}" y="{70 - 60 * count / top:.1f}" width="9"'
        f' height="{60 * count / top:.1f}"/>'
        for hour, count in enumerate(hours)
    )
    ticks = "".join(f'<text x="{12 * hour + 3}" y="82">{hour}</text>' for hour in range(0, 24, 3))
    return f'<svg viewBox="0 0 300 86" role="img">{bars}{ticks}</svg>'


# ---- workbook and document


def to_xlsx(pack: MeetingPack) -> bytes:
    """A workbook: numbers are numbers, codes are text; A4, one page wide."""
    from xlsxwriter import Workbook  # noqa: PLC0415  an optional extra

    out = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with Workbook(out, options) as xlsx:
        xlsx.set_properties({"title": pack.title})
        for name, (columns, lines) in pack_tables(pack).items():
            _write_sheet(xlsx, name, columns, lines)
    return out.getvalue()


def pack_tables(
    pack: MeetingPack,
) -> Mapping[str, tuple[Sequence[str], Sequence[Sequence[Cell]]]]:
    """Every table of the pack by its name."""
    hours: list[tuple[Cell, ...]] = [(f"{n}:00", count) for n, count in enumerate(pack.hours)]
    return {
        "指标": (FIGURE_COLUMNS, figure_lines(pack)),
        "按类别": (COUNT_COLUMNS, count_lines(pack.categories)),
        "按村": (COUNT_COLUMNS, count_lines(pack.villages)),
        "按时刻": (("时刻", "受理"), hours),
        "按标签": (COUNT_COLUMNS, count_lines(pack.tags)),
        "准确率": (PRECISION_COLUMNS, precision_lines(pack)),
        "超时清单": (OVERDUE_COLUMNS, overdue_lines(pack)),
        "案件清单": (CASE_COLUMNS, case_lines(pack)),
    }


def _write_sheet(
    xlsx: Any, name: str, columns: Sequence[str], lines: Sequence[Sequence[Cell]]
) -> None:
    sheet = xlsx.add_worksheet(name)
    header = xlsx.add_format({"bold": True, "border": 1, "bg_color": "#EEF2F5"})
    plain = xlsx.add_format({"border": 1, "valign": "top"})
    share = xlsx.add_format({"border": 1, "valign": "top", "num_format": "0.0%"})
    for column, title in enumerate(columns):
        sheet.set_column(column, column, 18)
        sheet.write_string(0, column, title, header)
    for number, line in enumerate(lines, start=1):
        for column, value in enumerate(line):
            if isinstance(value, int | float):
                sheet.write_number(
                    number, column, value, share if isinstance(value, Share) else plain
                )
            else:
                sheet.write_string(number, column, value or "", plain)
    sheet.freeze_panes(1, 0)
    sheet.repeat_rows(0)
    sheet.set_landscape()
    sheet.set_paper(9)  # A4
    sheet.fit_to_pages(1, 0)


def to_docx(pack: MeetingPack) -> bytes:
    """A document for the notice board: aggregates alone, no case, no name."""
    from docx import Document  # noqa: PLC0415  an optional extra

    document = Document()
    document.add_heading(pack.title, level=1)
    document.add_paragraph(f"{pack.site} · {pack.made_at.astimezone(pack.zone):%Y-%m-%d}")
    figures = [(one.figure.zh, one.figure.text, one.mom, one.yoy) for one in pack.figures]
    _add_table(document, "指标", ("指标", "本期", "环比", "同比"), figures)
    _add_table(document, "按类别", COUNT_COLUMNS, count_lines(pack.categories))
    _add_table(document, "按村", COUNT_COLUMNS, count_lines(pack.villages))
    _add_table(document, "按标签", COUNT_COLUMNS, count_lines(pack.tags))
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def _add_table(
    document: Any, title: str, columns: Sequence[str], lines: Sequence[Sequence[Cell]]
) -> None:
    document.add_heading(title, level=2)
    table = document.add_table(rows=1, cols=len(columns))
    table.style = "Table Grid"
    for cell, text in zip(table.rows[0].cells, columns, strict=True):
        cell.text = text
    for line in lines:
        for cell, value in zip(table.add_row().cells, line, strict=True):
            cell.text = "" if value is None else str(value)


PACK_FORMATS: Final[Mapping[str, Callable[[MeetingPack], bytes]]] = {
    "html": to_html, "xlsx": to_xlsx, "docx": to_docx, "csv": to_csv, "json": to_json,
}  # fmt: skip
