"""The context of every route (`WebContext`), the dependencies that routes name, keys of requests.

Routes take `ContextDep` and one of the `May…` dependencies, which find the current user and check a
right.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Depends, Header
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from patrol.app import Application
from patrol.cases.request_keys import RequestKey
from patrol.domain.account import Permission
from patrol.domain.household_link import HouseholdLinkSigner
from patrol.domain.round import PatrolPlan
from patrol.domain.schedule import Calendar
from patrol.households.links import household_link_signer
from patrol.settings.addresses import phone_base_url
from patrol.settings.site_settings import ConsoleSettings, SiteInfo
from patrol.store import StoreUnavailable
from patrol.web.access_logger import AccessLogger
from patrol.web.assets import InstalledAssets
from patrol.web.auth import LANGUAGE_COOKIE, CurrentUser, Forbidden, WebAuthenticator
from patrol.web.change_feed import ChangeFeed
from patrol.web.errors import error_document
from patrol.web.i18n import Translator
from patrol.web.live_frames import LiveFrames
from patrol.web.rate_limit import FieldLimits, HouseholdLimits
from patrol.web.rendering import PageRenderer, wants_html
from patrol.web.thumbnails import ContactSheets, Thumbnails


@dataclass(frozen=True, slots=True, kw_only=True)
class WebContext:
    """The application with the web's renderer, logins, logs and caches; one for each server."""

    app: Application
    console: ConsoleSettings
    auth: WebAuthenticator
    renderer: PageRenderer
    access_logger: AccessLogger
    change_feed: ChangeFeed
    thumbnails: Thumbnails
    contact_sheets: ContactSheets
    live_frames: LiveFrames
    household_links: HouseholdLinkSigner
    household_limits: HouseholdLimits = field(default_factory=HouseholdLimits)
    field_limits: FieldLimits = field(default_factory=FieldLimits)
    assets: InstalledAssets

    @classmethod
    def build(cls, app: Application, console: ConsoleSettings) -> "WebContext":
        """Make the parts of one server; its threads run from `start` on."""
        assets, thumbnails = InstalledAssets(console.assets), Thumbnails(app.evidence)
        contact_sheets, live_frames = ContactSheets(thumbnails), LiveFrames()
        caches = (thumbnails.forget, contact_sheets.forget, live_frames.forget)
        app.households.picture_caches += caches
        app.households.expiring_caches.append(live_frames.forget_old)
        return cls(
            app=app,
            console=console,
            auth=WebAuthenticator(app, console),
            renderer=PageRenderer(app.site.settings.site, assets),
            access_logger=AccessLogger(app.store, app.clock),
            change_feed=ChangeFeed(app.store, app.clock.now),
            thumbnails=thumbnails,
            live_frames=live_frames,
            contact_sheets=contact_sheets,
            household_links=household_link_signer(app.store, phone_base_url(app.site.settings)),
            assets=assets,
        )

    def start(self) -> None:
        """Start the threads of the access log and of the change feed."""
        self.access_logger.start()
        self.change_feed.start()

    def stop(self) -> None:
        """End the open event streams and both threads; log entries that wait are written first."""
        self.change_feed.stop()
        self.access_logger.stop()

    @property
    def site(self) -> SiteInfo:
        """The site's id, name, time zone and language."""
        return self.app.site.settings.site

    @property
    def calendar(self) -> Calendar:
        """The site's plans, holidays, key periods and maintenance."""
        return self.app.site.settings.calendar

    @property
    def plans(self) -> Mapping[str, PatrolPlan]:
        """Every plan of the site by name, those of key periods too."""
        return self.calendar.all_plans

    def translator(self, request: Request) -> Translator:
        """The translator of a request without a login: by its language cookie, else the site's."""
        return self.auth.translator(request.cookies.get(LANGUAGE_COOKIE))

    def has_no_account(self) -> bool:
        """Whether nobody can log in yet; False also while the database is away."""
        try:
            with self.app.store.begin_read() as uow:
                return not uow.accounts.all()
        except StoreUnavailable:
            return False

    def error_response(
        self, request: Request, status: int, message: tuple[str, str], *, detail: str = ""
    ) -> Response:
        """The error page for a browser, the error document for a script."""
        t = self.translator(request)
        if wants_html(request):
            return self.renderer.render(
                "problem.html", t, status=status, code=status, message=t.pair(message),
                detail=detail,
            )  # fmt: skip
        return error_document(status, t.pair(message), detail=detail)


def web_context(request: Request) -> WebContext:
    """The context of the server that got this request."""
    context: WebContext = request.app.state.context
    return context


class RequirePermission:
    """A route's dependency: a logged-in user with one of the permissions (none given: any user)."""

    def __init__(self, *permissions: Permission) -> None:
        self.permissions = permissions

    def __call__(self, request: Request) -> CurrentUser:
        """The user of this request. Raises NotLoggedIn, Forbidden."""
        user = web_context(request).auth.current_user(request)
        if self.permissions and not any(
            user.has_permission(permission) for permission in self.permissions
        ):
            raise Forbidden(
                f"{user.account.name} has no permission {' or '.join(self.permissions)}"
            )
        return user


class PublicRoute:
    """A route's dependency that says why it needs no login; every other route names a right.

    tests/web/test_access_matrix.py reads both from the table of routes.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def __call__(self) -> None:
        """Let everybody in."""


def public(reason: str) -> list[Any]:
    """The `dependencies` of a route for everybody."""
    return [Depends(PublicRoute(reason))]


# Scripts send an action with a random key until they have an answer (static/kept.js). The route
# stores it in its own transaction; app.py answers a repeat with 200, unless the route does.
IdempotencyKey = Annotated[
    str, Header(alias="idempotency-key", max_length=64, pattern=r"^[A-Za-z0-9-]{8,64}$|^$")
]


def request_key(
    user: CurrentUser, key: str, what: str, form: BaseModel | None = None
) -> RequestKey | None:
    """The key with its subject: `what` is done, and the whole form. None: the script sent none."""
    if not key:
        return None
    subject = f"{what} {form.model_dump_json() if form else ''}"
    return RequestKey(account=user.account.name, key=key, subject=subject)


ContextDep = Annotated[WebContext, Depends(web_context)]
AnyUser = Annotated[CurrentUser, Depends(RequirePermission())]
MayViewToday = Annotated[CurrentUser, Depends(RequirePermission(Permission.TODAY))]
MayViewRounds = Annotated[CurrentUser, Depends(RequirePermission(Permission.ROUND))]
MayStartRounds = Annotated[CurrentUser, Depends(RequirePermission(Permission.START_ROUND))]
MayReview = Annotated[CurrentUser, Depends(RequirePermission(Permission.REVIEW))]
MayPatrol = Annotated[CurrentUser, Depends(RequirePermission(Permission.PATROL))]
MayFileFindings = Annotated[CurrentUser, Depends(RequirePermission(Permission.FILE_FINDING))]
MayBeCalled = Annotated[
    CurrentUser, Depends(RequirePermission(Permission.REVIEW, Permission.CASES))
]
MayViewCases = Annotated[CurrentUser, Depends(RequirePermission(Permission.CASES))]
MayActOnCases = Annotated[CurrentUser, Depends(RequirePermission(Permission.MOVE_CASES))]
MayMoveCases = Annotated[
    CurrentUser, Depends(RequirePermission(Permission.MOVE_CASES, Permission.SUPERVISE))
]
MaySupervise = Annotated[CurrentUser, Depends(RequirePermission(Permission.SUPERVISE))]
MaySettle = Annotated[CurrentUser, Depends(RequirePermission(Permission.SETTLE))]
MayHandOff = Annotated[CurrentUser, Depends(RequirePermission(Permission.HAND_OFF))]
MayTag = Annotated[CurrentUser, Depends(RequirePermission(Permission.TAG_CASES))]
MayPrepareMeetings = Annotated[CurrentUser, Depends(RequirePermission(Permission.MEETINGS))]
MayAnswerOnSite = Annotated[CurrentUser, Depends(RequirePermission(Permission.GROUND))]
MayPatrolGround = Annotated[
    CurrentUser, Depends(RequirePermission(Permission.GROUND_PATROL, Permission.HELP))
]
MayHelp = Annotated[CurrentUser, Depends(RequirePermission(Permission.HELP))]
MayViewRosters = Annotated[CurrentUser, Depends(RequirePermission(Permission.ROSTER))]
MaySignHandover = Annotated[CurrentUser, Depends(RequirePermission(Permission.SHIFT))]
MayStop = Annotated[CurrentUser, Depends(RequirePermission(Permission.STOP))]
MayViewStoppages = Annotated[
    CurrentUser, Depends(RequirePermission(Permission.SHIFT, Permission.STOP))
]
MayViewTroubles = Annotated[CurrentUser, Depends(RequirePermission(Permission.TROUBLES))]
MayManageSuppressions = Annotated[CurrentUser, Depends(RequirePermission(Permission.SUPPRESSIONS))]
MayViewSystem = Annotated[CurrentUser, Depends(RequirePermission(Permission.SYSTEM))]
MayViewCameras = Annotated[CurrentUser, Depends(RequirePermission(Permission.CAMERAS))]
MayDrawAreas = Annotated[CurrentUser, Depends(RequirePermission(Permission.AREAS))]
MayViewLive = Annotated[CurrentUser, Depends(RequirePermission(Permission.LIVE))]
MayChangeConsent = Annotated[CurrentUser, Depends(RequirePermission(Permission.CONSENT))]
MayChangeRegistry = Annotated[CurrentUser, Depends(RequirePermission(Permission.REGISTRY))]
MayViewPeople = Annotated[CurrentUser, Depends(RequirePermission(Permission.PEOPLE))]
MayViewGrid = Annotated[CurrentUser, Depends(RequirePermission(Permission.GRID))]
MayViewReports = Annotated[CurrentUser, Depends(RequirePermission(Permission.REPORTS))]
MayAudit = Annotated[CurrentUser, Depends(RequirePermission(Permission.AUDIT))]
MayViewHolds = Annotated[
    CurrentUser, Depends(RequirePermission(Permission.AUDIT, Permission.SETTLE))
]
MayHoldEvidence = Annotated[CurrentUser, Depends(RequirePermission(Permission.SETTLE))]
MayManageAccounts = Annotated[CurrentUser, Depends(RequirePermission(Permission.ACCOUNTS))]
