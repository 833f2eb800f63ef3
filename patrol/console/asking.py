"""What a route asks for: the desk, and a caller with a right. Module-level routers use these."""

from typing import Annotated

from fastapi import Depends
from starlette.requests import Request

from patrol.console.desk import Desk
from patrol.console.gate import Caller, Forbidden
from patrol.domain.account import Right


def desk_of(request: Request) -> Desk:
    """The desk of the application that was asked."""
    desk: Desk = request.app.state.desk
    return desk


class Needs:
    """A dependency: somebody logged in who has one of the rights (none named: anybody logged in).

    Raises NotLoggedIn, Forbidden.
    """

    def __init__(self, *rights: Right) -> None:
        self.rights = rights

    def __call__(self, request: Request) -> Caller:
        """The caller of this request."""
        caller = desk_of(request).gate.caller(request)
        if self.rights and not any(caller.may(right) for right in self.rights):
            raise Forbidden(f"{caller.account.name} has no right {' or '.join(self.rights)}")
        return caller


AtDesk = Annotated[Desk, Depends(desk_of)]
Anybody = Annotated[Caller, Depends(Needs())]
ForToday = Annotated[Caller, Depends(Needs(Right.TODAY))]
ForRound = Annotated[Caller, Depends(Needs(Right.ROUND))]
ForStart = Annotated[Caller, Depends(Needs(Right.START_ROUND))]
ForReview = Annotated[Caller, Depends(Needs(Right.REVIEW))]
ForCases = Annotated[Caller, Depends(Needs(Right.CASES))]
ForMoves = Annotated[Caller, Depends(Needs(Right.MOVE_CASES))]
ForGround = Annotated[Caller, Depends(Needs(Right.GROUND))]
ForShift = Annotated[Caller, Depends(Needs(Right.SHIFT))]
ForStops = Annotated[Caller, Depends(Needs(Right.STOP))]
ForStopped = Annotated[Caller, Depends(Needs(Right.SHIFT, Right.STOP))]
ForTroubles = Annotated[Caller, Depends(Needs(Right.TROUBLES))]
ForSuppressions = Annotated[Caller, Depends(Needs(Right.SUPPRESSIONS))]
ForSystem = Annotated[Caller, Depends(Needs(Right.SYSTEM))]
ForCameras = Annotated[Caller, Depends(Needs(Right.CAMERAS))]
ForAreas = Annotated[Caller, Depends(Needs(Right.AREAS))]
ForLive = Annotated[Caller, Depends(Needs(Right.LIVE))]
ForRegistry = Annotated[Caller, Depends(Needs(Right.REGISTRY))]
ForGrid = Annotated[Caller, Depends(Needs(Right.GRID))]
ForReports = Annotated[Caller, Depends(Needs(Right.REPORTS))]
ForAudit = Annotated[Caller, Depends(Needs(Right.AUDIT))]
ForAccounts = Annotated[Caller, Depends(Needs(Right.ACCOUNTS))]
