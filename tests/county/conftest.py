"""Fixtures of the county's tests: towns without cameras, and a county over them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from patrol.county.service import CountyService, make_service
from patrol.county.store import open_county_store
from patrol.settings import Site
from simulators import small_site
from tests.support.clock import ManualClock
from tests.support.county_towns import CountyTown, county_settings, small_town_site

MakeTown = Callable[[str], CountyTown]
Over = Callable[..., CountyService]


@pytest.fixture(scope="session")
def town_site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return small_town_site(tmp_path_factory.mktemp("site"))


@pytest.fixture
def make_town(tmp_path: Path, town_site: Site) -> Iterator[MakeTown]:
    towns: list[CountyTown] = []

    def make(ident: str) -> CountyTown:
        clock = ManualClock(small_site.NOON)
        towns.append(CountyTown(ident, tmp_path / f"{ident}.db", town_site, clock))
        return towns[-1]

    yield make
    for town in towns:
        town.close()


@pytest.fixture
def town(make_town: MakeTown) -> CountyTown:
    return make_town("a")


@pytest.fixture
def over(tmp_path: Path) -> Iterator[Over]:
    """A county's service over these towns, on a clock of its own."""
    opened = []

    def make(*towns: CountyTown, database: str = "", **more: object) -> CountyService:
        by_id = {one.ident: one for one in towns}
        settings = county_settings(tmp_path, *by_id, **more)
        if database:
            settings = settings.model_copy(update={"database": database})
        context = open_county_store(settings.database, create=True)
        store = context.__enter__()
        opened.append(context)
        clock = ManualClock(small_site.NOON)
        return make_service(settings, store, clock, lambda one: by_id[one.id].client())

    yield make
    for context in opened:
        context.__exit__(None, None, None)
