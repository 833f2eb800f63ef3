"""The plan of a chaos run, drawn from its seed before anything is started.

Pure: the same seed gives the same steps. Every run has every kind of disturbance; the seed decides
the order, the pauses and what meets what.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Final

HOUR_S: Final = 3600
DAY_S: Final = 86400
# By how much the wall clock is wrong: minutes, hours, days, more than a year, both ways, and right.
WRONG_BY_S: Final = (-360, 360, HOUR_S, -HOUR_S, 4 * HOUR_S, -3 * DAY_S, 40 * DAY_S, 400 * DAY_S, 0)
WRONG_AT_BOOT_S: Final = (4 * HOUR_S, -6 * HOUR_S, 40 * DAY_S, 0)
PAUSES_S: Final = (0.0, 0.01, 0.03, 0.1, 0.25, 0.5)
LONGEST_SPAN: Final = 5  # steps between pulling the cable and plugging it in again
UNAWAITED_SHARE: Final = (
    0.2  # of the kills: not waited for, so that some meet a service that is starting
)


class ChaosAction(StrEnum):
    """A disturbance, or a piece of people's work."""

    CONFIRM = auto()
    SPEAK = auto()
    VERIFY = auto()
    KILL = auto()
    KILL_BROKER = auto()
    CUT = auto()
    PLUG_IN = auto()
    SET_CLOCK = auto()
    BOOT_WITH_CLOCK = auto()
    FILL = auto()
    FREE = auto()
    DATABASE_HANGS_UP = auto()
    QUEUE_LARGE = auto()  # a message that a broker with a limit does not take
    LIMIT = auto()  # the broker comes back with such a limit
    UNLIMIT = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChaosStep:
    """An action with its number and the pause after it."""

    action: ChaosAction
    number: int = 0  # replies to send; seconds that the clock is wrong by
    waits: bool = False  # until the service listens, so that it is met at work
    pause_s: float = 0.0


SINGLE: Final = (
    *(ChaosStep(action=ChaosAction.CONFIRM) for _ in range(8)),
    *(
        ChaosStep(action=ChaosAction.SPEAK, number=number)
        for number in (1, 2, 4, 4, 6, 6, 8, 8, 12, 12)
    ),
    *(ChaosStep(action=ChaosAction.VERIFY) for _ in range(3)),
    *(ChaosStep(action=ChaosAction.KILL) for _ in range(4)),
    ChaosStep(action=ChaosAction.KILL_BROKER),
    ChaosStep(action=ChaosAction.DATABASE_HANGS_UP),
    *(ChaosStep(action=ChaosAction.QUEUE_LARGE) for _ in range(2)),
    *(ChaosStep(action=ChaosAction.SET_CLOCK, number=seconds) for seconds in WRONG_BY_S),
    *(ChaosStep(action=ChaosAction.BOOT_WITH_CLOCK, number=seconds) for seconds in WRONG_AT_BOOT_S),
)
SPANS: Final = (  # what begins and, some steps later, ends
    (ChaosAction.CUT, ChaosAction.PLUG_IN),
    (ChaosAction.CUT, ChaosAction.PLUG_IN),
    (ChaosAction.FILL, ChaosAction.FREE),
    (ChaosAction.FILL, ChaosAction.FREE),
    (ChaosAction.LIMIT, ChaosAction.UNLIMIT),
)


def plan_steps(seed: int) -> tuple[ChaosStep, ...]:
    """The steps of this seed, in order."""
    dice = random.Random(f"chaos/{seed}")
    steps = list(SINGLE)
    dice.shuffle(steps)
    for begins, ends in SPANS:
        position = dice.randrange(len(steps))
        steps.insert(position, ChaosStep(action=begins))
        steps.insert(position + dice.randint(2, LONGEST_SPAN), ChaosStep(action=ends))
    # There is a case from the start, and while the disk is full there is something to write.
    steps.insert(0, ChaosStep(action=ChaosAction.CONFIRM))
    return tuple(_timed(_with_work(steps), dice))


def _with_work(steps: list[ChaosStep]) -> Iterator[ChaosStep]:
    for step in steps:
        yield step
        if step.action is ChaosAction.FILL:
            yield ChaosStep(action=ChaosAction.CONFIRM)
            yield ChaosStep(action=ChaosAction.SPEAK, number=6)
        if step.action is ChaosAction.LIMIT:
            yield ChaosStep(action=ChaosAction.QUEUE_LARGE)
            yield ChaosStep(action=ChaosAction.CONFIRM)


def _timed(steps: Iterator[ChaosStep], dice: random.Random) -> Iterator[ChaosStep]:
    for step in steps:
        waits = (
            step.action not in (ChaosAction.CONFIRM, ChaosAction.VERIFY)
            and dice.random() >= UNAWAITED_SHARE
        )
        yield ChaosStep(
            action=step.action, number=step.number, waits=waits, pause_s=dice.choice(PAUSES_S)
        )
