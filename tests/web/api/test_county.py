"""What a town with a history tells its county: its own figures, and nothing about a household."""

import json
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
import sqlalchemy as sa

from patrol.county.month import month_document
from patrol.county.month_files import FORMATS
from patrol.county.overview import CountyReader, overview_document, town_document
from patrol.county.service import CountyService, make_service
from patrol.county.store import open_county_store
from patrol.county.town_client import TownAccess, TownClient
from patrol.county.web import create_county_app
from patrol.domain.account import API_KEY_PREFIX, ApiKey, hash_api_secret
from patrol.domain.county_labels import COUNTY_FIGURES
from patrol.reports.figures import Figure, report_figures
from patrol.reports.queries import load_material, period_of
from patrol.settings import Site
from patrol.store import Store, open_store
from patrol.store.column_types import CleanText
from patrol.store.schema_all import metadata
from patrol.web.api.app import create_api
from patrol.web.i18n import Translator
from tests.support.asgi_bridge import AsgiBridge
from tests.support.clock import ManualClock
from tests.support.county_towns import county_settings

MARK = "标记"
KEY = API_KEY_PREFIX + "y" * 43
CHINESE = re.compile(r"[\u4e00-\u9fff]")


@dataclass
class PulledTown:
    """A copy of the seeded town that a county has read once."""

    site: Site
    store: Store
    county: CountyService
    bridge: AsgiBridge
    folder: Path

    @property
    def reader(self) -> CountyReader:
        return self.county.reader()


@pytest.fixture
def pulled(town: Any, tmp_path: Path) -> Iterator[Callable[..., PulledTown]]:
    """Reads a copy of the seeded town, after `change` was done to it."""
    file = tmp_path / "town.db"
    town.store.close_idle()
    shutil.copyfile(town.config_dir / "patrol.db", file)
    for part in ("-wal", "-shm"):
        with_part = Path(f"{town.config_dir / 'patrol.db'}{part}")
        if with_part.exists():
            shutil.copyfile(with_part, f"{file}{part}")
    clock = ManualClock(town.app.clock.now())
    with (
        open_store(f"sqlite:///{file}") as store,
        open_county_store(f"sqlite:///{tmp_path / 'county.db'}", create=True) as kept,
    ):

        def pull(site: Site = town.app.site) -> PulledTown:
            stand_in = SimpleNamespace(store=store, clock=clock, site=site, registry=site.registry)
            bridge = AsgiBridge(create_api(stand_in))  # type: ignore[arg-type]
            ident = site.settings.site.id
            settings = county_settings(tmp_path, ident)
            access = TownAccess(id=ident, url="http://town.test", key=KEY)
            county = make_service(
                settings, kept, clock,
                lambda _one: Unprefixed(access, bridge),
            )  # fmt: skip
            with store.begin() as uow:
                uow.api_keys.add(
                    ApiKey(
                        id="K1", name="county", secret=hash_api_secret(KEY), made_by="admin",
                        scopes=frozenset({"county:read"}), made_at=clock.now(),
                    )
                )  # fmt: skip
                uow.commit()
            (result,) = county.turn()
            assert result.problem is None, result.text
            return PulledTown(site, store, county, bridge, tmp_path)

        yield pull


class Unprefixed(TownClient):
    """The county's client of an API that stands alone, not mounted below the console."""

    def __init__(self, access: TownAccess, bridge: AsgiBridge) -> None:
        super().__init__(access, timeout_s=60, monotonic_s=lambda: 0.0, transport=bridge)
        self._http.base_url = self._http.base_url.copy_with(path="/county/")


def test_a_month_says_what_the_towns_own_report_says(pulled: Callable[..., PulledTown]) -> None:
    told = pulled()
    now, zone = told.reader.now, told.site.settings.site.tz
    today = now.astimezone(zone).date()
    for month in {today.replace(day=1), (today - timedelta(days=2)).replace(day=1)}:
        own = own_figures(told, month, zone)
        document = month_document(told.reader, month)
        (town,) = document["towns"]
        shown = town["figures"]
        assert document["figures"].keys() == shown.keys()
        for name, figure in own.items():
            if name.startswith("longest") or name not in COUNTY_FIGURES:
                continue
            assert (figure.zh, figure.en) == COUNTY_FIGURES[name]
            assert (shown[name]["part"], shown[name]["n"]) == pytest.approx(
                (figure.part, figure.whole), abs=0.051
            ), name
        left_out = own.keys() - COUNTY_FIGURES.keys()
        ranking = {"findings", "own_findings", "duplicates"}  # they would rank towns
        assert left_out <= ranking | {"ground_patrols", "ground_coverage"}  # a town's own rosters


def own_figures(told: PulledTown, month: date, zone: ZoneInfo) -> Mapping[str, Figure]:
    plans, period = (
        told.site.settings.calendar.all_plans,
        period_of(a_round="", day=None, month=month),
    )
    with told.store.begin_read() as uow:
        material = load_material(uow, plans, zone, period)
    return {one.id: one for one in report_figures(material, told.reader.now)}


def marked(site: Site) -> Site:
    """The site with a marker in every name, place, household and note of its registry."""
    registry = site.registry
    cameras = {
        ident: replace(
            one, name=f"{MARK}点位", place=f"{MARK}地址", household_ref=f"H-{MARK}",
            tags=frozenset({f"{MARK}标签"}),
        )
        for ident, one in registry.cameras.items()
    }  # fmt: skip
    people = {ident: replace(one, name=f"{MARK}姓名") for ident, one in registry.people.items()}
    grids = {code: replace(one, name=f"{MARK}村") for code, one in registry.tree.grids.items()}
    info = site.settings.site.model_copy(update={"name": f"{MARK}镇"})
    return replace(
        site,
        registry=replace(
            registry, cameras=cameras, people=people, tree=replace(registry.tree, grids=grids)
        ),
        settings=site.settings.model_copy(update={"site": info}),
    )


def mark_every_text(store: Store) -> int:
    """Put a marker into every column of free text of the database; how many columns there are."""
    count = 0
    with store.begin() as uow:
        for table in metadata.tables.values():
            texts = [one for one in table.columns if isinstance(one.type, CleanText)]
            keyed = [one for one in texts if one.primary_key]
            for column in texts:
                if column in keyed:
                    continue
                text = sa.literal(f"{MARK}{table.name}.{column.name} ") + column
                uow.db.run(table.update().values({column.name: text}))
                count += 1
        rounds = metadata.tables["rounds"]
        reason = f"paused by {MARK}某人: {MARK}事由"
        uow.db.run(rounds.update().values(reason=reason, scope=f"{MARK}范围"))
        uow.db.run(metadata.tables["cases"].update().values(category=f"{MARK}类别"))
        uow.db.run(metadata.tables["visits"].update().values(failure=f"{MARK}故障"))
        for one in uow.rounds.of_days(date(2000, 1, 1), date(2199, 1, 1)):
            uow.rounds.put(one)  # so that all of them are told anew
        uow.commit()
    return count


def identifying(site: Site) -> set[str]:
    """What the registry knows of cameras, grids, people and households by whatever name."""
    registry = site.registry
    found = {str(ident) for ident in (*registry.cameras, *registry.tree.grids)}
    found |= {text for one in registry.cameras.values() for text in (one.name, one.place, one.link)}
    found |= {one.household_ref for one in registry.cameras.values() if one.household_ref}
    found |= {one.name for one in registry.people.values()}
    found |= {one.name for one in registry.tree.grids.values()}
    return {text for text in found if len(text) > 1}


def everything_received(told: PulledTown) -> dict[str, str]:
    """All that the county was answered, all that it stores, and all that it shows."""
    found = {f"answer {n}": body.decode() for n, body in enumerate(told.bridge.answers)}
    for file in told.folder.glob("county.db*"):
        found[file.name] = file.read_bytes().decode("utf-8", "replace")
    reader = told.reader
    month = month_document(reader, reader.today)
    t = Translator("en", reader.settings.county.tz)
    found["month.html"] = FORMATS["html"](month, t).decode()
    with zipfile.ZipFile(BytesIO(FORMATS["xlsx"](month, t))) as book:
        found |= {name: book.read(name).decode() for name in book.namelist()}
    town = reader.settings.towns[0].id
    for name, document in (
        ("month.json", month),
        ("towns.json", overview_document(reader)),
        ("town.json", town_document(reader, town)),
    ):
        found[name] = json.dumps(document, ensure_ascii=False)
    app = create_county_app(reader.settings, told.county.reader)
    client = httpx.Client(transport=AsgiBridge(app), base_url="http://county.test")
    for path in ("/", f"/towns/{town}"):
        found[path] = client.get(path).text
    return found


def test_nothing_about_households_leaves_a_town(
    pulled: Callable[..., PulledTown], town: Any, tmp_path: Path
) -> None:
    with open_store(f"sqlite:///{tmp_path / 'town.db'}") as store:
        assert mark_every_text(store) > 40
    told = pulled(marked(town.app.site))
    received = everything_received(told)
    assert len(told.bridge.answers) >= 2
    assert all(body.isascii() for body in told.bridge.answers)  # no Chinese at all comes out
    assert '"reason":"paused"' in received["answer 0"]
    wanted = {MARK, MARK.encode("unicode_escape").decode(), *identifying(town.app.site)}
    leaks = {
        (place, text) for place, content in received.items() for text in wanted if text in content
    }
    assert leaks == set()


def test_what_the_marker_would_find(pulled: Callable[..., PulledTown], town: Any) -> None:
    """The search above finds something: a key with more rights reads the names that it plants."""
    told = pulled(marked(town.app.site))
    secret = API_KEY_PREFIX + "z" * 43
    with told.store.begin() as uow:
        uow.api_keys.add(
            ApiKey(
                id="K2", name="other", secret=hash_api_secret(secret), made_by="admin",
                scopes=frozenset({"cameras:read"}), made_at=told.reader.now,
            )
        )  # fmt: skip
        uow.commit()
    bridge = AsgiBridge(told.bridge.app)
    client = httpx.Client(transport=bridge, base_url="http://town.test")
    cameras = client.get("/cameras", headers={"Authorization": f"Bearer {secret}"}).text
    assert MARK in cameras
    assert client.get("/cameras", headers={"Authorization": f"Bearer {KEY}"}).status_code == 403
    assert (
        client.get("/county/now", headers={"Authorization": f"Bearer {secret}"}).status_code == 403
    )
