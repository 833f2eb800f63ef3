"""The county's store: what each town reported, and how far it was read; SQLite or PostgreSQL.

A page of changes and the cursor behind it are stored in one transaction, each round and day under
its own key: what is read twice changes nothing, and a process that is killed between two pages goes
on where it was. The cursor is only moved from where the page was asked from, so two processes on
one store cannot skip anything.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import BaseModel
from sqlalchemy import Engine, Row, Select, Table, func, select

from patrol.county.schema import (
    check_tables,
    county_days,
    county_rounds,
    county_towns,
    make_tables,
)
from patrol.store.engine import StoreMissing, connect, make_engine, parse_url
from patrol.store.transaction import Transaction
from patrol.web.api.county_documents import CountyChanges, CountyDay, CountyNow, CountyRound

D = TypeVar("D", bound=BaseModel)
_STATES: Final = select(county_towns)


class PulledElsewhere(Exception):
    """Another process moved the town's cursor meanwhile; nothing was stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TownState:
    """How far a town was read, when it was last heard, and what keeps it from being heard."""

    town: str
    cursor: str = ""
    generation: int = 0
    catching_up: bool = False  # its log began anew, and is not read to its end yet
    contacted_at: datetime | None = None
    town_at: datetime | None = None
    version: str = ""
    restarted_at: datetime | None = None
    problem: str = ""  # a TownProblem
    problem_text: str = ""
    failing_since: datetime | None = None
    failures: int = 0
    now: CountyNow | None = None


class CountyStore:
    """Reads and writes the county's tables; safe to call from any thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @contextmanager
    def _begin(self, *, read_only: bool = False) -> Iterator[Transaction]:
        connection = connect(self._engine, read_only=read_only)
        try:
            yield Transaction(connection, writes=not read_only)
        finally:
            connection.close()  # rolls back whatever was not committed

    def states(self) -> Mapping[str, TownState]:
        """The state of every town that was ever asked, by its id."""
        with self._begin(read_only=True) as db:
            return {row.town: _state(row) for row in db.all(_STATES)}

    def state(self, town: str) -> TownState:
        """The town's state; that of one never asked where there is none."""
        with self._begin(read_only=True) as db:
            return _state_of(db, town)

    def save_changes(self, town: str, before: str, page: CountyChanges, now: datetime) -> TownState:
        """Store a page that was asked for behind the cursor `before`; the town's new state.

        Raises PulledElsewhere.
        """
        with self._begin() as db:
            state = _state_of(db, town)
            if state.cursor != before:
                raise PulledElsewhere(f"{town}: another process reads this town at the same time")
            generation = state.generation + page.restarted
            for one in page.rounds:
                _put(db, county_rounds, town, generation, one, round=one.round, day=one.day)
            for day in page.days:
                _put(db, county_days, town, generation, day, day=day.day)
            for gone in page.gone:
                db.run(
                    county_rounds.delete().where(
                        county_rounds.c.town == town, county_rounds.c.round == gone
                    )
                )
            state = replace(
                _contacted(state, page.at, now),
                cursor=page.cursor,
                generation=generation,
                catching_up=page.more and (page.restarted or state.catching_up),
                restarted_at=now if page.restarted else state.restarted_at,
                version=page.version,
            )
            _put_state(db, state)
            db.commit()
            return state

    def save_now(self, town: str, reported: CountyNow, now: datetime) -> TownState:
        """Store what is so at the town just now."""
        with self._begin() as db:
            state = replace(_contacted(_state_of(db, town), reported.at, now), now=reported)
            _put_state(db, state)
            db.commit()
            return state

    def note_failure(self, town: str, problem: str, text: str, now: datetime) -> TownState:
        """Store why the town was not heard; what it reported before stays."""
        with self._begin() as db:
            state = _state_of(db, town)
            state = replace(
                state,
                problem=problem,
                problem_text=text,
                failing_since=state.failing_since or now,
                failures=state.failures + 1,
            )
            _put_state(db, state)
            db.commit()
            return state

    def rounds(self, town: str, start: date, end: date) -> Sequence[CountyRound]:
        """The town's rounds of the days from `start` until before `end`, by day and time."""
        rounds = self._documents(_within(county_rounds, town, start, end), town, CountyRound)
        return sorted(rounds, key=lambda one: (one.day, one.planned_at, one.round))

    def days(self, town: str, start: date, end: date) -> Sequence[CountyDay]:
        """The town's days from `start` until before `end` that it reported of, in order."""
        found = _within(county_days, town, start, end).order_by(county_days.c.day)
        return self._documents(found, town, CountyDay)

    def _documents(self, found: Select[Any], town: str, kind: type[D]) -> list[D]:
        with self._begin(read_only=True) as db:
            current = _current(_state_of(db, town))
            return [
                kind.model_validate(row.document)
                for row in db.all(found)
                if row.generation >= current
            ]

    def first_day(self, town: str) -> date | None:
        """The first day that the town reported of, None: of none."""
        first = select(func.min(county_days.c.day)).where(county_days.c.town == town)
        with self._begin(read_only=True) as db:
            found: date | None = db.scalar(first)
            return found

    def from_before(self, town: str) -> tuple[int, int]:
        """(rounds, days) that the town told before an older backup was restored, and not since."""
        with self._begin(read_only=True) as db:
            current = _current(_state_of(db, town))
            rounds, days = (
                int(
                    db.scalar(
                        select(func.count())
                        .select_from(table)
                        .where(table.c.town == town, table.c.generation < current)
                    )
                )
                for table in (county_rounds, county_days)
            )
            return rounds, days

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()


def _contacted(state: TownState, town_at: datetime, now: datetime) -> TownState:
    return replace(
        state, contacted_at=now, town_at=town_at, problem="", problem_text="", failing_since=None,
        failures=0,
    )  # fmt: skip


def _current(state: TownState) -> int:
    """The first generation that counts: while the town is read anew, its earlier rows do, too."""
    return 0 if state.catching_up else state.generation


def _within(table: Table, town: str, start: date, end: date) -> Select[Any]:
    return select(table).where(table.c.town == town, table.c.day >= start, table.c.day < end)


def _put(
    db: Transaction, table: Table, town: str, generation: int, document: BaseModel, **key: Any
) -> None:
    keys = [column.name for column in table.primary_key]
    row = {"town": town, "generation": generation, "document": document.model_dump(mode="json")}
    db.put(table, {**row, **key}, *keys)


def _put_state(db: Transaction, state: TownState) -> None:
    row = {name: getattr(state, name) for name in TownState.__slots__ if name != "now"}
    reported = None if state.now is None else state.now.model_dump(mode="json")
    db.put(county_towns, {**row, "now": reported}, "town")


def _state_of(db: Transaction, town: str) -> TownState:
    row = db.first(db.locked(_STATES.where(county_towns.c.town == town)))
    return TownState(town=town) if row is None else _state(row)


def _state(row: Row[Any]) -> TownState:
    values = dict(row._mapping)  # noqa: SLF001  SQLAlchemy's public name for a row as a mapping
    reported = values.pop("now")
    return TownState(**values, now=None if reported is None else CountyNow.model_validate(reported))


@contextmanager
def open_county_store(url: str, *, create: bool = False) -> Iterator[CountyStore]:
    """The store at the database's URL; with `create` made where there is none.

    Raises StoreUnavailable (StoreMissing, StoreOutdated).
    """
    parsed = parse_url(url)
    if not create and parsed.get_backend_name() == "sqlite":
        file = Path(str(parsed.database))
        if not file.exists():
            raise StoreMissing(
                f"{file}: there is no county's database yet; `patrol county run` or"
                " `patrol county pull` makes it"
            )
    engine = make_engine(parsed, create=create)
    try:
        connection = connect(engine)
        try:
            (make_tables if create else check_tables)(connection)
            connection.commit()
        finally:
            connection.close()
        yield CountyStore(engine)
    finally:
        engine.dispose()
