"""One fresh look through one camera, outside any round: consent, caps and the judge as in a round.

Consent is asked before the connection and while it lasts; a withdrawal ends it within a second, and
what was got is dropped unopened.

The gate: consent before every connection and after, and a pause of all rounds.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from patrol.domain.camera import Camera, Refusal, visit_refusal
from patrol.domain.ids import CameraId
from patrol.domain.schedule import Stoppage, pause_at
from patrol.ports import CameraClient, Clock
from patrol.rounds.judge import Judge, JudgedVisit, VisitStart, failed_visit
from patrol.rounds.limiter import SLOT_POLL_S, SharedLinkSlots
from patrol.store import Store
from streams.address import StreamAddress
from streams.errors import StreamError, WentSilent
from streams.model import Sample, StreamChoice, VisitOptions

CONSENT_POLL_S = 0.4  # as in a round: a withdrawal has effect within a second
GRACE_S = 1.5  # beyond a visit's own limit, for its TEARDOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardedVisit:
    """Looks; records nothing."""

    store: Store
    clock: Clock
    zone: ZoneInfo
    cameras: Callable[[], Mapping[CameraId, Camera]]
    refresh_cameras: Callable[[], None]  # looks whether the registry on disk changed
    visitor: CameraClient
    judge: Judge
    options: VisitOptions
    stream: StreamChoice
    link_slots: SharedLinkSlots

    async def visit(self, camera_id: CameraId) -> JudgedVisit | Refusal:
        """The verdict on a fresh visit, or why nobody may look."""
        refusal = await self._refusal(camera_id)
        camera = self.cameras().get(camera_id)
        if camera is None or refusal is not None:
            return refusal or Refusal.CONSENT_WITHDRAWN
        while not self.link_slots.reserve(camera.link):  # noqa: ASYNC110  other threads give it back
            await asyncio.sleep(SLOT_POLL_S)
        async with self.link_slots.slot(camera.link):
            start = VisitStart(round=None, at=self.clock.now())
            got = await self._pull_while_consented(camera)
        if isinstance(got, Sample):
            return await asyncio.to_thread(self.judge, camera, start, got)
        if isinstance(got, StreamError):
            return failed_visit(camera, start, got, self.clock.now())
        return got

    async def _pull_while_consented(self, camera: Camera) -> Sample | StreamError | Refusal:
        pull = asyncio.create_task(self._pull(camera), name=f"look again {camera.id}")
        try:
            while not pull.done():
                await asyncio.wait({pull}, timeout=CONSENT_POLL_S)
                refusal = await self._refusal(camera.id)
                if refusal is not None:
                    return refusal
        finally:
            pull.cancel()
            with suppress(asyncio.CancelledError):
                await pull  # its TEARDOWN is said before we go
        return pull.result()

    async def _pull(self, camera: Camera) -> Sample | StreamError:
        url = camera.sub_url if self.stream is StreamChoice.SUB and camera.sub_url else camera.url
        limit_s = self.options.visit_timeout_s + GRACE_S
        try:
            async with asyncio.timeout(limit_s):
                return await self.visitor(StreamAddress.parse(url), self.options)
        except StreamError as problem:
            return problem
        except TimeoutError:
            return WentSilent(f"the visit did not end within {limit_s:.0f} s")

    async def _refusal(self, camera_id: CameraId) -> Refusal | None:
        """As the registry and the withdrawals stand now."""
        withdrawn = await asyncio.to_thread(self._withdrawn)
        camera = self.cameras().get(camera_id)
        if camera is None:
            return Refusal.CONSENT_WITHDRAWN  # it left the registry
        return visit_refusal(camera, self.clock.now().astimezone(self.zone).date(), withdrawn)

    def _withdrawn(self) -> frozenset[CameraId]:
        self.refresh_cameras()
        with self.store.begin_read() as uow:
            return uow.consents.withdrawn()


class ConsentGate:
    """Keeps the set of withdrawn cameras fresh; answers without touching the store."""

    def __init__(
        self,
        store: Store,
        today: Callable[[], date],
        current: Callable[[CameraId], Camera | None],
    ) -> None:
        self._store = store
        self._today = today
        self._current = current  # the registry as it stands on disk now
        self._withdrawn: frozenset[CameraId] = frozenset()
        self.pause: Stoppage | None = None  # as last read

    def refresh(self, now: datetime) -> None:
        """Read the withdrawals and pauses again."""
        with self._store.begin_read() as uow:
            self._withdrawn = uow.consents.withdrawn()
            self.pause = pause_at(uow.stoppages.active(now), now)

    def refusal_of(self, camera: Camera) -> Refusal | None:
        """The reason not to connect just now, or None."""
        current = self._current(camera.id)
        if current is None:
            return Refusal.CONSENT_WITHDRAWN  # it left the registry while the round was walked
        return visit_refusal(current, self._today(), self._withdrawn)
