"""Render pages with Jinja and put the security headers on every answer.

The content security policy allows nothing but our own files: no inline script, no inline style, no
other host (but the map's tiles, where the site names a server). Escaping is always on.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from patrol import __version__
from patrol.domain.account import Permission
from patrol.settings.site_settings import SiteInfo
from patrol.web.assets import InstalledAssets
from patrol.web.auth import CurrentUser
from patrol.web.errors import NO_STORE
from patrol.web.i18n import Translator

STATIC: Final = Path(__file__).parent / "static"
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; font-src 'self'; manifest-src 'self'; worker-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SECURITY_HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "geolocation=(), microphone=(), camera=(self)",
}
HSTS: Final = "max-age=31536000"
_ROUND_PAGES: Final = (
    ("/rounds", "巡查", "Rounds", (Permission.ROUND,)),
    ("/patrols", "人工巡查", "Human patrols", (Permission.PATROL,)),
    ("/rosters", "联动巡防", "Ground patrols", (Permission.ROSTER,)),
)
_REVIEW_PAGES: Final = (
    ("/review", "研判", "Review", (Permission.REVIEW,)),
    ("/decided", "已判线索", "Decided", (Permission.REVIEW,)),
)
_CASE_PAGES: Final = (
    ("/cases", "案件", "Cases", (Permission.CASES,)),
    ("/verify", "核查", "Verify", (Permission.MOVE_CASES,)),
    ("/approvals", "待我审批", "Approvals", (Permission.SETTLE,)),
    ("/overdue", "超时清单", "Overdue", (Permission.CASES,)),
    ("/hand-offs", "移交", "Hand-offs", (Permission.HAND_OFF,)),
)
_GRID_PAGES: Final = (
    ("/grid", "网格", "Grid", (Permission.GRID,)),
    ("/people", "人员与请假", "People, leave", (Permission.PEOPLE,)),
)
_REPORT_PAGES: Final = (
    ("/reports", "报表", "Reports", (Permission.REPORTS,)),
    ("/meetings", "会议材料", "Meetings", (Permission.MEETINGS,)),
)
_SHIFT_PAGES: Final = (
    ("/shift", "交接班", "Hand-over", (Permission.SHIFT,)),
    ("/stoppages", "暂停与维护", "Stopped", (Permission.SHIFT, Permission.STOP)),
    ("/troubles", "运维队列", "Troubles", (Permission.TROUBLES,)),
)
_ADMIN_PAGES: Final = (
    ("/accounts", "账号", "Accounts", (Permission.ACCOUNTS,)),
    ("/sessions", "在线会话", "Sessions", (Permission.ACCOUNTS,)),
    ("/keys", "接口密钥", "API keys", (Permission.ACCOUNTS,)),
    ("/suppressions", "告警抑制", "Suppressions", (Permission.SUPPRESSIONS,)),
    ("/system", "系统状态", "System", (Permission.SYSTEM,)),
    ("/audit", "审计", "Audit", (Permission.AUDIT,)),
    ("/holds", "证据保全", "Holds", (Permission.AUDIT, Permission.SETTLE)),
)
NAVIGATION: Final = (
    # zh, en, its pages: where, zh, en, any of these permissions
    ("今日", "Today", (("/", "今日", "Today", (Permission.TODAY,)),)),
    ("巡查", "Rounds", _ROUND_PAGES),
    ("研判", "Review", _REVIEW_PAGES),
    ("案件", "Cases", _CASE_PAGES),
    ("点位", "Cameras", (("/cameras", "点位", "Cameras", (Permission.CAMERAS,)),)),
    ("网格", "Grid", _GRID_PAGES),
    ("报表", "Reports", _REPORT_PAGES),
    ("值班", "Shift", _SHIFT_PAGES),
    ("管理", "Office", _ADMIN_PAGES),
)


@dataclass(frozen=True, slots=True)
class MenuItem:
    """One entry of the main menu, with the pages of it that this account may open."""

    label: str
    pages: tuple[tuple[str, str], ...]  # (address, label)

    @property
    def url(self) -> str:
        """The address of its first page."""
        return self.pages[0][0]

    def is_current(self, here: str) -> bool:
        """Whether the page at the address `here` belongs to it."""
        return any(at == here for at, _ in self.pages)


def may_open(user: CurrentUser, path: str) -> bool:
    """Whether this account may open a page of the menu, or one below it; pages say less than links.

    What a page mentions is a link only for those who may follow it: a wall screen, an auditor.
    """
    place = f"/{path.split('/')[1]}"
    return any(
        any(user.has_permission(permission) for permission in permissions)
        for _, _, pages in NAVIGATION
        for at, *_, permissions in pages
        if at == place
    )


def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("patrol.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["may_open"] = may_open
    return made


@dataclass(frozen=True)
class PageRenderer:
    """Renders templates with the menu, the language and the site's name."""

    site: SiteInfo
    assets: InstalledAssets
    _jinja: Environment = field(default_factory=_environment)

    def render_page(
        self, template: str, user: CurrentUser, *, status: int = 200, **content: Any
    ) -> HTMLResponse:
        """Render a page for a logged-in user, with the menu of the account."""
        return self.render(template, user.t, status=status, user=user, **content)

    def render(
        self, template: str, t: Translator, *, status: int = 200, **content: Any
    ) -> HTMLResponse:
        """Render a page; without `user` in the content it has no menu."""
        user: CurrentUser | None = content.pop("user", None)
        text = self._jinja.get_template(template).render(
            t=t,
            lang="zh-CN" if t.language == "zh" else "en",
            site=self.site,
            user=user,
            menu=menu_of(user) if user else (),
            static=static_url,
            ext=self.assets.url,
            version=__version__,
            **content,
        )
        return HTMLResponse(text, status, headers=dict(NO_STORE))

    def render_fragment(self, template: str, user: CurrentUser, **content: Any) -> str:
        """Render a part of a page to HTML text."""
        return self._jinja.get_template(template).render(
            t=user.t, user=user, site=self.site, **content
        )

    def fragment_response(self, template: str, user: CurrentUser, **content: Any) -> HTMLResponse:
        """Render a part of a page that a script puts in the place of the old one."""
        html = self.render_fragment(template, user, **content)
        return HTMLResponse(html, headers=dict(NO_STORE))


def menu_of(user: CurrentUser) -> list[MenuItem]:
    """The menu of this account; a group with one page has that page's name."""
    items = []
    for zh, en, pages in NAVIGATION:
        may = tuple(
            (at, user.t(*both))
            for at, *both, permissions in pages
            if any(user.has_permission(permission) for permission in permissions)
        )
        if may:
            items.append(MenuItem(may[0][1] if len(may) == 1 else user.t(zh, en), may))
    return items


def home_url(user: CurrentUser) -> str:
    """The page that a login opens."""
    if user.has_permission(Permission.TODAY):
        return "/"
    if user.has_permission(Permission.GROUND):
        return "/leader"
    return "/ground" if user.has_permission(Permission.HELP) else "/account"


@lru_cache(maxsize=64)
def static_url(name: str) -> str:
    """`/static/console.css?v=…`: changes with the file, so browsers may keep it for ever.

    Not for scripts: they import each other by plain names, and two addresses would be two scripts.
    """
    digest = sha256((STATIC / name).read_bytes()).hexdigest()[:10]
    return f"/static/{name}?v={digest}"


class SecurityHeaders:
    """Middleware: puts the security headers on every answer, streams included."""

    def __init__(self, app: ASGIApp, *, secure: bool, pictures_from: str = "") -> None:
        """`pictures_from`: the host of the map's tiles, whose pictures may be shown; "": none."""
        self._app = app
        allowed = CONTENT_SECURITY_POLICY.replace(
            "img-src 'self'", f"img-src 'self' {pictures_from}".rstrip()
        )
        more = {"Strict-Transport-Security": HSTS} if secure else {}
        self._extra = {**SECURITY_HEADERS, "Content-Security-Policy": allowed, **more}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, and add the headers to its answer."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._extra.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)


def wants_html(request: Request) -> bool:
    """Whether a browser asked for a page, not a script for a document."""
    return "text/html" in request.headers.get("accept", "") and "/api/" not in request.url.path
