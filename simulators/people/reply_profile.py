"""How a simulated grid leader replies to a case: shares and delays, seeded, as a plan of replies.

Pure: a case message goes in, the replies with their delays come out. The same seed, case and rung
give the same plan, in whatever order the messages arrive. Shares as a township reports them.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

MINUTE: Final = 60.0
STATES_AWAITING_REPLY: Final = frozenset(
    {"dispatched", "rework"}
)  # states in which somebody is to act
EQUIPMENT: Final = "09"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyProfile:
    """Shares of all cases sent to one person; the rest is acknowledged, visited and handled."""

    ack_in_10_min: float = 0.70
    ack_in_an_hour: float = 0.90
    never: float = 0.04
    offline: float = 0.15
    false_alarm: float = 0.08
    wrong_grid: float = 0.04
    reworked: float = 0.05  # says handled, and it is still there
    sent_twice: float = 0.05  # the same reply again, as a bad network does
    delay_factor: float = 1.0  # delays are multiplied with it


OBEDIENT: Final = ReplyProfile(
    ack_in_10_min=1.0,
    never=0.0,
    offline=0.0,
    false_alarm=0.0,
    wrong_grid=0.0,
    reworked=0.0,
    delay_factor=0.1,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedReply:
    """One reply, due `after_s` seconds after the case message arrived."""

    after_s: float
    body: Mapping[str, Any]  # without v and at, which the sender adds
    removes_problem: bool = False  # the person really removes the problem just before saying so
    sent_twice: bool = False


def awaits_reply(case: Mapping[str, Any]) -> bool:
    """Whether the case message asks the person of this grid's rung to act."""
    rung = case.get("rung") or {}
    return case.get("state") in STATES_AWAITING_REPLY and bool(rung.get("current", True))


def plan_replies(case: Mapping[str, Any], profile: ReplyProfile, seed: int) -> list[PlannedReply]:
    """All replies that the person will send about the case as it stands now."""
    rung = case.get("rung") or {}
    turn = case.get("revision", 0) if case.get("state") == "rework" else 0
    name = f"{case['case']}/{rung.get('number', 0)}/{turn}"
    dice = random.Random(f"{seed}/{name}")  # noqa: S311  a play, and it must repeat  # nosec B311
    if dice.random() < profile.never:
        return []
    return list(_replies(case, profile, dice, name, rung.get("person")))


def _replies(
    case: Mapping[str, Any],
    profile: ReplyProfile,
    dice: random.Random,
    name: str,
    person: str | None,
) -> Iterator[PlannedReply]:
    def reply_after(
        after_s: float, kind: str, *, removes_problem: bool = False, **more: str
    ) -> PlannedReply:
        body = {"type": kind, "key": f"{name}/{kind}", "about": case["key"], **more}
        if person:
            body["person"] = person
        sent_twice = dice.random() < profile.sent_twice
        return PlannedReply(
            after_s=after_s * profile.delay_factor,
            body=body,
            removes_problem=removes_problem,
            sent_twice=sent_twice,
        )

    ack_s = _ack_delay_s(profile, dice)
    seen_s = ack_s if dice.random() < profile.offline else min(ack_s, dice.uniform(1, 10))
    yield reply_after(seen_s, "received")
    yield reply_after(max(seen_s, ack_s - 5), "opened")
    yield reply_after(ack_s, "acknowledge")
    outcome_draw = dice.random()
    there_s = ack_s + dice.uniform(5, 25) * MINUTE
    if outcome_draw < profile.wrong_grid:
        yield reply_after(ack_s + 2 * MINUTE, "feedback", result="not_my_grid", text="不在本网格")
        return
    yield reply_after(there_s, "arrive")
    done_s = there_s + dice.uniform(5, 40) * MINUTE
    if outcome_draw < profile.wrong_grid + profile.false_alarm:
        yield reply_after(done_s, "feedback", result="false_alarm", text="现场未发现问题")
        return
    lazy = dice.random() < profile.reworked
    text = "已到场处理" if not lazy else "已处理（口头劝导）"
    yield reply_after(done_s, "feedback", removes_problem=not lazy, result="handled", text=text)


def _ack_delay_s(profile: ReplyProfile, dice: random.Random) -> float:
    share = dice.random()
    if share < profile.ack_in_10_min:
        return dice.uniform(0.3, 10) * MINUTE
    if share < profile.ack_in_an_hour:
        return dice.uniform(10, 60) * MINUTE
    return dice.uniform(60, 180) * MINUTE
