"""Chinese of the states and events that a refusal names: `dispatched`, `verify`, `acknowledged`.

Which thing is meant the refusal says itself, so that one table serves all: a word of the code has
one Chinese for all things that have such a state, or the first below is taken.
"""

from typing import Final

from patrol.domain import ground_labels, labels, town_labels
from patrol.domain.labels import Labels

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


MOVES: Final[Labels] = {  # events of rounds, patrols, hand-offs, broadcasts that a refusal names
    "start": ("开始", "start"),
    "pause": ("暂停", "pause"),
    "resume": ("继续", "resume"),
    "finish": ("完成", "finish"),
    "interrupt": ("中断", "interrupt"),
    "complete": ("完成", "complete"),
    "miss": ("记为漏巡", "miss"),
    "acknowledge": ("签收", "acknowledge"),
    "answer": ("答复", "answer"),
    "receive": ("接收", "receive"),
    "play": ("播放", "play"),
    "fail": ("记为失败", "fail"),
    "refuse": ("拒绝", "refuse"),
    "grant": ("批准", "grant"),
}


def chinese_of_state(code: str) -> str:
    """The Chinese of a state or an event; a word that is none stays as it is."""
    for table in _TABLES:
        if code in table:
            return table[code][0]
    return MOVES[code][0] if code in MOVES else code
