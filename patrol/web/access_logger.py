"""Write access log entries for pictures, in groups; a picture is sent after its entry is committed.

While one transaction is flushed to the disk, further requests queue, and the next transaction takes
them all. A wall of thumbnails costs a few dozen commits instead of hundreds, and each picture still
waits for its own entry.
"""

import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final

import structlog

from patrol.domain.ids import CameraId, PictureId
from patrol.domain.round import StoredPicture
from patrol.ports import Clock
from patrol.store import Store

log = structlog.get_logger(__name__)

MAX_BATCH: Final = 200  # entries of one transaction: some 50 ms of the writer's lock


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureAccess:
    """One view of a picture, to be logged."""

    who: str
    what: str  # view_picture, view_thumbnail, view_reference
    camera: CameraId | None
    why: str
    picture: PictureId | None  # must still be stored; None: not a stored picture


class PictureDeleted(Exception):
    """The picture was deleted on schedule, or was never stored."""


class AccessLogger:
    """Commits access log entries in one thread; callers wait for the future of their own."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._waiting: queue.SimpleQueue[
            tuple[PictureAccess, Future[StoredPicture | None]] | None
        ] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="access-logger", daemon=True)

    def start(self) -> None:
        """Start the writing thread."""
        self._thread.start()

    def stop(self) -> None:
        """Write the queued entries, then end the thread."""
        self._waiting.put(None)
        self._thread.join(5.0)

    def log_access(self, access: PictureAccess) -> "Future[StoredPicture | None]":
        """Queue an entry; the future gives the stored picture once it is committed.

        The future fails with PictureDeleted, or with the store's error.
        """
        done: Future[StoredPicture | None] = Future()
        self._waiting.put((access, done))
        return done

    def _run(self) -> None:
        while True:
            first = self._waiting.get()
            group = [first] if first is None else [first, *self._next_batch()]
            accesses = [one for one in group if one is not None]
            if accesses:
                self._write(accesses)
            if len(accesses) < len(group):
                return

    def _next_batch(self) -> list[tuple[PictureAccess, "Future[StoredPicture | None]"] | None]:
        group: list[tuple[PictureAccess, Future[StoredPicture | None]] | None] = []
        while len(group) < MAX_BATCH:
            try:
                group.append(self._waiting.get_nowait())
            except queue.Empty:
                break
        return group

    def _write(self, group: Sequence[tuple[PictureAccess, "Future[StoredPicture | None]"]]) -> None:
        answers: list[StoredPicture | PictureDeleted | None] = []
        try:
            with self._store.begin() as uow:
                for access, _ in group:
                    stored = uow.pictures.get(access.picture) if access.picture else None
                    if access.picture and stored is None:
                        answers.append(PictureDeleted(access.picture))
                        continue
                    camera = stored.camera if stored else access.camera
                    uow.access.append(
                        at=self._clock.now(),
                        who=access.who,
                        what=access.what,
                        camera=camera or None,
                        why=access.why,
                    )
                    answers.append(stored)
                uow.commit()
        except Exception as exc:  # noqa: BLE001  every waiting caller gets it
            log.warning("views not logged, so not shown", views=len(group), error=str(exc))
            for _, done in group:
                done.set_exception(exc)
            return
        for (_, done), answer in zip(group, answers, strict=True):
            if isinstance(answer, PictureDeleted):
                done.set_exception(answer)
            else:
                done.set_result(answer)
