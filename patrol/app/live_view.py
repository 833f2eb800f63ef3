"""Live looks (实时查看): one camera's key frames, masked, for one person, for a minute.

The rounds' own visit with a longer patience: video only, nothing is stored, key frames as they come
(every two to four seconds), so that a look costs a core some ten milliseconds each. The consent and
the visible area are read again several times a second; a withdrawal ends the look. It takes a seat
of its link, as a second look does: a link that carries two connections never carries three.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

import cv2
import numpy as np

from patrol.administration.registry_files import ActionRefused
from patrol.administration.registry_watcher import RegistryWatcher
from patrol.domain.camera import Camera, visit_refusal
from patrol.domain.ids import CameraId
from patrol.ports import CameraClient
from patrol.rounds.limiter import SharedLinkSlots
from patrol.store import Store
from patrol.vision.mask import mask_visible
from streams.address import StreamAddress
from streams.decode import decode
from streams.errors import StreamError, Unreadable
from streams.model import BgrImage, KeyFrame, VisitOptions

CONSENT_POLL_S: Final = 0.3  # a withdrawal has effect within a second
SPACING_S: Final = 0.9  # a camera that sends every picture as a key frame is not watched closer
MOST_PICTURES: Final = 1000  # never reached: the time ends a look
MAX_WIDTH_PX: Final = 1280
Encode = Callable[[BgrImage], tuple[bytes, tuple[int, int]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveFrame:
    """One picture of a live view, masked to the visible area."""

    jpeg: bytes = field(repr=False)
    taken_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveLimits:
    """How long one live view lasts, and how many run at once."""

    duration_s: float
    max_viewers: int


@dataclass
class LiveView:
    """All of the house; `watch` runs in the event loop of whoever serves it."""

    store: Store
    registry: RegistryWatcher
    visitor: CameraClient
    encode: Encode
    today: Callable[[], date]
    limits: LiveLimits
    link_slots: SharedLinkSlots
    _under_way: set[asyncio.Task[None]] = field(default_factory=set)

    async def frames(self, ident: CameraId) -> AsyncIterator[LiveFrame]:
        """Pictures until the time is up. Raises CannotDo: a refusal, `too_many`, or a failure."""
        self._under_way = {visit for visit in self._under_way if not visit.done()}
        if len(self._under_way) >= self.limits.max_viewers:
            raise ActionRefused("too_many")
        frames: asyncio.Queue[KeyFrame] = asyncio.Queue(1)  # who is slow sees the newest one
        visit = asyncio.create_task(self._visit(ident, frames), name=f"live {ident}")
        self._under_way.add(visit)
        try:
            while (frame := await _next_frame(frames, visit)) is not None:
                jpeg = await asyncio.to_thread(self._picture, ident, frame)
                if visit.done() and (ended := visit.exception()) is not None:
                    raise ended
                if jpeg:
                    yield LiveFrame(jpeg=jpeg, taken_at=frame.taken_at)
        except StreamError as exc:
            raise ActionRefused(exc.kind) from exc
        finally:
            visit.cancel()  # its TEARDOWN is said beside us

    async def _visit(self, ident: CameraId, frames: asyncio.Queue[KeyFrame]) -> None:
        """Look and guard; the first that ends, ends both. Raises CannotDo, StreamError."""
        camera = await asyncio.to_thread(self._permitted_camera, ident)
        if not self.link_slots.reserve(camera.link):
            raise ActionRefused("too_many")
        async with self.link_slots.slot(camera.link):
            await self._stream(await asyncio.to_thread(self._permitted_camera, ident), frames)

    async def _stream(self, camera: Camera, frames: asyncio.Queue[KeyFrame]) -> None:
        loop = asyncio.get_running_loop()

        def on_key_frame(frame: KeyFrame) -> None:
            loop.call_soon_threadsafe(_replace_latest, frames, frame)

        options = VisitOptions(
            pictures=MOST_PICTURES,
            spacing_s=SPACING_S,
            visit_timeout_s=self.limits.duration_s,
            on_key_frame=on_key_frame,
        )
        pull = asyncio.create_task(_pull_stream(self.visitor, camera, options))
        consent_watch = asyncio.create_task(self._watch_consent(camera.id))
        try:
            await asyncio.wait({pull, consent_watch}, return_when=asyncio.FIRST_COMPLETED)
            await (consent_watch if consent_watch.done() else pull)
        finally:
            for task in (pull, consent_watch):
                task.cancel()
            await asyncio.gather(pull, consent_watch, return_exceptions=True)

    async def _watch_consent(self, ident: CameraId) -> None:
        while True:
            await asyncio.sleep(CONSENT_POLL_S)
            await asyncio.to_thread(self._permitted_camera, ident)

    def _permitted_camera(self, ident: CameraId) -> Camera:
        """The camera as it is registered now. Raises CannotDo."""
        self.registry.refresh()
        camera = self.registry.cameras().get(ident)
        with self.store.begin_read() as uow:
            withdrawn = uow.consents.withdrawn()
        if camera is None:
            raise ActionRefused("consent_withdrawn")  # it left the registry
        refusal = visit_refusal(camera, self.today(), withdrawn)
        if refusal is not None:
            raise ActionRefused(str(refusal))
        return camera

    def _picture(self, ident: CameraId, frame: KeyFrame) -> bytes:
        """Masked as it is agreed now; nothing of a frame that came damaged."""
        cameras: Mapping[CameraId, Camera] = self.registry.cameras()
        if ident not in cameras:
            raise ActionRefused("consent_withdrawn")
        try:
            bgr = mask_visible(decode(frame).bgr, cameras[ident].areas.visible)
        except Unreadable:
            return b""
        height, width = bgr.shape[:2]
        if width > MAX_WIDTH_PX:
            size = (MAX_WIDTH_PX, round(height * MAX_WIDTH_PX / width))
            bgr = np.asarray(cv2.resize(bgr, size, interpolation=cv2.INTER_AREA), np.uint8)
        return self.encode(bgr)[0]


async def _pull_stream(visitor: CameraClient, camera: Camera, options: VisitOptions) -> None:
    await visitor(StreamAddress.parse(camera.url), options)


async def _next_frame(
    frames: asyncio.Queue[KeyFrame], visit: asyncio.Task[None]
) -> KeyFrame | None:
    """The next picture; None when the time is up. Raises what ended the visit."""
    getting = asyncio.create_task(frames.get())
    try:
        await asyncio.wait({getting, visit}, return_when=asyncio.FIRST_COMPLETED)
        if visit.done():
            visit.result()
            return None
        return getting.result()
    finally:
        getting.cancel()


def _replace_latest(frames: asyncio.Queue[KeyFrame], frame: KeyFrame) -> None:
    with suppress(asyncio.QueueEmpty):
        frames.get_nowait()
    frames.put_nowait(frame)
