"""cameras.csv → the cameras of the registry (一机一档); their addresses, masked for people.

A masked address (`rtsp://admin:***@192.0.2.7/1`) stands in the table that people edit; what is
written as `${NAME}` is no secret and stays. A masked address that comes back means the one that it
was made from, also after its path was corrected; a secret goes to no other host or port than its
own, and not from TLS to a connection without it.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from pathlib import Path
from sys import intern
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote

from patrol.domain.camera import Camera, Consent, ConsentState, PictureAreas, Placement, Priority
from patrol.domain.ids import CameraId, GridCode, LinkId, camera_id_problem, plain_id_problem
from patrol.settings.config_file import (
    CAMERA_ENV_PREFIX,
    BadEnvReference,
    FileProblemLog,
    check_references,
    expand_env,
)
from patrol.settings.csv_file import (
    CsvRecord,
    CsvRow,
    UniqueColumn,
    is_rounded,
    open_table,
    read_date,
    vocabulary_value,
)
from patrol.settings.grids_people import LoadedGrids
from patrol.settings.site_names import PRIORITIES, PRIORITY_ALIASES
from streams.address import SEALED_PASSWORD, StreamAddress
from streams.errors import BadAddress
from streams.url_secrets import mask_parameters

if TYPE_CHECKING:
    from patrol.settings.sources_yaml import SourcesSettings

MASK: Final = "***"
SEALED_REFERENCE: Final = "${SEALED}"  # a password that lies sealed in the store
_ENV_REFERENCE: Final = re.compile(r"\$\{([A-Za-z_]\w*)\}", re.ASCII)
CAMERA_REQUIRED = ("camera_id", "name", "grid_code", "url", "outdoor", "consent")
CAMERA_OPTIONAL = (
    "place", "sub_url", "link", "household_ref", "consent_until", "priority", "tags", "lon", "lat",
)  # fmt: skip
PLACEMENTS = {"yes": Placement.OUTDOOR, "no": Placement.INDOOR, "unknown": Placement.UNKNOWN}
CONSENTS = {state.value: state for state in ConsentState}
# What people write, and what Excel makes of yes and no.
PLACEMENT_ALIASES = {
    "是": Placement.OUTDOOR, "室外": Placement.OUTDOOR, "户外": Placement.OUTDOOR,
    "true": Placement.OUTDOOR, "y": Placement.OUTDOOR,
    "否": Placement.INDOOR, "室内": Placement.INDOOR, "false": Placement.INDOOR,
    "n": Placement.INDOOR,
    "未知": Placement.UNKNOWN, "不明": Placement.UNKNOWN, "不详": Placement.UNKNOWN,
}  # fmt: skip
CONSENT_ALIASES = {
    "已同意": ConsentState.GRANTED, "同意": ConsentState.GRANTED,
    "待同意": ConsentState.PENDING, "未同意": ConsentState.PENDING,
    "已撤回": ConsentState.WITHDRAWN, "撤回": ConsentState.WITHDRAWN,
    "已撤回同意": ConsentState.WITHDRAWN, "不同意": ConsentState.WITHDRAWN,
}  # fmt: skip
_NOT_IN_A_LINK = re.compile(r"[^A-Za-z0-9_.-]", re.ASCII)
_ROUNDED = (
    "ends in zeros where Excel, which took it for a number, kept no digits: format the column as"
    " text (in the console's cameras.xlsx it is) and give the 20 digits"
)

_NO_AREAS: Final = PictureAreas()

Cameras = dict[CameraId, Camera]


class MaskedSecretUnknown(ValueError):
    """An address with a mask, or a `${NAME}`, that may not stand for the present secret."""


@dataclass(frozen=True, slots=True)
class CrossReferences:
    """What the rows refer to; grids are None where that file could not be read."""

    grids: LoadedGrids | None
    areas: Mapping[str, PictureAreas]
    env: Mapping[str, str] = field(repr=False)
    sources: "SourcesSettings | None" = None  # None where that file could not be read


def load_cameras(
    path: Path, references: CrossReferences, notes: FileProblemLog
) -> tuple[Cameras, UniqueColumn] | None:
    """Cameras by id (and all ids the file names), or None when it has no usable table."""
    rows = open_table(path, required=CAMERA_REQUIRED, optional=CAMERA_OPTIONAL, notes=notes)
    if rows is None:
        return None
    unique_ids = UniqueColumn()
    cameras: Cameras = {}
    count, rounded = 0, list[CsvRecord]()  # rows whose id Excel kept 15 digits of
    for row in rows:
        count += 1
        camera = _read_camera(CsvRow(row, notes), references, unique_ids)
        if camera is not None:
            cameras[camera.id] = camera
        if is_rounded(row.cells["camera_id"]) and not camera_id_problem(row.cells["camera_id"]):
            rounded.append(row)
    if len(rounded) * 100 > count:  # one in a hundred may well end in zeros
        for row in rounded:
            CsvRow(row, notes).add_problem("camera_id", _ROUNDED)
    return cameras, unique_ids


def _read_camera(
    row: CsvRow, references: CrossReferences, unique_ids: UniqueColumn
) -> Camera | None:
    ident = row.code("camera_id", camera_id_problem, "20 digits")
    unique_ids.check(row, "camera_id")
    grid = row.required_text("grid_code", "the grid where the camera stands")
    if references.grids is not None and grid:
        references.grids.check(row, "grid_code", grid)
    name = row.required_text("name", "the camera's name") and row.one_line_text("name")
    place = row.one_line_text("place")
    address = _read_address(row, "url", references)
    sub_address = _read_address(row, "sub_url", references)
    longitude, latitude = _read_position(row)
    placement = row.choice("outdoor", PLACEMENTS, aliases=PLACEMENT_ALIASES)
    consent = _read_consent(row)
    priority = row.choice("priority", PRIORITIES, Priority.NORMAL, aliases=PRIORITY_ALIASES)
    household = _read_plain_id(row, "household_ref", ", a reference such as H-0001, never a name")
    link = _read_plain_id(row, "link", "") or (_link_of_host(address) if address else "")
    if not row.ok or not (address and placement and consent and priority):
        return None
    return Camera(  # what cameras have in common is one object of all: a county has 15,000
        id=CameraId(intern(ident)), name=name, grid=GridCode(intern(grid)),
        place=intern(place) or name,
        main_stream=address, sub_stream=sub_address,
        link=LinkId(intern(link)), household_ref=household, consent=consent,
        placement=placement, priority=priority, tags=_read_tags(row.text("tags")),
        longitude=longitude, latitude=latitude,
        areas=references.areas.get(ident) or _NO_AREAS,
    )  # fmt: skip


def _read_address(row: CsvRow, column: str, references: CrossReferences) -> StreamAddress | None:
    """The address, its `${NAME}` filled in; None when empty or bad."""
    env = references.env
    text = row.required_text(column, "rtsp://…") if column == "url" else row.text(column)
    if not text:
        return None
    try:
        text = text.replace(f":{SEALED_REFERENCE}@", f":{quote(SEALED_PASSWORD)}@", 1)
        check_references(text, env, CAMERA_ENV_PREFIX)
        url = expand_env(text, env, CAMERA_ENV_PREFIX)
        address = StreamAddress.parse(url)
    except (BadEnvReference, BadAddress) as exc:
        row.add_problem(column, str(exc))
        return None
    if "://" not in url:
        row.add_problem(column, "no scheme, give rtsp://host[:port]/path (file:///… for a file)")
        return None
    if references.sources is not None:
        unknown = references.sources.unknown_name(address)
        if unknown is not None:
            row.add_problem(column, unknown)
            return None
    return address


def _link_of_host(address: StreamAddress) -> str:
    """The link that cameras of one host share where the column names none."""
    return _NOT_IN_A_LINK.sub("-", address.host or "local")[:64]


def _read_position(row: CsvRow) -> tuple[float | None, float | None]:
    longitude, latitude = row.degrees("lon", 180), row.degrees("lat", 90)
    if bool(row.text("lon")) != bool(row.text("lat")):
        row.add_problem("lat" if row.text("lon") else "lon", "is empty, give both lon and lat")
    return longitude, latitude


def _read_consent(row: CsvRow) -> Consent | None:
    state = row.choice("consent", CONSENTS, aliases=CONSENT_ALIASES)
    until = row.day("consent_until")
    if state is ConsentState.GRANTED and not row.text("consent_until"):
        row.add_notice(
            "consent_until",
            "granted without a last day, so the camera is not patrolled; give YYYY-MM-DD",
        )
    return None if state is None else _consent(state, until)


@lru_cache(maxsize=256)
def _consent(state: ConsentState, until: date | None) -> Consent:
    return Consent(state=state, until=until)


def _read_plain_id(row: CsvRow, column: str, example: str) -> str:
    text = row.text(column)
    made_a_number = row.is_made_a_number(column, "give it anew")
    if text and not made_a_number and (reason := plain_id_problem(text)) is not None:
        row.add_problem(column, f"{reason}{example}")
    return text


@lru_cache(maxsize=256)
def _read_tags(text: str) -> frozenset[str]:
    return frozenset(tag.strip() for tag in text.split(";") if tag.strip())


def plain_cells(cells: Mapping[str, str]) -> dict[str, str]:
    """The cells in the file's own spelling, where Excel or a person wrote them in another."""
    plain = dict(cells)
    for column, aliases, choices in (
        ("outdoor", PLACEMENT_ALIASES, PLACEMENTS),
        ("consent", CONSENT_ALIASES, CONSENTS),
        ("priority", PRIORITY_ALIASES, PRIORITIES),
    ):
        meant = vocabulary_value(cells[column], choices, aliases)
        spelling = [text for text, value in choices.items() if value is meant]
        plain[column] = spelling[0] if spelling else cells[column]
    until = read_date(cells["consent_until"])
    return plain if until is None else {**plain, "consent_until": until.isoformat()}


class _UrlParts(NamedTuple):
    """A URL cut before and behind its password; the password may be empty."""

    head: str
    secret: str
    rest: str


def _cut_at_password(url: str) -> _UrlParts:
    scheme, mark, rest = url.partition("://")
    try:
        StreamAddress.parse(url)
        end = next((at for at, character in enumerate(rest) if character in "/?#"), len(rest))
    except BadAddress:  # who knows where the password ends: at the last @
        end = len(rest)
    userinfo, at, host = rest[:end].rpartition("@")
    user, colon, password = userinfo.partition(":")
    return _UrlParts(f"{scheme}{mark}{user}{colon}", password, f"{at}{host}{rest[end:]}")


def sealed_url(url: str) -> tuple[str, StreamAddress] | None:
    """The address with `${SEALED}` for its plain password, and the address that it was.

    None where it has none, has it from the environment, or cannot be read.
    """
    head, secret, rest = _cut_at_password(url)
    if not secret or _ENV_REFERENCE.fullmatch(secret) or MASK in secret:
        return None
    try:
        return f"{head}{SEALED_REFERENCE}{rest}", StreamAddress.parse(url)
    except BadAddress:
        return None


def mask_url(url: str) -> str:
    """The address with `***` for its password and for secret parameters of path and query."""
    head, secret, rest = _cut_at_password(url)
    return mask_parameters(f"{head}{_masked_secret(secret)}{rest}", _masked_secret)


def unmask_url(url: str, known: str) -> str:
    """The address that was meant, where `known` is the present one. Raises MaskedSecretUnknown."""
    if MASK not in url:
        return url
    if url == mask_url(known):
        return known
    new, old = _cut_at_password(url), _cut_at_password(known)
    if new.secret == MASK and new.rest != old.rest and not is_same_place(url, known):
        raise MaskedSecretUnknown(
            "another host, port or protocol: the kept password is not sent there, write it again"
            f" in the place of {MASK}"
        )
    if new.secret == MASK and new.head == old.head:
        url = f"{new.head}{old.secret}{new.rest}"
    if MASK in url:
        raise MaskedSecretUnknown(f"holds {MASK} in the place of a secret, write the whole address")
    return url


def is_same_place(url: str, known: str) -> bool:
    """Whether a secret of `known` may be sent to `url`: the same host and port, TLS not lost."""
    try:
        new, old = StreamAddress.parse(url), StreamAddress.parse(known)
    except BadAddress:  # where it would lead is not certain
        return False
    return bool(new.host) and new.port == old.port and old.login_may_go_to(new)


def check_names_stay(url: str, known: str, present: Iterable[str]) -> None:
    """Refuse a `${NAME}` where the table names no such secret. Raises MaskedSecretUnknown.

    `known` is the present address of the same camera, `present` every address of the table: a name
    may be given to a camera at a host and port that has it already.
    """
    if url == known:
        return
    for name in _ENV_REFERENCE.findall(url):
        if not any(name in _ENV_REFERENCE.findall(p) and is_same_place(url, p) for p in present):
            raise MaskedSecretUnknown(
                f"${{{name}}} was not given to this host and port yet: write the password instead,"
                " or edit cameras.csv on the machine itself"
            )


def _masked_secret(secret: str) -> str:
    return secret if not secret or _ENV_REFERENCE.fullmatch(secret) else MASK
