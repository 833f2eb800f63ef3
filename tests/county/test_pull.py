"""The county reads its towns by cursor: cuts, restarts, restores, other versions, bad answers."""

import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest

from patrol.county.service import CountyService
from patrol.county.store import PulledElsewhere
from patrol.county.town_client import MAX_ANSWER_BYTES, TownFailed, TownProblem
from patrol.domain.round import RoundEvent
from simulators import small_site
from tests.support.county_towns import CountyTown

DAY = date(2026, 11, 22)
EVER = (date(2000, 1, 1), date(2199, 12, 31))
Over = Callable[..., CountyService]


def known(county: CountyService, town: CountyTown) -> dict[str, dict[str, Any]]:
    """What the county counts of the town."""
    rounds = county.store.rounds(town.ident, *EVER)
    days = county.store.days(town.ident, *EVER)
    assert len({one.round for one in rounds}) == len(rounds)
    return {
        "rounds": {one.round: one.model_dump(mode="json") for one in rounds},
        "days": {one.day.isoformat(): one.model_dump(mode="json") for one in days},
    }


def test_what_changed_is_told_once_and_whole(town: CountyTown, over: Over) -> None:
    county = over(town)
    first = town.run_round(1, DAY)
    (result,) = county.turn()
    assert (result.problem, result.rounds, result.days) == (None, 1, 1)
    assert known(county, town) == town.documents()
    (result,) = county.turn()
    assert (result.rounds, result.days) == (0, 0)
    with town.store.begin() as uow:
        uow.findings.add(small_site.finding(round=first))
        uow.commit()
    (result,) = county.turn()
    assert (result.rounds, result.days) == (1, 1)
    day = known(county, town)["days"]["2026-11-22"]
    assert {"id": "findings", "part": 1.0, "n": None} in day["figures"]


def test_a_cut_of_a_day_is_caught_up_page_by_page(town: CountyTown, over: Over) -> None:
    county = over(town, pull={"changes_at_once": 2})
    town.run_round(1, DAY)
    county.turn()
    town.bridge.cut = lambda _request: True
    for number in range(12):  # a day of turns, and of rounds that the county does not hear of
        town.run_round(number + 2, DAY + timedelta(days=number % 2))
        (result,) = county.turn()
        assert result.problem is TownProblem.UNREACHABLE
    assert county.store.state("a").failures == 12
    town.bridge.cut = lambda _request: False
    (result,) = county.turn()
    assert result.problem is None
    assert result.pages > 3
    assert known(county, town) == town.documents()
    assert len(known(county, town)["rounds"]) == 13
    assert county.store.state("a").failures == 0


@pytest.mark.parametrize("lost", ["changes", "now"])
def test_an_answer_that_is_lost_is_asked_for_again(town: CountyTown, over: Over, lost: str) -> None:
    county = over(town)
    town.run_round(1, DAY)
    town.bridge.cut_behind = lambda request: request.url.path.endswith(lost)
    (result,) = county.turn()
    assert result.problem is TownProblem.UNREACHABLE
    town.bridge.cut_behind = lambda _request: False
    county.turn()
    assert known(county, town) == town.documents()


def test_a_process_killed_between_two_pages_goes_on(town: CountyTown, over: Over) -> None:
    for number in range(5):
        town.run_round(number, DAY)
    county = over(town, pull={"changes_at_once": 1})
    stop = Event()
    stop.set()
    county.puller.pull(county.settings.towns[0], stop)  # one page, then it ends
    assert len(county.store.rounds("a", *EVER)) == 1
    again = over(town)
    again.turn()
    assert known(again, town) == town.documents()


def test_a_town_restored_from_an_older_backup_is_read_anew(
    town: CountyTown, over: Over, tmp_path: Path
) -> None:
    county = over(town)
    town.run_round(1, DAY)
    county.turn()
    town.back_up(tmp_path / "backup")
    lost = town.run_round(2, DAY)
    town.run_round(3, DAY + timedelta(days=1))
    county.turn()
    town.restore(tmp_path / "backup")
    town.run_round(4, DAY)  # the same numbers of the log, another history
    town.run_round(5, DAY)
    (result,) = county.turn()
    assert result.restarted
    assert known(county, town) == town.documents()
    assert lost not in known(county, town)["rounds"]
    assert county.store.from_before("a") == (2, 1)  # kept apart, not counted
    assert county.store.state("a").restarted_at is not None
    (result,) = county.turn()
    assert not result.restarted


def test_a_restored_town_that_is_cut_in_the_middle_shows_what_was_known(
    town: CountyTown, over: Over, tmp_path: Path
) -> None:
    county = over(town, pull={"changes_at_once": 1})
    for number in range(3):
        town.run_round(number, DAY)
    town.back_up(tmp_path / "backup")
    town.run_round(3, DAY)
    county.turn()
    town.restore(tmp_path / "backup")
    asked = iter(range(100))
    town.bridge.cut = lambda _request: next(asked) >= 2
    county.turn()
    assert county.store.state("a").catching_up
    assert len(county.store.rounds("a", *EVER)) == 4  # nothing vanishes while it is read anew
    town.bridge.cut = lambda _request: False
    county.turn()
    assert not county.store.state("a").catching_up
    assert known(county, town) == town.documents()


def test_a_round_that_is_retracted_is_gone(town: CountyTown, over: Over) -> None:
    county = over(town)
    ident = town.run_round(1, DAY, finish=False)
    county.turn()
    with town.store.begin() as uow:
        missed = uow.rounds.get(ident)
        planned = type(missed)(
            id=missed.id, plan=missed.plan, day=missed.day, planned_at=missed.planned_at,
            finish_by=missed.finish_by, planned=missed.planned, refused={},
        )  # fmt: skip
        uow.rounds.put(planned.apply_event(RoundEvent.MISS, at=small_site.NOON, reason="x"))
        uow.commit()
    county.turn()
    assert known(county, town)["rounds"][ident]["state"] == "missed"
    with town.store.begin() as uow:
        assert uow.rounds.retract_missed(ident)
        uow.commit()
    county.turn()
    assert known(county, town)["rounds"] == {}
    assert known(county, town) == town.documents()


def test_one_dead_town_keeps_no_other_waiting(make_town: Any, over: Over) -> None:
    towns = [make_town(name) for name in "abc"]
    for one in towns:
        one.run_round(1, DAY)
    towns[1].bridge.cut = lambda _request: True
    county = over(*towns)
    results = {one.town: one.problem for one in county.turn()}
    assert results == {"a": None, "b": TownProblem.UNREACHABLE, "c": None}
    assert [len(county.store.rounds(one.ident, *EVER)) for one in towns] == [1, 0, 1]


def answer(**changes: Any) -> Callable[[httpx.Response], httpx.Response]:
    """The town's answers with other values in them."""

    def tamper(told: httpx.Response) -> httpx.Response:
        document = {**json.loads(told.content), **changes}
        return httpx.Response(200, json=document)

    return tamper


def replaced(status: int = 200, content: bytes = b"") -> Callable[..., httpx.Response]:
    return lambda _told: httpx.Response(status, content=content)


BAD_ANSWERS = {
    "older version without the API": (replaced(404), TownProblem.NO_OFFER),
    "method gone": (replaced(405), TownProblem.NO_OFFER),
    "key revoked": (replaced(401), TownProblem.KEY_REFUSED),
    "key without the scope": (replaced(403), TownProblem.KEY_REFUSED),
    "database away": (replaced(503), TownProblem.BUSY),
    "too many requests": (replaced(429), TownProblem.BUSY),
    "unknown status": (replaced(299), TownProblem.BAD_ANSWER),
    "redirect": (replaced(302), TownProblem.BAD_ANSWER),
    "a page instead": (replaced(200, b"<html>log in</html>"), TownProblem.BAD_ANSWER),
    "nested without end": (replaced(200, b"[" * 100_000), TownProblem.BAD_ANSWER),
    "a list": (replaced(200, b"[]"), TownProblem.BAD_ANSWER),
    "cut short": (replaced(200, b'{"v": 1'), TownProblem.BAD_ANSWER),
    "another town": (answer(site="b"), TownProblem.WRONG_TOWN),
    "too large": (replaced(200, b" " * (MAX_ANSWER_BYTES + 1)), TownProblem.BAD_ANSWER),
    "cursor stands still": (answer(cursor="", more=True), TownProblem.BAD_ANSWER),
    "cursor is a text": (answer(cursor="drop table"), TownProblem.BAD_ANSWER),
    "a name among ids": (answer(gone=["张三家"]), TownProblem.BAD_ANSWER),
    "naive time": (answer(at="2026-11-22T04:00:00"), TownProblem.BAD_ANSWER),
}


@pytest.mark.parametrize("what", BAD_ANSWERS)
def test_a_bad_answer_is_told_and_stores_nothing(town: CountyTown, over: Over, what: str) -> None:
    county = over(town)
    town.run_round(1, DAY)
    tamper, problem = BAD_ANSWERS[what]
    town.bridge.tamper = tamper
    (result,) = county.turn()
    assert result.problem is problem
    assert town.key not in result.text
    assert "张三" not in result.text
    state = county.store.state("a")
    assert (state.cursor, state.contacted_at, state.problem) == ("", None, str(problem))
    town.bridge.tamper = lambda told: told
    county.turn()
    assert known(county, town) == town.documents()
    assert county.store.state("a").problem == ""


def test_a_newer_town_is_understood_and_what_is_new_left_out(town: CountyTown, over: Over) -> None:
    def newer(told: httpx.Response) -> httpx.Response:
        document = json.loads(told.content)
        document |= {"v": 2, "households": ["张三"]}
        for one in document.get("rounds", []):
            one["scope_text"] = "张三家门口"
        return httpx.Response(200, json=document)

    county = over(town)
    town.run_round(1, DAY)
    town.bridge.tamper = newer
    (result,) = county.turn()
    assert result.problem is None
    assert "张三" not in json.dumps(known(county, town), ensure_ascii=False)


def test_an_older_town_that_tells_less_is_understood(town: CountyTown, over: Over) -> None:
    optional = {"gone", "version", "rounds"}

    def older(told: httpx.Response) -> httpx.Response:
        document = json.loads(told.content)
        left = {name: value for name, value in document.items() if name not in optional}
        left["rounds"] = [
            {k: v for k, v in one.items() if k not in {"adhoc", "failures", "reason"}}
            for one in document["rounds"]
        ]
        left["days"] = [
            {k: v for k, v in one.items() if k not in {"minutes", "refused"}}
            for one in document.get("days", [])
        ]
        return httpx.Response(200, json=left)

    county = over(town)
    town.run_round(1, DAY)
    town.bridge.tamper = older
    (result,) = county.turn()
    assert (result.problem, result.rounds) == (None, 1)


def test_a_town_that_drips_is_left_in_time(town: CountyTown) -> None:
    client = town.client(timeout_s=5)

    def slow(told: httpx.Response) -> httpx.Response:
        def parts() -> Any:
            for _ in range(1000):
                town.clock.sleep(1)
                yield b" "

        return httpx.Response(200, stream=Parts(parts()))

    town.bridge.tamper = slow
    with pytest.raises(TownFailed, match="within 5 s") as failed:
        client.now()
    assert failed.value.problem is TownProblem.UNREACHABLE
    assert town.clock.monotonic <= 6


class Parts(httpx.SyncByteStream):
    def __init__(self, parts: Any) -> None:
        self._parts = parts

    def __iter__(self) -> Any:
        return self._parts


def test_two_processes_on_one_store_skip_nothing(town: CountyTown, over: Over) -> None:
    county = over(town)
    town.run_round(1, DAY)
    client = town.client()
    page = client.changes("", limit=10)
    county.turn()
    with pytest.raises(PulledElsewhere, match="another process"):
        county.store.save_changes("a", "", page, small_site.NOON)


def test_a_cursor_that_was_never_given_is_refused(town: CountyTown) -> None:
    answer = httpx.Client(transport=town.bridge, base_url="http://town.test/api/v1").get(
        "/county/changes", params={"after": "17"}, headers={"Authorization": f"Bearer {town.key}"}
    )
    assert answer.status_code == 422
    assert "cursor" in answer.json()["detail"]
