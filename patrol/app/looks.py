"""Verification by looking again: cases that were reported handled get a fresh visit."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import structlog

from patrol.dispatch.verification import look_failed, verified
from patrol.domain.camera import Camera
from patrol.domain.case import Case
from patrol.domain.ids import CameraId
from patrol.ports import Announcer, Clock, Store, UnitOfWork, Visitor
from patrol.rounds.judge import Judge
from patrol.rounds.plan import why_refused
from patrol.rounds.second_look import SecondLook, Seen, look_again
from streams.model import StreamChoice, VisitOptions

log = structlog.get_logger(__name__)

AT_ONCE = 8  # looks beside a round under way; a case waits seconds, not a round
BY = "patrol"


@dataclass(frozen=True, slots=True, kw_only=True)
class Looker:
    """Rung by the bell; each case is decided in a transaction of its own."""

    store: Store
    clock: Clock
    zone: ZoneInfo
    cameras: Callable[[], Mapping[CameraId, Camera]]
    visitor: Visitor
    judge: Judge
    announcer: Announcer
    options: VisitOptions
    stream: StreamChoice
    keep_evidence: timedelta

    def ring(self) -> int:
        """Look again wherever it is due; how many cases were looked at."""
        with self.store.begin_read() as uow:
            due = uow.cases.look_due(self.clock.now(), limit=AT_ONCE)
            withdrawn = uow.consents.withdrawn()
        if due:
            asyncio.run(self._look_at_all(due, withdrawn))
        return len(due)

    async def _look_at_all(self, due: Sequence[Case], withdrawn: frozenset[CameraId]) -> None:
        await asyncio.gather(*(self._look(case, withdrawn) for case in due))

    async def _look(self, case: Case, withdrawn: frozenset[CameraId]) -> None:
        camera = self.cameras().get(case.camera) if case.camera else None
        refusal = why_refused(camera, self._today(), withdrawn) if camera else None
        if camera is None or refusal is not None:
            why = str(refusal) if refusal else "no camera to look through"
            await asyncio.to_thread(self._give_up, case, why)
            return
        look = await look_again(
            case,
            camera,
            visitor=self.visitor,
            judge=self.judge,
            clock=self.clock,
            options=self.options,
            stream=self.stream,
        )
        await asyncio.to_thread(self._decide, case, camera, look)

    def _give_up(self, case: Case, why: str) -> None:
        with self.store.begin() as uow:
            self._later(uow, case, why, self.clock.now())
            uow.commit()

    def _decide(self, case: Case, camera: Camera, look: SecondLook) -> None:
        now = self.clock.now()
        with self.store.begin() as uow:
            uow.rounds.record(look.judged.visit)
            uow.findings.observe(look.judged.observations)
            why = f"look again at case {case.id}"
            uow.access.append(at=now, who=BY, what="visit", camera=camera.id, why=why)
            if look.picture is not None:
                until = now + self.keep_evidence
                uow.pictures.keep(look.picture, purpose="after", until=until)
            if look.seen is Seen.NOT_VIEWABLE:
                self._later(uow, case, look.why, now)
            else:
                self._settle(uow, case, look, now)
            uow.commit()
        log.info("looked again", case=case.id, seen=str(look.seen), why=look.why)

    def _settle(self, uow: UnitOfWork, case: Case, look: SecondLook, now: datetime) -> None:
        verified(
            uow,
            case.id,
            gone=look.seen is Seen.GONE,
            by=BY,
            now=now,
            announcer=self.announcer,
            after=look.picture,
            note=look.why,
        )

    def _later(self, uow: UnitOfWork, case: Case, why: str, now: datetime) -> None:
        look_failed(uow, case.id, by=BY, now=now, why=why, announcer=self.announcer)

    def _today(self) -> date:
        return self.clock.now().astimezone(self.zone).date()
