"""The upgrade to a row for each picture: what shared its bytes is told apart, where known."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command

from patrol.domain.ids import CameraId, PictureId, Sha256
from patrol.domain.round import picture_id
from patrol.store import Store, open_store, upgrade
from patrol.store.column_types import UtcTime
from patrol.store.engine import connect, make_engine, parse_url
from patrol.store.fsck import check_store
from patrol.store.upgrade import configuration

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
ZHANG, LI = (CameraId(f"6209020401132700000{number}") for number in (1, 2))
SLIDE, SCENE, GONE, PHOTO = (Sha256(letter * 64) for letter in "abcd")
KEPT_UNTIL = NOW + 180 * DAY
PICTURE = {"width_px": 8, "height_px": 6, "bytes": 90}
VISIT = {
    "outcome": "normal", "tries": 1, "failure": "", "seen": "", "usable_pictures": 1,
    "faults": "[]", "freshness": "", "light": "day",
}  # fmt: skip
FINDING = {
    "grid": "620902104203001", "subject": "scene", "kind": "x", "score": 0.5, "why": "",
    "level": "III", "category": "x", "zone": "", "times": 1, "unreviewed_ok": False,
    "state": "candidate", "decided_by": "", "reason": "", "origin": "machine", "again_why": "",
}  # fmt: skip
CASE = {
    "grid": "620902104203001", "subject": "scene", "category": "x", "level": "III", "place": "",
    "policy": "{}", "note": "", "kind": "x", "zone": "", "state": "fed_back", "rung": 0, "looks": 0,
    "revision": 0, "times": 1,
}  # fmt: skip


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of the revision before, with pictures that share their bytes."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/patrol.db"
    else:
        new: Callable[[], str] = request.getfixturevalue("new_postgres_database")
        url = new()
    engine = make_engine(parse_url(url), create=True)
    with connect(engine) as connection:
        command.upgrade(configuration(connection), "0009")
        _fill(connection)
        connection.commit()
    engine.dispose()
    return url


def _fill(connection: sa.Connection) -> None:
    def insert(table: str, **values: Any) -> None:
        columns = [
            sa.column(name, UtcTime() if isinstance(value, datetime) else None)
            for name, value in values.items()
        ]
        connection.execute(sa.table(table, *columns).insert().values(values))

    def taken(visit: int, camera: CameraId, at: datetime, sha256: Sha256, place: int = 0) -> None:
        if place == 0:
            insert("visits", number=visit, camera=camera, started_at=at, finished_at=at, **VISIT)
        insert(
            "visit_pictures", visit=visit, place=place, sha256=sha256, taken_at=at + place * MINUTE,
            purpose="sample", delete_after=at + 7 * DAY, **PICTURE,
        )  # fmt: skip

    taken(1, ZHANG, NOW - DAY, SLIDE)  # the row was this one's: "evidence" came later, for LI
    taken(2, LI, NOW, SLIDE)
    taken(3, LI, NOW + DAY, SLIDE)  # the second look
    taken(4, LI, NOW + DAY, SCENE)
    taken(4, LI, NOW + DAY, GONE, place=1)
    taken(5, ZHANG, NOW - 30 * DAY, SCENE)  # deleted once; the same bytes came again
    owner = {"camera": ZHANG, "taken_at": NOW - DAY, **PICTURE}
    insert("pictures", sha256=SLIDE, purpose="after", delete_after=KEPT_UNTIL, **owner)
    owner = {"camera": LI, "taken_at": NOW + DAY, **PICTURE}
    insert("pictures", sha256=SCENE, purpose="sample", delete_after=NOW + 8 * DAY, **owner)
    owner = {"camera": LI, "taken_at": NOW, **PICTURE}
    insert("pictures", sha256=PHOTO, purpose="ground", delete_after=KEPT_UNTIL, **owner)
    for number, sha256 in enumerate((SCENE, GONE), start=1):
        insert(
            "deletions", number=number, sha256=sha256, camera=ZHANG, taken_at=NOW - 30 * DAY,
            purpose="sample", due_at=NOW - 23 * DAY, deleted_at=NOW - 23 * DAY + number * 25 * DAY,
            previous="", hash="",
        )  # fmt: skip
    insert("findings", id="F1", camera=LI, found_at=NOW, picture=SLIDE, **FINDING)
    insert("findings", id="F2", camera=LI, found_at=NOW, picture=GONE, **FINDING)
    insert(
        "cases", id="C1", finding="F1", camera=LI, found_at=NOW, dispatched_at=NOW, before=SLIDE,
        after=SLIDE, **CASE,
    )  # fmt: skip
    insert(
        "case_entries", case="C1", place=0, at=NOW + DAY, by="system", what="looked", note="",
        state="fed_back",
    )  # fmt: skip
    for number in range(2):  # the same photo sent twice
        insert(
            "case_photos", key=f"k{number}", case="C1", sha256=PHOTO, by="x", at=NOW + number * DAY
        )
    insert(
        "observations", camera=ZHANG, at=NOW - DAY, subject="scene", kind="x", score=1.0,
        gauge="x/1", zone="", label="", picture=SLIDE,
    )  # fmt: skip


@pytest.fixture
def upgraded(url: str) -> Any:
    upgrade(url)
    with open_store(url) as store:
        yield store


def life(store: Store, picture: PictureId) -> tuple[str, datetime] | None:
    with store.begin_read() as uow:
        stored = uow.pictures.get(picture)
    return stored and (stored.purpose, stored.delete_after)


def test_each_visit_has_its_picture_again(upgraded: Store) -> None:
    assert life(upgraded, picture_id(ZHANG, NOW - DAY, SLIDE)) == ("after", KEPT_UNTIL)
    assert life(upgraded, picture_id(LI, NOW, SLIDE)) == ("after", KEPT_UNTIL), "a finding's"
    assert life(upgraded, picture_id(LI, NOW + DAY, SCENE)) == ("sample", NOW + 8 * DAY)
    with upgraded.begin_read() as uow:
        (visit,) = uow.rounds.latest_visits(LI, limit=3)[2:]
        assert uow.pictures.get(visit.pictures[0].id) is not None
        assert uow.db.scalar(sa.text("SELECT count(*) FROM pictures")) == 6


def test_what_the_ledger_has_stays_deleted(upgraded: Store) -> None:
    assert life(upgraded, picture_id(ZHANG, NOW - 30 * DAY, SCENE)) is None
    assert [one for one in check_store(upgraded) if one.where.startswith("picture")] == []


def test_findings_cases_and_observations_name_the_picture_of_their_own_look(
    upgraded: Store,
) -> None:
    with upgraded.begin_read() as uow:
        finding = uow.db.scalar(sa.text("SELECT picture FROM findings WHERE id = 'F1'"))
        deleted = uow.db.scalar(sa.text("SELECT picture FROM findings WHERE id = 'F2'"))
        row = uow.db.all(sa.text("SELECT before, after FROM cases"))[0]
        observed = uow.db.scalar(sa.text("SELECT picture FROM observations"))
    assert finding == row.before == picture_id(LI, NOW, SLIDE)
    assert row.after == picture_id(LI, NOW + DAY, SLIDE)
    assert observed == picture_id(ZHANG, NOW - DAY, SLIDE)
    assert deleted == GONE


def test_a_photo_sent_twice_is_two(upgraded: Store) -> None:
    with upgraded.begin_read() as uow:
        names = [row.picture for row in uow.db.all(sa.text("SELECT picture FROM case_photos"))]
    assert set(names) == {picture_id(LI, NOW + n * DAY, PHOTO) for n in range(2)}
    assert [life(upgraded, one) for one in names] == [("ground", KEPT_UNTIL)] * 2
