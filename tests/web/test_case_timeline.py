"""The timeline of a case: messages folded, repeats counted, names for codes."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from patrol.domain.case import Case, CaseEntry, CaseEvent, CaseState
from patrol.domain.outbox import OutboxMessage
from patrol.web.i18n import Translator
from patrol.web.pages.case_timeline import TimelineNames, case_timeline

AT = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
WAY = (CaseEvent.ACKNOWLEDGE, CaseEvent.ARRIVE, CaseEvent.FEED_BACK)


@pytest.fixture(params=["zh", "en"])
def names(request: pytest.FixtureRequest, town: Any) -> TimelineNames:
    translator = Translator(request.param, ZoneInfo("Asia/Shanghai"))
    return TimelineNames(registry=town.app.registry, accounts={"zhang": "张三"}, t=translator)


def entries(events: list[CaseEvent], by: str = "zhang", note: str = "") -> tuple[CaseEntry, ...]:
    return tuple(
        CaseEntry(at=AT + timedelta(minutes=n), by=by, what=event, note=note)
        for n, event in enumerate(events)
    )


def returned(case: Case, times: int) -> Case:
    """The case after so many reworks."""
    events = [CaseEvent.DISPATCH, *WAY]
    for _ in range(times):
        events += [CaseEvent.NOT_VERIFIED, *WAY]
    return replace(case, entries=entries(events))


@pytest.mark.parametrize("times", [1, 2, 12, 40])
def test_reworks_are_counted_and_folded(town: Any, names: TimelineNames, times: int) -> None:
    shown = case_timeline(returned(town.case, times), (), names)
    label = names.t("退回重办", "rework")
    if times > 1:
        assert f"{label} ×{times}" in shown["repeats"]
    else:
        assert not any(label in text for text in shown["repeats"])
    folded = [part for part in shown["parts"] if part["folded"]]
    assert len(folded) == (1 if times > 1 else 0)
    assert all(f"{label} ×{times - 1}" in part["folded"] for part in folded)
    is_open = [line for part in shown["parts"] if not part["folded"] for line in part["lines"]]
    assert len(is_open) == 2 * (len(WAY) + 1), "the first way and the newest, whatever came between"
    assert sum(len(part["lines"]) for part in shown["parts"]) == (times + 1) * (len(WAY) + 1)


def test_neighbours_that_say_the_same_are_one_line(town: Any, names: TimelineNames) -> None:
    events = [CaseEvent.DISPATCH, *[CaseEvent.URGE] * 5, CaseEvent.ACKNOWLEDGE, CaseEvent.URGE]
    shown = case_timeline(replace(town.case, entries=entries(events)), (), names)
    lines = shown["parts"][0]["lines"]
    assert [(line["kind"], line["count"]) for line in lines] == [
        ("dispatch", 1), ("urge", 5), ("acknowledge", 1), ("urge", 1),
    ]  # fmt: skip
    assert lines[1]["until"] == AT + timedelta(minutes=5)
    assert shown["repeats"] == [f"{names.t('催办', 'urged')} ×6"]


def test_messages_hang_under_what_they_followed(town: Any, names: TimelineNames) -> None:
    with town.store.begin_read() as uow:
        known: OutboxMessage = uow.outbox.of_case(town.case.id)[0]
    case = returned(town.case, 3)

    def message(number: int, minute: float) -> OutboxMessage:
        return replace(known, key=f"m{number}", queued_at=AT + timedelta(minutes=minute))

    messages = [message(n, minute) for n, minute in enumerate((0, 0.5, 4, 15, 15.2), start=1)]
    shown = case_timeline(case, messages, names)
    per_line = [len(line["messages"]) for part in shown["parts"] for line in part["lines"]]
    assert sum(per_line) == len(messages)
    assert per_line[0] == 2
    assert per_line[-1] == 2
    before = case_timeline(case, [message(1, -5)], names)["parts"][0]["lines"]
    assert before[0]["kind"] == "message"
    assert len(before[0]["messages"]) == 1


def test_notes_name_people_grids_and_cameras(town: Any, names: TimelineNames) -> None:
    registry = town.app.registry
    person = next(iter(registry.people.values()))
    grid, camera = registry.tree.grids[town.case.grid], registry.cameras[town.case.camera]
    note = f"told {person.id} of grid {grid.code}; {camera.id}, F000044, 20261122, 2026-11-22"
    case = replace(
        town.case,
        entries=entries([CaseEvent.REASSIGN], by=str(person.id), note=note),
        state=CaseState.DISPATCHED,
    )
    [line] = case_timeline(case, (), names)["parts"][0]["lines"]
    assert line["who"] == person.name
    for code, name in ((person.id, person.name), (grid.code, grid.name), (camera.id, camera.name)):
        assert str(code) not in line["note"]
        assert name in line["note"]
    assert line["note"].endswith("F000044, 20261122, 2026-11-22"), "what is no code of ours stays"
