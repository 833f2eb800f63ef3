"""Seeded chaos between towns and county: whatever happened, the county ends with what towns say.

Each seed plays a town at work while the WAN is cut before or behind an answer, the county's process
is killed between two pages, clocks of both step, the town is restored from an older backup, is one
version behind and is upgraded. When all is whole again, one turn must leave exactly what a county
that asks for the first time is told: nothing lost, nothing twice. A failing seed replays by itself.
"""

import random
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from threading import Event

import httpx
import pytest

from patrol.county.service import CountyService, make_service
from patrol.domain.ids import RoundId
from patrol.settings import Site
from simulators import small_site
from tests.support.clock import ManualClock
from tests.support.county_towns import CountyTown

DAY = date(2026, 11, 22)
EVER = (date(2000, 1, 1), date(2199, 12, 31))
STEPS = 25
QUICK_SEEDS = range(4)


class Play:
    """One seed's town and county, and what may happen to them."""

    def __init__(self, seed: int, folder: Path, town: CountyTown, county: CountyService) -> None:
        self.random = random.Random(seed)
        self.folder, self.town, self.county = folder, town, county
        self.day, self.number, self.findings = DAY, 0, 0
        self.unfinished: list[RoundId] = []
        self.backup: Path | None = None
        self.restarts = 0

    def step(self) -> None:
        actions: list[Callable[[], None]] = [
            self.work, self.work, self.work, self.pull, self.pull, self.pull_killed, self.pull_cut,
            self.clock_step, self.back_up, self.restore, self.one_version_behind, self.next_day,
        ]  # fmt: skip
        self.random.choice(actions)()

    def work(self) -> None:
        self.number += 1
        if self.unfinished and self.random.random() < 0.5:
            ident = self.unfinished.pop()
            reason = self.random.choice(["", "stopped"])
            self.town.finish_round(ident, small_site.NOON, reason=reason)
            return
        finish = self.random.random() < 0.6
        ident = self.town.run_round(self.number, self.day, finish=finish)
        if not finish:
            self.unfinished.append(ident)
        for _ in range(self.random.randrange(3)):
            self.findings += 1
            with self.town.store.begin() as uow:
                number = f"F{self.findings:06}"
                uow.findings.add(
                    small_site.finding(number, round=self.random.choice([ident, None]))
                )
                uow.commit()

    def pull(self) -> None:
        self.county.turn()

    def pull_killed(self) -> None:
        """One page is stored; then the process is gone, and with it what it kept in memory."""
        stop = Event()
        stop.set()
        self.county.puller.pull(self.county.settings.towns[0], stop)
        self.county = make_service(
            self.county.settings, self.county.store, self.county.clock,
            lambda _town: self.town.client(),
        )  # fmt: skip

    def pull_cut(self) -> None:
        left = iter([False] * self.random.randrange(4))
        cut = lambda _request: next(left, True)  # noqa: E731
        name = self.random.choice(["cut", "cut_behind"])
        setattr(self.town.bridge, name, cut)
        self.county.turn()
        setattr(self.town.bridge, name, lambda _request: False)

    def clock_step(self) -> None:
        clock = self.random.choice([self.town.clock, self.county.clock])
        assert isinstance(clock, ManualClock)
        clock.current += timedelta(hours=self.random.randrange(-48, 49))

    def back_up(self) -> None:
        self.backup = self.folder / "backup"
        self.town.back_up(self.backup)
        self.backed_up = list(self.unfinished)

    def restore(self) -> None:
        if self.backup is not None:
            self.town.restore(self.backup)
            self.unfinished = list(self.backed_up)

    def one_version_behind(self) -> None:
        self.town.bridge.tamper = lambda _told: httpx.Response(404)
        self.county.turn()
        self.town.bridge.tamper = lambda told: told

    def next_day(self) -> None:
        self.day += timedelta(days=1)


def play(seed: int, folder: Path, town: CountyTown, county: CountyService) -> None:
    played = Play(seed, folder, town, county)
    for _ in range(STEPS):
        played.step()
    (result,) = played.county.turn()
    assert result.problem is None, f"seed {seed}: {result}"
    rounds = played.county.store.rounds("a", *EVER)
    days = played.county.store.days("a", *EVER)
    told = town.documents()
    assert {one.round: one.model_dump(mode="json") for one in rounds} == told["rounds"], seed
    found = {one.day.isoformat(): _timeless(one.model_dump(mode="json")) for one in days}
    assert found == {day: _timeless(one) for day, one in told["days"].items()}, f"seed {seed}"


def _timeless(day: dict[str, object]) -> dict[str, object]:
    """Without what depends on the moment of asking."""
    figures = day["figures"]
    assert isinstance(figures, list)
    kept = [one for one in figures if not one["id"].startswith("longest")]
    return {**day, "figures": kept, "over": None}


@pytest.mark.parametrize("seed", QUICK_SEEDS)
def test_nothing_is_lost_or_doubled(
    seed: int, tmp_path: Path, town: CountyTown, over: Callable[..., CountyService]
) -> None:
    page = random.Random(seed).choice([1, 2, 50])
    play(seed, tmp_path, town, over(town, pull={"changes_at_once": page}))


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 200))
def test_nothing_is_lost_or_doubled_at_length(
    seed: int, tmp_path: Path, town_site: Site, over: Callable[..., CountyService]
) -> None:
    town = CountyTown("a", tmp_path / "a.db", town_site, ManualClock(small_site.NOON))
    page = random.Random(seed).choice([1, 2, 50])
    play(seed, tmp_path, town, over(town, pull={"changes_at_once": page}))
    town.close()
