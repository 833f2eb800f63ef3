"""Claims on findings that are being judged, so that two people do not judge the same one.

The review page claims a small batch (the finding on the screen and the next ones) and
renews it, so that two people do not judge the same one. A claim ends when the finding is decided,
passed on, or when its time runs out. Every decision, of the page, the API and the command line,
passes `end_claim` in its own transaction. A holder is `account/session`, so that two browsers of
one account count as two.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from patrol.domain.account import FindingClaim
from patrol.domain.errors import Failed
from patrol.domain.finding import Finding
from patrol.domain.ids import FindingId
from patrol.store import UnitOfWork

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
