"""A report as a workbook for Excel and WPS: frozen header, print layout, signature lines.

Every cell is written as text or number, never as a formula: codes keep their 20 digits.
"""

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import xlsxwriter

from patrol.report.compose import Report
from patrol.report.formats import PARTS, SIGNATURES
from patrol.report.ledger import COLUMNS

A3: Final = 8  # paper sizes are numbered in the format
HEADER_ROW: Final = 3  # title, made at, tallies, then the columns
WIDTHS: Final = {
    "点位编码": 22, "点位名称": 18, "描述": 40, "截图号": 44, "网格": 17, "村/组": 18, "起止": 18,
    "备注": 24, "轮次": 20, "查看方式": 16, "类别": 14, "图像质量": 14,
    "Figure": 30, "本期": 34, "口径": 48,
    "推送时间": 15, "签收": 15, "到场": 15, "反馈": 15, "处置": 15, "核查": 15, "办结": 15,
}  # fmt: skip
OPTIONS: Final = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
SHEETS: Final = {"figures": "指标", "grids": "网格响应", "cameras": "点位准确率"}
TINTS: Final = {"发现问题": "#FFF4E0", "无法查看": "#F1F3F5", "漏巡": "#FDE8E8"}


def workbook(report: Report) -> bytes:
    """The bytes of an .xlsx file."""
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, OPTIONS) as book:
        book.set_properties({"title": report.title})
        _ledger(book, report)
        for name in ("figures", "grids", "cameras"):
            _plain(book, SHEETS[name], *PARTS[name](report))
    return out.getvalue()


def _ledger(book: Any, report: Report) -> None:
    sheet = book.add_worksheet("台账")
    title, header = book.add_format({"bold": True, "font_size": 16}), _header(book)
    sheet.write_string(0, 0, report.title, title)
    sheet.write_string(1, 0, f"制表 {report.made}")
    sheet.write_string(2, 0, "   ".join(f"{name} {value}" for name, value in report.head))
    plain = book.add_format({"border": 1, "valign": "top"})
    tints = {
        outcome: book.add_format({"border": 1, "valign": "top", "bg_color": colour})
        for outcome, colour in TINTS.items()
    }
    for column, name in enumerate(COLUMNS):
        sheet.set_column(column, column, WIDTHS.get(name, 9))
        sheet.write_string(HEADER_ROW, column, name, header)
    for number, row in enumerate(report.rows, start=HEADER_ROW + 1):
        cells = tints.get(row["结果"], plain)
        for column, name in enumerate(COLUMNS):
            sheet.write_string(number, column, row[name], cells)
    last = HEADER_ROW + len(report.rows)
    sheet.autofilter(HEADER_ROW, 0, max(last, HEADER_ROW + 1), len(COLUMNS) - 1)
    sheet.freeze_panes(HEADER_ROW + 1, 0)
    for place, name in enumerate(SIGNATURES):
        sheet.write_string(last + 2, 1 + 5 * place, f"{name}:____________")
    _print_layout(sheet)
    sheet.repeat_rows(HEADER_ROW)


def simple_workbook(
    title: str, sheets: Mapping[str, tuple[Sequence[str], Iterable[Sequence[str]]]]
) -> bytes:
    """Plain tables, one a sheet, ready to be printed."""
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, OPTIONS) as book:
        book.set_properties({"title": title})
        for name, (columns, lines) in sheets.items():
            _plain(book, name, columns, lines)
    return out.getvalue()


def _plain(book: Any, name: str, columns: Sequence[str], lines: Iterable[Sequence[str]]) -> None:
    sheet = book.add_worksheet(name)
    header, plain = _header(book), book.add_format({"border": 1, "valign": "top"})
    for column, title in enumerate(columns):
        sheet.set_column(column, column, WIDTHS.get(title, 18))
        sheet.write_string(0, column, title, header)
    for number, line in enumerate(lines, start=1):
        for column, text in enumerate(line):
            sheet.write_string(number, column, text, plain)
    sheet.freeze_panes(1, 0)
    sheet.repeat_rows(0)
    _print_layout(sheet)


def _header(book: Any) -> Any:
    return book.add_format({"bold": True, "border": 1, "bg_color": "#EEF2F5", "text_wrap": True})


def _print_layout(sheet: Any) -> None:
    sheet.set_landscape()
    sheet.set_paper(A3)
    sheet.fit_to_pages(1, 0)
    sheet.set_margins(left=0.4, right=0.4, top=0.5, bottom=0.6)
    sheet.set_footer("&C第 &P 页 共 &N 页")
