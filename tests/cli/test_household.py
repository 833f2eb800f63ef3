"""Whatever is held of a household is gone from every byte after each path; consent; the slip."""

import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from sqlite3 import connect
from typing import Any

import cv2
import numpy as np
import pytest

from patrol.domain.account import CasePhoto
from patrol.domain.ids import CameraId, CaseId, MessageKey
from patrol.domain.observation import Light
from patrol.domain.round import FIELD_PHOTO_PURPOSE, StoredPicture, Visit, VisitOutcome
from patrol.pictures import FilePictureStore
from patrol.store import open_store
from patrol.store.pixel_places import BYTES_WITHOUT_PIXELS, PIXEL_PLACES
from patrol.store.schema_all import metadata
from tests.cli.conftest import CAMERA, CAMERA_2, CliSite

MARKER = b"<household-pixels>"
OTHER_MARKER = b"<neighbour-pixels>"
LONG_AGO = datetime(2025, 1, 5, 4, tzinfo=UTC)
FAR = datetime(2199, 1, 1, tzinfo=UTC)
HOUSEHOLD_CSV = "camera_id,name,grid_code,place,url,household_ref,outdoor,consent,consent_until"


def pixels(marker: bytes, number: int) -> bytes:
    """Bytes that are in no other file; long enough to fill pages of a database of their own."""
    return b"\xff\xd8" + f"{number:04}".encode() + marker * 2000


@dataclass(frozen=True)
class PlantedHousehold:
    """A household whose marker lies in every place where pixels can lie."""

    cli: CliSite
    camera: CameraId
    marker: bytes

    def plant(self, *, taken_at: datetime, until: datetime) -> None:
        home = self.cli.home
        evidence = FilePictureStore(home / "evidence")
        pictures = tuple(
            StoredPicture(
                sha256=evidence.put(pixels(self.marker, number)), camera=self.camera,
                taken_at=taken_at + timedelta(seconds=number), width_px=1, height_px=1,
                bytes=10, purpose=purpose, delete_after=until,
            )
            for number, purpose in enumerate(("sample", "evidence", "before", "after"))
        )  # fmt: skip
        photo = StoredPicture(
            sha256=evidence.put(pixels(self.marker, 90)), camera=self.camera, taken_at=taken_at,
            width_px=1, height_px=1, bytes=10, purpose=FIELD_PHOTO_PURPOSE, delete_after=until,
        )  # fmt: skip
        visit = Visit(
            round=None, camera=self.camera, outcome=VisitOutcome.NORMAL, started_at=taken_at,
            finished_at=taken_at, pictures=pictures, usable_pictures=2,
        )  # fmt: skip
        with open_store(self.cli.database) as store:
            with store.begin() as uow:
                uow.rounds.record_visit(visit)
                uow.pictures.add(photo)
                uow.case_photos.add(
                    CasePhoto(
                        key=MessageKey(f"{self.camera}/k"), case=CaseId("C20250105-0001"),
                        sha256=photo.sha256, by="L1", at=taken_at, picture=photo.id,
                    )
                )  # fmt: skip
                uow.commit()
            for number in (1, 2):  # the second replaces the first, whose pages become free
                with store.begin() as uow:
                    for light in Light:
                        blob = pixels(self.marker, 10 * number)
                        uow.memories.put(self.camera, light, blob, taken_at, sampled_at=taken_at)
                    uow.commit()

    def plant_loose_files(self) -> None:
        evidence = self.cli.home / "evidence"
        loose = (
            evidence / "unfinished" / "1-7",
            evidence / ".restore-abc" / "store.db",
            evidence / "ab" / "cd" / f"{'ab' + 'cd' + '0' * 60}.jpg",
            evidence / "ab" / "cd" / "stray.tmp",
        )
        old = LONG_AGO.timestamp()
        for number, file in enumerate(loose):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(pixels(self.marker, 500 + number))
            os.utime(file, (old, old))

    def traces(self) -> list[str]:
        """Every file of the state directory, the database and its journal too, with the marker."""
        return sorted(
            str(file.relative_to(self.cli.home))
            for file in self.cli.home.rglob("*")
            if file.is_file() and self.marker in file.read_bytes()
        )


@pytest.fixture
def households(cli_site: CliSite) -> tuple[PlantedHousehold, PlantedHousehold]:
    """A household and its neighbour; only the first ever leaves."""
    cameras = (cli_site.home / "config/cameras.csv").read_text()
    until = cameras.rsplit(",", 1)[1].strip()
    rows = [
        f"{CAMERA},一号,620902104203001,村口,rtsp://127.0.0.1:9/a,H-0001,yes,granted,{until}",
        f"{CAMERA_2},二号,620902104203001,渠边,rtsp://127.0.0.1:9/b,H-0002,yes,granted,{until}",
    ]
    cli_site.write("cameras.csv", "\n".join((HOUSEHOLD_CSV, *rows, "")))
    mine = PlantedHousehold(cli_site, CAMERA, MARKER)
    neighbour = PlantedHousehold(cli_site, CAMERA_2, OTHER_MARKER)
    assert cli_site("db", "sweep", "--json").code == 0  # the registry's snapshot is there
    mine.plant(taken_at=LONG_AGO, until=FAR)
    # The reference has a life of its own; the neighbour's is young.
    neighbour.plant(taken_at=datetime.now(UTC), until=FAR)  # noqa: TID251  the CLI's own clock
    return mine, neighbour


def ledger(cli_site: CliSite, camera: CameraId) -> list[str]:
    with closing(connect(cli_site.home / "patrol.db")) as database:
        rows = database.execute(
            "SELECT purpose FROM deletions WHERE camera = ? ORDER BY number", (camera,)
        )
        return [purpose for (purpose,) in rows]


def test_the_search_finds_the_marker_in_every_place(
    households: tuple[PlantedHousehold, PlantedHousehold],
) -> None:
    mine, _ = households
    mine.plant_loose_files()
    traces = mine.traces()
    assert len([name for name in traces if name.endswith(".jpg")]) == 6
    assert any(name.startswith("patrol.db") for name in traces)
    assert {"evidence/unfinished/1-7", "evidence/.restore-abc/store.db"} <= set(traces)


def test_nothing_is_left_after_a_withdrawal(
    households: tuple[PlantedHousehold, PlantedHousehold],
) -> None:
    mine, neighbour = households
    before = neighbour.traces()
    gone = mine.cli("consent", "withdraw", "000001", "--by", "desk", "--json")
    assert gone.document["withdrawn"] is True
    assert mine.traces() == []
    assert neighbour.traces() == before
    lines = ledger(mine.cli, mine.camera)
    assert len(lines) == 7
    assert all(line.endswith(", consent ended") for line in lines)
    assert mine.cli("db", "check").code == 0


def test_nothing_is_left_after_retirement(
    households: tuple[PlantedHousehold, PlantedHousehold],
) -> None:
    mine, neighbour = households
    before = neighbour.traces()
    table = mine.cli.home / "config/cameras.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join(line for line in lines if CAMERA not in line) + "\n")
    swept = mine.cli("db", "sweep", "--json").document
    assert (swept["deleted"], swept["references"], swept["failed"]) == (5, 2, 0)
    assert mine.traces() == []
    assert neighbour.traces() == before
    assert all(line.endswith(", camera retired") for line in ledger(mine.cli, mine.camera))
    assert mine.cli("db", "check").code == 0


def test_nothing_is_left_after_expiry_and_of_files_that_nothing_names(
    households: tuple[PlantedHousehold, PlantedHousehold],
) -> None:
    mine, neighbour = households
    with closing(connect(mine.cli.home / "patrol.db")) as database, database:
        past = "2025-07-04T04:00:00.000000Z"
        mine_only = "UPDATE pictures SET delete_after = ? WHERE camera = ?"
        database.execute(mine_only, (past, mine.camera))
    mine.plant_loose_files()
    before = neighbour.traces()
    assert "no row names this file" in mine.cli("db", "check").err
    swept = mine.cli("db", "sweep", "--json").document
    assert (swept["deleted"], swept["references"], swept["loose"]) == (5, 2, 4)
    assert mine.traces() == []
    assert neighbour.traces() == before
    assert mine.cli("db", "check").code == 0
    assert mine.cli("db", "sweep", "--json").document["deleted"] == 0


def test_a_withdrawal_in_the_table_counts_as_well(
    households: tuple[PlantedHousehold, PlantedHousehold],
) -> None:
    mine, _ = households
    mine.cli.spoil("cameras.csv", "granted", "withdrawn")
    assert mine.cli("db", "sweep", "--json").document["deleted"] == 5
    assert mine.traces() == []


def test_a_restored_backup_brings_nothing_back(
    households: tuple[PlantedHousehold, PlantedHousehold],
) -> None:
    mine, neighbour = households
    backup = mine.cli.home / "../backup.tar"
    assert mine.cli("backup", "--out", str(backup)).code == 0
    assert mine.cli("consent", "withdraw", CAMERA, "--by", "desk").code == 0
    for part in ("patrol.db", "patrol.db-wal", "patrol.db-shm"):
        (mine.cli.home / part).unlink(missing_ok=True)
    assert mine.cli("restore", str(backup)).code == 0
    backup.unlink()
    assert mine.traces() == []
    assert neighbour.traces()
    listed = mine.cli("consent", "list", "--json").document
    assert {"camera": CAMERA, "name": "一号", "why": "withdrawn_here"} in listed
    assert mine.cli("db", "check").code == 0


def test_what_a_visit_brings_after_the_withdrawal_is_not_kept(
    households: tuple[PlantedHousehold, PlantedHousehold],
) -> None:
    mine, _ = households
    mine.cli("consent", "withdraw", CAMERA)
    mine.plant(taken_at=datetime(2026, 11, 30, tzinfo=UTC), until=FAR)  # it was under way
    assert mine.cli("db", "check").code == 0, "due at once, so nothing is kept against the rule"
    mine.cli("db", "sweep")
    assert mine.traces() == []


def test_every_column_with_bytes_is_in_the_register_or_says_why_not() -> None:
    of_bytes = {
        f"{table.name}.{column.name}"
        for table in metadata.tables.values()
        for column in table.columns
        if column.type.python_type is bytes
    }
    registered = {
        f"{place.table.name}.{place.pixels.name}"
        for place in PIXEL_PLACES
        if place.table is not None and place.pixels.type.python_type is bytes
    }
    assert of_bytes == registered | set(BYTES_WITHOUT_PIXELS)
    assert not registered & set(BYTES_WITHOUT_PIXELS)


def test_the_paper_names_every_place() -> None:
    text = (Path(__file__).parents[2] / "docs/privacy.md").read_text("utf-8")
    for place in PIXEL_PLACES:
        assert place.name.removesuffix("s") in text, place.name


def test_every_file_of_a_site_is_in_the_register_or_holds_no_pixels(
    households: tuple[PlantedHousehold, PlantedHousehold],
) -> None:
    mine, _ = households
    mine.plant_loose_files()
    mine.cli("consent", "withdraw", CAMERA_2)
    registered = {
        file
        for place in PIXEL_PLACES
        for pattern in place.files
        for file in (mine.cli.home / "evidence").glob(pattern)
        if file.is_file()
    }
    others = {f for f in mine.cli.home.rglob("*") if f.is_file()} - registered
    assert registered
    assert {file.name for file in others if "config" not in file.parts} <= {
        "patrol.db", "patrol.db-wal", "patrol.db-shm", ".withdrawals", ".round.lock",
        ".service.lock",
    }  # fmt: skip


def test_a_pause_and_hours_are_said_and_end(cli_site: CliSite) -> None:
    day = datetime.now(UTC).date() + timedelta(days=40)  # noqa: TID251  the CLI's own clock
    paused = cli_site("consent", "pause", CAMERA, "--until", f"{day}", "--by", "desk", "--json")
    assert paused.document["paused_until"] == f"{day}T16:00:00Z", "to the end of the local day"
    listed = cli_site("consent", "list", "--json").document
    assert [one["why"] for one in listed if one["camera"] == CAMERA] == ["consent_paused"]
    assert cli_site("consent", "resume", CAMERA, "--json").document["paused_until"] is None
    hours = cli_site("consent", "hours", CAMERA, "08:00-12:00,14:00-24:00", "--json").document
    assert hours["hours"] == "08:00-12:00,14:00-00:00"
    assert cli_site("consent", "hours", CAMERA, "any", "--json").document["hours"] is None
    seen = cli_site("who-looked", CAMERA, "--json").document
    assert [one["what"] for one in reversed(seen)] == [
        "consent paused", "consent resumed", "consent hours", "consent hours",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("pause", CAMERA, "--until", "tomorrow"), "is no time"),
        (("pause", CAMERA, "--until", "2020-01-01"), "is past"),
        (("pause", CAMERA, "--until", "2199-01-01"), "more than a year"),
        (("hours", CAMERA, "8-12"), "is no window"),
        (("hours", CAMERA, "08:00-08:00"), "is no window"),
        (("hours", CAMERA, ""), "names no hours"),
        (("withdraw", CAMERA, "--why", "x" * 201), "at most"),
    ],
)
def test_a_change_that_cannot_be_is_one_line(
    cli_site: CliSite, arguments: tuple[str, ...], text: str
) -> None:
    ended = cli_site("consent", *arguments)
    assert ended.code == 2
    assert text in ended.err
    assert len(ended.err.strip().splitlines()) == 1


def test_a_slip_says_what_is_held_until_when_and_who_looked(
    households: tuple[PlantedHousehold, PlantedHousehold],
) -> None:
    mine, _ = households
    slip = mine.cli("household", "H-0001", "--by", "desk", "--json").document
    (camera,) = slip["cameras"]
    held = {(one["place"], one["purpose"]): one for one in camera["held"]}
    assert held["pictures", "sample of a visit"]["count"] == 1
    assert held["pictures", "photo from the ground"]["until"] == "2199-01-01T00:00:00Z"
    assert held["references", "day"]["until"] == "2025-07-04T04:00:00Z"
    assert {one["place"] for one in camera["held"]} == {place.name for place in PIXEL_PLACES}
    assert camera["consent"]["state"] == "granted"
    again = mine.cli("household", CAMERA, "--json").document["cameras"][0]
    assert [(one["who"], one["what"]) for one in again["looked"]] == [("desk", "print_slip")]
    text = mine.cli("household", "H-0001", "--language", "zh").out
    assert "农户告知单" in text
    assert "同意：已同意" in text
    assert mine.cli("household", "H-9999").code == 2


def test_a_slip_names_the_orders_that_keep_something_and_not_their_reason(
    households: tuple[PlantedHousehold, PlantedHousehold],
) -> None:
    mine, _ = households
    free = mine.cli("household", "H-0001", "--json").document["cameras"][0]["legal_holds"]
    assert free == {"kept": 0, "orders": []}
    order = ("--reference", "酒公调〔2026〕12号", "--why", "邻里纠纷立案", "--by", "chief")
    assert mine.cli("hold", "add", "--camera", CAMERA, *order).code == 0
    held = mine.cli("household", "H-0001", "--json").document["cameras"][0]["legal_holds"]
    assert (held["kept"], [one["reference"] for one in held["orders"]]) == (7, [order[1]])
    for language, words in (("zh", "撤回同意后亦同"), ("en", "also after a withdrawal")):
        text = mine.cli("household", "H-0001", "--language", language).out
        assert order[1] in text
        assert words in text
        assert "邻里纠纷" not in text
    mine.cli("consent", "withdraw", CAMERA)
    page = mine.cli.home / "slip.html"
    mine.cli.spoil("site.yaml", "console:", "links: {base_url: 'https://patrol.example'}\nconsole:")
    assert mine.cli("household", "H-0001", "--html", str(page)).code == 0
    assert order[1] in page.read_text()
    assert mine.cli("hold", "end", "1", "--why", "解除").code == 0
    mine.cli("db", "sweep")
    after = mine.cli("household", "H-0001", "--json").document["cameras"][0]
    assert after["legal_holds"] == free
    assert sum(one["count"] for one in after["held"] if one["place"] != "backups") == 0
    neighbour = mine.cli("household", "H-0002", "--json").document["cameras"][0]
    assert neighbour["legal_holds"] == free


def test_the_page_has_a_code_that_leads_to_the_household_page(
    households: tuple[PlantedHousehold, PlantedHousehold],
) -> None:
    mine, _ = households
    page = mine.cli.home / "slip.html"
    mine.cli.spoil("site.yaml", "console:", "links: {base_url: 'https://patrol.example'}\nconsole:")
    for _ in range(3):  # OpenCV reads all but one code in some hundred
        assert mine.cli("household", "H-0001", "--html", str(page), "--new-link").code == 0
        link = mine.cli("household", "H-0001", "--json").document["cameras"][0]["link"]
        if read_code(page.read_text()):
            break
    assert link.startswith("https://patrol.example/h/")
    assert read_code(page.read_text()) == link
    new = mine.cli("household", "H-0001", "--new-link", "--json").document["cameras"][0]["link"]
    assert new != link
    none = mine.cli("household", "H-0001", "--revoke-link", "--json").document["cameras"][0]
    assert none["link"] is None
    assert oct(page.stat().st_mode & 0o777) == "0o600"


def read_code(html: str) -> str:
    """What a telephone reads of the page's code."""
    moves = list(_modules(html))
    size = max(max(x, y) for x, y in moves) + 5
    picture = np.full((size, size), 255, np.uint8)
    for x, y in moves:
        picture[y, x] = 0
    for scale in (4, 6, 3, 5, 7):  # OpenCV's reader, unlike telephones, is choosy about sizes
        large = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST)
        text, _, _ = cv2.QRCodeDetector().detectAndDecode(large)
        if text:
            return text
    return ""


def _modules(html: str) -> Iterator[tuple[int, int]]:
    path = html.split('<path d="', 1)[1].split('"', 1)[0]
    for step in path.split("z"):
        if step:
            x, y = step.removeprefix("M").split("h")[0].split(" ")
            yield int(x), int(y)


def test_a_note_that_names_a_household_is_masked_with_a_warning(
    households: tuple[PlantedHousehold, PlantedHousehold],
) -> None:
    mine, _ = households
    mine.cli.seed_round()
    note = "到h 0001家看看,点位 6209 0204 0113 2700 0001"
    ended = mine.cli("confirm", "F000001", "--note", note, "--by", "desk", "--json")
    assert ended.code == 0, ended.err
    assert "h 0001" in ended.err
    assert ended.document["masked"] == ["h 0001", "6209 0204 0113 2700 0001"]
    with closing(connect(mine.cli.home / "patrol.db")) as database:
        sent: list[Any] = database.execute("SELECT payload FROM outbox").fetchall()
    payloads = b"".join(payload for (payload,) in sent).decode()
    assert "到[…]家看看,点位 …000001" in payloads
    assert "0001家" not in payloads
