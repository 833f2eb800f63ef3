"""Claims: which login is judging which finding, so that two people do not judge the same one.

The review page claims a small batch (the finding on the screen and the next ones) and renews it;
a claim ends when the finding is decided, passed on, or when its time runs out. Every decision, of
the page, the API and the command line, passes `end_claim` in its own transaction.
A holder is `account/session`, so that two browsers of one account count as two.
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

    `holder`: the login that decides. Without one (API, command line) `by` is compared with the
    claim's account: a person may decide at the command line what is open in his browser.
    """
    claim = uow.claims.active(now).get(finding_id)
    if claim is None:
        return
    is_own = claim.holder == holder if holder else claim.holder.partition("/")[0] == by
    if not is_own:
        raise FindingClaimed(claim)
    uow.claims.drop(finding_id)
