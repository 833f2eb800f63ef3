"""Passwords of cameras' streams, sealed with the site's key: readable with that key alone.

A row belongs to one stream of one camera at one host and port: it opens for no other camera, and
its password is given to no other place, whatever somebody writes into the row or into cameras.csv.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, select

from patrol.domain.ids import CameraId
from patrol.encryption import KeyProblem, SiteKey
from patrol.store.schema_people import stream_credentials
from patrol.store.transaction import Transaction
from streams.address import StreamChoice

_PURPOSE: Final = "stream credentials"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamCredential:
    """The password of one stream, and the only host and port that it may be sent to."""

    camera: CameraId
    stream: StreamChoice
    host: str
    port: int
    password: str = field(repr=False)


class CredentialRepository:
    """Reads and writes sealed passwords. Raises KeyProblem where the site's key is not there."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def put(self, credential: StreamCredential, *, by: str, now: datetime) -> None:
        """Seal it, or replace the one of the same stream."""
        sealed = self._key().seal(
            credential.password.encode(), purpose=_PURPOSE, about=_about(credential)
        )
        row = {
            "camera": credential.camera,
            "stream": credential.stream,
            "host": credential.host,
            "port": credential.port,
            "sealed": sealed,
            "set_at": now,
            "set_by": by,
        }
        self._db.put(stream_credentials, row, "camera", "stream")

    def all(self) -> Mapping[tuple[CameraId, StreamChoice], StreamCredential]:
        """Every password, opened. Raises SealBroken where a row was changed by hand."""
        rows = self._db.all(select(stream_credentials))
        return {(row.camera, StreamChoice(row.stream)): self._opened(row) for row in rows}

    def places(self) -> Sequence[tuple[str, str, str, int]]:
        """(camera, stream, host, port) of each, in order; needs no key."""
        columns = stream_credentials.c
        rows = self._db.all(
            select(columns.camera, columns.stream, columns.host, columns.port).order_by(
                columns.camera, columns.stream
            )
        )
        return [(row.camera, row.stream, row.host, row.port) for row in rows]

    def delete(self, camera: CameraId) -> int:
        """Delete the passwords of a camera that is retired; how many."""
        mine = stream_credentials.c.camera == camera
        return self._db.changed(stream_credentials.delete().where(mine))

    def _opened(self, row: Row[Any]) -> StreamCredential:
        bare = StreamCredential(
            camera=CameraId(row.camera),
            stream=StreamChoice(row.stream),
            host=row.host,
            port=row.port,
            password="",  # nosec B106  opened below
        )
        plain = self._key().open(bytes(row.sealed), purpose=_PURPOSE, about=_about(bare))
        return replace(bare, password=plain.decode())

    def _key(self) -> SiteKey:
        if self._db.site_key is None:
            raise KeyProblem(
                "the cameras' passwords are sealed with the site's key, which is not there; put"
                " the key file back"
            )
        return self._db.site_key


def _about(credential: StreamCredential) -> str:
    where = f"{credential.host}:{credential.port}"
    return f"password of {credential.camera} {credential.stream.value} at {where}"
