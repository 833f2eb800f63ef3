"""`patrol who-looked`: a household's view of the access log."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from patrol.domain.ids import CameraId
from patrol.store import open_store

CAMERA, OTHER = CameraId("62090204011327000001"), CameraId("62090204011327000002")
NOON = datetime(2026, 11, 22, 4, tzinfo=UTC)
ACCESS_LINES = [
    ("patrol", "visit", CAMERA, "round 20261122-morning-1"),
    ("operator", "view_picture", CAMERA, "finding:F000001"),
    ("operator", "view_picture", OTHER, "round:20261122-morning-1"),
    ("link/620902104203001", "open_link", CAMERA, "case:C20261122-0001 r0"),
]


@pytest.fixture
def viewed_site(cli_site: Any) -> Any:
    """Two cameras of one household, looked at."""
    cli_site.seed_round()
    cli_site.spoil("cameras.csv", "consent_until\n", "consent_until,household_ref\n")
    for state in ("yes", "no"):
        cli_site.spoil("cameras.csv", f",{state},granted,", f",{state},granted, ")
    text = (cli_site.home / "config" / "cameras.csv").read_text("utf-8")
    head, *rows = text.splitlines()
    cli_site.write("cameras.csv", "\n".join([head, *(f"{row},H-0001" for row in rows), ""]))
    with open_store(cli_site.database) as store, store.begin() as uow:
        for number, (who, what, camera, why) in enumerate(ACCESS_LINES):
            at = NOON + timedelta(minutes=number)
            uow.access.append(at=at, who=who, what=what, camera=camera, why=why)
        uow.commit()
    return cli_site


def test_a_camera_newest_first(viewed_site: Any) -> None:
    lines = viewed_site("who-looked", str(CAMERA), "--json").document
    assert [line["what"] for line in lines] == ["open_link", "view_picture", "visit"]
    assert lines[0]["at"] == "2026-11-22T04:03:00Z"
    assert {"number", "who", "why", "previous", "hash"} <= lines[0].keys()
    assert [
        line["who"]
        for line in viewed_site("who-looked", "000001", "--json", "--limit", "1").document
    ] == ["link/620902104203001"]


def test_a_household_has_all_its_cameras(viewed_site: Any) -> None:
    lines = viewed_site("who-looked", "H-0001", "--json").document
    assert [line["number"] for line in lines] == sorted(
        (line["number"] for line in lines), reverse=True
    )
    assert {line["camera"] for line in lines} == {CAMERA, OTHER}
    people = viewed_site("who-looked", "H-0001", "--people", "--json").document
    assert {line["who"] for line in people} == {"operator", "link/620902104203001"}


def test_in_words_with_local_time(viewed_site: Any) -> None:
    output = viewed_site("who-looked", str(CAMERA)).out
    assert "2026-11-22 12:03:00" in output
    assert "打开一次性链接" in output
    assert "db check" in output


def test_a_camera_that_left_is_still_answered_for_and_nonsense_is_not(viewed_site: Any) -> None:
    gone = viewed_site("who-looked", "62090204011327009999", "--json")
    assert (gone.code, gone.document) == (0, [])
    wrong = viewed_site("who-looked", "nobody")
    assert wrong.code == 2
    assert "no household" in wrong.err
