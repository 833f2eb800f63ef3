"""Scripts of other people (assets.yaml): what is wanted, what is there, and at which address.

Files are served only when they are those of the manifest, byte by byte. The manifest's own hash
stands in the address, so browsers may keep a file for ever, and the files of an asset find each
other by plain relative names.

The shell around every page: templates, headers, what a failed request looks like.

The content security policy allows nothing but our own files: no inline script, no inline style,
no other host. Templates are Jinja's with escaping always on.
"""

import mimetypes
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Any, Final

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from patrol import __version__
from patrol.domain.account import Right
from patrol.package_files import PackageFile, PackageMember
from patrol.web.auth import CurrentUser
from patrol.web.i18n import Translator
from patrol.web.options import SiteProfile

ASSETS_PATH: Final = "/static-ext"
CACHE_FOREVER: Final = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One library, made of files."""

    name: str
    purpose: str
    licence: str
    credit: str
    entry: str
    package_files: tuple[PackageFile, ...]

    def state(self, folder: Path) -> str:
        """`ready` when every file is; else the first other state."""
        states = [package_file.state(folder) for package_file in self.package_files]
        return next((state for state in states if state != "ready"), "ready")


AssetManifest = Mapping[str, Asset]


@cache
def asset_manifest() -> AssetManifest:
    """The manifest of this product."""
    document = yaml.safe_load(_manifest_text())
    return {name: _asset_from(name, entry) for name, entry in document["assets"].items()}


def _manifest_text() -> str:
    return resources.files("patrol.web").joinpath("assets.yaml").read_text("utf-8")


@cache
def manifest_digest() -> str:
    """Changes with the manifest."""
    return sha256(_manifest_text().encode()).hexdigest()[:10]


def _asset_from(name: str, entry: Mapping[str, Any]) -> Asset:
    package, version = str(entry["package"]), str(entry["version"])
    return Asset(
        name=name,
        purpose=entry["purpose"],
        licence=entry["licence"],
        credit=entry["credit"],
        entry=entry["entry"],
        package_files=tuple(
            PackageFile(
                name=f"{name}/{item['file']}",
                file=f"{name}/{item['file']}",
                sha256=item["sha256"],
                licence=entry["licence"],
                source=PackageMember(package=package, version=version, member=item["member"]),
            )
            for item in entry["files"]
        ),
    )


@dataclass
class InstalledAssets:
    """What is installed in a folder; an ASGI application that serves it."""

    folder: Path | None
    manifest: AssetManifest = field(default_factory=asset_manifest)
    _files: dict[str, bytes] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def url(self, name: str, file: str | None = None) -> str:
        """Where a page finds the asset's entry (or another of its files); "" when not installed."""
        asset = self.manifest[name]
        if any(self._read(package_file) is None for package_file in asset.package_files):
            return ""
        return f"{ASSETS_PATH}/{manifest_digest()}/{name}/{file or asset.entry}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One file."""
        path = scope["path"].removeprefix(scope.get("root_path", "")).lstrip("/")
        version, _, wanted = path.partition("/")
        response: Response = PlainTextResponse("not found", 404)
        found = self._find(wanted) if version == manifest_digest() else None
        if found is not None:
            kind = mimetypes.guess_type(wanted)[0] or "application/octet-stream"
            response = Response(found, media_type=kind, headers={"Cache-Control": CACHE_FOREVER})
        await response(scope, receive, send)

    def _find(self, wanted: str) -> bytes | None:
        for asset in self.manifest.values():
            for package_file in asset.package_files:
                if package_file.file == wanted:
                    return self._read(package_file)
        return None

    def _read(self, package_file: PackageFile) -> bytes | None:
        """The file, once it is the right one; kept then (two megabytes in all)."""
        with self._lock:
            if package_file.file not in self._files:
                if self.folder is None or package_file.state(self.folder) != "ready":
                    return None
                self._files[package_file.file] = (self.folder / package_file.file).read_bytes()
            return self._files[package_file.file]


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
_SHIFT_PAGES: Final = (
    ("/shift", "交接班", "Hand-over", (Right.SHIFT,)),
    ("/stoppages", "暂停与维护", "Stopped", (Right.SHIFT, Right.STOP)),
    ("/troubles", "运维队列", "Troubles", (Right.TROUBLES,)),
)
_ADMIN_PAGES: Final = (
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
    ("值班", "Shift", _SHIFT_PAGES),
    ("管理", "Office", _ADMIN_PAGES),
)


@dataclass(frozen=True, slots=True)
class MenuItem:
    """One word of the main menu, and the pages behind it that this account may open."""

    label: str
    pages: tuple[tuple[str, str], ...]  # (address, words)

    @property
    def url(self) -> str:
        """Where it leads."""
        return self.pages[0][0]

    def is_current(self, here: str) -> bool:
        """Whether the page that is shown lies behind it."""
        return any(at == here for at, _ in self.pages)


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("patrol.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@dataclass(frozen=True)
class PageRenderer:
    """Renders; knows the site's name and nothing else of it."""

    site_profile: SiteProfile
    assets: InstalledAssets
    _jinja: Environment = field(default_factory=_environment)

    def render_page(
        self, template: str, user: CurrentUser, *, status: int = 200, **content: Any
    ) -> HTMLResponse:
        """A page for somebody who is logged in."""
        return self.render(template, user.t, status=status, user=user, **content)

    def render(
        self, template: str, t: Translator, *, status: int = 200, **content: Any
    ) -> HTMLResponse:
        """A page for anybody."""
        user: CurrentUser | None = content.pop("user", None)
        text = self._jinja.get_template(template).render(
            t=t,
            lang="zh-CN" if t.language == "zh" else "en",
            site=self.site_profile,
            user=user,
            menu=menu_of(user) if user else (),
            static=static_url,
            ext=self.assets.url,
            version=__version__,
            **content,
        )
        return HTMLResponse(text, status, headers={"Cache-Control": "no-store"})

    def render_fragment(self, template: str, user: CurrentUser, **content: Any) -> str:
        """A piece of a page."""
        return self._jinja.get_template(template).render(
            t=user.t, user=user, site=self.site_profile, **content
        )


def menu_of(user: CurrentUser) -> list[MenuItem]:
    """What this account may open; a group of which one page is left bears that page's name."""
    items = []
    for zh, en, pages in NAVIGATION:
        may = tuple(
            (at, user.t(*both))
            for at, *both, rights in pages
            if any(user.has_right(right) for right in rights)
        )
        if may:
            items.append(MenuItem(may[0][1] if len(may) == 1 else user.t(zh, en), may))
    return items


def home_url(user: CurrentUser) -> str:
    """Where a login leads."""
    if user.has_right(Right.TODAY):
        return "/"
    return "/leader" if user.has_right(Right.GROUND) else "/account"


@lru_cache(maxsize=64)
def static_url(name: str) -> str:
    """`/static/console.css?v=…`: changes with the file, so browsers may keep it for ever.

    Not for scripts: they import each other by plain names, and two addresses would be two scripts.
    """
    digest = sha256((STATIC / name).read_bytes()).hexdigest()[:10]
    return f"/static/{name}?v={digest}"


class SecurityHeaders:
    """Puts the headers on every answer, streams included."""

    def __init__(self, app: ASGIApp, *, secure: bool, pictures_from: str = "") -> None:
        """`pictures_from`: another host whose pictures may be shown, for the map's tiles."""
        self._app = app
        allowed = CONTENT_SECURITY_POLICY.replace(
            "img-src 'self'", f"img-src 'self' {pictures_from}".rstrip()
        )
        more = {"Strict-Transport-Security": HSTS} if secure else {}
        self._extra = {**SECURITY_HEADERS, "Content-Security-Policy": allowed, **more}

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
