"""The towns side by side, as one document for the page, the command line and the API.

In the order of county.yaml, never of a number. Each town says first whether it is heard: a figure
of a silent town is of the day when it was last heard. Pure but for reading the store.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum, auto
from typing import Any, Final

from patrol.county.figures import CountyTotal, county_totals, town_totals
from patrol.county.settings import CountySettings, TownSection
from patrol.county.store import CountyStore, TownState
from patrol.domain.timestamps import rfc3339, rfc3339_or_none
from patrol.web.api.county_documents import CountyDay, CountyRound

JsonObject = dict[str, Any]
FIGURE_DAYS: Final = 7  # of the figures side by side: today and the six days before
ROUNDS_SHOWN_DAYS: Final = 7  # of one town
CLOCK_OFF_FROM: Final = timedelta(seconds=60)  # a clock that is off by less is as good as right


class Contact(StrEnum):
    """Whether a town is heard; the values are public."""

    CURRENT = auto()
    FAILING = auto()  # not reached at the last turn, and heard within `silent_after`
    SILENT = auto()
    NEVER = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class CountyReader:
    """The settings, the store and the moment that documents are made of."""

    settings: CountySettings
    store: CountyStore
    now: datetime
    contacted_ago: Mapping[str, timedelta]  # by a clock that nobody sets, since this process began

    @property
    def today(self) -> date:
        """The county's day."""
        return self.now.astimezone(self.settings.county.tz).date()


def contact_age(
    state: TownState, now: datetime, counted: timedelta | None = None
) -> timedelta | None:
    """How long ago the town was heard, None: never; `counted`: by a clock that nobody sets.

    The longer of the two: a wall clock that was set back makes no silent town fresh.
    """
    if state.contacted_at is None:
        return None
    return max(now - state.contacted_at, counted or timedelta(), timedelta())


def contact_of(state: TownState, age: timedelta | None, silent_after: timedelta) -> Contact:
    """Whether the town is heard."""
    if age is None:
        return Contact.NEVER
    if age > silent_after:
        return Contact.SILENT
    return Contact.FAILING if state.problem else Contact.CURRENT


def overview_document(reader: CountyReader) -> JsonObject:
    """All towns side by side, and the county's sums."""
    states = reader.store.states()
    start, end = reader.today - timedelta(days=FIGURE_DAYS - 1), reader.today + timedelta(days=1)
    days = {town.id: reader.store.days(town.id, start, end) for town in reader.settings.towns}
    towns = [
        _town_document(reader, town, states.get(town.id, TownState(town=town.id)), days[town.id])
        for town in reader.settings.towns
    ]
    return {
        "county": reader.settings.county.id,
        "name": reader.settings.county.name,
        "at": rfc3339(reader.now),
        "figures_from": start.isoformat(),
        "figures_until": reader.today.isoformat(),
        "without_contact": [one["id"] for one in towns if one["contact"] in ("silent", "never")],
        "towns": towns,
        "figures": figure_documents(county_totals(days.values())),
    }


def town_document(reader: CountyReader, ident: str) -> JsonObject:
    """One town with its rounds of the last days. Raises KeyError: county.yaml has no such town."""
    town = next((one for one in reader.settings.towns if one.id == ident), None)
    if town is None:
        raise KeyError(ident)
    start, end = reader.today - timedelta(days=FIGURE_DAYS - 1), reader.today + timedelta(days=1)
    state, days = reader.store.state(ident), reader.store.days(ident, start, end)
    since = reader.today - timedelta(days=ROUNDS_SHOWN_DAYS - 1)
    rounds = reader.store.rounds(ident, since, end)
    before_rounds, before_days = reader.store.from_before(ident)
    return {
        **_town_document(reader, town, state, days),
        "rounds": [one.model_dump(mode="json") for one in reversed(rounds)],
        "from_before_restore": {"rounds": before_rounds, "days": before_days},
    }


def _town_document(
    reader: CountyReader, town: TownSection, state: TownState, days: Sequence[CountyDay]
) -> JsonObject:
    age = contact_age(state, reader.now, reader.contacted_ago.get(town.id))
    contact = contact_of(state, age, reader.settings.pull.silent_after)
    reported = state.now
    return {
        "id": town.id,
        "name": town.name,
        "contact": str(contact),
        "contacted_at": rfc3339_or_none(state.contacted_at),
        "contacted_ago_s": None if age is None else round(age.total_seconds()),
        "problem": state.problem or None,
        "problem_text": state.problem_text or None,
        "failing_since": rfc3339_or_none(state.failing_since),
        "clock_off_s": clock_off_s(state),
        "catching_up": state.catching_up,
        "restarted_at": rfc3339_or_none(state.restarted_at),
        "version": state.version or None,
        "last_rounds": _last_rounds(reader, town.id),
        "now": None if reported is None else reported.model_dump(mode="json"),
        "figures": figure_documents(town_totals(days)),
    }


def clock_off_s(state: TownState) -> int | None:
    """By how many seconds the town's clock was ahead when it was heard; None: never heard."""
    if state.contacted_at is None or state.town_at is None:
        return None
    off = state.town_at - state.contacted_at
    return round(off.total_seconds()) if abs(off) >= CLOCK_OFF_FROM else 0


def _last_rounds(reader: CountyReader, town: str) -> list[JsonObject]:
    """The planned rounds of the last day that has any, today or the day before."""
    start, end = reader.today - timedelta(days=1), reader.today + timedelta(days=1)
    rounds: list[CountyRound] = [
        one for one in reader.store.rounds(town, start, end) if not one.adhoc
    ]
    last = max((one.day for one in rounds), default=None)
    return [one.model_dump(mode="json") for one in rounds if one.day == last]


def figure_documents(totals: Mapping[str, CountyTotal]) -> JsonObject:
    """The figures by id: value, part, n, and the interval where there is one."""
    return {
        name: {
            "value": None if total.value is None else round(total.value, 4),
            "part": None if total.part is None else round(total.part, 4),
            "n": total.n,
            **(
                {"interval": [round(end, 4) for end in total.interval]}
                if total.interval is not None
                else {}
            ),
        }
        for name, total in totals.items()
    }
