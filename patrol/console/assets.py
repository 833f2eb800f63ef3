"""Scripts of other people (assets.yaml): what is wanted, what is there, and at which address.

Files are served only when they are those of the manifest, byte by byte. The manifest's own hash
stands in the address, so browsers may keep a file for ever, and the files of an asset find each
other by plain relative names.
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

from patrol.parcels import Parcel, Source

PATH: Final = "/static-ext"
KEEP: Final = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One library, made of files."""

    name: str
    purpose: str
    licence: str
    credit: str
    entry: str
    parcels: tuple[Parcel, ...]

    def state(self, folder: Path) -> str:
        """`ready` when every file is; else the first other state."""
        states = [parcel.state(folder) for parcel in self.parcels]
        return next((state for state in states if state != "ready"), "ready")


Manifest = Mapping[str, Asset]


@cache
def shipped() -> Manifest:
    """The manifest of this product."""
    document = yaml.safe_load(_text())
    return {name: _asset(name, entry) for name, entry in document["assets"].items()}


def _text() -> str:
    return resources.files("patrol.console").joinpath("assets.yaml").read_text("utf-8")


@cache
def digest() -> str:
    """Changes with the manifest."""
    return sha256(_text().encode()).hexdigest()[:10]


def _asset(name: str, entry: Mapping[str, Any]) -> Asset:
    package, version = str(entry["package"]), str(entry["version"])
    return Asset(
        name=name,
        purpose=entry["purpose"],
        licence=entry["licence"],
        credit=entry["credit"],
        entry=entry["entry"],
        parcels=tuple(
            Parcel(
                name=f"{name}/{item['file']}",
                file=f"{name}/{item['file']}",
                sha256=item["sha256"],
                licence=entry["licence"],
                source=Source(package=package, version=version, member=item["member"]),
            )
            for item in entry["files"]
        ),
    )


@dataclass
class Assets:
    """What is installed in a folder; an ASGI application that serves it."""

    folder: Path | None
    manifest: Manifest = field(default_factory=shipped)
    _files: dict[str, bytes] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def address(self, name: str, file: str | None = None) -> str:
        """Where a page finds the asset's entry (or another of its files); "" when not installed."""
        asset = self.manifest[name]
        if any(self._read(parcel) is None for parcel in asset.parcels):
            return ""
        return f"{PATH}/{digest()}/{name}/{file or asset.entry}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One file."""
        path = scope["path"].removeprefix(scope.get("root_path", "")).lstrip("/")
        version, _, wanted = path.partition("/")
        response: Response = PlainTextResponse("not found", 404)
        found = self._find(wanted) if version == digest() else None
        if found is not None:
            kind = mimetypes.guess_type(wanted)[0] or "application/octet-stream"
            response = Response(found, media_type=kind, headers={"Cache-Control": KEEP})
        await response(scope, receive, send)

    def _find(self, wanted: str) -> bytes | None:
        for asset in self.manifest.values():
            for parcel in asset.parcels:
                if parcel.file == wanted:
                    return self._read(parcel)
        return None

    def _read(self, parcel: Parcel) -> bytes | None:
        """The file, once it is the right one; kept then (two megabytes in all)."""
        with self._lock:
            if parcel.file not in self._files:
                if self.folder is None or parcel.state(self.folder) != "ready":
                    return None
                self._files[parcel.file] = (self.folder / parcel.file).read_bytes()
            return self._files[parcel.file]
