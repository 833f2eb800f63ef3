"""Live view (实时查看): one camera's key frames, masked, for one person, for a minute.

A consent-guarded visit like those of the rounds, only longer: video alone, key frames as they come
(every two to four seconds), nothing stored. The visible area is applied to each frame as it stands
in the registry then; a withdrawal of consent ends the view. It takes a slot of the camera's link,
as a recheck does: a link that carries two connections never carries three. It visits the stream
that `sampling.stream` names: a site that chose sub streams has uplinks that carry no more.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import cv2
import numpy as np

from patrol.domain.camera import Camera, Refusal
from patrol.domain.health import NO_ANSWER_FAILURES
from patrol.domain.ids import CameraId, LinkId
from patrol.domain.sampling import SamplingPolicy
from patrol.ports import CameraClient
from patrol.rounds.guarded_visit import ConsentGate, ConsentGuard
from patrol.rounds.limiter import SharedLinkSlots
from patrol.vision.mask import mask_visible
from streams.decode import decode
from streams.errors import StreamError, Unreadable
from streams.model import BgrImage, KeyFrame, VisitOptions

SPACING_S: Final = 0.9  # at most about one picture a second, also where every one is a key frame
MOST_PICTURES: Final = 1000  # never reached: the time ends a view
MAX_WIDTH_PX: Final = 1280
WORKERS_LINK: Final = "workers_link"
Encode = Callable[[BgrImage], tuple[bytes, tuple[int, int]]]  # → JPEG, (width, height)


class LiveViewRefused(Exception):
    """The view is refused or ended.

    The text is a Refusal, `too_many`, WORKERS_LINK or a StreamError's kind.
    """


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
    """Shows cameras live to at most `limits.max_viewers` people at a time."""

    gate: ConsentGate
    client: CameraClient
    sampling: SamplingPolicy
    link_slots: SharedLinkSlots
    encode: Encode
    limits: LiveLimits
    workers_reach: Callable[[LinkId], bool] = lambda _link: False  # of a cluster; asks the store
    _under_way: set[asyncio.Task[None]] = field(default_factory=set)

    async def frames(self, ident: CameraId) -> AsyncIterator[LiveFrame]:
        """Masked pictures until the time is up, in the event loop of the web server.

        Raises LiveViewRefused with a refusal of consent, `too_many`, the kind of a StreamError, or
        WORKERS_LINK where the camera did not answer here and a worker of a cluster has its link.
        """
        self._under_way = {visit for visit in self._under_way if not visit.done()}
        if len(self._under_way) >= self.limits.max_viewers:
            raise LiveViewRefused("too_many")
        frames: asyncio.Queue[KeyFrame] = asyncio.Queue(1)  # a slow viewer gets the newest one
        visit = asyncio.create_task(self._visit(ident, frames), name=f"live {ident}")
        self._under_way.add(visit)
        try:
            while (frame := await _next_frame(frames, visit)) is not None:
                jpeg = await asyncio.to_thread(self._picture, ident, frame)
                if visit.done() and (ended := visit.exception()) is not None:
                    raise ended
                if jpeg:
                    yield LiveFrame(jpeg=jpeg, taken_at=frame.taken_at)
        finally:
            visit.cancel()  # its TEARDOWN is sent meanwhile

    async def _visit(self, ident: CameraId, frames: asyncio.Queue[KeyFrame]) -> None:
        """Visit the camera until the time is up. Raises LiveViewRefused when that ends early."""
        async with ConsentGuard(self.gate, self.client, self.sampling) as guard:
            link = self._permitted_camera(ident).link
            if not self.link_slots.reserve(link):
                raise LiveViewRefused("too_many")
            async with self.link_slots.slot(link):
                ended = await guard.visit(self._permitted_camera(ident), self._options(frames))
        if isinstance(ended, Refusal):
            raise LiveViewRefused(str(ended))
        if isinstance(ended, StreamError):
            no_answer = ended.kind in NO_ANSWER_FAILURES
            if no_answer and await asyncio.to_thread(self.workers_reach, link):
                raise LiveViewRefused(WORKERS_LINK) from ended
            raise LiveViewRefused(ended.kind) from ended

    def _options(self, frames: asyncio.Queue[KeyFrame]) -> VisitOptions:
        loop = asyncio.get_running_loop()

        def on_key_frame(frame: KeyFrame) -> None:
            loop.call_soon_threadsafe(_replace_latest, frames, frame)

        return VisitOptions(
            pictures=MOST_PICTURES,
            spacing_s=SPACING_S,
            visit_timeout_s=self.limits.duration_s,
            on_key_frame=on_key_frame,
        )

    def _permitted_camera(self, ident: CameraId) -> Camera:
        """The camera as registered now. Raises LiveViewRefused when it may not be visited."""
        camera = self.gate.permitted_camera(ident)
        if isinstance(camera, Refusal):
            raise LiveViewRefused(str(camera))
        return camera

    def _picture(self, ident: CameraId, frame: KeyFrame) -> bytes:
        """The frame as JPEG, masked as agreed now; empty for one that came damaged."""
        visible = self._permitted_camera(ident).areas.visible
        try:
            bgr = mask_visible(decode(frame).bgr, visible)
        except Unreadable:
            return b""
        height, width = bgr.shape[:2]
        if width > MAX_WIDTH_PX:
            size = (MAX_WIDTH_PX, round(height * MAX_WIDTH_PX / width))
            bgr = np.asarray(cv2.resize(bgr, size, interpolation=cv2.INTER_AREA), np.uint8)
        return self.encode(bgr)[0]


async def _next_frame(
    frames: asyncio.Queue[KeyFrame], visit: asyncio.Task[None]
) -> KeyFrame | None:
    """The next key frame; None when the time is up. Raises what ended the visit."""
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
