"""cameras.csv → the cameras of the registry (一机一档)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from patrol.domain.camera import Camera, Consent, ConsentState, Placement, Priority
from patrol.domain.ids import CameraId, GridCode, LinkId, camera_id_problem, plain_id_problem
from patrol.domain.zone import PictureAreas
from patrol.settings.cells import Cells, Once
from patrol.settings.csv_file import read_table
from patrol.settings.environment import BadReference, expand
from patrol.settings.grids import Grids
from patrol.settings.problems import FileNotes
from streams.address import StreamAddress
from streams.errors import BadAddress

REQUIRED = ("camera_id", "name", "grid_code", "url", "outdoor", "consent")
OPTIONAL = (
    "place", "sub_url", "link", "household_ref", "consent_until", "priority", "tags", "lon", "lat",
)  # fmt: skip
PLACEMENTS = {"yes": Placement.OUTDOOR, "no": Placement.INDOOR, "unknown": Placement.UNKNOWN}
CONSENTS = {state.value: state for state in ConsentState}
PRIORITIES = {priority.value: priority for priority in Priority}
_NOT_IN_A_LINK = re.compile(r"[^A-Za-z0-9_.-]", re.ASCII)
_NOT_IN_A_URL = re.compile(r"[\s\x00-\x20\x7f]")

Cameras = dict[CameraId, Camera]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the rows refer to; None where that file could not be read."""

    grids: Grids | None
    areas: Mapping[str, PictureAreas]
    env: Mapping[str, str] = field(repr=False)


def load_cameras(path: Path, around: Surroundings, notes: FileNotes) -> tuple[Cameras, Once] | None:
    """Cameras by id (and all ids the file names), or None when it has no usable table."""
    rows = read_table(path, required=REQUIRED, optional=OPTIONAL, notes=notes)
    if rows is None:
        return None
    once = Once()
    cameras: Cameras = {}
    for row in rows:
        camera = _camera(Cells(row, notes), around, once)
        if camera is not None:
            cameras[camera.id] = camera
    return cameras, once


def _camera(cells: Cells, around: Surroundings, once: Once) -> Camera | None:
    ident = cells.code("camera_id", camera_id_problem, "20 digits")
    once.check(cells, "camera_id")
    grid = cells.needed("grid_code", "the grid where the camera stands")
    if around.grids is not None and grid and (reason := around.grids.problem_of(grid)):
        cells.wrong("grid_code", reason)
    name = cells.needed("name", "the camera's name") and cells.words("name")
    place = cells.words("place")
    address = _url(cells, "url", around.env)
    sub_address = _url(cells, "sub_url", around.env)
    longitude, latitude = _position(cells)
    placement = cells.choice("outdoor", PLACEMENTS)
    consent = _consent(cells)
    priority = cells.choice("priority", PRIORITIES, Priority.NORMAL)
    household = _plain(cells, "household_ref", ", a reference such as H-0001, never a name")
    link = _plain(cells, "link", "")
    if not cells.ok or not (address and placement and consent and priority):
        return None
    return Camera(
        id=CameraId(ident), name=name, grid=GridCode(grid), place=place or name,
        url=address[0], sub_url=sub_address[0] if sub_address else "",
        link=LinkId(link or address[1]), household_ref=household, consent=consent,
        placement=placement, priority=priority, tags=_tags(cells.text("tags")),
        longitude=longitude, latitude=latitude,
        areas=around.areas.get(ident) or PictureAreas(),
    )  # fmt: skip


def _url(cells: Cells, column: str, env: Mapping[str, str]) -> tuple[str, str] | None:
    """(the URL, the link that cameras of its host share); None when empty or bad."""
    text = cells.needed(column, "rtsp://…") if column == "url" else cells.text(column)
    if not text:
        return None
    try:
        url = expand(text, env)
        address = StreamAddress.parse(url)
    except BadReference as exc:
        cells.wrong(column, str(exc))
        return None
    except BadAddress as exc:
        cells.wrong(column, f"{exc}{_hint(text)}")
        return None
    if (reason := url_problem(url, address)) is not None:
        cells.wrong(column, reason)
        return None
    return url, _NOT_IN_A_LINK.sub("-", address.host or "local")[:64]


def url_problem(url: str, address: StreamAddress) -> str | None:
    """What parsing accepts and no camera has; never quotes the URL."""
    if "://" not in url:
        return "no scheme, give rtsp://host[:port]/path (file:///… for a file)"
    if _NOT_IN_A_URL.search(url):
        return "there is a space or a control character in it, write %20 or delete it"
    if "@" in address.path and not address.user:
        return _ESCAPE
    return None


_ESCAPE = "the user or the password seems to hold '/', '?' or '#', write %2F, %3F, %23"


def _hint(text: str) -> str:
    after = text.partition("://")[2]
    return f"; {_ESCAPE}" if "@" in after and any(mark in after for mark in "#?") else ""


def _position(cells: Cells) -> tuple[float | None, float | None]:
    longitude, latitude = cells.degrees("lon", 180), cells.degrees("lat", 90)
    if bool(cells.text("lon")) != bool(cells.text("lat")):
        cells.wrong("lat" if cells.text("lon") else "lon", "is empty, give both lon and lat")
    return longitude, latitude


def _consent(cells: Cells) -> Consent | None:
    state = cells.choice("consent", CONSENTS)
    until = cells.day("consent_until")
    if state is ConsentState.GRANTED and not cells.text("consent_until"):
        cells.notice(
            "consent_until",
            "granted without a last day, so the camera is not patrolled; give YYYY-MM-DD",
        )
    return None if state is None else Consent(state=state, until=until)


def _plain(cells: Cells, column: str, example: str) -> str:
    text = cells.text(column)
    if text and (reason := plain_id_problem(text)) is not None:
        cells.wrong(column, f"{reason}{example}")
    return text


def _tags(text: str) -> frozenset[str]:
    return frozenset(tag.strip() for tag in text.split(";") if tag.strip())
