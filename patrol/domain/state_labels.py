"""Chinese of the states and events that a refusal names: `dispatched`, `verify`, `acknowledged`.

Which thing is meant the refusal says itself, so that one table serves all: a word of the code has
one Chinese for all things that have such a state, or the first below is taken.
"""

from collections.abc import Mapping
from typing import Final

from patrol.domain import ground_labels, labels, town_labels

_TABLES: Final = (
    labels.CASE_STATES,
    labels.CASE_EVENTS,
    labels.APPROVAL_KINDS,
    labels.ROUND_STATES,
    town_labels.FINDING_STATES,
    town_labels.HUMAN_PATROL_STATES,
    town_labels.CHECK_OUTCOMES,
    town_labels.HAND_OFF_STATES,
    town_labels.BROADCAST_STATES,
    ground_labels.GROUND_STATES,
    ground_labels.STOP_STATES,
    ground_labels.CHECK_IN_STATES,
    labels.OUTCOMES,
    labels.ROLES,
    labels.DUTIES,
    labels.REFUSALS,
    labels.FAILURES,
)
_MOVES: Final[Mapping[str, str]] = {  # events that have no label elsewhere
    "start": "开始",
    "pause": "暂停",
    "resume": "继续",
    "finish": "完成",
    "interrupt": "中断",
    "complete": "完成",
    "miss": "记为漏巡",
    "acknowledge": "签收",
    "answer": "答复",
    "receive": "接收",
    "play": "播放",
    "fail": "记为失败",
    "refuse": "拒绝",
    "grant": "批准",
}


def chinese_of_state(code: str) -> str:
    """The Chinese of a state or an event; a word that is none stays as it is."""
    for table in _TABLES:
        if code in table:
            return table[code][0]
    return _MOVES.get(code, code)
