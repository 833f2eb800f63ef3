"""Chinese of the names in documents that commands show as tables: their keys and their codes.

`--json` gives the keys and codes themselves; a reader of English sees them as they are.
"""

from collections.abc import Mapping
from typing import Final

from patrol.domain.labels import (
    CAMERA_CONDITIONS,
    CASE_STATES,
    STOPPAGE_SCOPES,
    SUBJECT_KINDS,
)
from patrol.domain.problem_texts import problem_text
from patrol.domain.reader_language import reader_language, translate
from patrol.domain.stored_texts import label_of_code

KEYS: Final[Mapping[str, str]] = {
    "accepted": "确认于",
    "accepted_by": "确认人",
    "at": "时间",
    "camera": "点位",
    "cameras": "点位",
    "clock": "时钟",
    "connection": "接入",
    "counted": "计入",
    "day": "日期",
    "due": "时限",
    "events": "经过",
    "faulty": "画面异常",
    "first": "最早",
    "fleet": "全部点位",
    "given_up": "已放弃",
    "grid": "网格",
    "history": "历史",
    "id": "编号",
    "intact_rate": "完好率",
    "jump_s": "跳变秒数",
    "key": "重点",
    "kind": "种类",
    "last_seen": "最近看到",
    "last_step": "最近一次拨动",
    "last_step_s": "拨动秒数",
    "left_out": "不计入",
    "link": "链路",
    "messages": "消息",
    "name": "名称",
    "now": "现在",
    "number": "编号",
    "offline": "离线",
    "online": "在线",
    "online_rate": "在线率",
    "outages": "中断",
    "outcome": "结果",
    "priority": "优先级",
    "refused": "被拒收",
    "registered": "在册",
    "rest": "其他",
    "retired": "已停用",
    "seen": "看到",
    "since": "自",
    "state": "状态",
    "subject": "对象",
    "suspect": "待确认",
    "synchronised": "已同步",
    "taken_at": "认领时间",
    "taken_by": "认领人",
    "target": "目标",
    "times": "次数",
    "trust": "可信",
    "village": "村",
    "waiting": "等待",
    "wall": "本机时间",
    "why": "原因",
}
VALUES: Final[Mapping[str, str]] = {
    **{str(key): zh for key, (zh, _) in CAMERA_CONDITIONS.items()},
    **{str(key): zh for key, (zh, _) in SUBJECT_KINDS.items()},
    "written": "照写",
    "held": "暂缓",
    "never_visited": "从未巡查",
    "withdrawn": "已撤回同意",
    "maintenance": "维护中",
    "down": "中断",
    "settling": "观察中",
    "trusted": "可信",
    "ahead": "超前",
    "jumped": "跳变",
}


def key_text(key: str) -> str:
    """The name of a field for the reader at the terminal."""
    return translate(KEYS.get(key, key), key.replace("_", " "))


def code_text(value: str) -> str:
    """A code of the document in the reader's words; any other text as it is."""
    known = label_of_code(value) or CASE_STATES.get(value) or STOPPAGE_SCOPES.get(value)
    if reader_language() == "en":
        return known[1] if known else value
    return VALUES.get(value) or (known[0] if known else problem_text(value, "zh"))
