"""The witness: no picture leaves before its line stands in the access log.

Lines are committed in groups: while one transaction is flushed to the disk, the requests of that
moment gather, and the next transaction takes them all. A wall of thumbnails costs a few dozen
commits instead of hundreds, and each one still waits for its own line.
"""

import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final

import structlog

from patrol.domain.ids import CameraId, Sha256
from patrol.ports import Clock
from patrol.store import Store

log = structlog.get_logger(__name__)

MOST_AT_ONCE: Final = 200  # lines of one transaction: some 50 ms of the writer's lock


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Somebody looks at a picture."""

    who: str
    what: str  # view_picture, view_thumbnail, view_reference
    camera: CameraId | None
    why: str
    picture: Sha256 | None  # must still be stored; None: not a stored picture


class Gone(Exception):
    """The picture was deleted on schedule, or never was."""


class Witness:
    """One thread that writes; any number that wait."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._waiting: queue.SimpleQueue[tuple[Look, Future[CameraId | None]] | None] = (
            queue.SimpleQueue()
        )
        self._thread = threading.Thread(target=self._run, name="witness", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, then end."""
        self._waiting.put(None)
        self._thread.join(5.0)

    def saw(self, look: Look) -> "Future[CameraId | None]":
        """Done when the line is durable: the picture's camera. Fails with Gone, or the store's."""
        done: Future[CameraId | None] = Future()
        self._waiting.put((look, done))
        return done

    def _run(self) -> None:
        while True:
            first = self._waiting.get()
            group = [first] if first is None else [first, *self._gathered()]
            looks = [one for one in group if one is not None]
            if looks:
                self._write(looks)
            if len(looks) < len(group):
                return

    def _gathered(self) -> list[tuple[Look, "Future[CameraId | None]"] | None]:
        group: list[tuple[Look, Future[CameraId | None]] | None] = []
        while len(group) < MOST_AT_ONCE:
            try:
                group.append(self._waiting.get_nowait())
            except queue.Empty:
                break
        return group

    def _write(self, group: Sequence[tuple[Look, "Future[CameraId | None]"]]) -> None:
        answers: list[CameraId | Gone | None] = []
        try:
            with self._store.begin() as uow:
                for look, _ in group:
                    stored = uow.pictures.get(look.picture) if look.picture else None
                    if look.picture and stored is None:
                        answers.append(Gone(look.picture))
                        continue
                    camera = stored.camera if stored else look.camera
                    uow.access.append(
                        at=self._clock.now(),
                        who=look.who,
                        what=look.what,
                        camera=camera or None,
                        why=look.why,
                    )
                    answers.append(camera)
                uow.commit()
        except Exception as exc:  # noqa: BLE001  whoever waits hears it
            log.warning("views not logged, so not shown", views=len(group), error=str(exc))
            for _, done in group:
                done.set_exception(exc)
            return
        for (_, done), answer in zip(group, answers, strict=True):
            if isinstance(answer, Gone):
                done.set_exception(answer)
            else:
                done.set_result(answer)
