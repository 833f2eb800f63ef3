"""People, grids and leave in the console and the API; a maintainer's and a substitute's phone."""

import secrets
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from patrol.administration.accounts import hash_password
from patrol.administration.work_queue import TableImportsBusy, WorkQueue
from patrol.cases.equipment import settle_recovered
from patrol.domain.account import API_KEY_PREFIX, Account, AccountRole, issue_api_key
from patrol.domain.case import Case, CaseState
from patrol.domain.health import Trouble, TroubleKind
from patrol.domain.ids import CaseId, PersonId
from patrol.domain.observation import Subject
from patrol.domain.registry import Role
from patrol.review import confirm
from patrol.web.api import people_routes
from patrol.web.app import API_PATH
from patrol.web.auth import csrf_token
from patrol.web.pages import cameras, people
from patrol.web.request_limits import MIB
from simulators import small_site

LogIn = Callable[[str], httpx.Client]
PASSWORD = "correct-horse-9"
NAMES = ("people.csv", "grids.csv", "leave.csv")
HASHED = hash_password(PASSWORD)


@pytest.fixture(autouse=True)
def files(town: Any) -> Iterator[Path]:
    """The files of the town, as before afterwards."""
    folder = Path(town.config_dir)
    before = {name: (folder / name).read_bytes() for name in NAMES if (folder / name).exists()}
    yield folder
    for name in NAMES:
        if name in before:
            (folder / name).write_bytes(before[name])
        else:
            (folder / name).unlink(missing_ok=True)
    town.app.follow_registry()


@pytest.fixture
def leader(town: Any) -> Any:
    people = town.app.registry.people.values()
    return next(p for p in people if p.role is Role.GRID_LEADER and p.grid == town.case.grid)


@pytest.fixture
def villager(town: Any, leader: Any) -> Any:
    """Somebody of the leader's grid without a login, which another name would end."""
    return next(
        p for p in town.app.registry.people.values()
        if p.grid == leader.grid and p.role is Role.RESPECTED_VILLAGER
    )  # fmt: skip


@pytest.fixture
def other_leader(town: Any, leader: Any) -> Any:
    with town.store.begin_read() as uow:
        person = uow.accounts.get("other_leader").person
    return town.app.registry.people[person]


@pytest.fixture
def fault(town: Any) -> Iterator[Case]:
    """A case about a camera that was just sent to the town's maintainer; fixed afterwards."""
    camera = next(iter(town.app.registry.cameras.values()))
    finding = replace(
        small_site.finding(f"F9{secrets.randbelow(10**5):05}"), camera=camera.id, grid=camera.grid,
        subject=Subject.EQUIPMENT, kind="blur", category="blur", found_at=town.app.clock.now(),
    )  # fmt: skip
    app = town.app
    with town.store.begin() as uow:
        uow.findings.add(finding)
        case = confirm(
            uow, finding.id, by="op", now=app.clock.now(), registry=app.registry,
            payloads=app.payloads, zone=app.site.settings.site.tz, send_gate=app.send_gate,
        )  # fmt: skip
        uow.commit()
    yield case
    with town.store.begin() as uow:
        settle_recovered(uow, camera.id, by="patrol", now=app.clock.now(), payloads=app.payloads)
        uow.commit()


def account(town: Any, visitor: Any, name: str, duty: AccountRole, person: Any) -> httpx.Client:
    """A client logged in as this person."""
    with town.store.begin() as uow:
        uow.accounts.put(
            Account(
                name=name, duty=duty, shown_as=name, password=HASHED, person=person.id,
                grid=person.grid if duty is not AccountRole.MAINTAINER else None,
                created_at=town.app.clock.now(),
            )
        )  # fmt: skip
        uow.commit()
    client: httpx.Client = visitor()
    assert client.post("/login", data={"name": name, "password": PASSWORD}).status_code == 303
    client.headers["x-patrol-csrf"] = csrf_token(client.cookies["patrol_session"])
    return client


def days(town: Any, first: int, last: int) -> dict[str, str]:
    today = town.app.clock.now().astimezone(town.app.site.settings.site.tz).date()
    return {
        "from": str(today + timedelta(days=first)), "until": str(today + timedelta(days=last)),
    }  # fmt: skip


def test_the_page_shows_people_leave_and_history(log_in: LogIn, town: Any, leader: Any) -> None:
    row = {"person_id": leader.id, **days(town, 0, 1), "note": "病假"}
    assert log_in("duty_lead").post("/api/people/leave", json=row).status_code == 200
    page = log_in("admin").get("/people", params={"text": leader.id}).text
    assert leader.name in page
    assert "病假" in page
    assert "duty_lead" in page, "who entered it"
    assert "data-edit" in page
    assert "data-edit" not in log_in("duty_lead").get("/people").text


def test_who_may_enter_leave_may_not_change_people(log_in: LogIn, town: Any, leader: Any) -> None:
    lead = log_in("duty_lead")
    for table, row in (("people", {"person_id": leader.id, "name": "x"}),
                       ("grids", {"grid_code": leader.grid, "name": "x"})):  # fmt: skip
        assert lead.post(f"/api/people/{table}", json=row).status_code == 403
        removal = {"row": next(iter(row.values()))}
        assert lead.post(f"/api/people/{table}/remove", json=removal).status_code == 403
    assert lead.get("/people/people.csv").status_code == 403
    for who in ("operator", "maintainer", "auditor", "leader", "cadre"):
        away = {"person_id": leader.id, **days(town, 0, 1)}
        assert log_in(who).post("/api/people/leave", json=away).status_code == 403
        assert log_in(who).get("/people").status_code == 403


def test_a_refusal_names_file_field_and_fix(log_in: LogIn, leader: Any) -> None:
    answer = log_in("admin").post("/api/people/people", json={"person_id": leader.id, "role": "x"})
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("people.csv role：'x' 未知，给出其一：town_duty, ")
    unknown = log_in("admin").post("/api/people/people", json={"person_id": leader.id, "a": "b"})
    assert (unknown.status_code, "没有 'a' 这一列" in unknown.text) == (409, True)
    gone = log_in("admin").post("/api/people/people/remove", json={"row": "nobody"})
    assert gone.status_code == 404


def test_an_import_is_compared_and_taken_over(log_in: LogIn, villager: Any, files: Path) -> None:
    admin = log_in("admin")
    exported = admin.get("/people/people.csv").content
    row = f"{villager.id},{villager.name}"
    changed = exported.replace(row.encode(), f"{villager.id},改名乡贤".encode())
    upload = {"file": ("people.csv", changed)}
    plan = admin.post("/api/people/people/import/check", files=upload).json()
    assert plan["counts"] == {"added": 0, "changed": 1, "retired": 0}
    done = admin.post(
        "/api/people/people/import", files=upload, data={"mark": plan["mark"], "why": "改名"}
    )
    assert done.status_code == 200, done.text
    assert "改名乡贤" in (files / "people.csv").read_text("utf-8-sig")
    again = admin.post(
        "/api/people/people/import", files=upload, data={"mark": plan["mark"], "why": "改名"}
    )
    assert again.status_code == 409
    assert (
        log_in("duty_lead").post("/api/people/people/import/check", files=upload).status_code == 403
    )


def test_today_says_a_grid_without_anybody_before_the_leave_begins(
    log_in: LogIn, town: Any, leader: Any
) -> None:
    team = [p for p in town.app.registry.people.values() if p.grid == leader.grid]
    answer: Any = None
    for person in team:
        row = {"person_id": person.id, **days(town, 2, 3)}
        answer = log_in("duty_lead").post("/api/people/leave", json=row)
        assert answer.status_code == 200, answer.text
    name = town.app.registry.tree.grids[leader.grid].name
    assert [one["grid"] for one in answer.json()["unstaffed"]] == [leader.grid]
    for page in (log_in("duty_lead").get("/").text, log_in("admin").get("/people").text):
        assert name in page
    assert "网格将无人" in log_in("duty_lead").get("/").text


def test_who_stands_in_has_the_cases_and_who_is_away_has_none(
    log_in: LogIn, town: Any, leader: Any, other_leader: Any
) -> None:
    def own(name: str) -> set[str]:
        return {c["id"] for c in log_in(name).get("/leader/api/cases").json()["cases"]}

    assert town.case.id in own("leader") - own("other_leader")
    row = {"person_id": leader.id, **days(town, 0, 1), "substitute": other_leader.id}
    assert log_in("duty_lead").post("/api/people/leave", json=row).status_code == 200
    assert town.case.id in own("other_leader") - own("leader")
    shown = log_in("leader").get("/leader/api/cases").json()
    assert shown["away"] is True
    assert f"案件由{other_leader.name}办理" in shown["away_text"]
    assert log_in("other_leader").get("/leader/api/cases").json()["away_text"] == ""
    assert "请假 1 人" in log_in("auditor").get("/today/part").text
    late = {"case": town.case.id, "key": "leave-key-01", "type": "opened"}
    assert log_in("leader").post("/leader/api/say", json=late).status_code == 403
    answer = log_in("other_leader").post("/leader/api/say", json={**late, "key": "leave-key-02"})
    assert answer.status_code == 200, answer.text
    key = f"{leader.id} {row['from']}"
    assert (
        log_in("duty_lead").post("/api/people/leave/remove", json={"row": key}).status_code == 200
    )
    assert town.case.id in own("leader") - own("other_leader")
    assert "请假 1 人" not in log_in("auditor").get("/today/part").text


def test_who_leaves_is_logged_out(log_in: LogIn, visitor: Any, town: Any, leader: Any) -> None:
    worker = next(
        p for p in town.app.registry.people.values()
        if p.grid == leader.grid and p.role is Role.RESPECTED_VILLAGER
    )  # fmt: skip
    client = account(town, visitor, "leaving", AccountRole.GRID_LEADER, worker)
    assert client.get("/leader").status_code == 200
    gone = log_in("admin").post("/api/people/people/remove", json={"row": worker.id})
    assert gone.json()["logins_ended"] == ["leaving"]
    assert client.get("/leader/api/cases").status_code == 401


def test_a_maintainer_handles_the_own_fault_on_the_phone_and_no_yard(
    visitor: Any, town: Any, fault: Case
) -> None:
    people = town.app.registry.people
    fixer = people[fault.policy.ladder[0].person]
    assert fixer.role is Role.MAINTAINER
    client = account(town, visitor, "fixer", AccountRole.MAINTAINER, fixer)
    cases = client.get("/leader/api/cases").json()["cases"]
    assert fault.id in {one["id"] for one in cases if one["mine"]}
    assert town.case.id not in {one["id"] for one in cases}

    def say(case: str, key: str, **more: str) -> httpx.Response:
        body = {"case": case, "key": f"fixer-key-{key}", **more}
        return client.post("/leader/api/say", json=body)

    assert say(town.case.id, "0", type="acknowledge").status_code == 403
    for number, more in enumerate(({"type": "acknowledge"}, {"type": "arrive"},
                                   {"type": "feedback", "result": "handled"})):  # fmt: skip
        answer = say(fault.id, str(number + 1), **more)
        assert (answer.status_code, answer.json()["outcome"]) == (200, "moved")
    with town.store.begin_read() as uow:
        after = uow.cases.get(CaseId(fault.id))
    assert after.state is CaseState.FED_BACK
    assert {entry.by for entry in after.entries[-3:]} == {fixer.id}
    report = {"key": "fixer-key-9", "category": "other", "text": "x"}
    assert client.post("/leader/api/report", json=report).status_code == 403


def test_a_maintainer_without_a_person_or_of_another_role_answers_nothing(
    log_in: LogIn, visitor: Any, town: Any, fault: Case, leader: Any
) -> None:
    impostor = account(town, visitor, "impostor", AccountRole.MAINTAINER, leader)
    body = {"case": fault.id, "key": "impostor-01", "type": "acknowledge"}
    for client in (log_in("maintainer"), impostor, log_in("leader"), log_in("cadre")):
        assert client.post("/leader/api/say", json=body).status_code == 403
        photo = client.post(f"/leader/api/photo/{fault.id}/impostor-01", content=b"x")
        assert photo.status_code == 403
    with town.store.begin_read() as uow:
        assert uow.cases.get(CaseId(fault.id)).state is CaseState.DISPATCHED


def api_client(console: Any, town: Any, *scopes: str) -> httpx.Client:
    secret = API_KEY_PREFIX + secrets.token_urlsafe(32)
    with town.store.begin() as uow:
        uow.api_keys.add(
            issue_api_key(
                name="people", scopes=scopes, by="admin", now=town.app.clock.now(), secret=secret
            )
        )
        uow.commit()
    return httpx.Client(
        base_url=console.url + API_PATH, headers={"Authorization": f"Bearer {secret}"}, timeout=30
    )


def test_the_api_reads_changes_imports_and_tells_the_history(
    console: Any, town: Any, leader: Any, villager: Any, files: Path
) -> None:
    with api_client(console, town, "people:read", "people:write") as api:
        rows = api.get("/registry/people").json()
        assert {row["person_id"] for row in rows} == set(town.app.registry.people)
        away = {"cells": {"person_id": leader.id, **days(town, 0, 0)}, "why": "开会"}
        changed = api.put("/registry/leave", json=away)
        assert changed.status_code == 200, changed.text
        (row,) = [r for r in api.get("/registry/people").json() if r["person_id"] == leader.id]
        assert (row["on_leave"], row["acting"]) == (True, None)
        key = f"{leader.id} {away['cells']['from']}"
        assert api.delete(f"/registry/leave/{key}").status_code == 200
        assert api.delete(f"/registry/leave/{key}").status_code == 404
        history = api.get("/registry/leave/history", params={"row": key}).json()
        assert [one["what"] for one in history[:2]] == ["removed", "added"]
        assert history[1]["why"] == "开会"
        assert api.get("/unstaffed").json() == []
        row = f"{villager.id},{villager.name}"
        text = (files / "people.csv").read_text("utf-8-sig")
        text = text.replace(row, f"{villager.id},又改名")
        plan = api.post("/registry/people/import", json={"csv": text}).json()
        assert [one["row"] for one in plan["changes"]] == [villager.id]
        taken = {"csv": text, "version": plan["version"]}
        assert api.post("/registry/people/import", json=taken).status_code == 200
        assert api.post("/registry/people/import", json=taken).status_code == 409
        bad = api.put("/registry/people", json={"cells": {"person_id": leader.id, "role": "x"}})
        assert (bad.status_code, "'x' is unknown" in bad.text) == (422, True)


def test_a_key_that_reads_changes_nothing(console: Any, town: Any, leader: Any) -> None:
    body = {"cells": {"person_id": leader.id, "name": "x"}}
    with api_client(console, town, "people:read") as api:
        assert api.put("/registry/people", json=body).status_code == 403
        assert api.delete(f"/registry/people/{leader.id}").status_code == 403
        assert api.post("/registry/people/import", json={"csv": ""}).status_code == 403
    with api_client(console, town, "cases:read") as api:
        assert api.get("/registry/people").status_code == 403
    assert town.app.registry.people[PersonId(leader.id)].name == leader.name


@pytest.fixture
def entry(town: Any) -> int:
    """The number of an entry of the maintenance queue: the first camera is faulty."""
    now, camera = town.app.clock.now(), next(iter(town.app.registry.cameras))
    fault = Trouble(
        kind=TroubleKind.CAMERA, subject=camera, state="faulty", since=now, opened_at=now,
        why="blur", cameras=(camera,),
    )  # fmt: skip
    with town.store.begin() as uow:
        opened = uow.troubles.open(fault)
        uow.commit()
    assert opened is not None
    return int(opened.number)


def test_a_program_takes_an_entry_of_the_maintenance_queue_once_with_its_case(
    console: Any, town: Any, entry: int, fault: Case
) -> None:
    path, fixer = f"/troubles/{entry}/take", fault.policy.ladder[0].person
    with (
        api_client(console, town, "cameras:read") as sees,
        api_client(console, town, "cases:move") as moves,
    ):
        (line,) = [one for one in sees.get("/troubles").json() if one["number"] == entry]
        assert (line["case"], line["taken_by"]) == (fault.id, None)
        assert sees.post(path, json={}).status_code == 403
        assert moves.post(path, json={"person": "nobody"}).status_code == 422
        taken = moves.post(path, json={"person": fixer})
        assert (taken.status_code, taken.json()["taken_by"]) == (200, fixer)
        assert moves.post(path, json={}).status_code == 409, "taken before"
        assert moves.post("/troubles/999999/take", json={}).status_code == 404
    with town.store.begin_read() as uow:
        case = uow.cases.get(fault.id)
    assert (case.state, case.entries[-1].by) == (CaseState.ACKNOWLEDGED, fixer)


def test_a_table_of_the_api_may_be_as_large_as_one_of_the_console(
    console: Any, town: Any, files: Path
) -> None:
    text = (files / "people.csv").read_text("utf-8-sig")
    large = text + "\r\n" * (MIB // 4)  # empty lines are no rows
    with api_client(console, town, "people:write") as api:
        plan = api.post("/registry/people/import", json={"csv": large})
        assert plan.status_code == 200, plan.text
        assert plan.json()["changes"] == []
        beyond = api.post("/registry/people/import", json={"csv": "人" * (3 * MIB)})
        assert beyond.status_code == 413, "9 MiB of UTF-8, as characters fewer than the bound"


@pytest.mark.parametrize("scopes", [(), ("people:read",)])
def test_without_the_scope_nothing_of_a_table_is_read(
    console: Any, town: Any, scopes: tuple[str, ...]
) -> None:
    """The answer comes though of ten announced MiB not a byte was sent."""
    key = "Bearer no-such-key"
    if scopes:
        with api_client(console, town, *scopes) as api:
            key = api.headers["authorization"]
    host, port = console.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as raw:
        head = (
            f"POST {API_PATH}/registry/people/import HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: {key}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {10 * MIB}\r\n\r\n"
        )
        raw.sendall(head.encode())
        assert raw.recv(100).split()[1] == (b"403" if scopes else b"401")


def test_tables_are_imported_one_at_a_time_and_few_wait(
    console: Any, town: Any, log_in: LogIn, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every entrance of a table: two of the console's each for cameras and people, the API's."""
    full = WorkQueue(at_once=1, waiting=0, busy=TableImportsBusy)
    for module in (cameras, people, people_routes):
        monkeypatch.setattr(module, "TABLE_IMPORTS", full)
    upload = {"file": ("people.csv", (files / "people.csv").read_bytes())}
    form = {"mark": "x", "why": "改名"}
    admin = log_in("admin")
    with api_client(console, town, "people:write") as api, full:
        answers = [
            admin.post("/api/people/people/import/check", files=upload),
            admin.post("/api/people/people/import", files=upload, data=form),
            admin.post("/api/cameras/import/check", files=upload),
            admin.post("/api/cameras/import", files=upload, data=form),
            api.post("/registry/people/import", json={"csv": "x"}),
        ]
    assert [(one.status_code, one.headers["retry-after"]) for one in answers] == [(503, "2")] * 5
    assert admin.post("/api/people/people/import/check", files=upload).status_code == 200
