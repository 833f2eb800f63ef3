"""What a route asks for: the desk, and a caller with a right. Module-level routers use these.

The desk: what every router needs, put together once.
"""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from starlette.requests import Request

from patrol.domain.account import Right
from patrol.web.access_logger import AccessLogger
from patrol.web.auth import CurrentUser, Forbidden, WebAuthenticator
from patrol.web.change_feed import ChangeFeed
from patrol.web.options import ConsoleOptions, WebDeps
from patrol.web.rendering import InstalledAssets, PageRenderer
from patrol.web.thumbnails import ContactSheets, Thumbnails


@dataclass(frozen=True, slots=True, kw_only=True)
class WebContext:
    """Built once per console."""

    deps: WebDeps
    options: ConsoleOptions
    auth: WebAuthenticator
    renderer: PageRenderer
    access_logger: AccessLogger
    change_feed: ChangeFeed
    thumbnails: Thumbnails
    contact_sheets: ContactSheets
    assets: InstalledAssets

    @classmethod
    def build(cls, deps: WebDeps, options: ConsoleOptions) -> "WebContext":
        """Everything concrete; nothing runs yet."""
        assets, thumbnails = InstalledAssets(options.assets), Thumbnails(deps.evidence)
        return cls(
            deps=deps,
            options=options,
            auth=WebAuthenticator(deps, options),
            renderer=PageRenderer(deps.site_profile, assets),
            access_logger=AccessLogger(deps.store, deps.clock),
            change_feed=ChangeFeed(deps.store),
            thumbnails=thumbnails,
            contact_sheets=ContactSheets(thumbnails),
            assets=assets,
        )


def web_context(request: Request) -> WebContext:
    """The desk of the application that was asked."""
    context: WebContext = request.app.state.context
    return context


class RequireRight:
    """A dependency: somebody logged in who has one of the rights (none named: anybody logged in).

    Raises NotLoggedIn, Forbidden.
    """

    def __init__(self, *rights: Right) -> None:
        self.rights = rights

    def __call__(self, request: Request) -> CurrentUser:
        """The caller of this request."""
        user = web_context(request).auth.current_user(request)
        if self.rights and not any(user.has_right(right) for right in self.rights):
            raise Forbidden(f"{user.account.name} has no right {' or '.join(self.rights)}")
        return user


ContextDep = Annotated[WebContext, Depends(web_context)]
AnyUser = Annotated[CurrentUser, Depends(RequireRight())]
MayViewToday = Annotated[CurrentUser, Depends(RequireRight(Right.TODAY))]
MayViewRounds = Annotated[CurrentUser, Depends(RequireRight(Right.ROUND))]
MayStartRounds = Annotated[CurrentUser, Depends(RequireRight(Right.START_ROUND))]
MayReview = Annotated[CurrentUser, Depends(RequireRight(Right.REVIEW))]
MayViewCases = Annotated[CurrentUser, Depends(RequireRight(Right.CASES))]
MayActOnCases = Annotated[CurrentUser, Depends(RequireRight(Right.MOVE_CASES))]
MayAnswerOnSite = Annotated[CurrentUser, Depends(RequireRight(Right.GROUND))]
MaySignHandover = Annotated[CurrentUser, Depends(RequireRight(Right.SHIFT))]
MayStop = Annotated[CurrentUser, Depends(RequireRight(Right.STOP))]
MayViewStoppages = Annotated[CurrentUser, Depends(RequireRight(Right.SHIFT, Right.STOP))]
MayViewTroubles = Annotated[CurrentUser, Depends(RequireRight(Right.TROUBLES))]
MayManageSuppressions = Annotated[CurrentUser, Depends(RequireRight(Right.SUPPRESSIONS))]
MayViewSystem = Annotated[CurrentUser, Depends(RequireRight(Right.SYSTEM))]
MayViewCameras = Annotated[CurrentUser, Depends(RequireRight(Right.CAMERAS))]
MayDrawAreas = Annotated[CurrentUser, Depends(RequireRight(Right.AREAS))]
MayViewLive = Annotated[CurrentUser, Depends(RequireRight(Right.LIVE))]
MayChangeRegistry = Annotated[CurrentUser, Depends(RequireRight(Right.REGISTRY))]
MayViewGrid = Annotated[CurrentUser, Depends(RequireRight(Right.GRID))]
MayViewReports = Annotated[CurrentUser, Depends(RequireRight(Right.REPORTS))]
MayAudit = Annotated[CurrentUser, Depends(RequireRight(Right.AUDIT))]
MayManageAccounts = Annotated[CurrentUser, Depends(RequireRight(Right.ACCOUNTS))]
