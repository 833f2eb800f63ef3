"""Verification by looking again: cases that were reported handled get a fresh visit.

Who decides on what it shows is the site's (domain.verdict): the machine, or a person to whom before
and after are shown. A case that came from a person's eye alone is a person's to verify: on such a
picture the machine saw nothing before, so its seeing nothing after says nothing.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from patrol.app.glass import Glass
from patrol.dispatch.verification import look_failed, looked, verified
from patrol.dispatch.wire import Wire
from patrol.domain.camera import Refusal
from patrol.domain.case import Case
from patrol.domain.finding import Origin
from patrol.domain.verdict import Verifier
from patrol.ports import Clock
from patrol.rounds.judge import Judged
from patrol.rounds.second_look import SecondLook, Seen, of_case, words_for_case
from patrol.store import Store, UnitOfWork

log = structlog.get_logger(__name__)

AT_ONCE = 8  # looks beside a round under way; a case waits seconds, not a round
BY = "patrol"
NO_CAMERA = "现场上报,无摄像头可看 (reported on the ground: no camera to look through)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Looker:
    """Rung by the bell; each case is decided in a transaction of its own."""

    store: Store
    clock: Clock
    glass: Glass
    announcer: Wire
    verifier: Verifier
    keep_evidence: timedelta

    def ring(self) -> int:
        """Look again wherever it is due; how many cases were looked at."""
        with self.store.begin_read() as uow:
            due = uow.cases.look_due(self.clock.now(), limit=AT_ONCE)
        if due:
            asyncio.run(self._look_at_all(due))
        return len(due)

    async def _look_at_all(self, due: Sequence[Case]) -> None:
        await asyncio.gather(*(self._look(case) for case in due))

    async def _look(self, case: Case) -> None:
        if case.camera is None:
            await asyncio.to_thread(self._leave_to_a_person, case)
            return
        found = await self.glass.look(case.camera)
        await asyncio.to_thread(self._write_down, case, found)

    def _leave_to_a_person(self, case: Case) -> None:
        with self.store.begin() as uow:
            now = self.clock.now()
            looked(uow, case.id, by=BY, now=now, after=None, note=NO_CAMERA)
            uow.commit()

    def _write_down(self, case: Case, found: Judged | Refusal) -> None:
        now = self.clock.now()
        with self.store.begin() as uow:
            if isinstance(found, Refusal):
                look_failed(uow, case.id, by=BY, now=now, why=str(found), announcer=self.announcer)
            else:
                self._settle(uow, case, of_case(case, found))
            uow.commit()

    def _settle(self, uow: UnitOfWork, case: Case, look: SecondLook) -> None:
        now, visit = self.clock.now(), look.judged.visit
        uow.rounds.record(visit)
        uow.findings.observe(look.judged.observations)
        why = f"look again at case {case.id}"
        uow.access.append(at=now, who=BY, what="visit", camera=visit.camera, why=why)
        if look.picture is not None:
            until = now + self.keep_evidence
            uow.pictures.keep(look.picture, purpose="after", until=until)
        log.info("looked again", case=case.id, seen=str(look.seen), why=look.why)
        if look.seen is Seen.NOT_VIEWABLE:
            look_failed(uow, case.id, by=BY, now=now, why=look.why, announcer=self.announcer)
        elif self._is_a_persons(uow, case):
            words = words_for_case(look)
            looked(uow, case.id, by=BY, now=now, after=look.picture, note=words)
        else:
            verified(
                uow, case.id, gone=look.seen is Seen.GONE, by=BY, now=now,
                announcer=self.announcer, after=look.picture, note=look.why,
            )  # fmt: skip

    def _is_a_persons(self, uow: UnitOfWork, case: Case) -> bool:
        if self.verifier is Verifier.OPERATOR:
            return True
        return case.finding is not None and (
            uow.findings.get(case.finding).origin is not Origin.MACHINE
        )
