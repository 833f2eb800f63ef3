"""A Report as bytes: csv, json, html, xlsx.

csv disarms cells that a spreadsheet would take for a formula. In a workbook every cell is text, so
that codes keep their 20 digits; header frozen, A3 landscape, signature lines.
"""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from html import escape
from importlib import resources
from operator import itemgetter
from string import Template
from typing import Any, Final

from patrol.domain.labels import OUTCOMES
from patrol.domain.labels import REPORT_TABLES as SHEET_NAMES
from patrol.domain.round import VisitOutcome
from patrol.reports.ledger import COLUMNS, LedgerRow, summed_rows
from patrol.reports.ledger_sheet import fill_ledger
from patrol.reports.report import Report, Table, report_document

FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")
FIGURE_COLUMNS: Final = ("指标", "Figure", "本期", "环比", "同比", "口径")
ReportTable = tuple[Sequence[str], Iterable[Sequence[str]]]
ROW_CLASSES: Final = {  # of the HTML page, by what the ledger's 结果 says
    OUTCOMES[VisitOutcome.PROBLEM][0]: "problem",
    OUTCOMES[VisitOutcome.NOT_VIEWABLE][0]: "unseen",
    OUTCOMES[VisitOutcome.MISSED][0]: "missed",
}
SUMMED_NOTICE: Final = (
    '<p class="notice">无情况的“正常”查看按点位合计在表末；逐次台账见本报表的 Excel、CSV。</p>'
)
_CELL: Final = "\x1f"  # parts the cells of a line while it is escaped as a whole
SIGNATURES: Final = ("巡查员", "值班长", "分管领导", "日期")


def escape_formula(text: str) -> str:
    """The text, with an apostrophe in front where a spreadsheet would compute it."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def to_csv(report: Report, table: str = "ledger") -> bytes:
    """One table (a key of REPORT_TABLES): UTF-8 with a byte-order mark for Excel, CRLF."""
    columns, lines = REPORT_TABLES[table](report)
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(columns)
    for line in lines:
        writer.writerow([escape_formula(cell) for cell in line])
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def _ledger_table(report: Report) -> ReportTable:
    return COLUMNS, ([row[column] for column in COLUMNS] for row in report.rows)


def _figures_table(report: Report) -> ReportTable:
    return FIGURE_COLUMNS, (
        (c.figure.zh, c.figure.en, c.figure.text, c.mom, c.yoy, c.figure.note)
        for c in report.figures
    )


REPORT_TABLES: Final[Mapping[str, Callable[[Report], ReportTable]]] = {
    "ledger": _ledger_table,
    "figures": _figures_table,
    "grids": lambda report: (report.grids.columns, report.grids.lines),
    "cameras": lambda report: (report.cameras.columns, report.cameras.lines),
}


def to_json(report: Report) -> bytes:
    """The whole report for programs (`report_document`)."""
    text = json.dumps(report_document(report), ensure_ascii=False, indent=2, allow_nan=False)
    return f"{text}\n".encode()


def to_html(report: Report) -> bytes:
    """One page without external files; prints on A3 landscape with signature lines.

    Of a month the visits on which nothing was seen are summed by camera: of 37,000 lines, which
    were 18 MB and some 700 sheets, a tenth says something. Every line is in the other formats.
    """
    is_month = report.heading.kind == "month"
    page = Template(resources.files(__package__).joinpath("page.html").read_text("utf-8"))
    text = page.substitute(
        title=escape(report.title),
        made=escape(report.made),
        head="".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in report.head),
        figures="".join(_figure_rows(report)),
        grid_columns=_cells("th", report.grids.columns),
        grids=_table_rows(report.grids),
        camera_columns=_cells("th", report.cameras.columns),
        cameras=_table_rows(report.cameras),
        columns="".join(f"<th>{escape(column)}</th>" for column in COLUMNS),
        summed=SUMMED_NOTICE if is_month else "",
        rows="".join(
            _ledger_row(row) for row in (summed_rows(report.rows) if is_month else report.rows)
        ),
        anchor=_anchor_lines(report),
        signatures="".join(f"<span>{escape(name)}：</span>" for name in SIGNATURES),
    )
    return text.encode()


def _anchor_lines(report: Report) -> str:
    """The day's heads of the logs, as `patrol audit verify --anchor` takes them; empty: none."""
    lines = [f"{name}:{head.number}:{head.hash}" for name, head in report.anchor.items()]
    if not lines:
        return ""
    shown = "<br>".join(escape(line) for line in lines)
    return f'<p class="notice">留痕链锚点（当日末）<br><code>{shown}</code></p>'


def _figure_rows(report: Report) -> list[str]:
    cells = (
        (escape(c.figure.zh), c.figure.text, c.mom, c.yoy, c.figure.note) for c in report.figures
    )
    return [
        f"<tr><th>{name}</th>{''.join(f'<td>{escape(text)}</td>' for text in rest)}</tr>"
        for name, *rest in cells
    ]


def _table_rows(table: Table) -> str:
    return "".join(f"<tr>{_cells('td', line)}</tr>" for line in table.lines)


def _cells(tag: str, texts: Iterable[str]) -> str:
    return "".join(f"<{tag}>{escape(text)}</{tag}>" for text in texts)


def _ledger_row(row: Mapping[str, str]) -> str:
    """Without end tags, which HTML lets out: of a month they were a fifth of the page."""
    cells = escape(_CELL.join(row[column] for column in COLUMNS)).replace(_CELL, "<td>")
    tone = ROW_CLASSES.get(row["结果"], "")
    return f"<tr{f' class={tone}' if tone else ''}><td>{cells}\n"


def to_xlsx(report: Report) -> bytes:
    """A workbook. Raises ImportError without the `reports` extra."""
    return report_workbook(report)


FORMATS: Final[Mapping[str, Callable[[Report], bytes]]] = {
    "html": to_html, "xlsx": to_xlsx, "csv": to_csv, "json": to_json,
}  # fmt: skip


A3: Final = 8  # paper sizes are numbered in the format
HEADER_ROW: Final = 3  # below the title, the time and the totals
WIDTHS: Final = {
    "点位编码": 22, "点位名称": 18, "描述": 40, "截图号": 44, "网格": 17, "村/组": 18, "起止": 18,
    "备注": 24, "判读模块": 22, "轮次": 20, "查看方式": 16, "类别": 14, "图像质量": 14,
    "Figure": 30, "本期": 34, "口径": 48,
    "推送时间": 15, "签收": 15, "到场": 15, "反馈": 15, "处置": 15, "核查": 15, "办结": 15,
}  # fmt: skip
OPTIONS: Final = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
PLAIN: Final = ""
TINTS: Final = {  # by what the ledger's 结果 says; no tint for everything else
    PLAIN: "",
    OUTCOMES[VisitOutcome.PROBLEM][0]: "#FFF4E0",
    OUTCOMES[VisitOutcome.NOT_VIEWABLE][0]: "#F1F3F5",
    OUTCOMES[VisitOutcome.MISSED][0]: "#FDE8E8",
}


def report_workbook(report: Report) -> bytes:
    """The bytes of an .xlsx file: the ledger, then a sheet for each other table."""
    out = io.BytesIO()
    with _new_workbook(out) as xlsx:
        xlsx.set_properties({"title": report.title})
        _write_ledger(xlsx, report)
        for name in ("figures", "grids", "cameras"):
            _write_table(xlsx, SHEET_NAMES[name][0], *REPORT_TABLES[name](report))
    return fill_ledger(
        out.getvalue(),
        _tinted_lines(report.rows),
        tuple(TINTS),
        row=HEADER_ROW + 2,  # rows count from 0 in xlsxwriter, from 1 in the file
        columns=len(COLUMNS),
        unique=COLUMNS.index("截图号"),
    )


def _new_workbook(out: io.BytesIO) -> Any:
    """Raises ModuleNotFoundError without the `reports` extra."""
    from xlsxwriter import Workbook  # noqa: PLC0415  an optional extra

    return Workbook(out, OPTIONS)


def _write_ledger(xlsx: Any, report: Report) -> None:
    """The ledger's sheet without its lines: a row of blank cells has the formats for them."""
    sheet = xlsx.add_worksheet(SHEET_NAMES["ledger"][0])
    title, header = xlsx.add_format({"bold": True, "font_size": 16}), _header_format(xlsx)
    sheet.write_string(0, 0, report.title, title)
    sheet.write_string(1, 0, f"制表 {report.made}")
    sheet.write_string(2, 0, "   ".join(f"{name} {value}" for name, value in report.head))
    for column, name in enumerate(COLUMNS):
        sheet.set_column(column, column, WIDTHS.get(name, 9))
        sheet.write_string(HEADER_ROW, column, name, header)
    for column, tint in enumerate(TINTS.values()):
        colour = {"bg_color": tint} if tint else {}
        cells = xlsx.add_format({"border": 1, "valign": "top", **colour})
        sheet.write_blank(HEADER_ROW + 1, column, None, cells)
    last = HEADER_ROW + len(report.rows)
    sheet.autofilter(HEADER_ROW, 0, max(last, HEADER_ROW + 1), len(COLUMNS) - 1)
    sheet.freeze_panes(HEADER_ROW + 1, 0)
    for index, name in enumerate(SIGNATURES):
        sheet.write_string(last + 2, 1 + 5 * index, f"{name}:____________")
    _set_print_layout(sheet)
    sheet.repeat_rows(HEADER_ROW)


def _tinted_lines(rows: Iterable[LedgerRow]) -> Iterator[tuple[str, Sequence[str]]]:
    cells_of = itemgetter(*COLUMNS)
    for row in rows:
        outcome = row["结果"]
        yield outcome if outcome in TINTS else PLAIN, cells_of(row)


def tables_workbook(
    title: str, sheets: Mapping[str, tuple[Sequence[str], Iterable[Sequence[str]]]]
) -> bytes:
    """Plain tables, one a sheet, with the print layout of a report."""
    out = io.BytesIO()
    with _new_workbook(out) as xlsx:
        xlsx.set_properties({"title": title})
        for name, (columns, lines) in sheets.items():
            _write_table(xlsx, name, columns, lines)
    return out.getvalue()


def _write_table(
    xlsx: Any, name: str, columns: Sequence[str], lines: Iterable[Sequence[str]]
) -> None:
    sheet = xlsx.add_worksheet(name)
    header, plain = _header_format(xlsx), xlsx.add_format({"border": 1, "valign": "top"})
    for column, title in enumerate(columns):
        sheet.set_column(column, column, WIDTHS.get(title, 18))
        sheet.write_string(0, column, title, header)
    for number, line in enumerate(lines, start=1):
        for column, text in enumerate(line):
            sheet.write_string(number, column, text, plain)
    sheet.freeze_panes(1, 0)
    sheet.repeat_rows(0)
    _set_print_layout(sheet)


def _header_format(xlsx: Any) -> Any:
    return xlsx.add_format({"bold": True, "border": 1, "bg_color": "#EEF2F5", "text_wrap": True})


def _set_print_layout(sheet: Any) -> None:
    sheet.set_landscape()
    sheet.set_paper(A3)
    sheet.fit_to_pages(1, 0)
    sheet.set_margins(left=0.4, right=0.4, top=0.5, bottom=0.6)
    sheet.set_footer("&C第 &P 页 共 &N 页")
