"""Scripts of other people: the right bytes or none, at an address that may be kept."""

import asyncio
import hashlib
import zipfile
from pathlib import Path

import httpx
import pytest

from patrol.package_files import PackageFile, PackageFileUnavailable, PackageMember, install_files
from patrol.web.assets import (
    ASSETS_PATH,
    Asset,
    InstalledAssets,
    asset_manifest,
    manifest_digest,
)

SCRIPT, STYLE = b"export const leaflet = 1", b".leaflet { margin: 0 }"
MANIFEST = {
    "map": Asset(
        name="map",
        purpose="maps",
        licence="MIT",
        credit="nobody",
        entry="index.js",
        package_files=tuple(
            PackageFile(
                name=f"map/{name}",
                file=f"map/{name}",
                sha256=hashlib.sha256(data).hexdigest(),
                licence="MIT",
                source=PackageMember(
                    package="carrier", version="1.0", member=f"carrier/dist/{name}"
                ),
            )
            for name, data in (("index.js", SCRIPT), ("sub/map.css", STYLE))
        ),
    )
}


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    package_folder, folder = tmp_path / "shelf", tmp_path / "assets"
    package_folder.mkdir()
    with zipfile.ZipFile(package_folder / "carrier-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr("carrier/dist/index.js", SCRIPT)
        archive.writestr("carrier/dist/sub/map.css", STYLE)
        archive.writestr("carrier/dist/index.html", "not asked for")
    install_files(MANIFEST["map"].package_files, folder, package_folder, lambda _: None)
    return folder


def get(assets: InstalledAssets, path: str) -> httpx.Response:
    async def one() -> httpx.Response:
        there = httpx.ASGITransport(app=assets)
        async with httpx.AsyncClient(transport=there, base_url="http://here") as client:
            return await client.get(path)

    return asyncio.run(one())


def test_served_byte_by_byte_and_kept_for_ever(installed: Path) -> None:
    assets = InstalledAssets(installed, MANIFEST)
    found = get(assets, assets.url("map").removeprefix(ASSETS_PATH))
    assert found.content == SCRIPT
    assert found.headers["content-type"].startswith("text/javascript")
    assert "immutable" in found.headers["cache-control"]
    style = get(assets, assets.url("map", "sub/map.css").removeprefix(ASSETS_PATH))
    assert style.content == STYLE


def test_only_what_the_package_was_asked_for_is_taken(installed: Path) -> None:
    there = sorted(p.relative_to(installed).as_posix() for p in installed.rglob("*.*"))
    assert there == ["map/index.js", "map/sub/map.css"]


@pytest.mark.parametrize(
    "path",
    [
        f"/{manifest_digest()}/map/other.js",
        "/0123456789/map/index.js",
        f"/{manifest_digest()}/../../etc/passwd",
        f"/{manifest_digest()}/map/%2e%2e/%2e%2e/shelf",
        "/",
    ],
)
def test_nothing_else_is_served(installed: Path, path: str) -> None:
    assert get(InstalledAssets(installed, MANIFEST), path).status_code == 404


def test_a_changed_file_is_not_served_and_the_page_falls_back(installed: Path) -> None:
    (installed / "map/sub/map.css").write_bytes(b"tampered")
    assets = InstalledAssets(installed, MANIFEST)
    assert assets.url("map") == ""
    assert get(assets, f"/{manifest_digest()}/map/sub/map.css").status_code == 404


def test_installed_while_the_console_runs(installed: Path, tmp_path: Path) -> None:
    assets = InstalledAssets(tmp_path / "later", MANIFEST)
    assert assets.url("map") == ""
    installed.rename(tmp_path / "later")
    assert assets.url("map").endswith("/map/index.js")


def test_a_package_is_downloaded_once_for_all_of_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def download(requirement: str, folder: Path, name: str) -> None:
        asked.append(requirement)
        with zipfile.ZipFile(folder / "carrier-1.0-py3-none-any.whl", "w") as archive:
            archive.writestr("carrier/dist/index.js", SCRIPT)
            archive.writestr("carrier/dist/sub/map.css", b"not what was meant")

    monkeypatch.setattr("patrol.package_files._pip_download", download)
    with pytest.raises(PackageFileUnavailable, match=r"sub/map.css.*not taken"):
        install_files(MANIFEST["map"].package_files, tmp_path, None, lambda _: None)
    assert asked == ["carrier==1.0"]
    assert (tmp_path / "map/index.js").read_bytes() == SCRIPT
    assert not (tmp_path / "map/sub/map.css").exists()


def test_the_manifest_names_source_and_licence_of_every_file() -> None:
    assert set(asset_manifest()) == {"leaflet", "echarts"}
    for asset in asset_manifest().values():
        assert asset.licence in {"BSD-2-Clause", "Apache-2.0"}
        assert f"{asset.name}/{asset.entry}" in {
            package_file.file for package_file in asset.package_files
        }
        assert all(package_file.source is not None for package_file in asset.package_files)
