"""Which news is for which hook, as deliveries in the transaction that makes it."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from patrol.domain.case import CaseEvent
from patrol.domain.delivery import MOST_TRIES, Delivery
from patrol.domain.round import RoundState
from patrol.report.documents import (
    case_document,
    entry_document,
    envelope,
    finding_document,
    round_document,
)
from patrol.store import CaseNews, FindingNews, News, RoundNews, UnitOfWork

EVENTS: Final = (
    "round.started",
    "round.finished",
    "round.interrupted",
    "round.missed",
    "finding.opened",
    "finding.decided",
    "case.opened",
    "case.moved",
)
TIME: Final = timedelta(days=3)  # older news is no news; the API has the state
_ROUNDS: Final = {
    RoundState.RUNNING: "round.started",
    RoundState.FINISHED: "round.finished",
    RoundState.INTERRUPTED: "round.interrupted",
    RoundState.MISSED: "round.missed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """One receiver. Its address may hold a token and its secret is one: neither prints."""

    name: str
    url: str = field(repr=False)
    secret: bytes = field(repr=False)
    events: frozenset[str] = frozenset(EVENTS)
    most_tries: int = MOST_TRIES

    @property
    def target(self) -> str:
        """Its name among the deliveries."""
        return f"webhook:{self.name}"


@dataclass(frozen=True, slots=True)
class _Fact:
    event: str
    key: str
    data: dict[str, Any]


class Hooks:
    """Observes the books (patrol.store) and queues what each hook wants to hear."""

    def __init__(self, hooks: Sequence[Hook], now: Callable[[], datetime]) -> None:
        self._hooks = hooks
        self._now = now

    def observe(self, uow: UnitOfWork, news: News) -> None:
        """Fulfils observed.Observer."""
        facts = list(_facts(news))
        if not facts:
            return
        now = self._now()
        for fact in facts:
            body = json.dumps(
                envelope(fact.event, now, fact.key, fact.data), ensure_ascii=False, allow_nan=False
            ).encode("utf-8", "replace")
            for hook in self._hooks:
                if fact.event in hook.events:
                    uow.deliveries.add(
                        Delivery(
                            key=fact.key,
                            target=hook.target,
                            event=fact.event,
                            payload=body,
                            queued_at=now,
                            due_at=now,
                            expires_at=now + TIME,
                        )
                    )


def _facts(news: News) -> Iterator[_Fact]:
    if isinstance(news, CaseNews):
        yield from _of_case(news)
    elif isinstance(news, FindingNews):
        yield from _of_finding(news)
    elif isinstance(news, RoundNews):
        yield from _of_round(news)


def _of_case(news: CaseNews) -> Iterator[_Fact]:
    case = news.after
    if news.before is None:
        yield _Fact("case.opened", f"{case.id}-opened", case_document(case))
        return
    told = len(news.before.entries)
    for number, entry in enumerate(case.entries[told:], start=told):
        if entry.what is CaseEvent.DISPATCH and number == 0:
            continue
        data = {**case_document(case), "event": entry_document(entry)}
        yield _Fact("case.moved", f"{case.id}-e{number}", data)


def _of_finding(news: FindingNews) -> Iterator[_Fact]:
    finding = news.after
    if news.before is None:
        yield _Fact("finding.opened", f"{finding.id}-opened", finding_document(finding))
    elif news.before.state is not finding.state:
        key = f"{finding.id}-{finding.state}"
        yield _Fact("finding.decided", key, finding_document(finding))


def _of_round(news: RoundNews) -> Iterator[_Fact]:
    a_round = news.after
    before = news.before.state if news.before else None
    event = _ROUNDS.get(a_round.state)
    if event is not None and a_round.state is not before:
        runs = f"-{a_round.wall_s:.0f}" if a_round.state in _REPEATED else ""
        yield _Fact(event, f"{a_round.id}-{a_round.state}{runs}", round_document(a_round))


_REPEATED: Final = (RoundState.RUNNING, RoundState.INTERRUPTED)  # a round may stop and go on
