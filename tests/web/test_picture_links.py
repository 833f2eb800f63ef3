"""One-time links: once, for a while, for one grid; every look is a line; guesses learn nothing."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest

from patrol.domain.account import GRID_ACCOUNT_ROLES, PERMISSIONS, Permission
from patrol.domain.answering import may_see_case
from patrol.domain.case import Case, CaseEvent, CaseState
from patrol.domain.ids import CaseId
from patrol.domain.picture_link import LinkSigner, PictureLink, sign_token
from patrol.settings.zones_editor import replace_camera
from patrol.store import UnitOfWork
from patrol.vision.redaction import Redacted, redact
from patrol.web.signed_links import signed_picture_url

LogIn = Callable[[str], httpx.Client]
Visitor = Callable[[], httpx.Client]
BROWSER = {"accept": "text/html,image/*"}


@pytest.fixture(autouse=True, scope="module")
def _coarse(town: Any) -> Iterator[None]:
    """What is done to a picture is other tests' affair; here it is done without models."""
    models, town.app.redact = town.app.redact, partial(redact, detectors=None)
    yield
    town.app.redact = models


@pytest.fixture
def case(town: Any) -> Iterator[Case]:
    """The leader's case as it stands, with a revision of its own: its links are unopened."""
    with town.store.begin() as uow:
        known = uow.cases.get(town.case.id)
        fresh = replace(known, revision=known.revision + 10)
        store_and_announce(town, uow, fresh)
        uow.commit()
    return fresh


def store_and_announce(town: Any, uow: UnitOfWork, case: Case) -> None:
    """As a real change is made: other tests here run the store's consistency check."""
    uow.cases.put(case)
    for message in town.app.payloads.case_messages(case, town.app.clock.now()):
        uow.outbox.add(message)


def link_of(town: Any, case: Case) -> str:
    """As it stands in the message under the case's first grid, without the host."""
    message = town.app.payloads.case_messages(case, town.app.clock.now())[0]
    link: str = json.loads(message.payload)["picture"]["link"]
    assert link.startswith("http://127.0.0.1:8624/p/")
    return link.removeprefix("http://127.0.0.1:8624")


def signed_link(town: Any, case: Case, **other: Any) -> str:
    link = PictureLink(
        case=case.id,
        grid=case.grid,
        revision=case.revision,
        until=town.app.clock.now() + timedelta(hours=1),
    )
    return f"/p/{sign_token(replace(link, **other), town.app.payloads.link_signer.key)}"


def lines(town: Any, what: str) -> int:
    with town.store.begin_read() as uow:
        return sum(entry.what == what for entry in uow.access.entries(limit=10_000))


def test_it_opens_once_and_is_a_line_in_the_log(visitor: Visitor, town: Any, case: Case) -> None:
    address = link_of(town, case)
    first = visitor().get(address)
    assert first.status_code == 200
    assert first.headers["content-type"] == "image/jpeg"
    assert first.headers["cache-control"] == "no-store"
    picture = cv2.imdecode(np.frombuffer(first.content, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    with town.store.begin_read() as uow:
        assert first.content != town.app.evidence.get(uow.pictures.get(case.before).sha256)
        last = uow.access.entries(limit=1)[0]
        assert uow.access.first_broken() is None
    assert (last.who, last.what, last.camera) == (f"link/{case.grid}", "open_link", case.camera)
    assert last.why.startswith(f"case:{case.id}")
    opened = lines(town, "open_link")
    again = visitor().get(address)
    assert again.status_code == 410
    assert "已经用过" in again.json()["words"]
    assert town.app.site.settings.centre_phone in again.json()["detail"]
    assert lines(town, "open_link") == opened


def test_the_browser_that_opened_it_may_reload_for_a_minute(
    visitor: Visitor, town: Any, case: Case
) -> None:
    address, phone = link_of(town, case), visitor()
    assert phone.get(address).status_code == 200
    cookie = phone.get(address).headers.get("set-cookie", "")
    assert not cookie, "a reload does not make the minute longer"
    assert lines(town, "reopen_link") >= 1
    with town.store.begin_read() as uow:
        opening = uow.picture_links.uses(case.id, case.grid)[-1]
    late = opening.at + timedelta(seconds=61)
    clock = town.app.clock
    town.app.clock = type("Late", (), {"now": staticmethod(lambda: late)})()
    try:
        assert phone.get(address).status_code == 410
    finally:
        town.app.clock = clock


def test_the_cookie_is_for_pictures_alone(visitor: Visitor, town: Any, case: Case) -> None:
    cookie = visitor().get(link_of(town, case)).headers["set-cookie"].lower()
    assert "path=/p/" in cookie
    assert "httponly" in cookie
    assert "max-age=60" in cookie


def test_of_many_telephones_at_once_one_sees_it(visitor: Visitor, town: Any, case: Case) -> None:
    address = link_of(town, case)
    clients = [visitor() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda client: client.get(address).status_code, clients))
    assert sorted(answers) == [200, 410, 410, 410]


def test_a_preview_spends_nothing(visitor: Visitor, town: Any, case: Case) -> None:
    address = link_of(town, case)
    assert visitor().head(address).status_code == 405
    assert visitor().get(address).status_code == 200


def test_a_newer_message_has_a_new_link_and_opening_it_ends_the_older(
    visitor: Visitor, town: Any, case: Case
) -> None:
    older, newer = link_of(town, case), link_of(town, replace(case, revision=case.revision + 1))
    assert older != newer
    assert visitor().get(newer).status_code == 200
    assert visitor().get(older).status_code == 410


def test_an_older_unopened_link_still_opens(visitor: Visitor, town: Any, case: Case) -> None:
    """The telephone was offline while the case went on."""
    older = link_of(town, case)
    with town.store.begin() as uow:
        store_and_announce(town, uow, replace(case, revision=case.revision + 1))
        uow.commit()
    assert visitor().get(older).status_code == 200


def test_it_expires(visitor: Visitor, town: Any, case: Case) -> None:
    past = town.app.clock.now() - timedelta(seconds=1)
    answer = visitor().get(signed_link(town, case, until=past))
    assert answer.status_code == 410
    assert "过期" in answer.json()["words"]


def test_each_notified_grid_has_its_own_link(town: Any, case: Case) -> None:
    raised = replace(case, rung=len(case.policy.ladder) - 1)
    bodies = [
        json.loads(m.payload) for m in town.app.payloads.case_messages(raised, town.app.clock.now())
    ]
    assert len(bodies) > 1
    assert len({body["picture"]["link"] for body in bodies}) == len(bodies)


def test_a_grid_that_was_not_notified_has_no_link(visitor: Visitor, town: Any, case: Case) -> None:
    """Sealed by us, as for a case that was taken from the grid since."""
    elsewhere = next(
        grid for grid in town.app.registry.tree.grids if grid != case.grid and grid[-3:] == "001"
    )
    answer = visitor().get(signed_link(town, case, grid=elsewhere))
    assert answer.status_code == 410
    assert "其他网格" in answer.json()["words"]


def test_a_leader_of_another_grid_cannot_even_spend_it(
    visitor: Visitor, log_in: LogIn, town: Any, case: Case
) -> None:
    address = link_of(town, case)
    with town.store.begin_read() as uow:
        other = uow.accounts.get("other_leader")
    assert not may_see_case(other, case, town.app.registry)
    assert log_in("other_leader").get(address).status_code == 403
    assert log_in("leader").get(address).status_code == 200


GUESSES = [
    pytest.param("nothing", id="nonsense"),
    pytest.param("", id="nothing"),
    pytest.param("AAAA.AAAA", id="of the shape"),
    pytest.param("é" * 400, id="long and foreign"),
    pytest.param("../../etc/passwd", id="a path"),
]


@pytest.mark.parametrize("guess", GUESSES)
def test_a_guess_is_404(visitor: Visitor, guess: str) -> None:
    assert visitor().get(f"/p/{guess}").status_code == 404


def test_a_bent_link_is_404_and_another_sites_too(visitor: Visitor, town: Any, case: Case) -> None:
    address = link_of(town, case)
    payload, _, signature = address.partition(".")
    link = PictureLink(
        case=case.id, grid=case.grid, revision=99, until=town.app.clock.now() + timedelta(hours=1)
    )
    other_payload = signed_link(town, case, revision=99).partition(".")[0]
    for bent in (
        f"{payload}.{'A' * len(signature)}",
        f"{other_payload}.{signature}",
        f"{payload[:-1]}.{signature}",
        f"/p/{sign_token(link, b'another key')}",
    ):
        assert visitor().get(bent).status_code == 404
    assert visitor().get(address).status_code == 200, "trying spends nothing"


def test_a_link_of_an_unknown_case_is_404(visitor: Visitor, town: Any, case: Case) -> None:
    """The store is older than the link: a backup was restored."""
    unknown = replace(case, id=CaseId("C20200101-9999"))
    assert visitor().get(signed_link(town, unknown)).status_code == 404


def test_a_person_reads_why_not(visitor: Visitor, town: Any, case: Case) -> None:
    address = link_of(town, case)
    visitor().get(address)
    page = visitor().get(address, headers=BROWSER)
    assert page.status_code == 410
    assert "此链接只能打开一次" in page.text
    assert "新消息带新链接" in page.text


def test_a_case_that_ended_shows_nothing(visitor: Visitor, town: Any) -> None:
    with town.store.begin() as uow:
        number = uow.next_number("ended cases of the test")
        case = replace(
            town.case, id=CaseId(f"C20200301-{number:04d}"), finding=None, request=None,
            state=CaseState.DISPATCHED,
        )  # fmt: skip
        uow.cases.add(case)
        store_and_announce(town, uow, case)
        address = link_of(town, case)
        void = case.apply_event(
            CaseEvent.VOID, at=town.app.clock.now(), by="duty_lead", note="test"
        )
        ended = replace(void, revision=case.revision + 1)
        store_and_announce(town, uow, ended)
        uow.commit()
    answer = visitor().get(address)
    assert answer.status_code == 410
    assert "已结束" in answer.json()["words"]
    assert town.app.payloads.case_messages(ended, town.app.clock.now())[0].payload == b""


def test_a_household_that_withdrew_is_shown_to_nobody_outside(
    visitor: Visitor, log_in: LogIn, town: Any, case: Case
) -> None:
    address = link_of(town, case)
    with town.store.begin() as uow:
        uow.consents.withdraw(case.camera, by="household", now=town.app.clock.now())
        uow.commit()
    try:
        answer = visitor().get(address)
        assert answer.status_code == 410
        assert "撤回" in answer.json()["words"]
        assert "新消息" not in answer.json()["detail"]
        mine = log_in("leader").get("/leader/api/cases").json()["cases"]
        picture = next(one["picture"] for one in mine if one["id"] == case.id)
        assert log_in("leader").get(picture).status_code == 410
    finally:
        with town.store.begin() as uow:
            uow.consents.restore(case.camera, by="household", now=town.app.clock.now())
            uow.commit()
    assert visitor().get(address).status_code == 200, "a refusal spends nothing"


@pytest.fixture
def top_left(town: Any, case: Case) -> Iterator[None]:
    """The camera's visible area, edited by hand down to a corner."""
    path = Path(town.config_dir) / "zones.yaml"
    before, corner = path.read_bytes(), [[0, 0], [0.3, 0], [0.3, 0.3], [0, 0.3]]
    path.write_text(replace_camera(path, case.camera, {"visible": corner}), "utf-8")
    yield
    path.write_bytes(before)
    town.app.registry_watcher.refresh()


def test_what_leaves_is_cut_out_of_what_may_be_seen_now(
    visitor: Visitor, log_in: LogIn, town: Any, case: Case, top_left: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The case's picture is older than the corner; a photo from the ground has no corner."""
    given: list[bytes] = []

    def keep(jpeg: bytes, box: Any, mark: Any) -> Redacted:
        given.append(jpeg)
        return redact(jpeg, box, mark, None)

    monkeypatch.setattr(town.app, "redact", keep)
    leader, photo = log_in("leader"), cv2.imencode(".jpg", np.full((90, 160, 3), 200, np.uint8))[1]
    sent = leader.post(f"/leader/api/photo/{case.id}/key-corner-1", content=photo.tobytes())
    assert sent.status_code == 201
    with town.store.begin_read() as uow:
        ground = uow.case_photos.of_case(case.id)[-1].picture
    assert visitor().get(link_of(town, case)).status_code == 200
    for client, name, size in (
        (leader, case.before, "ground"), (leader, ground, "ground"),
        (log_in("operator"), ground, "full"), (log_in("operator"), ground, "thumb"),
    ):  # fmt: skip
        secret, now = client.cookies["patrol_session"], town.app.clock.now()
        answer = client.get(signed_picture_url(secret, str(name), size, f"case:{case.id}", now))
        assert answer.status_code == 200
        given += [answer.content] if size != "ground" else []
    assert [lower_right(jpeg) for jpeg in given] == ["black", "black", "seen", "seen", "seen"]


def lower_right(jpeg: bytes) -> str:
    bgr = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert bgr is not None
    height, width = bgr.shape[:2]
    return "black" if bgr[height // 2 :, width // 2 :].max() < 16 else "seen"


def test_a_site_that_serves_no_pictures_has_no_links(town: Any, case: Case) -> None:
    bare = replace(town.app.payloads, link_signer=None)
    body = json.loads(bare.case_messages(case, town.app.clock.now())[0].payload)
    assert body["picture"] == {"available": True, "link": None}
    maker = LinkSigner(base_url="https://p.example", key=b"k", lasts=timedelta(hours=1))
    assert maker.link(replace(case, before=None), case.grid, town.app.clock.now()) is None


def test_nobody_outside_has_a_right_that_shows_a_picture_as_it_was_stored() -> None:
    """Whose pictures are redacted (Caller.outside) is who gets no other address."""
    unredacted = {Permission.ROUND, Permission.REVIEW, Permission.AREAS, Permission.LIVE}
    for duty in GRID_ACCOUNT_ROLES:
        assert not PERMISSIONS[duty] & unredacted


@pytest.mark.parametrize("size", ["full", "thumb", "sheet"])
def test_no_other_size_is_served_outside(log_in: LogIn, town: Any, case: Case, size: str) -> None:
    """Even with a right signature, as a page of ours would carry by mistake."""
    leader = log_in("leader")
    secret, now = leader.cookies["patrol_session"], town.app.clock.now()
    asked = signed_picture_url(secret, str(case.before), size, f"case:{case.id}", now)
    assert leader.get(asked).status_code == 403
