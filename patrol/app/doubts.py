"""A doubt gets a fresh look: whoever was unsure of a lead has a new picture of it in a minute.

The visit, its observations and its picture go into the books; the lead goes on waiting in the
queue, marked as looked again. Where nobody could look it says so, and the duty lead decides.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import structlog

from patrol.app.glass import Glass
from patrol.domain.camera import Refusal
from patrol.domain.finding import Finding, FindingState, SecondSight
from patrol.ports import Clock
from patrol.rounds.judge import Judged
from patrol.rounds.second_look import compare, duty_lead_has_to, words_for_doubt
from patrol.store import Store

log = structlog.get_logger(__name__)

AT_ONCE = 8
BY = "patrol"


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubts:
    """Rung by the bell; each lead is written in a transaction of its own."""

    store: Store
    clock: Clock
    glass: Glass
    keep_evidence: timedelta

    def ring(self) -> int:
        """Look again at what somebody doubts; at how many."""
        with self.store.begin_read() as uow:
            doubted = uow.findings.doubted(limit=AT_ONCE)
        if doubted:
            asyncio.run(self._look_at_all(doubted))
        return len(doubted)

    async def _look_at_all(self, doubted: Sequence[Finding]) -> None:
        await asyncio.gather(*(self._look(finding) for finding in doubted))

    async def _look(self, finding: Finding) -> None:
        found = await self.glass.look(finding.camera)
        await asyncio.to_thread(self._attach, finding, found)

    def _attach(self, doubted: Finding, found: Judged | Refusal) -> None:
        now = self.clock.now()
        with self.store.begin() as uow:
            finding = uow.findings.get(doubted.id)
            again = SecondSight(at=now, why=duty_lead_has_to(str(found)))
            if isinstance(found, Judged):
                look = compare(finding.kind, finding.zone, found)
                again = replace(again, why=words_for_doubt(finding, look), picture=look.picture)
                uow.rounds.record(found.visit)
                uow.findings.observe(found.observations)
                why = f"look again at finding {finding.id}"
                uow.access.append(at=now, who=BY, what="visit", camera=finding.camera, why=why)
            if again.picture is not None:
                until = now + self.keep_evidence
                uow.pictures.keep(again.picture, purpose="evidence", until=until)
            if finding.state is FindingState.UNSURE:  # else a person was faster
                uow.findings.put(replace(finding, again=again))
            uow.commit()
        log.info("looked again", finding=doubted.id, why=again.why)
