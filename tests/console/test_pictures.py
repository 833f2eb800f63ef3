"""Pictures: only for whom the address was made, only while it holds, and always written down."""

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import httpx
import pytest

LogIn = Callable[[str], httpx.Client]


def addresses(html: str) -> list[str]:
    """Every picture address of a page."""
    return [unescape(found) for found in re.findall(r'src="(/picture/[^"]+)"', html)]


@pytest.fixture
def wall(log_in: LogIn, town: Any) -> list[str]:
    with town.store.begin_read() as uow:
        a_round = uow.rounds.of_plan("afternoon", limit=1)[0]
    return addresses(log_in("operator").get(f"/rounds/{a_round.id}").text)


def test_a_look_is_a_line_in_the_log(log_in: LogIn, town: Any, wall: list[str]) -> None:
    answer = log_in("operator").get(wall[0])
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["cache-control"].startswith("private")
    with town.store.begin_read() as uow:
        last = uow.access.entries(limit=1)[0]
        assert (last.who, last.what) == ("operator", "view_thumbnail")
        assert last.why.startswith("round:")
        assert last.camera in town.doors.registry.cameras
        assert uow.access.first_broken() is None


def test_an_address_is_worth_nothing_to_anybody_else(log_in: LogIn, wall: list[str]) -> None:
    assert log_in("duty_lead").get(wall[1]).status_code == 403
    assert log_in("").get(wall[1]).status_code == 401


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("/thumb?", "/full?", id="larger than given"),
        pytest.param("for=round:", "for=case:", id="another reason"),
        pytest.param("until=1", "until=9", id="for longer"),
        pytest.param("sign=", "sign=0", id="another signature"),
    ],
)
def test_an_address_cannot_be_bent(log_in: LogIn, wall: list[str], old: str, new: str) -> None:
    assert old in wall[2]
    assert log_in("operator").get(wall[2].replace(old, new)).status_code == 403


def test_a_deleted_picture_is_gone_and_leaves_no_small_copy(
    log_in: LogIn, town: Any, wall: list[str]
) -> None:
    address = wall[-1]
    assert log_in("operator").get(address).status_code == 200
    sha256 = address.split("/")[2]
    with town.store.begin() as uow:
        uow.pictures.deleted(sha256, town.app.clock.now())
        uow.commit()
    gone = log_in("operator").get(address)
    assert gone.status_code == 410


def test_a_withdrawn_household_is_looked_at_no_more(
    log_in: LogIn, town: Any, wall: list[str]
) -> None:
    address = wall[-2]
    with town.store.begin() as uow:
        stored = uow.pictures.get(address.split("/")[2])
        assert stored is not None
        uow.consents.withdraw(stored.camera, by="household", now=town.app.clock.now())
        uow.commit()
    assert log_in("operator").get(address).status_code == 410
