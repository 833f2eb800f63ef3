"""Towns for tests of the county: a real store and the real API, without cameras, broker or models.

A town here has what the API's routes for the county read of an application: store, clock, site,
registry. Its database can be put back to what it was at an earlier moment.
"""

import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, cast

import httpx
from fastapi import FastAPI

from patrol.app import Application
from patrol.county.settings import CountySettings, TownSection
from patrol.county.town_client import TownAccess, TownClient
from patrol.domain.account import API_KEY_PREFIX, ApiKey, hash_api_secret
from patrol.domain.ids import RoundId
from patrol.domain.round import PlannedVisit, Round, RoundEvent, Visit, VisitOutcome
from patrol.settings import Site
from patrol.store import Store
from patrol.store.engine import make_engine, parse_url
from patrol.web.api.app import create_api
from simulators import small_site
from tests.support.asgi_bridge import AsgiBridge
from tests.support.clock import ManualClock
from tests.support.small_files import write_small_site
from tests.support.store import copy_template

CAMERAS: Final = (small_site.CAMERA, small_site.SECOND_CAMERA)
SCOPE: Final = "county:read"


@cache
def small_town_site(folder: Path) -> Site:
    """The smallest site's settings with the small registry; read once for each folder."""
    return replace(write_small_site(folder), registry=small_site.registry())


@dataclass
class CountyTown:
    """One town: `bridge` leads into its API, `key` opens what the county may read."""

    ident: str
    file: Path
    site: Site
    clock: ManualClock
    key: str = API_KEY_PREFIX + "x" * 43
    store: Store = field(init=False)
    bridge: AsgiBridge = field(init=False)
    _api: FastAPI = field(init=False)

    def __post_init__(self) -> None:
        copy_template(self.file)
        self.store = Store(make_engine(parse_url(f"sqlite:///{self.file}"), durable=False))
        info = self.site.settings.site.model_copy(update={"id": self.ident})
        settings = self.site.settings.model_copy(update={"site": info})
        self.site = replace(self.site, settings=settings)
        stand_in = SimpleNamespace(
            store=self.store, clock=self.clock, site=self.site, registry=self.site.registry
        )
        self._api = _api_of(stand_in)
        self.bridge = AsgiBridge(_UnderPath("/api/v1", self._api))
        self.add_key(self.key, SCOPE)

    def close(self) -> None:
        """Close the database; the API serves another town from now on."""
        self.store.close_idle()
        _IDLE_APIS.append(self._api)

    def add_key(self, secret: str, *scopes: str) -> None:
        """Issue a key with these scopes."""
        with self.store.begin() as uow:
            uow.api_keys.add(
                ApiKey(
                    id=f"K{secrets.token_hex(4)}", name="county", secret=hash_api_secret(secret),
                    scopes=frozenset(scopes), made_by="admin", made_at=self.clock.now(),
                )
            )  # fmt: skip
            uow.commit()

    def client(self, key: str = "", timeout_s: float = 5.0) -> TownClient:
        """The county's client of this town."""
        access = TownAccess(id=self.ident, url="http://town.test", key=key or self.key)
        return TownClient(
            access, timeout_s=timeout_s, monotonic_s=self.clock.monotonic_s, transport=self.bridge
        )

    def back_up(self, to: Path) -> None:
        """Copy the database as it is now."""
        self.store.close_idle()
        with self.store.begin_read():
            shutil.copyfile(self.file, to)

    def restore(self, backup: Path) -> None:
        """Put the database back to what it was."""
        self.store.close_idle()
        for part in ("-wal", "-shm"):
            self.file.with_name(self.file.name + part).unlink(missing_ok=True)
        shutil.copyfile(backup, self.file)

    def run_round(
        self, number: int, day: date, *, finish: bool = True, reason: str = ""
    ) -> RoundId:
        """A round of the day with its visits; number tells rounds of one day apart."""
        at = datetime.combine(day, small_site.NOON.timetz())
        ident = RoundId(f"{day:%Y%m%d}-morning-{number}")
        planned = Round(
            id=ident, plan="morning", day=day, planned_at=at, finish_by=at + timedelta(hours=1),
            planned=len(CAMERAS), refused={"indoor": 1},
        )  # fmt: skip
        begun = planned.apply_event(RoundEvent.START, at=at)
        with self.store.begin() as uow:
            visits = [PlannedVisit(round=ident, camera=c, order=n) for n, c in enumerate(CAMERAS)]
            uow.rounds.add(begun, visits)
            uow.commit()
        if finish:
            self.finish_round(ident, at, reason=reason)
        return ident

    def finish_round(self, ident: RoundId, at: datetime, *, reason: str = "") -> None:
        """Visit what waits and finish, with the reason interrupt."""
        with self.store.begin() as uow:
            found = uow.rounds.get(ident)
            for number, visit in enumerate(uow.rounds.pending(ident)):
                outcome = VisitOutcome.NOT_VIEWABLE if number else VisitOutcome.NORMAL
                uow.rounds.record_visit(
                    Visit(
                        round=ident, camera=visit.camera, outcome=outcome,
                        failure="unreachable" if number else "", started_at=at, finished_at=at,
                    )
                )  # fmt: skip
            event = RoundEvent.INTERRUPT if reason else RoundEvent.FINISH
            uow.rounds.put(found.apply_event(event, at=at, reason=reason))
            uow.commit()

    def documents(self) -> Mapping[str, Mapping[str, Any]]:
        """All rounds and days that the town tells to a county that asks for the first time."""
        rounds: dict[str, Mapping[str, Any]] = {}
        days: dict[str, Mapping[str, Any]] = {}
        cursor, more = "", True
        client = self.client()
        while more:
            page = client.changes(cursor, limit=200)
            rounds |= {one.round: one.model_dump(mode="json") for one in page.rounds}
            days |= {one.day.isoformat(): one.model_dump(mode="json") for one in page.days}
            cursor, more = page.cursor, page.more
        client.close()
        return {"rounds": rounds, "days": days}


class _UnderPath:
    """An application that is mounted below a path, as the console mounts the API."""

    def __init__(self, path: str, app: FastAPI) -> None:
        self._path, self._app = path, app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass a request on without the path."""
        scope = {**scope, "path": scope["path"].removeprefix(self._path)}
        await self._app(scope, receive, send)


_IDLE_APIS: list[FastAPI] = []  # making one takes half a second; a town gives its own back


def _api_of(stand_in: SimpleNamespace) -> FastAPI:
    """An API of the town, its routes built.

    FastAPI builds them at the first request, inside `warnings.catch_warnings`, which two threads
    that pull two towns must not enter at once: here it is one thread.
    """
    if not _IDLE_APIS:
        api = create_api(cast("Application", stand_in))
        with httpx.Client(transport=AsgiBridge(api), base_url="http://town.test") as client:
            client.get("/none")
        return api
    api = _IDLE_APIS.pop()
    api.state.application = stand_in
    return api


def county_settings(folder: Path, *towns: str, **more: Any) -> CountySettings:
    """A county over these towns, with a key file each; `more`: sections of county.yaml."""
    sections = []
    for town in towns:
        key = folder / f"{town}.key"
        key.write_text(API_KEY_PREFIX + "x" * 43, "ascii")
        sections.append(
            TownSection(id=town, name=f"{town}镇", url=f"http://127.0.0.1/{town}", key_file=key)
        )
    county = {"id": "gulang", "name": "古浪县"}
    database = f"sqlite:///{folder}/county.db"
    return CountySettings.model_validate(
        {"county": county, "database": database, "towns": sections, **more}
    )
