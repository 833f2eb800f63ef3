"""How far a walk is, in numbers that a person or a program can follow."""

from dataclasses import dataclass
from datetime import datetime

from patrol.domain.round import RoundBooks, VisitOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What the recorder made of one visit."""

    outcome: VisitOutcome
    findings: int = 0
    messages: int = 0
    held_back: int = 0  # observations that a suppression kept from becoming findings


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundProgress:
    """How far the walk is; goes to the terminal, the console and MQTT."""

    round: str
    plan: str
    planned: int
    done: int
    seen: int
    not_viewable: int
    missed: int
    findings: int
    under_way: int
    per_s: float | None
    forecast: datetime | None
    finish_by: datetime


@dataclass(slots=True, kw_only=True)
class Tally:
    """Counts while we walk; the books in the store are the truth."""

    done: int = 0
    seen: int = 0
    not_viewable: int = 0
    missed: int = 0
    findings: int = 0
    messages: int = 0

    @classmethod
    def of(cls, books: RoundBooks) -> "Tally":
        """Where an earlier run of the round left off."""
        return cls(
            done=books.planned - books.pending,
            seen=books.seen,
            not_viewable=books.not_viewable,
            missed=books.missed,
            findings=books.findings,
        )

    def add(self, recorded: Recorded) -> None:
        """One more visit."""
        self.done += 1
        self.findings += recorded.findings
        self.messages += recorded.messages
        if recorded.outcome.is_seen:
            self.seen += 1
        elif recorded.outcome is VisitOutcome.MISSED:
            self.missed += 1
        else:
            self.not_viewable += 1
