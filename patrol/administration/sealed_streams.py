"""Passwords of streams that lie sealed in the store: moved there from cameras.csv, and given back.

In cameras.csv `${SEALED}` stands for such a password: `rtsp://admin:${SEALED}@192.0.2.7/1`. The
registry is read with it, and `with_passwords` puts the store's in its place, in memory alone and
only where host and port are those that it was sealed for. Used when the service starts and each
time it reads the registry again; an import in the console and `patrol credentials` seal.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from patrol.domain.camera import Camera
from patrol.domain.ids import CameraId
from patrol.domain.registry import Registry
from patrol.settings import Site
from patrol.settings.cameras_csv import sealed_url
from patrol.store import Store
from patrol.store.credentials import StreamCredential
from streams.address import StreamAddress, StreamChoice

STREAM_COLUMNS: Final[Mapping[str, StreamChoice]] = {
    "url": StreamChoice.MAIN,
    "sub_url": StreamChoice.SUB,
}
Credentials = Mapping[tuple[CameraId, StreamChoice], StreamCredential]


@dataclass(frozen=True, slots=True)
class SealedSiteLoader:
    """Reads a configuration directory and fills in the passwords that its store has sealed."""

    store: Store
    load: Callable[..., Site]

    def __call__(self, folder: Path, **options: object) -> Site:
        """As `load_site`. Raises ConfigProblems, StoreUnavailable, KeyProblem, SealBroken."""
        return with_store_passwords(self.load(folder, **options), self.store)


def with_store_passwords(site: Site, store: Store) -> Site:
    """The site with the passwords of its store; reads it only where some address is sealed."""
    if not any(_has_sealed(camera) for camera in site.registry.cameras.values()):
        return site
    with store.begin_read() as uow:
        credentials = uow.credentials.all()
    return replace(site, registry=with_passwords(site.registry, credentials))


def with_passwords(registry: Registry, credentials: Credentials) -> Registry:
    """The registry with each sealed password in its place, where host and port are still its own.

    An address that keeps none is refused when it is visited: "its password is sealed".
    """
    cameras = {
        id_: _with_password(camera, credentials) if _has_sealed(camera) else camera
        for id_, camera in registry.cameras.items()
    }
    return replace(registry, cameras=cameras)


def seal_row(cells: Mapping[str, str]) -> tuple[dict[str, str], list[StreamCredential]]:
    """The row of cameras.csv with `${SEALED}` for each plain password, and those passwords."""
    row, found = dict(cells), []
    for column, stream in STREAM_COLUMNS.items():
        sealed = sealed_url(row.get(column, ""))
        if sealed is None:
            continue
        text, address = sealed
        row[column] = text
        found.append(
            StreamCredential(
                camera=CameraId(row["camera_id"]),
                stream=stream,
                host=address.host,
                port=address.port,
                password=address.password,
            )
        )
    return row, found


def put_credentials(
    store: Store, credentials: list[StreamCredential], *, by: str, now: datetime
) -> None:
    """Seal them in one transaction, with a line of the access log each. Raises KeyProblem."""
    with store.begin() as uow:
        for credential in credentials:
            uow.credentials.put(credential, by=by, now=now)
            why = f"{credential.stream} stream, {credential.host}:{credential.port}"
            uow.access.append(
                at=now, who=by, what="seal_password", camera=credential.camera, why=why
            )
        uow.commit()


def _has_sealed(camera: Camera) -> bool:
    return any(address.is_sealed for address in camera.addresses)


def _with_password(camera: Camera, credentials: Credentials) -> Camera:
    main = _opened(camera.main_stream, credentials.get((camera.id, StreamChoice.MAIN)))
    sub = camera.sub_stream and _opened(
        camera.sub_stream, credentials.get((camera.id, StreamChoice.SUB))
    )
    return replace(camera, main_stream=main, sub_stream=sub)


def _opened(address: StreamAddress, credential: StreamCredential | None) -> StreamAddress:
    if not address.is_sealed or credential is None:
        return address
    if (credential.host, credential.port) != (address.host, address.port):
        return address
    return replace(address, password=credential.password)
