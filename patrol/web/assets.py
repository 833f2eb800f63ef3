"""Scripts of other projects that pages may use (assets.yaml): which, whether installed, served how.

`patrol assets install` fetches them; a file is served only when it is the manifest's, byte by byte.
The manifest's hash is part of each address, so browsers may keep a file for ever, and the files of
an asset find each other by relative names.
"""

import mimetypes
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Any, Final

import yaml
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from patrol.package_files import PackageFile, PackageMember

ASSETS_PATH: Final = "/static-ext"
CACHE_FOREVER: Final = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One library: its files, and the ES module that a page imports (`entry`)."""

    name: str
    purpose: str
    licence: str
    credit: str
    entry: str
    package_files: tuple[PackageFile, ...]

    def state(self, folder: Path) -> str:
        """`ready` when every file is in the folder; else the state of the first that is not."""
        states = [package_file.state(folder) for package_file in self.package_files]
        return next((state for state in states if state != "ready"), "ready")


AssetManifest = Mapping[str, Asset]


@cache
def asset_manifest() -> AssetManifest:
    """The assets of assets.yaml by name."""
    document = yaml.safe_load(_manifest_text())
    return {name: _asset_from(name, entry) for name, entry in document["assets"].items()}


@cache
def manifest_digest() -> str:
    """Ten hexadecimal digits that change with assets.yaml."""
    return sha256(_manifest_text().encode()).hexdigest()[:10]


@dataclass
class InstalledAssets:
    """The assets that are installed in a folder, and the ASGI application that serves them."""

    folder: Path | None
    manifest: AssetManifest = field(default_factory=asset_manifest)
    _files: dict[str, bytes] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def url(self, name: str, file: str | None = None) -> str:
        """The address of the asset's entry (or another of its files); "" when not installed."""
        asset = self.manifest[name]
        if any(self._read(package_file) is None for package_file in asset.package_files):
            return ""
        return f"{ASSETS_PATH}/{manifest_digest()}/{name}/{file or asset.entry}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request with a file, or 404."""
        path = scope["path"].removeprefix(scope.get("root_path", "")).lstrip("/")
        version, _, wanted = path.partition("/")
        response: Response = PlainTextResponse("not found", 404)
        found = self._find(wanted) if version == manifest_digest() else None
        if found is not None:
            kind = mimetypes.guess_type(wanted)[0] or "application/octet-stream"
            response = Response(found, media_type=kind, headers={"Cache-Control": CACHE_FOREVER})
        await response(scope, receive, send)

    def _find(self, wanted: str) -> bytes | None:
        for asset in self.manifest.values():
            for package_file in asset.package_files:
                if package_file.file == wanted:
                    return self._read(package_file)
        return None

    def _read(self, package_file: PackageFile) -> bytes | None:
        """The file when it is the manifest's, then kept in memory (two megabytes in all)."""
        with self._lock:
            if package_file.file not in self._files:
                if self.folder is None or package_file.state(self.folder) != "ready":
                    return None
                self._files[package_file.file] = (self.folder / package_file.file).read_bytes()
            return self._files[package_file.file]


def _asset_from(name: str, entry: Mapping[str, Any]) -> Asset:
    package, version = str(entry["package"]), str(entry["version"])
    return Asset(
        name=name,
        purpose=entry["purpose"],
        licence=entry["licence"],
        credit=entry["credit"],
        entry=entry["entry"],
        package_files=tuple(
            PackageFile(
                name=f"{name}/{item['file']}",
                file=f"{name}/{item['file']}",
                sha256=item["sha256"],
                licence=entry["licence"],
                source=PackageMember(package=package, version=version, member=item["member"]),
            )
            for item in entry["files"]
        ),
    )


def _manifest_text() -> str:
    return resources.files("patrol.web").joinpath("assets.yaml").read_text("utf-8")
