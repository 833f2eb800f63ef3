"""A household's pixels in a cluster's exchange: ended with consent or camera, expired, counted.

The exchange is a place of the register (store/pixel_places.py) that lies outside of the store: a
blob is found by its camera's tag, deleted, and written into the deletion ledger under its name.
What a recorder takes is no deletion: the picture goes on in the store. A legal hold keeps what is
recorded; copies on their way are no record of anything.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog

from patrol.cluster.exchange import TAG_CHARACTERS, Exchange, ExchangeRefused, Folder, ListedBlob
from patrol.domain.ids import CameraId
from patrol.domain.round import CAMERA_RETIRED
from patrol.store import Store
from patrol.store.pixels import HeldPixels

log = structlog.get_logger(__name__)

PLACE: Final = "exchange"  # PixelPlace.name
KEPT: Final = timedelta(days=1)  # of blobs that nobody fetched: no round takes so long
OVERDUE: Final = timedelta(days=3)  # then two daily sweeps have not deleted it
SETTLED_AFTER: Final = timedelta(minutes=10)  # a visit that was under way has put what it had
LIST_EVERY: Final = timedelta(minutes=1)  # until then
PROBLEMS_NAMED: Final = 20
_SWEEP: Final = "the shift supervisor: run `patrol db sweep`, and see why `patrol run` did not"


class ExchangePixels:
    """Ends, expires and counts what lies in one exchange; safe to call from any thread."""

    def __init__(self, exchange: Exchange, store: Store) -> None:
        self.exchange, self._store = exchange, store
        self._lock = threading.Lock()
        self._gone_since: dict[CameraId, datetime] = {}  # first listed for, in this process
        self._listed_at: datetime | None = None
        self._away_at: datetime | None = None

    def end_departed(self, now: datetime) -> int:
        """Delete what is there of households that withdrew and of cameras that left; how many.

        Raises ExchangeRefused.
        """
        with self._store.begin_read() as uow:
            departed = uow.pixels.departed(now)
        if not departed:
            return 0
        tags = self._tags(departed)
        return sum(
            self._delete(blob, camera, departed[camera], now, due_at=now)
            for blob in self._all()
            if (camera := tags.get(blob.name[:TAG_CHARACTERS])) is not None
        )

    def follow_departures(self, now: datetime) -> int:
        """`end_departed`, for a service that asks each second: lists when a camera has departed.

        And again for ten minutes after it, because a worker's visit was perhaps under way. An
        exchange that is away is logged, and tried again a minute later.
        """
        if self._away_at is not None and now - self._away_at < LIST_EVERY:
            return 0
        try:
            deleted = self._follow(now)
        except ExchangeRefused as exc:
            self._away_at = now
            log.warning("the exchange of pictures cannot be swept", reason=str(exc))
            return 0
        self._away_at = None
        return deleted

    def _follow(self, now: datetime) -> int:
        with self._lock:
            with self._store.begin_read() as uow:
                departed = uow.pixels.departed(now)
            known = {c: at for c, at in self._gone_since.items() if c in departed}
            fresh = departed.keys() - known.keys()
            settling = any(now - at <= SETTLED_AFTER + LIST_EVERY for at in known.values())
            waited = self._listed_at is None or now - self._listed_at >= LIST_EVERY
            deleted = 0
            if fresh or (settling and waited):
                deleted = self.end_departed(now)
                self._listed_at = now
            self._gone_since = known | dict.fromkeys(fresh, now)
            return deleted

    def sweep(self, now: datetime) -> int:
        """`end_departed`, and delete what nobody fetched in a day; how many.

        Raises ExchangeRefused.
        """
        deleted = self.end_departed(now)
        with self._store.begin_read() as uow:
            tags = self._tags(uow.registry.known_cameras())
        for blob in self._all():
            if blob.written_at is not None and blob.written_at < now - KEPT:
                camera = tags.get(blob.name[:TAG_CHARACTERS], "")
                due_at = blob.written_at + KEPT
                deleted += self._delete(blob, camera, "", now, due_at=due_at)
        return deleted

    def held(self, camera: CameraId) -> Sequence[HeldPixels]:
        """What lies there of the camera, by folder. Raises ExchangeRefused."""
        tag = self.exchange.camera_tag(camera)
        found = [
            (folder, [b for b in self.exchange.listed(folder) if b.name.startswith(tag)])
            for folder in Folder
        ]
        return [_held(camera, folder, blobs) for folder, blobs in found if blobs]

    def problems(self, now: datetime) -> list[str]:
        """For `patrol db check`: what should not lie there any more. Raises ExchangeRefused."""
        with self._store.begin_read() as uow:
            departed = uow.pixels.departed(now)
        tags, wrong = self._tags(departed), list[str]()
        for blob in self._all():
            camera = tags.get(blob.name[:TAG_CHARACTERS])
            where = f"{self.exchange.place}/{blob.folder}/{blob.name[:TAG_CHARACTERS]}…"
            if camera is not None:
                why = "left the registry" if departed[camera] == CAMERA_RETIRED else "withdrew"
                wrong.append(f"{where}: of camera {camera}, which {why} -> {_SWEEP}")
            elif blob.written_at is not None and blob.written_at < now - OVERDUE:
                wrong.append(f"{where}: nobody fetched it in {OVERDUE.days} days -> {_SWEEP}")
        return wrong[:PROBLEMS_NAMED]

    def _all(self) -> Iterator[ListedBlob]:
        for folder in Folder:
            yield from list(self.exchange.listed(folder))

    def _tags(self, cameras: Iterable[CameraId]) -> Mapping[str, CameraId]:
        return {self.exchange.camera_tag(camera): camera for camera in cameras}

    def _delete(
        self, blob: ListedBlob, camera: str, mark: str, now: datetime, *, due_at: datetime
    ) -> int:
        self.exchange.delete(blob.folder, blob.name)
        with self._store.begin() as uow:
            uow.pixels.record_blob(
                blob.name, camera, f"{PLACE} {blob.folder}{mark}",
                written_at=blob.written_at or now, due_at=due_at, now=now,
            )  # fmt: skip
            uow.commit()
        return 1


def _held(camera: CameraId, folder: Folder, blobs: Sequence[ListedBlob]) -> HeldPixels:
    written = [blob.written_at for blob in blobs if blob.written_at is not None]
    oldest = min(written, default=None)
    return HeldPixels(
        place=PLACE, camera=camera, purpose=str(folder), count=len(blobs),
        bytes=sum(blob.bytes for blob in blobs), oldest=oldest,
        newest=max(written, default=None),
        until=max(written) + KEPT if written else None,
    )  # fmt: skip
