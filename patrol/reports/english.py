"""English of what reports say in Chinese: notes of figures, columns of the response of the grids.

The reports' files are the office's papers and stay Chinese; the console shows the same figures to
readers of English through these tables. A text that none of them knows is shown as it is.
"""

import re
from typing import Final

_NOTES: Final = tuple(
    (re.compile(pattern), english)
    for pattern, english in (
        (
            r"不含未授权 (\d+) 路次、维护中 (\d+)",
            r"without \1 visits not granted, \2 in maintenance",
        ),
        (r"不含未授权 (\d+) 路次", r"without \1 visits not granted"),
        (r"不含漏巡 (\d+)", r"without \1 missed"),
        (r"目标：重点部位 98 %，其他 95 %", "targets: key sites 98 %, others 95 %"),
        (r"只计取到画面的路次", "of visits with a picture"),
        (r"漏巡 (\d+) 次", r"\1 missed"),
        (r"不含未结束 (\d+) 次", r"without \1 under way"),
        (
            r"漏看 (\d+)、无法查看 (\d+) 路次",
            r"\1 not looked at, \2 not viewable",
        ),
        (
            r"迟到 (\d+)、待复核 (\d+)、漏签 (\d+)",
            r"\1 late, \2 to review, \3 not checked in at",
        ),
        (r"不含待签到 (\d+)", r"without \1 still to walk"),
        (r"不含待看 ?(\d+)", r"without \1 still to look at"),
        (r"(\d+) 路，其中 (\d+) 路从未", r"\1 cameras, \2 never seen"),
        (r"(\d+) 路", r"\1 cameras"),
        (r"不含待核 (\d+) 条", r"without \1 undecided"),
        (
            r"人工判过的路次（线索与盲抽）÷ 实巡",
            "visits that a person judged (findings and blind sample) ÷ seen",
        ),
        (
            r"机器判为正常者按比例盲抽，Wilson 95 % 区间",
            "a share of what the machine calls normal, drawn blindly; Wilson 95 % interval",
        ),
        (r"不含未判 (\d+) 条", r"without \1 undecided"),
        (
            r"与机器线索分开统计",
            "counted apart from the machine's findings",
        ),
        (r"含未判 (\d+) 条", r"with \1 undecided"),
        (
            r"属实的人工发现 ÷ 全部属实线索（人工与机器），无人看见的不在其内",
            "real findings of people ÷ all real ones (people and machine), without what nobody saw",
        ),
        (r"测试件，不计入其他任何指标", "test pieces, in no other figure"),
        (r"不含作废 (\d+) 件", r"without \1 voided"),
        (r"只计已推送", "of those that were sent"),
        (r"不含未到期 (\d+) 件", r"without \1 not due yet"),
        (r"超期未办计为不及时", "overdue and not done counts as late"),
        (r"属实 (\d+) 条", r"\1 real"),
        (r"核查未通过或重开 ÷ 已反馈", "not verified or reopened ÷ fed back"),
        (r"([\d.]+|—) ?分钟", r"\1 min"),
    )
)
_UNITS: Final = {"天": "d", "条": "", "件": "", "次": "", "路": "cameras"}
_MEDIAN: Final = re.compile(r"([\d.]+) 分钟（n=(\d+)）")
_SHARE: Final = re.compile(r"（([^（）]*)）")
COLUMNS: Final = {
    "网格": "Grid",
    "名称": "Name",
    "推送": "Sent",
    "签收及时率": "Acknowledged in time",
    "到场及时率": "Arrived in time",
    "反馈及时率": "Fed back in time",
    "办结率": "Closure rate",
    "按时办结率": "Closed in time",
    "签收用时中位": "Median time to acknowledge",
}


def note_in_english(note: str) -> str:
    """The note of a figure; its parts, which `；` divides, one by one."""
    return "; ".join(_part_in_english(part) for part in note.split("；"))


def unit_in_english(unit: str) -> str:
    """The unit of a figure."""
    return _UNITS.get(unit, unit)


def cell_in_english(text: str) -> str:
    """A cell of a table of figures: `8.0 分钟（n=3）` is `8.0 min (n=3)`."""
    english = _SHARE.sub(r" (\1)", _MEDIAN.sub(r"\1 min (n=\2)", text))
    return english.replace("，95 % 区间", ", 95 % interval")


def _part_in_english(part: str) -> str:
    for pattern, english in _NOTES:
        if found := pattern.fullmatch(part.strip()):
            return found.expand(english)
    return part
