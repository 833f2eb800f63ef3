"""Scripts of other people: the right bytes or none, at an address that may be kept."""

import asyncio
import hashlib
import zipfile
from pathlib import Path

import httpx
import pytest

from patrol.console.assets import PATH, Asset, Assets, digest, shipped
from patrol.parcels import NotFetched, Parcel, Source, fetch

SCRIPT, STYLE = b"export const leaflet = 1", b".leaflet { margin: 0 }"
MANIFEST = {
    "map": Asset(
        name="map",
        purpose="maps",
        licence="MIT",
        credit="nobody",
        entry="index.js",
        parcels=tuple(
            Parcel(
                name=f"map/{name}",
                file=f"map/{name}",
                sha256=hashlib.sha256(data).hexdigest(),
                licence="MIT",
                source=Source(package="carrier", version="1.0", member=f"carrier/dist/{name}"),
            )
            for name, data in (("index.js", SCRIPT), ("sub/map.css", STYLE))
        ),
    )
}


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    shelf, folder = tmp_path / "shelf", tmp_path / "assets"
    shelf.mkdir()
    with zipfile.ZipFile(shelf / "carrier-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("carrier/dist/index.js", SCRIPT)
        wheel.writestr("carrier/dist/sub/map.css", STYLE)
        wheel.writestr("carrier/dist/index.html", "not asked for")
    fetch(MANIFEST["map"].parcels, folder, shelf, lambda _: None)
    return folder


def get(assets: Assets, path: str) -> httpx.Response:
    async def one() -> httpx.Response:
        there = httpx.ASGITransport(app=assets)
        async with httpx.AsyncClient(transport=there, base_url="http://here") as client:
            return await client.get(path)

    return asyncio.run(one())


def test_served_byte_by_byte_and_kept_for_ever(installed: Path) -> None:
    assets = Assets(installed, MANIFEST)
    found = get(assets, assets.address("map").removeprefix(PATH))
    assert found.content == SCRIPT
    assert found.headers["content-type"].startswith("text/javascript")
    assert "immutable" in found.headers["cache-control"]
    style = get(assets, assets.address("map", "sub/map.css").removeprefix(PATH))
    assert style.content == STYLE


def test_only_what_the_package_was_asked_for_is_taken(installed: Path) -> None:
    there = sorted(p.relative_to(installed).as_posix() for p in installed.rglob("*.*"))
    assert there == ["map/index.js", "map/sub/map.css"]


@pytest.mark.parametrize(
    "path",
    [
        f"/{digest()}/map/other.js",
        "/0123456789/map/index.js",
        f"/{digest()}/../../etc/passwd",
        f"/{digest()}/map/%2e%2e/%2e%2e/shelf",
        "/",
    ],
)
def test_nothing_else_is_served(installed: Path, path: str) -> None:
    assert get(Assets(installed, MANIFEST), path).status_code == 404


def test_a_changed_file_is_not_served_and_the_page_falls_back(installed: Path) -> None:
    (installed / "map/sub/map.css").write_bytes(b"tampered")
    assets = Assets(installed, MANIFEST)
    assert assets.address("map") == ""
    assert get(assets, f"/{digest()}/map/sub/map.css").status_code == 404


def test_installed_while_the_console_runs(installed: Path, tmp_path: Path) -> None:
    assets = Assets(tmp_path / "later", MANIFEST)
    assert assets.address("map") == ""
    installed.rename(tmp_path / "later")
    assert assets.address("map").endswith("/map/index.js")


def test_a_package_is_downloaded_once_for_all_of_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def download(requirement: str, folder: Path, name: str) -> None:
        asked.append(requirement)
        with zipfile.ZipFile(folder / "carrier-1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr("carrier/dist/index.js", SCRIPT)
            wheel.writestr("carrier/dist/sub/map.css", b"not what was meant")

    monkeypatch.setattr("patrol.parcels._pip_download", download)
    with pytest.raises(NotFetched, match=r"sub/map.css.*not taken"):
        fetch(MANIFEST["map"].parcels, tmp_path, None, lambda _: None)
    assert asked == ["carrier==1.0"]
    assert (tmp_path / "map/index.js").read_bytes() == SCRIPT
    assert not (tmp_path / "map/sub/map.css").exists()


def test_ours_says_source_and_licence_of_everything() -> None:
    assert set(shipped()) == {"leaflet", "echarts"}
    for asset in shipped().values():
        assert asset.licence in {"BSD-2-Clause", "Apache-2.0"}
        assert f"{asset.name}/{asset.entry}" in {parcel.file for parcel in asset.parcels}
        assert all(parcel.source is not None for parcel in asset.parcels)
