"""What the phone pages share (/leader, /ground): photos, places, categories as pictures, manifest.

No routes of its own.
"""

import re
from typing import Any, Final

from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from patrol.domain.finding import CATEGORY_BY_ID
from patrol.domain.ground_patrol import Location
from patrol.web.auth import CurrentUser
from patrol.web.context import WebContext
from patrol.web.i18n import Translator
from patrol.web.rendering import static_url
from patrol.web.request_limits import MAX_PHOTO_BYTES

KEY_PATTERN: Final = r"[A-Za-z0-9-]{8,64}"
# A dozen pictures instead of 25 words; what is none of them is other, and the centre names it.
PICTURED: Final = (
    "open_flame", "smoke", "dumping", "clutter", "sewage", "obstruction", "blocking_vehicle",
    "livestock", "blocked_canal", "railway_protection", "structure", "other",
)  # fmt: skip
_SHORT: Final = {
    "open_flame": ("明火", "fire"), "smoke": ("烟雾", "smoke"), "dumping": ("垃圾", "dumping"),
    "clutter": ("乱堆放", "clutter"), "sewage": ("污水", "sewage"),
    "obstruction": ("道路障碍", "road"), "blocking_vehicle": ("车辆占道", "vehicle"),
    "livestock": ("牲畜", "livestock"), "blocked_canal": ("渠道", "canal"),
    "railway_protection": ("铁路", "railway"), "structure": ("房屋", "house"),
    "other": ("其他", "other"),
}  # fmt: skip
_COORDINATES: Final = re.compile(r"\((-?\d{1,2}\.\d+),(-?\d{1,3}\.\d+) ±\d+ m\)", re.ASCII)


class PhonePlace(BaseModel):
    """Where the phone says that it is; asked, and never needed."""

    longitude: float = Field(ge=-180, le=180)
    latitude: float = Field(ge=-90, le=90)
    accuracy_m: float = Field(ge=0, lt=1e7)


def located(place: PhonePlace) -> Location:
    """The place as the domain has it."""
    return Location(longitude=place.longitude, latitude=place.latitude, accuracy_m=place.accuracy_m)


def pictured_categories(t: Translator) -> list[tuple[str, str, str]]:
    """(category, its short words, its whole name) of the pictures, in their order."""
    known = [CATEGORY_BY_ID[ident] for ident in PICTURED]
    return [(one.id, t.pair(_SHORT[one.id]), t(one.zh, one.en)) for one in known]


def geo_link(longitude: float | None, latitude: float | None) -> str:
    """A link that opens the phone's own map; empty where the place is not known."""
    if longitude is None or latitude is None:
        return ""
    return f"geo:{latitude},{longitude}?q={latitude},{longitude}"


def geo_link_of_text(place: str) -> str:
    """The link of the coordinates that a reported place ends with; empty without any."""
    match = _COORDINATES.search(place)
    return geo_link(float(match[2]), float(match[1])) if match else ""


def allow_location(answer: Response) -> Response:
    """A phone page: kept on the phone, and allowed to ask for the location."""
    answer.headers["Cache-Control"] = "private, no-cache"  # the phone keeps it to open offline
    answer.headers["Permissions-Policy"] = "geolocation=(self), microphone=(), camera=(self)"
    return answer


async def read_photo(request: Request) -> bytes:
    """The uploaded bytes. Raises HTTPException 413 beyond MAX_PHOTO_BYTES."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_PHOTO_BYTES:
            raise HTTPException(413, "too large")
        chunks.append(chunk)
    return b"".join(chunks)


def install_manifest(
    context: WebContext, user: CurrentUser, scope: str, title: tuple[str, str]
) -> Response:
    """The web manifest that makes the page at `scope` installable."""
    name = user.t.pair(title)
    icons: list[dict[str, Any]] = [
        {"src": static_url("icon.svg"), "type": "image/svg+xml", "sizes": "any"}
    ]
    for size in (192, 512):  # what telephones want for their home screens
        icons += [
            {"src": static_url(f"icon-{size}.png"), "type": "image/png",
             "sizes": f"{size}x{size}", "purpose": purpose}
            for purpose in ("any", "maskable")
        ]  # fmt: skip
    return JSONResponse(
        {
            "name": f"{context.site.name} {name}",
            "short_name": name,
            "lang": "zh-CN" if user.t.language == "zh" else "en",
            "start_url": scope,
            "scope": scope,
            "display": "standalone",
            "background_color": "#f4f6f7",
            "theme_color": "#0f3d5c",
            "id": scope,
            "icons": icons,
        },
        media_type="application/manifest+json",
    )
