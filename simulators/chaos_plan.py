"""What one run of chaos does, and when: drawn from the seed alone, before anything is started.

Pure: the same seed is the same list of deeds, whatever the machine makes of it. Every run has every
kind of disturbance; the seed decides the order, the pauses and what meets what.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Final

HOUR_S: Final = 3600
PAUSES_S: Final = (0.0, 0.01, 0.03, 0.1, 0.25, 0.5)
LONGEST_SPAN: Final = 5  # steps between pulling the cable and plugging it in again
HASTY: Final = 0.2  # of the kills: not waited for, so that some meet a service that is starting


class Deed(StrEnum):
    """One thing that happens."""

    CONFIRM = auto()
    SPEAK = auto()
    VERIFY = auto()
    KILL = auto()
    KILL_BROKER = auto()
    CUT = auto()
    PLUG_IN = auto()
    SET_CLOCK = auto()
    FILL = auto()
    FREE = auto()
    DATABASE_HANGS_UP = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A deed, what it needs to know, and the pause after it."""

    deed: Deed
    number: int = 0  # words to say; seconds that the clock is wrong by
    waits: bool = False  # until the service listens, so that it is met at work
    pause_s: float = 0.0


SINGLE: Final = (
    *(Step(deed=Deed.CONFIRM) for _ in range(8)),
    *(Step(deed=Deed.SPEAK, number=number) for number in (1, 2, 4, 4, 6, 6, 8, 8, 12, 12)),
    *(Step(deed=Deed.VERIFY) for _ in range(3)),
    *(Step(deed=Deed.KILL) for _ in range(4)),
    Step(deed=Deed.KILL_BROKER),
    Step(deed=Deed.DATABASE_HANGS_UP),
    *(Step(deed=Deed.SET_CLOCK, number=seconds) for seconds in (HOUR_S, -HOUR_S, 0)),
)
SPANS: Final = (  # what begins and, some steps later, ends
    (Deed.CUT, Deed.PLUG_IN),
    (Deed.CUT, Deed.PLUG_IN),
    (Deed.FILL, Deed.FREE),
    (Deed.FILL, Deed.FREE),
)


def plan(seed: int) -> tuple[Step, ...]:
    """Everything that the seed does."""
    dice = random.Random(f"chaos/{seed}")  # noqa: S311  it must repeat
    steps = list(SINGLE)
    dice.shuffle(steps)
    for begins, ends in SPANS:
        place = dice.randrange(len(steps))
        steps.insert(place, Step(deed=begins))
        steps.insert(place + dice.randint(2, LONGEST_SPAN), Step(deed=ends))
    # Somebody is at work from the start, and the disk is never full for nobody.
    steps.insert(0, Step(deed=Deed.CONFIRM))
    return tuple(_timed(_with_work(steps), dice))


def _with_work(steps: list[Step]) -> Iterator[Step]:
    for step in steps:
        yield step
        if step.deed is Deed.FILL:
            yield Step(deed=Deed.CONFIRM)
            yield Step(deed=Deed.SPEAK, number=6)


def _timed(steps: Iterator[Step], dice: random.Random) -> Iterator[Step]:
    for step in steps:
        waits = step.deed not in (Deed.CONFIRM, Deed.VERIFY) and dice.random() >= HASTY
        yield Step(deed=step.deed, number=step.number, waits=waits, pause_s=dice.choice(PAUSES_S))
