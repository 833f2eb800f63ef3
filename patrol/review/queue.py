"""Review queue: what is undecided, in which order, who judges what, and what leaves it unjudged.

Used by `patrol queue`, the review page and the overview. The order is domain/ranking.py; the facts
that it needs beside the findings (how many earlier findings of the camera were real, when a person
last decided one) are read here, in one query.

Claims: the review page claims a small batch (the finding on the screen and the next ones) and
renews it, so that two people do not judge the same one. A claim ends when the finding is decided,
passed on, or when its time runs out. Every decision, of the page, the API and the command line,
passes `end_claim` in its own transaction. A holder is `account/session`, so that two browsers of
one account count as two.

Expiry: a finding that nobody decided within three days leaves the queue in the state `aged`. Its
picture is old by then; what is still there is found anew by the next round, with a fresh one.
Urgent and pressing findings never expire. An expired finding counts neither as confirmed nor as
dismissed. The service calls it when it sweeps old pictures.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from patrol.domain.account import FindingClaim
from patrol.domain.camera import Camera, Priority
from patrol.domain.errors import Failed
from patrol.domain.finding import Decision, Finding, FindingState
from patrol.domain.ids import CameraId, FindingId
from patrol.domain.observation import Subject
from patrol.domain.priority import Level
from patrol.domain.ranking import (
    TRACK_RECORD_WINDOW,
    CameraTrackRecord,
    RankedFinding,
    RankingInput,
    rank_findings,
)
from patrol.store import Store, UnitOfWork

NO_LIMIT: Final = 100_000  # more than any queue holds, or than cases are open
CamerasById = Mapping[CameraId, Camera]
TrackRecords = Mapping[tuple[CameraId, Subject], CameraTrackRecord]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLine:
    """One finding of the queue, with what an operator sees beside it."""

    finding: Finding
    waiting: timedelta
    second_look: bool  # a person was unsure: another one has to decide
    position: int  # from 1, of both subjects together
    why: str  # reasons of its position; Chinese first


def review_queue(
    uow: UnitOfWork,
    now: datetime,
    *,
    subject: Subject | None = None,
    cameras: CamerasById | None = None,
    limit: int = NO_LIMIT,
) -> Sequence[QueueLine]:
    """The undecided findings in the order in which they should be judged.

    `cameras`: the registry's, for key sites; without it every camera is an ordinary one.
    """
    lines = (
        QueueLine(
            finding=one.finding,
            waiting=now - one.finding.found_at,
            second_look=one.finding.state is FindingState.UNSURE,
            position=one.position,
            why=one.why,
        )
        for one in ranked_findings(uow, uow.findings.queue(limit=limit), now, cameras=cameras)
    )
    return [line for line in lines if subject in (None, line.finding.subject)]


def ranked_findings(
    uow: UnitOfWork,
    findings: Iterable[Finding],
    now: datetime,
    *,
    cameras: CamerasById | None = None,
) -> Sequence[RankedFinding]:
    """These findings in queue order, each with the reasons of its position."""
    waiting = list(findings)
    records = uow.findings.track_records(now - TRACK_RECORD_WINDOW) if waiting else {}
    last_decided: dict[CameraId, datetime] = {}
    for (camera, _), record in records.items():
        last_decided[camera] = max(record.last_at, last_decided.get(camera, record.last_at))
    pairs = [
        (one, _ranking_input(one, records, last_decided, cameras or {}, now)) for one in waiting
    ]
    return rank_findings(pairs, now)


def _ranking_input(
    finding: Finding,
    records: TrackRecords,
    last_decided: Mapping[CameraId, datetime],
    cameras: CamerasById,
    now: datetime,
) -> RankingInput:
    record = records.get((finding.camera, finding.subject))
    camera, last = cameras.get(finding.camera), last_decided.get(finding.camera)
    return RankingInput(
        priority=camera.priority if camera else Priority.NORMAL,
        confirmed=record.confirmed if record else 0,
        decided=record.decided if record else 0,
        unseen=now - last if last else None,
    )


CLAIM_LASTS: Final = timedelta(seconds=120)  # renewed every 40 s by a page that is visible


class FindingClaimed(Failed):
    """Another person is judging the finding just now; the text names who, and until when."""

    def __init__(self, claim: FindingClaim) -> None:
        self.account = claim.holder.partition("/")[0]
        super().__init__(
            f"finding {claim.finding} is being judged by {self.account} just now"
            f" (until {claim.until:%H:%M:%S} UTC)"
        )
        self.claim = claim


def claim_findings(
    uow: UnitOfWork, wanted: Iterable[Finding], *, holder: str, now: datetime, limit: int
) -> list[Finding]:
    """Claim the first `limit` of the wanted findings that nobody else holds; renews one's own."""
    standing = uow.claims.active(now)
    claimed: list[Finding] = []
    for finding in wanted:
        held = standing.get(finding.id)
        if held is not None and held.holder != holder:
            continue
        claim = FindingClaim(finding=finding.id, holder=holder, until=now + CLAIM_LASTS)
        if uow.claims.acquire(claim, now):
            claimed.append(finding)
        if len(claimed) >= limit:
            break
    return claimed


def release_own_claims(
    uow: UnitOfWork, findings: Iterable[FindingId], *, holder: str, now: datetime
) -> None:
    """Give back the holder's own claims on these findings."""
    standing = uow.claims.active(now)
    for ident in findings:
        if ident in standing and standing[ident].holder == holder:
            uow.claims.drop(ident)


def end_claim(
    uow: UnitOfWork, finding_id: FindingId, *, by: str, holder: str = "", now: datetime
) -> None:
    """End the decider's own claim. Raises FindingClaimed: somebody else has the finding.

    `holder`: the login that decides, if any. A claim of another login of the same account is the
    decider's own, too: he may decide at the command line what is open in his browser, and a
    decision that was kept while his session ended is sent under the next one.
    """
    claim = uow.claims.active(now).get(finding_id)
    if claim is None:
        return
    if claim.holder != holder and claim.holder.partition("/")[0] != by:
        raise FindingClaimed(claim)
    uow.claims.drop(finding_id)


EXPIRES_AFTER: Final = timedelta(days=3)  # six rounds: whatever is still there was seen again
EXPIRING_LEVELS: Final = frozenset({Level.ORDINARY, Level.NOTE})
EXPIRY_ACTOR: Final = "patrol"


def expire_undecided(
    store: Store, now: datetime, *, after: timedelta = EXPIRES_AFTER
) -> Sequence[Finding]:
    """Expire what has waited for `after`, one transaction a finding; those that expired."""
    with store.begin_read() as uow:
        old = [
            finding.id
            for finding in uow.findings.queue(limit=NO_LIMIT)
            if is_expired(finding, now, after)
        ]
    expired = (_expire(store, finding_id, now, after) for finding_id in old)
    return [finding for finding in expired if finding is not None]


def is_expired(finding: Finding, now: datetime, after: timedelta = EXPIRES_AFTER) -> bool:
    """Whether it expires at `now`; an "unsure" starts its time anew."""
    since = finding.decided_at or finding.found_at
    return finding.is_open and finding.level in EXPIRING_LEVELS and now - since >= after


def _expire(store: Store, finding_id: FindingId, now: datetime, after: timedelta) -> Finding | None:
    with store.begin() as uow:
        finding = uow.findings.get(finding_id)
        if not is_expired(finding, now, after):
            return None  # a person was faster
        reason = f"nobody decided within {after / timedelta(days=1):g} d"
        expired = finding.decide(Decision.AGE, by=EXPIRY_ACTOR, now=now, reason=reason)
        uow.findings.put(expired)
        uow.commit()
    return expired
