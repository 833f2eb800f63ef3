"""The county's month as html, xlsx and json, in the language of its reader.

Towns stand in the order of county.yaml. Three tables: the figures, the rounds, and of which days
the figures are. No external file is needed; prints on A3 landscape.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from importlib import resources
from string import Template
from typing import Any, Final

from patrol.county.figures import CountyTotal, total_text
from patrol.county.month import ROUND_COUNTS, JsonObject
from patrol.domain.county_labels import COUNTY_FIGURES, TOWN_CONTACT
from patrol.domain.labels import ROUND_STATES
from patrol.reports.writers import tables_workbook
from patrol.web.i18n import Translator

Lines = list[list[str]]
DURATIONS: Final = frozenset({"ack_median", "ack_p90", "close_median", "close_p90"})
SHOWN_DAYS: Final = 10  # of the missing ones; the json has all
METHOD: Final = (
    "按各镇逐日上报的分子、分母合计；用时为全部案件的中位与 P90。乡镇按配置顺序排列，不作排名。",
    "Parts and wholes of the days that were told, added up; durations over all cases; no ranking.",
)


def month_title(month: JsonObject, t: Translator) -> str:
    """`古浪县视频巡查月报 2026-11`."""
    return t(f"{month['name']}视频巡查月报", f"{month['name']}, month of video patrol") + (
        f" {month['month']}"
    )


def month_tables(month: JsonObject, t: Translator) -> Mapping[str, tuple[list[str], Lines]]:
    """The three tables by their names: columns and lines of text, the county's own line last."""
    return {
        t("指标", "Figures"): _figures_table(month, t),
        t("轮次", "Rounds"): _rounds_table(month, t),
        t("数据范围", "Days told"): _days_table(month, t),
    }


def _figures_table(month: JsonObject, t: Translator) -> tuple[list[str], Lines]:
    columns = [t("乡镇", "Town"), *(t.pair(pair) for pair in COUNTY_FIGURES.values())]
    lines = [[town["name"], *figure_texts(town["figures"], t)] for town in month["towns"]]
    lines.append([t("全县", "County"), *figure_texts(month["figures"], t)])
    return columns, lines


def figure_texts(
    figures: Mapping[str, Any], t: Translator, names: Iterable[str] = COUNTY_FIGURES
) -> list[str]:
    """The figures of these names for people; a dash for one that nobody reported."""
    minutes = t("分钟", "min")
    return [total_text(_total(name, figures.get(name)), minutes=minutes) for name in names]


def _total(name: str, reported: Mapping[str, Any] | None) -> CountyTotal | None:
    if reported is None:
        return None
    return CountyTotal(
        id=name, part=reported["part"], n=reported["n"], is_minutes=name in DURATIONS
    )


def _rounds_table(month: JsonObject, t: Translator) -> tuple[list[str], Lines]:
    states = {key: t.pair(ROUND_STATES[state]) for state, key in ROUND_COUNTS.items()}
    columns = {"due": t("应走", "due"), **states, "adhoc": t("专项", "asked for besides")}
    lines = [
        [town["name"], *(str(town["rounds"][name]) for name in columns)] for town in month["towns"]
    ]
    sums = [str(sum(town["rounds"][name] for town in month["towns"])) for name in columns]
    return [t("乡镇", "Town"), *columns.values()], [*lines, [t("全县", "County"), *sums]]


def _days_table(month: JsonObject, t: Translator) -> tuple[list[str], Lines]:
    columns = [
        t("乡镇", "Town"), t("联系", "Contact"), t("最近联系上", "Last heard"),
        t("应报日数", "Days due"), t("已报日数", "Days told"), t("缺报", "Missing"),
        t("尚未结束", "Not over"), t("恢复前遗留（不计入）", "Of before a restore (not counted)"),
    ]  # fmt: skip
    return columns, [_days_line(town, t) for town in month["towns"]]


def _days_line(town: JsonObject, t: Translator) -> list[str]:
    days, before = town["days"], town["from_before_restore"]
    left = t(
        f"{before['rounds']} 轮、{before['days']} 日",
        f"{before['rounds']} rounds, {before['days']} days",
    )
    return [
        town["name"],
        t.pair(TOWN_CONTACT[town["contact"]]),
        town["contacted_at"] or "—",
        str(days["due"]),
        str(days["reported"]),
        _day_list(days["missing"]),
        _day_list(days["not_over"]),
        left if before["rounds"] or before["days"] else "—",
    ]


def _day_list(days: Sequence[str]) -> str:
    shown = ", ".join(day[5:] for day in days[:SHOWN_DAYS])
    more = len(days) - SHOWN_DAYS
    return (f"{shown} … +{more}" if more > 0 else shown) or "—"


def missing_text(month: JsonObject, t: Translator) -> str:
    """One sentence that names the towns whose days are missing; empty: none is."""
    lacking = [
        f"{town['name']} {len(town['days']['missing'])}"
        for town in month["towns"]
        if town["days"]["missing"]
    ]
    if not lacking:
        return ""
    named = t("、", ", ").join(lacking)
    return t(
        f"缺报日数：{named}。补报后请重新出具。", f"Days missing: {named}. Make it again later."
    )


def to_json(month: JsonObject, _t: Translator) -> bytes:
    """The document for programs."""
    return f"{json.dumps(month, ensure_ascii=False, indent=2, allow_nan=False)}\n".encode()


def to_html(month: JsonObject, t: Translator) -> bytes:
    """One page without external files, with signature lines."""
    page = Template(resources.files(__package__).joinpath("month.html").read_text("utf-8"))
    missing = missing_text(month, t)
    signatures = (t("制表", "Made by"), t("审核", "Checked by"), t("日期", "Date"))
    return page.substitute(
        lang="zh-CN" if t.language == "zh" else "en",
        title=escape(month_title(month, t)),
        made=escape(t(f"制表时间 {month['made_at']}", f"Made {month['made_at']}")),
        missing=f'<p class="missing">{escape(missing)}</p>' if missing else "",
        tables="".join(_html_table(name, *table) for name, table in month_tables(month, t).items()),
        method=escape(t.pair(METHOD)),
        signatures="".join(f"<span>{escape(name)}:</span>" for name in signatures),
    ).encode()


def _html_table(name: str, columns: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    body = "".join(
        f'<tr><th scope="row">{escape(first)}</th>'
        f"{''.join(f'<td>{escape(cell)}</td>' for cell in rest)}</tr>\n"
        for first, *rest in lines
    )
    return (
        f"<h2>{escape(name)}</h2><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def to_xlsx(month: JsonObject, t: Translator) -> bytes:
    """A workbook, a sheet a table. Raises ImportError without the `reports` extra."""
    return tables_workbook(month_title(month, t), month_tables(month, t))


FORMATS: Final[Mapping[str, Callable[[JsonObject, Translator], bytes]]] = {
    "html": to_html, "xlsx": to_xlsx, "json": to_json,
}  # fmt: skip
