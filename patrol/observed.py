"""A store whose books are watched: observers hear of news inside the transaction that makes it.

So a webhook is queued with the news that it tells, wherever in the house that news is made, and no
room has to remember to. What an observer returns runs after the commit, and only then: counters.
Reading costs nothing; changing a case, a finding or a round reads its row once more.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, cast

from patrol.domain.case import Case
from patrol.domain.finding import Finding
from patrol.domain.round import PlannedVisit, Round, Visit
from patrol.ports import Store, UnitOfWork


@dataclass(frozen=True, slots=True)
class CaseNews:
    """A new case (`before` is None), or one that changed."""

    before: Case | None
    after: Case


@dataclass(frozen=True, slots=True)
class FindingNews:
    """A new finding, or one that changed."""

    before: Finding | None
    after: Finding


@dataclass(frozen=True, slots=True)
class RoundNews:
    """A new round, or one that changed."""

    before: Round | None
    after: Round


@dataclass(frozen=True, slots=True)
class VisitNews:
    """A visit that was written down."""

    visit: Visit


News = CaseNews | FindingNews | RoundNews | VisitNews
AfterCommit = Callable[[], None]
Observer = Callable[[UnitOfWork, News], AfterCommit | None]


class ObservedStore:
    """Fulfils ports.Store around another one."""

    def __init__(self, store: Store, observers: Sequence[Observer]) -> None:
        self._store = store
        self._observers = observers

    @contextmanager
    def begin(self) -> Iterator[UnitOfWork]:
        """See the port."""
        with self._store.begin() as uow:
            yield cast("UnitOfWork", _Unit(uow, self._observers))  # by delegation

    def begin_read(self) -> AbstractContextManager[UnitOfWork]:
        """See the port; nothing happens there that could be news."""
        return self._store.begin_read()


class _Unit:
    """A unit of work with three books watched; everything else is the unit's own."""

    def __init__(self, uow: UnitOfWork, observers: Sequence[Observer]) -> None:
        self._uow = uow
        self._observers = observers
        self._after: list[AfterCommit] = []
        self.cases = _Cases(uow.cases, self._tell)
        self.findings = _Findings(uow.findings, self._tell)
        self.rounds = _Rounds(uow.rounds, self._tell)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._uow, name)

    def commit(self) -> None:
        """See the port; then what the observers left to do."""
        self._uow.commit()
        for work in self._after:
            work()
        self._after.clear()

    def _tell(self, news: News) -> None:
        for observer in self._observers:
            later = observer(self._uow, news)
            if later is not None:
                self._after.append(later)


class _Book:
    def __init__(self, book: Any, tell: Callable[[News], None]) -> None:
        self._book = book  # Any: three different doors; what is not watched is passed through
        self._tell = tell

    def __getattr__(self, name: str) -> Any:
        return getattr(self._book, name)


class _Cases(_Book):
    def add(self, case: Case) -> None:
        """See the port."""
        self._book.add(case)
        self._tell(CaseNews(None, case))

    def put(self, case: Case) -> None:
        """See the port."""
        before = self._book.get(case.id)
        self._book.put(case)
        self._tell(CaseNews(before, case))


class _Findings(_Book):
    def add(self, finding: Finding) -> None:
        """See the port."""
        self._book.add(finding)
        self._tell(FindingNews(None, finding))

    def put(self, finding: Finding) -> None:
        """See the port."""
        before = self._book.get(finding.id)
        self._book.put(finding)
        self._tell(FindingNews(before, finding))


class _Rounds(_Book):
    def add(self, a_round: Round, visits: Iterable[PlannedVisit]) -> None:
        """See the port."""
        self._book.add(a_round, visits)
        self._tell(RoundNews(None, a_round))

    def put(self, a_round: Round) -> None:
        """See the port."""
        before = self._book.get(a_round.id)
        self._book.put(a_round)
        self._tell(RoundNews(before, a_round))

    def record(self, visit: Visit) -> bool:
        """See the port."""
        recorded: bool = self._book.record(visit)
        if recorded:
            self._tell(VisitNews(visit))
        return recorded
