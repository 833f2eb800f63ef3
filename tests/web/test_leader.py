"""The phone page: own grid only, through the same inbox as MQTT, photos without a trace."""

import io
import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import cv2
import httpx
import numpy as np
import pytest

from patrol.domain.case import CaseState
from patrol.domain.ids import CaseId

LogIn = Callable[[str], httpx.Client]
EXIF_WITH_POSITION = b"Exif\x00\x00MM\x00*\x00\x00\x00\x08GPS 39.6N 98.75E"


@pytest.fixture
def case(town: Any) -> CaseId:
    """An open case of the leader's grid."""
    ident: CaseId = town.case.id
    return ident


def reply_as(client: httpx.Client, case: str, key: str, **response: str) -> httpx.Response:
    return client.post("/leader/api/say", json={"case": case, "key": key, **response})


def a_photo(width: int = 2400, height: int = 1200) -> bytes:
    """A JPEG with an EXIF segment that names a place."""
    noise = np.random.default_rng(3).integers(0, 255, (height // 8, width // 8, 3), np.uint8)
    jpeg = bytes(cv2.imencode(".jpg", cv2.resize(noise, (width, height)))[1])
    segment = b"\xff\xe1" + (len(EXIF_WITH_POSITION) + 2).to_bytes(2, "big") + EXIF_WITH_POSITION
    return jpeg[:2] + segment + jpeg[2:]


def test_a_leader_sees_the_cases_of_the_own_grid(log_in: LogIn, case: CaseId) -> None:
    mine = log_in("leader").get("/leader/api/cases").json()["cases"]
    assert case in [one["id"] for one in mine]
    theirs = log_in("other_leader").get("/leader/api/cases").json()["cases"]
    assert case not in [one["id"] for one in theirs]
    assert "H-0" not in json.dumps(mine)


def test_every_address_of_another_grids_case_is_refused(log_in: LogIn, case: CaseId) -> None:
    other = log_in("other_leader")
    assert reply_as(other, case, "key-00000001", type="acknowledge").status_code == 403
    assert other.post(f"/leader/api/photo/{case}/key-00000001", content=b"x").status_code == 403
    for path in (f"/cases/{case}", f"/cases/{case}/part", "/review", "/rounds", "/"):
        assert other.get(path).status_code == 403
    mine = log_in("leader").get("/leader/api/cases").json()["cases"]
    picture = next(one["picture"] for one in mine if one["id"] == case)
    assert other.get(picture).status_code == 403


@pytest.mark.parametrize("who", ["operator", "duty_lead", "auditor", "admin"])
def test_the_phone_page_is_for_those_who_answer_for_a_grid(
    log_in: LogIn, case: CaseId, who: str
) -> None:
    for path in ("/leader", "/leader/api/cases", "/leader/manifest.webmanifest"):
        assert log_in(who).get(path).status_code == 403
    assert reply_as(log_in(who), case, "key-00000009", type="arrive").status_code == 403


def test_a_page_offers_only_what_its_duty_may_do(log_in: LogIn) -> None:
    """A maintainer neither reports a problem of a grid nor walks patrols nor reviews findings."""
    refused = {"/ground", "/review"}
    for path in ("/leader", "/cases", "/troubles"):
        page = log_in("maintainer").get(path).text
        linked = set(re.findall(r'<a[^>]* href="(/[a-z-]+)', page))
        assert not refused & linked, path
        assert path != "/leader" or 'id="report"' not in page
    assert 'href="/ground"' in log_in("leader").get("/leader").text
    assert 'id="report"' in log_in("leader").get("/leader").text


def test_the_picture_that_leaves_the_centre_is_redacted_and_logged(
    log_in: LogIn, town: Any, case: CaseId
) -> None:
    mine = log_in("leader").get("/leader/api/cases").json()["cases"]
    address = next(one["picture"] for one in mine if one["id"] == case)
    assert "/ground?" in address
    answer = log_in("leader").get(address)
    with town.store.begin_read() as uow:
        kept = town.app.evidence.get(uow.pictures.get(town.case.before).sha256)
    sent, whole = (
        cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        for data in (answer.content, kept)
    )
    assert answer.content != kept
    foot = sent[-40:]
    assert sent.shape[:2] != whole.shape[:2]
    assert np.median(foot) == 28, "the mark stands below it"
    assert foot.max() > 150
    with town.store.begin_read() as uow:
        last = uow.access.entries(limit=1)[0]
    assert (last.who, last.what, last.why) == ("leader", "send_picture", f"case:{case}")


def test_a_repeated_reply_counts_once_and_handled_asks_for_a_recheck(
    log_in: LogIn, town: Any, case: CaseId
) -> None:
    leader, before = log_in("leader"), Counter(town.app.reply_handler.counters)
    first = reply_as(leader, case, "key-acknowledge", type="acknowledge")
    assert first.status_code == 200
    again = reply_as(leader, case, "key-acknowledge", type="acknowledge")
    assert again.json()["outcome"] == "repeated"
    counted = Counter(town.app.reply_handler.counters)
    counted.subtract(before)
    assert (counted.total(), counted["repeated"]) == (2, 1), "metrics count the phone page, too"
    photo = leader.post(f"/leader/api/photo/{case}/key-handled-1", content=a_photo())
    assert photo.status_code == 201
    sent = reply_as(leader, case, "key-handled-1", type="feedback", result="handled", text="已清理")
    assert sent.status_code == 200
    with town.store.begin_read() as uow:
        moved = uow.cases.get(case)
        every = uow.case_photos.of_case(case)
    photos = [one for one in every if one.key == f"{case}/key-handled-1"]
    assert moved.state is CaseState.FED_BACK
    assert moved.recheck_due_at is not None
    assert "已清理" in moved.entries[-1].note
    assert len(photos) == 1
    assert (
        leader.post(f"/leader/api/photo/{case}/key-handled-1", content=a_photo()).status_code == 200
    )
    kept = town.app.evidence.get(photos[0].sha256)
    assert b"Exif" not in kept
    assert b"GPS" not in kept
    picture = cv2.imdecode(np.frombuffer(kept, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape[:2] == (800, 1600)
    page = log_in("operator").get(f"/cases/{case}").text
    assert "已清理" in page
    assert f"/picture/{photos[0].picture}/full" in page


def test_of_many_photos_under_one_key_one_file_is_left(
    log_in: LogIn, town: Any, case: CaseId
) -> None:
    folder, path = town.app.evidence.root, f"/leader/api/photo/{case}/key-three-photos"
    before = set(folder.rglob("*.jpg"))
    sent = [log_in("leader").post(path, content=a_photo(1200 + 8 * n)) for n in range(3)]
    assert [answer.status_code for answer in sent] == [201, 200, 200]
    assert len(set(folder.rglob("*.jpg")) - before) == 1


@pytest.mark.parametrize(
    ("content", "status"),
    [
        pytest.param(b"", 422, id="nothing"),
        pytest.param(b"<svg onload=alert(1)>", 422, id="not a picture"),
        pytest.param(b"\xff\xd8\xff" + b"0" * 500, 422, id="broken"),
        pytest.param(io.BytesIO(b"\0" * (13 * 1024 * 1024)).getvalue(), 413, id="13 MB"),
    ],
)
def test_bad_photos_are_refused(log_in: LogIn, case: CaseId, content: bytes, status: int) -> None:
    path = f"/leader/api/photo/{case}/key-bad-photo"
    assert log_in("leader").post(path, content=content).status_code == status


def test_a_problem_seen_on_the_ground_becomes_a_case(log_in: LogIn, town: Any) -> None:
    body = {"key": "key-report-1", "category": "sewage", "place": "村口", "text": "井盖外溢"}
    response = log_in("leader").post("/leader/api/report", json=body).json()
    assert response["outcome"] == "reported"
    with town.store.begin_read() as uow:
        opened = uow.cases.get(response["case"])
    assert (opened.category, opened.place, opened.camera) == ("sewage", "村口", None)
    assert opened.grid == town.case.grid
    assert log_in("leader").post("/leader/api/report", json=body).json()["outcome"] == "repeated"


def test_a_cadre_answers_only_for_what_came_up_to_the_village(
    log_in: LogIn, town: Any, case: CaseId
) -> None:
    seen = log_in("cadre").get("/leader/api/cases").json()["cases"]
    mine = {one["id"]: one["mine"] for one in seen}
    assert mine[case] is False
    assert reply_as(log_in("cadre"), case, "key-cadre-01", type="arrive").status_code == 403
    assert log_in("far_cadre").get(f"/cases/{case}").status_code == 403


def test_an_invalid_reply_is_refused_before_the_inbox(log_in: LogIn, case: CaseId) -> None:
    leader = log_in("leader")
    assert reply_as(leader, case, "short", type="arrive").status_code == 422
    assert reply_as(leader, case, "key-00000002", type="close").status_code == 422
    assert (
        reply_as(leader, case, "key-00000002", type="feedback", result="burnt").status_code == 422
    )
    assert reply_as(leader, "C1", "key-00000002", type="arrive").status_code == 404
    refused = reply_as(leader, case, "key-00000003", type="feedback")
    assert refused.status_code == 409
    assert "result" in refused.json()["words"]
