"""Cameras, the audit log, accounts and the rest of the office: each to whom it belongs."""

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from typing import Any

import cv2
import httpx
import numpy as np
import pytest

from patrol.households.qr_code import qr_code_rows
from patrol.settings.site_settings import ConsoleSettings
from patrol.web.server import serve
from patrol.web.signed_links import (
    INVITATION_VALID_FOR,
    InvitationInvalid,
    check_invitation,
    invitation_token,
    read_invitation,
)

LogIn = Callable[[str], httpx.Client]
OWN = "my-own-words-5"
EVERYBODY = ("operator", "duty_lead", "cadre", "leader", "maintainer", "auditor", "admin")
WHO_MAY = [
    ("/cameras", {"operator", "duty_lead", "maintainer", "admin"}),
    ("/cameras/{camera}", {"operator", "duty_lead", "maintainer", "admin"}),
    ("/audit", {"auditor", "admin"}),
    ("/holds", {"duty_lead", "auditor", "admin"}),
    ("/grid", {"operator", "duty_lead", "admin"}),
    ("/reports", {"operator", "duty_lead", "auditor"}),
    ("/reports/file.csv?day=2026-01-01", {"operator", "duty_lead", "auditor"}),
    ("/accounts", {"admin"}),
    ("/account", set(EVERYBODY)),
    ("/sessions", {"admin"}),
    ("/keys", {"admin"}),
    ("/suppressions", {"duty_lead", "admin"}),
    ("/system", {"duty_lead", "maintainer", "admin"}),
    ("/system/part", {"duty_lead", "maintainer", "admin"}),
]


@pytest.mark.parametrize(("path", "allowed"), WHO_MAY)
@pytest.mark.parametrize("who", EVERYBODY)
def test_who_may_open_what(
    log_in: LogIn, town: Any, path: str, allowed: set[str], who: str
) -> None:
    camera = next(iter(town.app.registry.cameras))
    answer = log_in(who).get(path.format(camera=camera))
    assert answer.status_code == (200 if who in allowed else 403)


def test_no_address_of_a_camera_is_on_any_page(log_in: LogIn, town: Any) -> None:
    camera = next(iter(town.app.registry.cameras))
    for path in ("/cameras", f"/cameras/{camera}"):
        html = log_in("admin").get(path).text
        assert "rtsp://" not in html
        assert "H-0" not in html


def test_a_list_has_pages(log_in: LogIn) -> None:
    first = log_in("admin").get("/cameras?text=0001").text
    assert "62090204011327000001" in first
    assert "62090204011327000002" not in first
    assert log_in("admin").get("/cameras?page=99").status_code == 200


def test_the_auditor_reads_and_checks_and_changes_nothing(log_in: LogIn) -> None:
    log_in("operator").get("/rounds")
    page = log_in("auditor").get("/audit?what=log_in").text
    assert "operator" in page
    result = log_in("auditor").post("/api/audit/check", json={}).json()
    assert result == {"holds": True, "first_broken": None}
    for path in ("/api/accounts", "/api/rounds/morning/start", "/api/review/hand"):
        assert log_in("auditor").post(path, json={}).status_code == 403


def test_an_account_is_made_used_and_closed(
    log_in: LogIn, visitor: Callable[[], httpx.Client], town: Any
) -> None:
    admin = log_in("admin")
    leader = next(p for p in town.app.registry.people.values() if p.role == "grid_leader")
    asked = {"name": "new.leader", "duty": "grid_leader", "person": leader.id}
    made = admin.post("/api/accounts", json=asked)
    assert made.status_code == 201
    assert "/welcome#new.leader~" in made.json()["address"]
    new_user = visitor()
    form = {"name": "new.leader", "password": made.json()["password"]}
    assert new_user.post("/login", data=form).status_code == 303
    assert new_user.get("/leader").status_code == 200
    assert admin.post("/api/accounts", json=asked).status_code == 422
    assert admin.post("/api/accounts/new.leader/disable", json={}).status_code == 200
    assert new_user.get("/leader").status_code in (303, 401)
    assert new_user.post("/login", data=form).status_code == 401
    assert admin.post("/api/accounts/admin/disable", json={}).status_code == 422
    assert admin.post("/api/accounts/nobody/disable", json={}).status_code == 404


def test_a_leader_without_a_grid_cannot_be(log_in: LogIn) -> None:
    asked = {"name": "lost", "duty": "grid_leader"}
    answer = log_in("admin").post("/api/accounts", json=asked)
    assert answer.status_code == 422
    assert "grid" in answer.json()["detail"]


def test_ones_own_password_needs_the_old_one(log_in: LogIn) -> None:
    wrong = {"old": "not-this-one", "new": "another-good-one-7"}
    assert log_in("auditor").post("/api/account/password", json=wrong).status_code == 422
    short = {"old": "correct-horse-9", "new": "short"}
    assert log_in("auditor").post("/api/account/password", json=short).status_code == 422
    assert log_in("auditor").get("/account").status_code == 200


def test_the_qr_code_can_be_read() -> None:
    address = "https://patrol.example:8624/login"
    dots = np.array(
        [[0 if dot == "#" else 255 for dot in row] for row in qr_code_rows(address)], np.uint8
    )
    framed = cv2.copyMakeBorder(dots, 4, 4, 4, 4, cv2.BORDER_CONSTANT, value=255)
    large = cv2.resize(framed, None, fx=4, fy=4, interpolation=cv2.INTER_NEAREST)
    assert cv2.QRCodeDetector().detectAndDecode(large)[0] == address


def test_a_report_is_taken_away_in_each_format_and_written_down(log_in: LogIn, town: Any) -> None:
    auditor = log_in("auditor")
    with town.store.begin_read() as uow:
        day = uow.rounds.of_plan("afternoon", limit=1)[0].day
    assert f"{day}" in auditor.get(f"/reports?day={day}").text
    heads = {"xlsx": b"PK", "csv": "\ufeff".encode(), "html": b"<!doctype", "json": b"{"}
    for kind, head in heads.items():
        answer = auditor.get(f"/reports/file.{kind}?day={day}")
        assert answer.status_code == 200
        assert answer.content[: len(head)].lower() == head.lower()
        assert "attachment" in answer.headers["content-disposition"]
    with town.store.begin_read() as uow:
        assert uow.access.entries(limit=1)[0].what == "export_report"
    assert auditor.get("/reports?day=yesterday").status_code == 422
    assert auditor.get("/reports/file.exe?day=2026-01-01").status_code == 422


def test_the_log_is_leafed_through_without_losing_a_line(log_in: LogIn, town: Any) -> None:
    with town.store.begin() as uow:
        for number in range(230):
            uow.access.append(
                at=town.app.clock.now(), who="robot", what="visit", camera=None, why=f"{number}"
            )
        uow.commit()
    seen: list[int] = []
    path: str | None = "/audit?who=robot"
    while path:
        html = log_in("auditor").get(path).text
        seen += [int(n) for n in re.findall(r'<tr>\s*<td class="num">(\d+)</td>', html)]
        onward = re.search(r'rel="next" href="([^"]+)"', html)
        path = unescape(onward[1]) if onward else None
    assert len(seen) == len(set(seen)) == 230
    assert seen == sorted(seen, reverse=True)


def test_one_device_is_logged_out(log_in: LogIn, visitor: Callable[[], httpx.Client]) -> None:
    lost = visitor()
    form = {"name": "auditor", "password": "correct-horse-9"}
    assert lost.post("/login", data=form, headers={"user-agent": "lost phone"}).status_code == 303
    html = log_in("admin").get("/sessions").text
    row = next(part for part in html.split("<tr>") if "lost phone" in part)
    path = re.search(r'data-post="([^"]+)"', row)
    assert path is not None
    assert log_in("auditor").post(path[1], json={}).status_code == 403
    assert log_in("admin").post(path[1], json={}).status_code == 200
    assert log_in("admin").post(path[1], json={}).status_code == 404
    assert lost.get("/audit", headers={"accept": "text/html"}).status_code == 303
    assert "lost phone" in log_in("auditor").get("/audit?what=end_session").text


def test_a_key_is_shown_once_opens_its_scopes_and_is_revoked(
    log_in: LogIn, visitor: Callable[[], httpx.Client], town: Any
) -> None:
    admin = log_in("admin")
    assert admin.post("/api/keys", json={"name": "x", "scopes": []}).status_code == 422
    assert admin.post("/api/keys", json={"name": "x", "scopes": ["all"]}).status_code == 422
    assert log_in("duty_lead").post("/api/keys", json={}).status_code == 403
    made = admin.post("/api/keys", json={"name": "大屏", "scopes": ["rounds:read"]})
    secret = made.json()["secret"]
    page = admin.get("/keys").text
    assert "大屏" in page
    assert secret not in page
    with serve(town.app, ConsoleSettings(port=0)) as at:
        program = httpx.Client(base_url=at.url, headers={"authorization": f"Bearer {secret}"})
        assert program.get("/api/v1/rounds").status_code == 200
        assert program.get("/api/v1/cases").status_code == 403
        ident = made.json()["id"]
        assert admin.post(f"/api/keys/{ident}/revoke", json={}).status_code == 200
        assert program.get("/api/v1/rounds").status_code == 401
        program.close()
    assert admin.post(f"/api/keys/{ident}/revoke", json={}).status_code == 422


def test_a_suppression_is_given_more_time_or_ended(log_in: LogIn, town: Any) -> None:
    now = town.app.clock.now()
    camera = next(iter(town.app.registry.cameras))
    with town.store.begin() as uow:
        made = uow.suppressions.add(
            camera=camera, kind="scene_change", box=None, reason="shadow", owner="operator",
            now=now, until=now + timedelta(days=20),
        )  # fmt: skip
        uow.commit()
    finding = log_in("duty_lead")
    assert "光影变化" in finding.get("/suppressions").text
    path = f"/api/suppressions/{made.number}"
    assert finding.post(f"{path}/extend", json={"days": 85}).status_code == 422
    longer = finding.post(f"{path}/extend", json={"days": 30})
    assert longer.status_code == 201
    with town.store.begin_read() as uow:
        (stands,) = uow.suppressions.active(now, camera=camera)
    assert (stands.owner, stands.until) == ("duty_lead", made.until + timedelta(days=30))
    assert finding.post(f"{path}/end", json={}).status_code == 422
    assert log_in("operator").post(f"{path}/end", json={}).status_code == 403
    path = f"/api/suppressions/{stands.number}"
    assert finding.post(f"{path}/end", json={}).status_code == 200
    assert camera_is_free(town, camera)
    assert "已结束" in finding.get("/suppressions?which=all").text


def camera_is_free(town: Any, camera: str) -> bool:
    with town.store.begin_read() as uow:
        return not uow.suppressions.active(town.app.clock.now(), camera=camera)


def test_the_system_page_explains_what_is_wrong(log_in: LogIn, town: Any) -> None:
    html = log_in("maintainer").get("/system").text
    assert "还没有备份过" in html
    assert "数据库磁盘" in html
    with town.store.begin() as uow:
        uow.access.append(
            at=town.app.clock.now(), who="root", what="back_up", camera=None, why="patrol.tar"
        )
        uow.commit()
    assert "patrol.tar" in log_in("maintainer").get("/system/part").text
    result = log_in("maintainer").post("/api/system/check", json={})
    assert result.json() == {"problems": []}
    assert log_in("auditor").post("/api/system/check", json={}).status_code == 403


def test_a_qr_code_hands_an_account_over_once(
    log_in: LogIn, visitor: Callable[[], httpx.Client], town: Any
) -> None:
    admin = log_in("admin")
    asked = {"name": "scanned", "duty": "operator"}
    made = admin.post("/api/accounts", json=asked).json()
    ticket = made["address"].partition("#")[2]
    phone = visitor()
    assert phone.get("/welcome").status_code == 200

    def accept(ticket: str, password: str = OWN) -> httpx.Response:
        return phone.post("/api/welcome", json={"ticket": ticket, "password": password})

    name, until, signature = ticket.split("~")
    assert accept(f"{name}~{int(until) + 9}~{signature}").status_code == 422
    assert accept(f"admin~{until}~{signature}").status_code == 422
    assert accept(f"nobody~{until}~{signature}").status_code == 422
    assert accept("rubbish").status_code == 422
    assert accept(ticket, "short").status_code == 422
    assert accept(ticket).status_code == 200
    assert phone.get("/review").status_code == 200
    assert accept(ticket).status_code == 422
    old = visitor().post("/login", data={"name": "scanned", "password": made["password"]})
    assert old.status_code == 401
    new = visitor().post("/login", data={"name": "scanned", "password": OWN})
    assert new.status_code == 303


def test_an_invitation_ends_by_itself(town: Any) -> None:
    now = town.app.clock.now()
    with town.store.begin_read() as uow:
        account = uow.accounts.get("auditor")
    invitation, signature = read_invitation(invitation_token(account, now))
    check_invitation(
        account, invitation, signature, now + INVITATION_VALID_FOR - timedelta(minutes=1)
    )
    with pytest.raises(InvitationInvalid):
        check_invitation(
            account, invitation, signature, now + INVITATION_VALID_FOR + timedelta(seconds=1)
        )


def test_a_duty_is_changed_and_the_old_rights_end(
    log_in: LogIn, visitor: Callable[[], httpx.Client], town: Any
) -> None:
    admin = log_in("admin")
    made = admin.post("/api/accounts", json={"name": "moving", "duty": "operator"}).json()
    mover = visitor()
    form = {"name": "moving", "password": made["password"]}
    mover.post("/login", data=form)
    assert mover.get("/review").status_code == 200
    path = "/api/accounts/moving/duty"
    assert admin.post(path, json={"duty": "grid_leader"}).status_code == 422
    assert admin.post(path, json={"duty": "king"}).status_code == 422
    assert admin.post("/api/accounts/admin/duty", json={"duty": "auditor"}).status_code == 422
    assert log_in("duty_lead").post(path, json={"duty": "admin"}).status_code == 403
    leader = town.case.policy.ladder[0].person
    changed = admin.post(path, json={"duty": "grid_leader", "person": leader})
    assert changed.status_code == 204
    assert mover.get("/review").status_code in (303, 401)
    mover.post("/login", data=form)
    assert mover.get("/review").status_code == 403
    assert mover.get("/leader").status_code == 200
    assert "moving: operator → grid_leader" in log_in("auditor").get("/audit?what=change_duty").text
