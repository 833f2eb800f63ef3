"""Pictures: only for whom the address was made, only while it holds, and always written down."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import cv2
import httpx
import numpy as np
import pytest

from patrol.domain.ids import CameraId, PictureId, RoundId, Sha256
from patrol.domain.round import StoredPicture, Visit, VisitOutcome
from patrol.web.signed_links import signed_picture_url
from patrol.web.thumbnails import (
    SHEET_COLUMNS,
    SHEET_ROWS,
    TILE_PX,
    ContactSheets,
    SheetThumb,
    TilePosition,
    newest_picture,
    sheet_layout,
    tile_positions,
)

LogIn = Callable[[str], httpx.Client]


def addresses(html: str) -> list[str]:
    """Every picture address of a page."""
    found = re.findall(r'src="(/picture/[^"]+)"', html)
    return list(dict.fromkeys(unescape(one) for one in found))


@pytest.fixture
def wall(log_in: LogIn, town: Any) -> list[str]:
    """The addresses of the wall's contact sheets."""
    with town.store.begin_read() as uow:
        a_round = uow.rounds.of_plan("afternoon", limit=1)[0]
    return addresses(log_in("operator").get(f"/rounds/{a_round.id}").text)


@dataclass(frozen=True)
class Seen:
    """A picture of the newest round: its own address, and where the wall shows it."""

    address: str
    picture: PictureId
    sheet: str
    place: TilePosition


@pytest.fixture
def seen(log_in: LogIn, town: Any, wall: list[str]) -> Seen:
    with town.store.begin_read() as uow:
        a_round = uow.rounds.of_plan("afternoon", limit=1)[0]
        visits = uow.rounds.visits(a_round.id)
        visit = [v for v in visits if (p := newest_picture(v)) and uow.pictures.get(p)][-1]
    page = log_in("operator").get(f"/rounds/{a_round.id}/camera/{visit.camera}").text
    picture = newest_picture(visit)
    place = tile_positions(sheet_layout(visits, running=False))[picture]
    address = next(one for one in addresses(page) if picture in one)
    sheet = next(one for one in wall if place.sheet in one)
    return Seen(address=address, picture=picture, sheet=sheet, place=place)


def tile(client: httpx.Client, seen: Seen) -> Any:
    """Its thumbnail, as a browser cuts it out of the sheet."""
    jpeg = np.frombuffer(client.get(seen.sheet).content, np.uint8)
    sheet = cv2.imdecode(jpeg, cv2.IMREAD_COLOR)
    (width, height), x, y = TILE_PX, seen.place.x, seen.place.y
    assert sheet is not None
    assert sheet.shape[1] == SHEET_COLUMNS * width
    return sheet[y * height : (y + 1) * height, x * width : (x + 1) * width]


def test_a_look_is_a_line_in_the_log(log_in: LogIn, town: Any, wall: list[str]) -> None:
    answer = log_in("operator").get(wall[0])
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["cache-control"].startswith("private")
    with town.store.begin_read() as uow:
        last = uow.access.entries(limit=1)[0]
        assert (last.who, last.what) == ("operator", "view_thumbnail")
        assert last.why.startswith("round:")
        assert last.camera in town.app.registry.cameras
        assert uow.access.first_broken() is None


def test_a_sheet_is_a_line_for_each_of_its_cameras(
    log_in: LogIn, town: Any, wall: list[str]
) -> None:
    with town.store.begin_read() as uow:
        before = uow.access.entries(limit=1)[0].number
    assert log_in("operator").get(wall[0]).status_code == 200
    with town.store.begin_read() as uow:
        lines = [e for e in uow.access.entries(limit=200) if e.number > before]
    cameras = {line.camera for line in lines if line.what == "view_thumbnail"}
    assert len(cameras) == len(lines) > SHEET_COLUMNS


def test_an_address_is_worth_nothing_to_anybody_else(log_in: LogIn, wall: list[str]) -> None:
    assert log_in("duty_lead").get(wall[0]).status_code == 403
    assert log_in("").get(wall[0]).status_code == 401


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("/sheet?", "/full?", id="larger than given"),
        pytest.param("for=round:", "for=case:", id="another reason"),
        pytest.param("until=1", "until=9", id="for longer"),
        pytest.param("sign=", "sign=0", id="another signature"),
    ],
)
def test_an_address_cannot_be_bent(log_in: LogIn, wall: list[str], old: str, new: str) -> None:
    assert old in wall[0]
    assert log_in("operator").get(wall[0].replace(old, new)).status_code == 403


def test_a_deleted_picture_is_gone_and_leaves_no_small_copy(
    log_in: LogIn, town: Any, seen: Seen
) -> None:
    operator = log_in("operator")
    assert tile(operator, seen).std() > 10
    assert operator.get(seen.address).status_code == 200
    with town.store.begin() as uow:
        uow.pictures.record_deletion(seen.picture, town.app.clock.now())
        uow.commit()
    assert operator.get(seen.address).status_code == 410
    assert tile(operator, seen).std() < 10


def test_a_withdrawn_household_is_looked_at_no_more(log_in: LogIn, town: Any, seen: Seen) -> None:
    operator = log_in("operator")
    assert tile(operator, seen).std() > 10
    with town.store.begin() as uow:
        stored = uow.pictures.get(seen.picture)
        assert stored is not None
        uow.consents.withdraw(stored.camera, by="household", now=town.app.clock.now())
        uow.commit()
    assert operator.get(seen.address).status_code == 410
    assert tile(operator, seen).std() < 10


def test_of_two_households_with_the_same_picture_the_log_names_the_one_that_was_viewed(
    log_in: LogIn, town: Any
) -> None:
    """A "no signal" slide: the same bytes, each with its own camera and time."""
    operator, now = log_in("operator"), town.app.clock.now()
    slide = np.full((90, 160, 3), (200, 40, 40), np.uint8)
    sha256 = town.app.evidence.put(bytes(cv2.imencode(".jpg", slide)[1]))
    shown = sorted(town.app.registry.cameras)[-2:]
    taken = [
        StoredPicture(
            sha256=sha256, camera=camera, taken_at=now - timedelta(minutes=5 * number),
            width_px=160, height_px=90, bytes=900, purpose="sample",
            delete_after=now + timedelta(days=1),
        )
        for number, camera in enumerate(shown)
    ]  # fmt: skip
    with town.store.begin() as uow:
        for picture in taken:
            uow.rounds.record_visit(
                Visit(
                    round=None, camera=picture.camera, outcome=VisitOutcome.NORMAL,
                    started_at=picture.taken_at, finished_at=picture.taken_at, pictures=(picture,),
                )
            )  # fmt: skip
        uow.commit()
    for picture in taken:
        for size, logged in (("full", "view_picture"), ("thumb", "view_thumbnail")):
            answer = operator.get(
                signed_picture_url(
                    operator.cookies["patrol_session"], picture.id, size, "round:x", now
                )
            )
            assert answer.status_code == 200
            with town.store.begin_read() as uow:
                last = uow.access.entries(limit=1)[0]
            assert (last.what, last.camera) == (logged, picture.camera)
    with town.store.begin() as uow:  # the one household is served no more, the other as before
        uow.consents.withdraw(shown[0], by="household", now=now)
        uow.commit()
    statuses = [
        operator.get(
            signed_picture_url(operator.cookies["patrol_session"], one.id, "full", "round:x", now)
        ).status_code
        for one in taken
    ]
    assert statuses == [410, 200]


class OneGrey:
    """Thumbs of which every picture is grey."""

    def get(self, _sha256: Sha256) -> bytes:
        width, height = TILE_PX
        return bytes(cv2.imencode(".jpg", np.full((height, width, 3), 180, np.uint8))[1])


def test_a_thumbnail_shows_no_more_than_is_agreed_now() -> None:
    width, height = TILE_PX
    left_half = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
    sheets = ContactSheets(OneGrey())
    shown = (SheetThumb(Sha256("a" * 64), left_half), SheetThumb(Sha256("b" * 64)), None)
    sheet = cv2.imdecode(np.frombuffer(sheets.jpeg(shown), np.uint8), cv2.IMREAD_COLOR)
    assert sheet is not None
    first, second, nothing = (sheet[:height, n * width : (n + 1) * width] for n in range(3))
    assert first[:, 8 : width // 2 - 8].mean() > 170
    assert first[:, width // 2 + 8 : -8].mean() < 10
    assert second[:, 8:-8].mean() > 170
    assert nothing[:, 8:-8].mean() < 40


def test_sheets_of_a_round_under_way_only_grow() -> None:
    def seen(number: int) -> Visit:
        at = datetime(2026, 11, 22, 1, 0, number, tzinfo=UTC)
        picture = StoredPicture(
            sha256=Sha256(f"{number:064x}"), camera=CameraId(f"{99 - number:020d}"), taken_at=at,
            width_px=1, height_px=1, bytes=1, purpose="sample", delete_after=at,
        )  # fmt: skip
        return Visit(
            round=RoundId("r"), camera=picture.camera, outcome=VisitOutcome.NORMAL, started_at=at,
            finished_at=at, pictures=(picture,),
        )  # fmt: skip

    full = SHEET_COLUMNS * SHEET_ROWS
    visits = [seen(number) for number in range(full * 2 + 1)]
    some = sheet_layout(visits[: full + 3], running=True)
    more = sheet_layout(visits, running=True)
    assert (len(some), len(more)) == (1, 2)
    assert some.items() <= more.items()
    assert sum(map(len, sheet_layout(visits, running=False).values())) == len(visits)
