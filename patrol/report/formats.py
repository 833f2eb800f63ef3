"""A report as bytes: csv, json, html; and the atomic way to put bytes into a file.

A cell that a spreadsheet would take for a formula is disarmed, wherever it came from.
"""

import csv
import io
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import Final

from patrol.report.compose import Report, as_json
from patrol.report.ledger import COLUMNS
from patrol.report.tables import Table

FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")
FIGURE_COLUMNS: Final = ("指标", "Figure", "本期", "环比", "同比", "口径")
Part = tuple[Sequence[str], Iterable[Sequence[str]]]
SIGNATURES: Final = ("巡查员", "值班长", "分管领导", "日期")


def disarmed(text: str) -> str:
    """The text, with an apostrophe in front where a spreadsheet would compute it."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def to_csv(report: Report, part: str = "ledger") -> bytes:
    """One table of it: UTF-8 with the mark that makes Excel read it as such, CRLF."""
    columns, lines = PARTS[part](report)
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(columns)
    for line in lines:
        writer.writerow([disarmed(cell) for cell in line])
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def _ledger_part(report: Report) -> Part:
    return COLUMNS, ([row[column] for column in COLUMNS] for row in report.rows)


def _figures_part(report: Report) -> Part:
    return FIGURE_COLUMNS, (
        (c.figure.zh, c.figure.en, c.figure.words, c.mom, c.yoy, c.figure.note)
        for c in report.figures
    )


PARTS: Final[Mapping[str, Callable[[Report], Part]]] = {
    "ledger": _ledger_part,
    "figures": _figures_part,
    "grids": lambda report: (report.grids.columns, report.grids.lines),
    "cameras": lambda report: (report.cameras.columns, report.cameras.lines),
}


def to_json(report: Report) -> bytes:
    """Everything, for programs."""
    text = json.dumps(as_json(report), ensure_ascii=False, indent=2, allow_nan=False)
    return f"{text}\n".encode()


def to_html(report: Report) -> bytes:
    """One page that needs nothing beside it; prints on A3 landscape with signature lines."""
    page = Template(resources.files(__package__).joinpath("page.html").read_text("utf-8"))
    text = page.substitute(
        title=escape(report.title),
        made=escape(report.made),
        head="".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in report.head),
        figures="".join(_figure_row(report)),
        grid_columns=_cells("th", report.grids.columns),
        grids=_lines(report.grids),
        camera_columns=_cells("th", report.cameras.columns),
        cameras=_lines(report.cameras),
        columns="".join(f"<th>{escape(column)}</th>" for column in COLUMNS),
        rows="".join(_ledger_row(row) for row in report.rows),
        signatures="".join(f"<span>{escape(name)}:</span>" for name in SIGNATURES),
    )
    return text.encode()


def _figure_row(report: Report) -> list[str]:
    cells = (
        (f"{c.figure.zh} <small>{escape(c.figure.en)}</small>", c.figure.words, c.mom, c.yoy,
         c.figure.note)
        for c in report.figures
    )  # fmt: skip
    return [
        f"<tr><th>{name}</th>{''.join(f'<td>{escape(text)}</td>' for text in rest)}</tr>"
        for name, *rest in cells
    ]


def _lines(table: Table) -> str:
    return "".join(f"<tr>{_cells('td', line)}</tr>" for line in table.lines)


def _cells(tag: str, texts: Iterable[str]) -> str:
    return "".join(f"<{tag}>{escape(text)}</{tag}>" for text in texts)


def _ledger_row(row: Mapping[str, str]) -> str:
    kind = {"正常": "", "发现问题": "problem", "无法查看": "unseen", "漏巡": "missed"}
    cells = "".join(f"<td>{escape(row[column])}</td>" for column in COLUMNS)
    return f'<tr class="{kind.get(row["结果"], "")}">{cells}</tr>\n'


def to_xlsx(report: Report) -> bytes:
    """A workbook. Raises ImportError without the `reports` extra."""
    from patrol.report.workbook import workbook  # noqa: PLC0415  an optional extra

    return workbook(report)


FORMATS: Final[Mapping[str, Callable[[Report], bytes]]] = {
    "html": to_html, "xlsx": to_xlsx, "csv": to_csv, "json": to_json,
}  # fmt: skip


def write_file(path: Path, data: bytes) -> None:
    """Put `data` at `path` whole or not at all. Raises OSError."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
