"""One fresh look through one camera, outside any round: consent, caps and the judge as in a round.

Consent is asked before the connection and while it lasts; a withdrawal ends it within a second, and
what was got is dropped unopened.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from patrol.domain.camera import Camera, Refusal
from patrol.domain.ids import CameraId
from patrol.ports import Clock, Visitor
from patrol.rounds.beside import SEAT_POLL_S, Beside
from patrol.rounds.judge import Judge, Judged, VisitStart, failed_visit
from patrol.rounds.plan import why_refused
from patrol.store import Store
from streams.address import StreamAddress
from streams.errors import StreamError, WentSilent
from streams.model import Sample, StreamChoice, VisitOptions

CONSENT_POLL_S = 0.4  # as in a round: a withdrawal has effect within a second
GRACE_S = 1.5  # beyond a visit's own limit, for its TEARDOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Glass:
    """Looks; records nothing."""

    store: Store
    clock: Clock
    zone: ZoneInfo
    cameras: Callable[[], Mapping[CameraId, Camera]]
    refresh_cameras: Callable[[], None]  # looks whether the registry on disk changed
    visitor: Visitor
    judge: Judge
    options: VisitOptions
    stream: StreamChoice
    beside: Beside

    async def look(self, camera_id: CameraId) -> Judged | Refusal:
        """The verdict on a fresh visit, or why nobody may look."""
        refusal = await self._refused(camera_id)
        camera = self.cameras().get(camera_id)
        if camera is None or refusal is not None:
            return refusal or Refusal.CONSENT_WITHDRAWN
        while not self.beside.reserve(camera.link):  # noqa: ASYNC110  other threads give it back
            await asyncio.sleep(SEAT_POLL_S)
        async with self.beside.seat(camera.link):
            start = VisitStart(round=None, at=self.clock.now())
            got = await self._while_allowed(camera)
        if isinstance(got, Sample):
            return await asyncio.to_thread(self.judge, camera, start, got)
        if isinstance(got, StreamError):
            return failed_visit(camera, start, got, self.clock.now())
        return got

    async def _while_allowed(self, camera: Camera) -> Sample | StreamError | Refusal:
        visiting = asyncio.create_task(self._visit(camera), name=f"look again {camera.id}")
        try:
            while not visiting.done():
                await asyncio.wait({visiting}, timeout=CONSENT_POLL_S)
                refusal = await self._refused(camera.id)
                if refusal is not None:
                    return refusal
        finally:
            visiting.cancel()
            with suppress(asyncio.CancelledError):
                await visiting  # its TEARDOWN is said before we go
        return visiting.result()

    async def _visit(self, camera: Camera) -> Sample | StreamError:
        url = camera.sub_url if self.stream is StreamChoice.SUB and camera.sub_url else camera.url
        limit_s = self.options.visit_timeout_s + GRACE_S
        try:
            async with asyncio.timeout(limit_s):
                return await self.visitor(StreamAddress.parse(url), self.options)
        except StreamError as problem:
            return problem
        except TimeoutError:
            return WentSilent(f"the visit did not end within {limit_s:.0f} s")

    async def _refused(self, camera_id: CameraId) -> Refusal | None:
        """As the registry and the withdrawals stand now."""
        withdrawn = await asyncio.to_thread(self._withdrawn)
        camera = self.cameras().get(camera_id)
        if camera is None:
            return Refusal.CONSENT_WITHDRAWN  # it left the registry
        return why_refused(camera, self.clock.now().astimezone(self.zone).date(), withdrawn)

    def _withdrawn(self) -> frozenset[CameraId]:
        self.refresh_cameras()
        with self.store.begin_read() as uow:
            return uow.consents.withdrawn()
