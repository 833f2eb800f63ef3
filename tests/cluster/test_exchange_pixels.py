"""What lies of a household in a cluster's exchange is gone after each path, and is in the books."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from typing_extensions import override

from patrol.clock import SystemClock
from patrol.cluster.exchange import (
    BlobOwner,
    DirectoryExchange,
    Exchange,
    ExchangeRefused,
    Folder,
    ListedBlob,
    cluster_key,
    open_exchange,
    visit_owner,
)
from patrol.cluster.exchange_pixels import PLACE, ExchangePixels
from patrol.domain.ids import CameraId
from patrol.encryption import SiteKey
from patrol.store import Store, open_store
from patrol.store.pixel_places import PIXEL_PLACES, PlaceKind
from patrol.store.schema import deletions
from tests.cli.conftest import CAMERA, CAMERA_2, CAMERAS, GRIDS, PEOPLE, SITE, CliSite
from tests.support.cluster import KEY, ClusterPlace

MARKER = b"<household-pixels>"
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def plant(exchange: Exchange, camera: CameraId) -> None:
    """A picture on its way in, what it taught, and a reference on its way out."""
    owner = visit_owner("20261130-morning-1", camera)
    exchange.put(Folder.RESULTS, b"\xff\xd8" + MARKER, owner)
    exchange.put(Folder.RESULTS, b"taught" + MARKER, owner)
    exchange.put(Folder.REFERENCES, b"reference" + MARKER, BlobOwner(camera))


def lying(exchange: Exchange, camera: CameraId) -> list[ListedBlob]:
    tag = exchange.camera_tag(camera)
    return [b for folder in Folder for b in exchange.listed(folder) if b.name.startswith(tag)]


def ledger(store: Store, camera: CameraId) -> list[str]:
    with store.begin_read() as uow:
        lines = select(deletions.c.purpose).where(deletions.c.camera == camera)
        return sorted(row.purpose for row in uow.db.all(lines))


@dataclass(frozen=True)
class ClusterSite:
    """A site with a cluster, and its command line."""

    cli: CliSite
    url: str
    exchange: DirectoryExchange

    @contextmanager
    def store(self) -> Iterator[Store]:
        with open_store(self.url) as opened:
            yield opened


@pytest.fixture(autouse=True)
def _reads_english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATROL_LANGUAGE", "en")


@pytest.fixture
def site(
    empty_cluster_database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> ClusterSite:
    cli = CliSite(tmp_path, capsys)
    (tmp_path / "config").mkdir()
    text = SITE.format(home=tmp_path, broker="mqtt://127.0.0.1:9")
    text = text.replace(f"sqlite:///{tmp_path}/patrol.db", empty_cluster_database)
    cli.write("site.yaml", f'{text}cluster: {{exchange: "{tmp_path}/exchange"}}\n')
    tables = {"grids.csv": GRIDS, "people.csv": PEOPLE, "cameras.csv": CAMERAS}
    for name, table in tables.items():
        cli.write(name, table.format(until="2199-01-01"))
    key = cluster_key(SiteKey.make(tmp_path / "evidence.keys" / "patrol.key"))
    made = cli("db", "sweep", "--json")
    assert (made.code, made.document["exchange"]) == (0, 0), made.err
    exchange = DirectoryExchange(key, tmp_path / "exchange")
    for camera in (CAMERA, CAMERA_2):
        plant(exchange, camera)
    return ClusterSite(cli, empty_cluster_database, exchange)


def test_the_register_has_the_exchange() -> None:
    assert [one.name for one in PIXEL_PLACES if one.kind is PlaceKind.EXCHANGE] == [PLACE]


def test_a_withdrawal_ends_what_lies_there(site: ClusterSite) -> None:
    slip = site.cli("household", CAMERA, "--json").document["cameras"][0]
    counts = {one["purpose"]: one["count"] for one in slip["held"] if one["place"] == PLACE}
    assert counts == {"of a visit, to be recorded": 2, "references, for a worker to compare": 1}
    assert site.cli("consent", "withdraw", CAMERA, "--by", "desk").code == 0
    assert lying(site.exchange, CAMERA) == []
    assert len(lying(site.exchange, CAMERA_2)) == 3
    with site.store() as store:
        assert ledger(store, CAMERA) == [
            "exchange references, consent ended",
            *["exchange results, consent ended"] * 2,
        ]
    assert site.cli("db", "check").code == 0
    plant(site.exchange, CAMERA)  # a visit that was under way
    assert f"of camera {CAMERA}, which withdrew" in site.cli("db", "check").err
    assert site.cli("db", "sweep", "--json").document["exchange"] == 3
    assert site.cli("db", "check").code == 0


def test_retirement_ends_what_lies_there(site: ClusterSite) -> None:
    table = site.cli.home / "config/cameras.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join(line for line in lines if CAMERA not in line) + "\n")
    assert site.cli("db", "sweep", "--json").document["exchange"] == 3
    assert (len(lying(site.exchange, CAMERA)), len(lying(site.exchange, CAMERA_2))) == (0, 3)
    with site.store() as store:
        assert all(line.endswith(", camera retired") for line in ledger(store, CAMERA))


def test_what_nobody_fetched_expires_and_is_said_when_it_does_not(site: ClusterSite) -> None:
    assert MARKER not in b"".join(
        file.read_bytes() for file in (site.cli.home / "exchange").rglob("*") if file.is_file()
    )
    long_ago = (SystemClock().now() - 4 * DAY).timestamp()
    for blob in lying(site.exchange, CAMERA):
        path = site.cli.home / "exchange" / blob.folder / blob.name[:2] / blob.name
        os.utime(path, (long_ago, long_ago))
    assert site.cli("db", "check").err.count("nobody fetched it in 3 days") == 3
    assert site.cli("db", "sweep", "--json").document["exchange"] == 3
    assert (len(lying(site.exchange, CAMERA)), len(lying(site.exchange, CAMERA_2))) == (0, 3)
    with site.store() as store:
        assert ledger(store, CAMERA) == ["exchange references", *["exchange results"] * 2]


def test_an_exchange_that_is_away_is_said_and_the_rest_is_done(site: ClusterSite) -> None:
    site.cli.spoil(
        "site.yaml", "cluster: {", f"cluster: {{pictures: 'http://127.0.0.1:9/{'x'}', "
    )  # fmt: skip
    gone = site.cli("consent", "withdraw", CAMERA, "--json")
    assert (gone.code, gone.document["withdrawn"]) == (0, True)
    for verb in ("check", "sweep"):
        ended = site.cli("db", verb)
        assert (ended.code, len(ended.err.strip().splitlines())) == (1, 1)
        assert "127.0.0.1:9" in ended.err


@dataclass
class SometimesAway:
    """An exchange in a directory that can be away."""

    inner: Exchange
    is_away: bool = False

    def opened(self) -> Exchange:
        outer = self

        class Wrapped(DirectoryExchange):
            @override
            def listed(self, folder: Folder) -> Iterator[ListedBlob]:
                if outer.is_away:
                    raise ExchangeRefused("is away")
                yield from outer.inner.listed(folder)

            @override
            def delete(self, folder: Folder, name: str) -> None:
                outer.inner.delete(folder, name)

        return Wrapped(KEY, Path())


@pytest.mark.parametrize("kind", ["directory", "fsspec"])
def test_a_service_follows_departures_within_its_second(
    kind: str, place: ClusterPlace, store: Store, tmp_path: Path
) -> None:
    url = "" if kind == "directory" else f"memory://{tmp_path.name}"
    inner = open_exchange(url, KEY, tmp_path / "here")
    away = SometimesAway(inner)
    pixels, now = ExchangePixels(away.opened(), store), SystemClock().now()
    camera, neighbour = list(place.town)[:2]
    for one in (camera, neighbour):
        plant(inner, one)
    assert pixels.follow_departures(now) == 0
    with store.begin() as uow:
        uow.consents.withdraw(camera, by="desk", now=now)
        uow.commit()
    away.is_away = True
    assert pixels.follow_departures(now) == 0
    away.is_away = False
    assert pixels.follow_departures(now + MINUTE) == 3
    plant(inner, camera)  # a visit that was under way
    assert pixels.follow_departures(now + MINUTE + timedelta(seconds=1)) == 0
    assert pixels.follow_departures(now + 2 * MINUTE) == 3
    assert (lying(inner, camera), len(lying(inner, neighbour))) == ([], 3)
    assert len(ledger(store, camera)) == 6
