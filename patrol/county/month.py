"""The county's month: every town's figures of the month in one document, and what is missing.

Added up from the days that the towns told (figures.py). Beside each town's figures stands how many
days of the month they are of: a month that lacks days says so, and is made again when they came.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, Final

from patrol.county.figures import county_totals, town_totals
from patrol.county.overview import CountyReader, contact_age, contact_of, figure_documents
from patrol.county.settings import TownSection
from patrol.county.store import TownState
from patrol.domain.county_labels import COUNTY_FIGURES
from patrol.domain.round import RoundState
from patrol.domain.timestamps import rfc3339, rfc3339_or_none
from patrol.web.api.county_documents import CountyDay, CountyRound

JsonObject = dict[str, Any]
ROUND_COUNTS: Final = {  # keys of a month's document
    RoundState.FINISHED: "finished",
    RoundState.MISSED: "missed",
    RoundState.INTERRUPTED: "interrupted",
    RoundState.RUNNING: "running",
    RoundState.PLANNED: "waiting",
}


def month_document(reader: CountyReader, month: date) -> JsonObject:
    """The month that the day lies in; of the present month the days until today."""
    start = month.replace(day=1)
    end = (start + timedelta(days=32)).replace(day=1)
    states = reader.store.states()
    days = {town.id: reader.store.days(town.id, start, end) for town in reader.settings.towns}
    due = [start + timedelta(days=n) for n in range((end - start).days)]
    due = [day for day in due if day <= reader.today]
    towns = [
        {
            **_heading(reader, town, states.get(town.id, TownState(town=town.id))),
            "days": _completeness(
                days[town.id], _due_from(due, reader.store.first_day(town.id)), reader.today
            ),
            "rounds": _round_counts(reader.store.rounds(town.id, start, end)),
            "figures": figure_documents(town_totals(days[town.id])),
        }
        for town in reader.settings.towns
    ]
    return {
        "report": "county-month",
        "month": f"{start:%Y-%m}",
        "county": reader.settings.county.id,
        "name": reader.settings.county.name,
        "made_at": rfc3339(reader.now),
        "complete": end <= reader.today and all(not one["days"]["missing"] for one in towns),
        "columns": [{"id": name, "zh": zh, "en": en} for name, (zh, en) in COUNTY_FIGURES.items()],
        "towns": towns,
        "figures": figure_documents(county_totals(days.values())),
    }


def _heading(reader: CountyReader, town: TownSection, state: TownState) -> JsonObject:
    age = contact_age(state, reader.now, reader.contacted_ago.get(town.id))
    before_rounds, before_days = reader.store.from_before(town.id)
    return {
        "id": town.id,
        "name": town.name,
        "contact": str(contact_of(state, age, reader.settings.pull.silent_after)),
        "contacted_at": rfc3339_or_none(state.contacted_at),
        "catching_up": state.catching_up,
        "from_before_restore": {"rounds": before_rounds, "days": before_days},
    }


def _due_from(due: Sequence[date], first_reported: date | None) -> list[date]:
    """The days that the town owes: none before the first that it ever reported of."""
    return [day for day in due if first_reported is None or day >= first_reported]


def _completeness(days: Sequence[CountyDay], due: Sequence[date], today: date) -> JsonObject:
    """How many of the days that are due were told, which are missing, which not to their end."""
    reported = {day.day: day.over for day in days}
    return {
        "due": len(due),
        "reported": sum(day in reported for day in due),
        "missing": [day.isoformat() for day in due if day not in reported and day < today],
        "not_over": [day.isoformat() for day in due if not reported.get(day, True)],
    }


def _round_counts(rounds: Sequence[CountyRound]) -> JsonObject:
    """The planned rounds by state, and how many were asked for besides."""
    planned = [one for one in rounds if not one.adhoc]
    states = Counter(one.state for one in planned)
    return {
        "due": len(planned),
        **{key: states[state] for state, key in ROUND_COUNTS.items()},
        "adhoc": len(rounds) - len(planned),
    }
