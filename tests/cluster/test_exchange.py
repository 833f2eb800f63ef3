"""The exchange: every kind holds sealed bytes by their hash; what is not whole never arrives."""

import hashlib
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from patrol.clock import SystemClock
from patrol.cluster.exchange import (
    BlobMissing,
    DirectoryExchange,
    Exchange,
    ExchangeRefused,
    Folder,
    FsspecExchange,
    HttpsExchange,
    open_exchange,
    visit_owner,
)
from patrol.domain.errors import BadInput
from patrol.encryption import SiteKey
from patrol.mqtt.embedded_broker import free_port
from patrol.web.exchange import EXCHANGE_PATH, create_exchange_app
from tests.support.cluster import KEY

PICTURE = b"\xff\xd8 a household's yard \xff\xd9"
OTHER_KEY = SiteKey(bytes(32), "another")


class Cluster:
    key = KEY


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The console's exchange on a port of this machine: its address and its directory."""
    root = tmp_path_factory.mktemp("exchange")
    inner: Any = create_exchange_app(Cluster(), DirectoryExchange(KEY, root))  # type: ignore[arg-type]
    app = Starlette(routes=[Mount(EXCHANGE_PATH, inner)])
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        SystemClock().sleep(0.02)
    yield f"http://127.0.0.1:{port}", root
    server.should_exit = True
    thread.join(10)


@pytest.fixture
def wire(served: tuple[str, Path]) -> Iterator[HttpsExchange]:
    client = HttpsExchange(KEY, served[0])
    yield client
    client.close()


@pytest.fixture(params=["directory", "fsspec"])
def exchange(request: pytest.FixtureRequest, tmp_path: Path) -> Exchange:
    if request.param == "directory":
        return open_exchange("", KEY, tmp_path)
    return open_exchange(f"memory://{tmp_path.name}-{request.node.name[:5]}", KEY, tmp_path)


def test_what_is_put_is_got_and_deleted(exchange: Exchange) -> None:
    name = exchange.put(Folder.RESULTS, PICTURE)
    assert name == hashlib.sha256(PICTURE).hexdigest()
    assert exchange.get(Folder.RESULTS, name) == PICTURE
    assert exchange.has(Folder.RESULTS, name)
    assert not exchange.has(Folder.REFERENCES, name)
    assert PICTURE not in exchange.read(Folder.RESULTS, name)
    exchange.delete(Folder.RESULTS, name)
    exchange.delete(Folder.RESULTS, name)
    with pytest.raises(BlobMissing):
        exchange.get(Folder.RESULTS, name)


def test_the_same_bytes_of_two_owners_are_deleted_one_by_one(exchange: Exchange) -> None:
    """Cameras that show the same slide: each visit has its own blob."""
    name = exchange.put(Folder.RESULTS, PICTURE, visit_owner("round", "a"))
    assert exchange.put(Folder.RESULTS, PICTURE, visit_owner("round", "b")) == name
    exchange.discard(Folder.RESULTS, [name], visit_owner("round", "a"))
    with pytest.raises(BlobMissing):
        exchange.get(Folder.RESULTS, name, visit_owner("round", "a"))
    assert exchange.get(Folder.RESULTS, name, visit_owner("round", "b")) == PICTURE


def test_what_nobody_fetched_is_found_by_its_age(exchange: Exchange) -> None:
    name = exchange.put(Folder.RESULTS, PICTURE)
    now, minute = SystemClock().now(), timedelta(minutes=1)
    (blob,) = exchange.written_before(Folder.RESULTS, now + minute)
    assert (blob.name, blob.bytes) == (name, len(exchange.read(Folder.RESULTS, name)))
    assert list(exchange.written_before(Folder.RESULTS, now - minute)) == []


@pytest.mark.parametrize("name", ["../../etc/passwd", "A" * 64, "a" * 63, ""])
def test_no_other_name_becomes_a_path(exchange: Exchange, name: str) -> None:
    with pytest.raises(BlobMissing):
        exchange.get(Folder.RESULTS, name)


def test_altered_moved_or_sealed_by_others_is_not_got(exchange: Exchange) -> None:
    name = exchange.put(Folder.RESULTS, PICTURE)
    sealed = exchange.read(Folder.RESULTS, name)
    exchange.write(Folder.REFERENCES, name, sealed)  # the folder is authenticated, too
    wrong = hashlib.sha256(b"another").hexdigest()
    exchange.write(Folder.RESULTS, wrong, sealed)
    exchange.write(Folder.RESULTS, name, sealed[:-1] + b"x")
    for folder, one in ((Folder.REFERENCES, name), (Folder.RESULTS, wrong), (Folder.RESULTS, name)):
        with pytest.raises(BlobMissing):
            exchange.get(folder, one)


def test_over_https_a_worker_puts_results_and_reads_references(
    wire: HttpsExchange, served: tuple[str, Path]
) -> None:
    here = DirectoryExchange(KEY, served[1])
    name = wire.put(Folder.RESULTS, PICTURE)
    assert here.get(Folder.RESULTS, name) == PICTURE
    reference = here.put(Folder.REFERENCES, b"reference")
    assert wire.get(Folder.REFERENCES, reference) == b"reference"
    with pytest.raises(BlobMissing):
        wire.get(Folder.REFERENCES, name)


def test_over_https_nothing_else_is_possible(wire: HttpsExchange) -> None:
    name = wire.put(Folder.RESULTS, PICTURE)
    with pytest.raises(ExchangeRefused):
        wire.get(Folder.RESULTS, name)
    with pytest.raises(ExchangeRefused):
        wire.put(Folder.REFERENCES, PICTURE)
    with pytest.raises(ExchangeRefused):
        wire.delete(Folder.RESULTS, name)
    with pytest.raises(ExchangeRefused):
        list(wire.written_before(Folder.RESULTS, SystemClock().now()))


def test_a_worker_of_another_cluster_is_refused_in_one_line(served: tuple[str, Path]) -> None:
    stranger = HttpsExchange(OTHER_KEY, served[0])
    with pytest.raises(ExchangeRefused, match=r"refuses pictures \(HTTP 401\)"):
        stranger.put(Folder.RESULTS, PICTURE)
    stranger.close()


def test_a_console_that_is_away_is_told(served: tuple[str, Path]) -> None:
    away = HttpsExchange(KEY, f"http://127.0.0.1:{free_port()}")
    with pytest.raises(ExchangeRefused, match="cannot be reached"):
        away.put(Folder.RESULTS, PICTURE)
    away.close()


def test_a_store_that_refuses_is_told_by_its_address(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ExchangeRefused, match="file"):
        DirectoryExchange(KEY, tmp_path / "file").put(Folder.RESULTS, PICTURE)
    with pytest.raises(BadInput, match="nosuch"):
        FsspecExchange(KEY, "nosuch://bucket")
    with pytest.raises(ExchangeRefused, match="/proc/exchange"):  # as where there is no such bucket
        FsspecExchange(KEY, "file:///proc/exchange").put(Folder.RESULTS, PICTURE)
