"""The shell around every page: templates, headers, what a failed request looks like.

The content security policy allows nothing but our own files: no inline script, no inline style,
no other host. Templates are Jinja's with escaping always on.
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
from patrol.console.assets import Assets
from patrol.console.doors import SiteFacts
from patrol.console.gate import Caller
from patrol.console.words import Words
from patrol.domain.account import Right

STATIC: Final = Path(__file__).parent / "static"
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; font-src 'self'; manifest-src 'self'; worker-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "geolocation=(), microphone=(), camera=(self)",
}
HSTS: Final = "max-age=31536000"
_SHIFT: Final = (
    ("/shift", "交接班", "Hand-over", (Right.SHIFT,)),
    ("/stoppages", "暂停与维护", "Stopped", (Right.SHIFT, Right.STOP)),
    ("/troubles", "运维队列", "Troubles", (Right.TROUBLES,)),
)
_OFFICE: Final = (
    ("/accounts", "账号", "Accounts", (Right.ACCOUNTS,)),
    ("/sessions", "登录", "Sessions", (Right.ACCOUNTS,)),
    ("/keys", "接口密钥", "API keys", (Right.ACCOUNTS,)),
    ("/suppressions", "抑制", "Suppressions", (Right.SUPPRESSIONS,)),
    ("/system", "系统状态", "System", (Right.SYSTEM,)),
    ("/audit", "审计", "Audit", (Right.AUDIT,)),
)
NAVIGATION: Final = (
    # zh, en, its pages: where, zh, en, any of these rights
    ("今日", "Today", (("/", "今日", "Today", (Right.TODAY,)),)),
    ("巡查", "Rounds", (("/rounds", "巡查", "Rounds", (Right.ROUND,)),)),
    ("研判", "Review", (("/review", "研判", "Review", (Right.REVIEW,)),)),
    ("案件", "Cases", (("/cases", "案件", "Cases", (Right.CASES,)),)),
    ("点位", "Cameras", (("/cameras", "点位", "Cameras", (Right.CAMERAS,)),)),
    ("网格", "Grid", (("/grid", "网格", "Grid", (Right.GRID,)),)),
    ("报表", "Reports", (("/reports", "报表", "Reports", (Right.REPORTS,)),)),
    ("值班", "Shift", _SHIFT),
    ("管理", "Office", _OFFICE),
)


@dataclass(frozen=True, slots=True)
class MenuItem:
    """One word of the main menu, and the pages behind it that this account may open."""

    words: str
    pages: tuple[tuple[str, str], ...]  # (address, words)

    @property
    def at(self) -> str:
        """Where it leads."""
        return self.pages[0][0]

    def is_open(self, here: str) -> bool:
        """Whether the page that is shown lies behind it."""
        return any(at == here for at, _ in self.pages)


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("patrol.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@dataclass(frozen=True)
class Shell:
    """Renders; knows the site's name and nothing else of it."""

    facts: SiteFacts
    assets: Assets
    _jinja: Environment = field(default_factory=_environment)

    def page(
        self, template: str, caller: Caller, *, status: int = 200, **content: Any
    ) -> HTMLResponse:
        """A page for somebody who is logged in."""
        return self.html(template, caller.say, status=status, caller=caller, **content)

    def html(self, template: str, say: Words, *, status: int = 200, **content: Any) -> HTMLResponse:
        """A page for anybody."""
        caller: Caller | None = content.pop("caller", None)
        text = self._jinja.get_template(template).render(
            t=say,
            say=say,
            lang="zh-CN" if say.language == "zh" else "en",
            site=self.facts,
            caller=caller,
            menu=menu(caller) if caller else (),
            static=static_address,
            ext=self.assets.address,
            version=__version__,
            **content,
        )
        return HTMLResponse(text, status, headers={"Cache-Control": "no-store"})

    def fragment(self, template: str, caller: Caller, **content: Any) -> str:
        """A piece of a page."""
        return self._jinja.get_template(template).render(
            t=caller.say, say=caller.say, caller=caller, site=self.facts, **content
        )


def menu(caller: Caller) -> list[MenuItem]:
    """What this account may open; a group of which one page is left bears that page's name."""
    items = []
    for zh, en, pages in NAVIGATION:
        may = tuple(
            (at, caller.say(*both))
            for at, *both, rights in pages
            if any(caller.may(right) for right in rights)
        )
        if may:
            items.append(MenuItem(may[0][1] if len(may) == 1 else caller.say(zh, en), may))
    return items


def home_of(caller: Caller) -> str:
    """Where a login leads."""
    if caller.may(Right.TODAY):
        return "/"
    return "/leader" if caller.may(Right.GROUND) else "/account"


@lru_cache(maxsize=64)
def static_address(name: str) -> str:
    """`/static/console.css?v=…`: changes with the file, so browsers may keep it for ever.

    Not for scripts: they import each other by plain names, and two addresses would be two scripts.
    """
    digest = sha256((STATIC / name).read_bytes()).hexdigest()[:10]
    return f"/static/{name}?v={digest}"


class WithHeaders:
    """Puts the headers on every answer, streams included."""

    def __init__(self, app: ASGIApp, *, secure: bool, pictures_from: str = "") -> None:
        """`pictures_from`: another host whose pictures may be shown, for the map's tiles."""
        self._app = app
        allowed = POLICY.replace("img-src 'self'", f"img-src 'self' {pictures_from}".rstrip())
        more = {"Strict-Transport-Security": HSTS} if secure else {}
        self._extra = {**HEADERS, "Content-Security-Policy": allowed, **more}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._extra.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)


def wants_html(request: Request) -> bool:
    """A person opened it, not a script."""
    return "text/html" in request.headers.get("accept", "") and "/api/" not in request.url.path
