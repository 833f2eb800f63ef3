"""The consent-guarded visit: a camera is connected to with consent only, and only while it lasts.

`ConsentGate` holds which cameras may be visited now: the registry on disk, the withdrawals, pauses
and hours in the store, and a pause of all rounds. `ConsentGuard` makes every visit to a registered
camera: the round executor's, the rechecks' (`GuardedVisit`), a person's live view. It asks the gate
before it connects, reads the gate anew every `CONSENT_POLL_S` while visits are under way, ends a
visit within a second of a withdrawal, and drops undecoded what it had received. Nothing here writes
to the store.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Self
from zoneinfo import ZoneInfo

from patrol.domain.camera import Camera, Refusal
from patrol.domain.consent import NO_TERMS, ConsentTerms, visit_refusal
from patrol.domain.health import NO_ANSWER_FAILURES
from patrol.domain.ids import CameraId, LinkId
from patrol.domain.sampling import SamplingPolicy
from patrol.domain.schedule import Stoppage, pause_at
from patrol.ports import CameraClient, Clock
from patrol.rounds.limiter import SLOT_POLL_S, SharedLinkSlots
from patrol.rounds.visit_judge import JudgedVisit, VisitJudge, VisitStart, failed_visit
from patrol.store import Store
from streams.address import StreamAddress, StreamChoice
from streams.errors import StreamError, WentSilent
from streams.model import Sample, VisitOptions

CONSENT_POLL_S = 0.4  # twice this, and a store's answer, is less than the second that is promised
READ_AT_LEAST_EVERY_S = 5.0  # though nobody changed anything: pauses and hours run out
GRACE_S = 1.5  # beyond a visit's own time limit, for its TEARDOWN


@dataclass(slots=True, kw_only=True)
class ConsentGate:
    """Which cameras may be visited now, as last read by `refresh`."""

    store: Store
    clock: Clock
    zone: ZoneInfo
    cameras: Callable[[], Mapping[CameraId, Camera]]  # the registry as last read
    refresh_cameras: Callable[[], None]  # reads the registry again if its files changed
    pause: Stoppage | None = None  # of all rounds
    _terms: ConsentTerms = NO_TERMS
    _stoppages: Sequence[Stoppage] = ()
    _token: str = ""
    _read_at_s: float = 0.0  # monotonic

    def refresh(self) -> None:
        """Read registry, consent terms and pauses again; blocks. Raises what the store raises.

        What ends by itself at its time counts for at most READ_AT_LEAST_EVERY_S longer.
        """
        self.refresh_cameras()
        now, now_s, token = self.clock.now(), self.clock.monotonic_s(), self.store.terms_token()
        if not token or token != self._token or now_s - self._read_at_s > READ_AT_LEAST_EVERY_S:
            with self.store.begin_read() as uow:
                self._terms = uow.consents.terms(now)
                self._stoppages = uow.stoppages.active(now)
            self._token, self._read_at_s = token, now_s
        self.pause = pause_at(self._stoppages, now)

    def permitted_camera(self, camera_id: CameraId) -> Camera | Refusal:
        """The camera as registered now, or why not to connect; reads neither file nor store."""
        camera = self.cameras().get(camera_id)
        if camera is None:
            return Refusal.CONSENT_WITHDRAWN  # it left the registry
        local = self.clock.now().astimezone(self.zone)
        return visit_refusal(camera, local, self._terms) or camera

    def refusal_of(self, camera_id: CameraId) -> Refusal | None:
        """The reason not to connect, or None; reads neither file nor store."""
        permitted = self.permitted_camera(camera_id)
        return permitted if isinstance(permitted, Refusal) else None


class ConsentGuard:
    """Visits cameras while their consent lasts; an async context, for one event loop.

    Inside the context one task reads the gate every `CONSENT_POLL_S`, however many visits run.
    """

    def __init__(
        self,
        gate: ConsentGate,
        client: CameraClient,
        stream: StreamChoice | SamplingPolicy,
        *,
        executor: Executor | None = None,
    ) -> None:
        self.gate = gate
        self._client = client
        self._stream = stream  # of a visit that names none
        self._executor = executor  # in whose thread the gate is read; None: the loop's own
        self._captures: dict[asyncio.Task[Sample | StreamError], CameraId] = {}

    async def __aenter__(self) -> Self:
        await self.refresh()
        self._polling = asyncio.create_task(self._poll(), name="poll consent")
        return self

    async def __aexit__(self, *_exc_info: object) -> None:
        self._polling.cancel()
        await asyncio.gather(self._polling, return_exceptions=True)

    async def refresh(self) -> None:
        """Read the gate now. Raises what the store raises."""
        await asyncio.get_running_loop().run_in_executor(self._executor, self.gate.refresh)

    async def visit(
        self, camera: Camera, options: VisitOptions, stream: StreamChoice | None = None
    ) -> Sample | StreamError | Refusal:
        """The sample of one visit, or why there is none.

        When the gate cannot be read any more, it is unknown whether consent lasts: every visit
        under way ends, and raises what the store raised. Cancelled, it waits for TEARDOWN.
        """
        self._check_polling()
        refusal = self.gate.refusal_of(camera.id)
        if refusal is not None:
            return refusal
        address = camera.stream(stream or self._stream_of(camera))
        capture = asyncio.create_task(self._capture(address, options), name=f"visit {camera.id}")
        self._captures[capture] = camera.id
        try:
            ends = {capture, self._polling}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            capture.cancel()  # nothing happens to one that is done
            await asyncio.wait({capture})
            del self._captures[capture]
        self._check_polling()
        refusal = self.gate.refusal_of(camera.id)
        if capture.cancelled() or refusal is not None:
            return refusal or Refusal.CONSENT_WITHDRAWN
        return capture.result()

    def _stream_of(self, camera: Camera) -> StreamChoice:
        if isinstance(self._stream, SamplingPolicy):
            return self._stream.judged_stream(camera)
        return self._stream

    async def _capture(self, address: StreamAddress, options: VisitOptions) -> Sample | StreamError:
        limit_s = options.visit_timeout_s + GRACE_S
        try:
            async with asyncio.timeout(limit_s):
                return await self._client(address, options)
        except StreamError as problem:
            return problem
        except TimeoutError:
            return WentSilent(f"the visit did not end within {limit_s:.0f} s")

    def _check_polling(self) -> None:
        if self._polling.done():
            self._polling.result()

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(CONSENT_POLL_S)
            await self.refresh()
            for capture, camera_id in list(self._captures.items()):
                if self.gate.refusal_of(camera_id) is not None:
                    capture.cancel()  # a second time: its TEARDOWN is cut short


def workers_link_reason(link: LinkId) -> str:
    """Why a look outside of rounds failed where a worker reaches the link, and we do not."""
    return f"link {link} is reached by a worker alone: it is seen in rounds, not by a recheck"


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardedVisit:
    """One judged visit outside any round, for a recheck; keeps to the rounds' limits per link."""

    store: Store
    clock: Clock
    gate: ConsentGate
    client: CameraClient
    judge: VisitJudge
    options: VisitOptions
    sampling: SamplingPolicy
    link_slots: SharedLinkSlots
    workers_reach: Callable[[LinkId], bool] = lambda _link: False  # of a cluster; asks the store

    async def visit(self, camera_id: CameraId) -> JudgedVisit | Refusal:
        """Visit and judge once a slot of the camera's link is free; or why it may not be visited.

        Raises PictureStoreFull, and what the store raises.
        """
        async with ConsentGuard(self.gate, self.client, self.sampling) as guard:
            camera = self.gate.permitted_camera(camera_id)
            if isinstance(camera, Refusal):
                return camera
            while not self.link_slots.reserve(camera.link):  # noqa: ASYNC110  other threads free it
                await asyncio.sleep(SLOT_POLL_S)
            async with self.link_slots.slot(camera.link):
                start = VisitStart(round=None, at=self.clock.now())
                clearest = self.sampling.clearest_stream(camera)
                got = await guard.visit(camera, self.options, clearest)
            await guard.refresh()  # a withdrawal that came with the last picture
        refusal = self.gate.refusal_of(camera_id)
        if refusal is not None:
            return refusal
        if isinstance(got, Refusal):
            return got
        if isinstance(got, StreamError):
            failed = failed_visit(camera, start, got, self.clock.now())
            if not await self._is_a_workers(camera, got):
                return failed
            return replace(
                failed, visit=replace(failed.visit, seen=workers_link_reason(camera.link))
            )
        return await asyncio.to_thread(self.judge, camera, start, got)

    async def _is_a_workers(self, camera: Camera, why: StreamError) -> bool:
        no_answer = why.kind in NO_ANSWER_FAILURES
        return no_answer and await asyncio.to_thread(self.workers_reach, camera.link)
