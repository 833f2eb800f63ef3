"""`office:` of site.yaml: a township's hours unless written otherwise; closed on holidays."""

from datetime import date, time
from typing import Any

import pytest

from patrol.domain.office_hours import OfficeHours
from patrol.settings import ConfigProblems, load_site

Town = Any  # conftest.Town; test folders are no packages


def office(town: Town, text: str) -> OfficeHours | None:
    file = town.directory / "site.yaml"
    town.write("site.yaml", file.read_text("utf-8") + text)
    return load_site(town.directory, {}).registry.office


def test_a_township_has_its_usual_hours(town: Town) -> None:
    assert office(town, "") == OfficeHours()


def test_hours_holidays_and_worked_weekends(town: Town) -> None:
    hours = office(
        town,
        "office: {hours: ['09:00-12:30', '14:00-17:30'], weekdays: [mon, tue, wed, thu, fri, sat],"
        " holidays: [2026-10-01], workdays: ['2026-10-11']}\n"
        "calendar: {holidays: [{name: 国庆, from: 2026-10-02, until: 2026-10-03,"
        " skip: [morning]}]}\n",
    )
    assert hours is not None
    assert hours.spans == ((time(9), time(12, 30)), (time(14), time(17, 30)))
    assert hours.days_off == {date(2026, 10, day) for day in (1, 2, 3)}
    assert hours.is_open_on(date(2026, 10, 10)), "Saturdays are worked here"
    assert hours.is_open_on(date(2026, 10, 11))
    assert not hours.is_open_on(date(2026, 10, 2))


def test_round_the_clock(town: Town) -> None:
    assert office(town, "office: {always: true}\n") is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("office: {hours: ['12:00-09:00']}\n", "follow one another", id="backwards"),
        pytest.param("office: {weekdays: [monday]}\n", "mon, tue", id="no such day"),
        pytest.param("office: {holidays: [Christmas]}\n", "2027-02-06", id="no day"),
    ],
)
def test_what_is_wrong_is_said(town: Town, text: str, says: str) -> None:
    with pytest.raises(ConfigProblems, match=says):
        office(town, text)
