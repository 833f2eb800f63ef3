"""The household's own page: signed, one camera, revocable, without a login; the desk; the API."""

import gc
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser

from patrol.domain.account import API_KEY_PREFIX, issue_api_key
from patrol.domain.camera import Refusal
from patrol.domain.household_link import HouseholdLinkSigner
from patrol.domain.ids import CameraId
from patrol.households.links import household_link_signer, make_link, revoke_link
from patrol.web.live_frames import KEPT_FOR, LiveFrames, SentFrame
from patrol.web.rate_limit import CHANGES_AN_HOUR, PAGES_A_MINUTE
from patrol.web.server import ConsoleAddress
from patrol.web.thumbnails import ContactSheets, SheetThumb, Thumbnails

LogIn = Callable[[str], httpx.Client]
Visitor = Callable[[], httpx.Client]
HTML = {"accept": "text/html"}
SECRET = API_KEY_PREFIX + "h" * 43


@pytest.fixture(scope="module")
def signer(town: Any) -> HouseholdLinkSigner:
    return household_link_signer(town.store, "https://patrol.example")


@pytest.fixture
def camera(town: Any) -> Iterator[CameraId]:
    """A camera that is patrolled, of which no other test wants anything; as before afterwards."""
    gate = town.app.live_view.gate
    gate.refresh()
    with town.store.begin_read() as uow:
        busy = {case.camera for case in uow.cases.list(open_only=True)}
    free = (c for c in sorted(town.app.registry.cameras, reverse=True) if c not in busy)
    found = next(c for c in free if gate.refusal_of(c) is None)
    yield found
    now = town.app.clock.now()
    with town.store.begin() as uow:
        uow.consents.restore(found, by="test", now=now)
        revoke_link(uow, found, by="test", now=now)
        uow.commit()


@pytest.fixture
def page(town: Any, signer: HouseholdLinkSigner, camera: CameraId) -> str:
    """The address of the camera's page, without the host."""
    with town.store.begin() as uow:
        address = make_link(uow, signer, camera, by="desk", now=town.app.clock.now())
        uow.commit()
    return address.removeprefix("https://patrol.example")


def lines(town: Any, camera: CameraId) -> list[tuple[str, str]]:
    """(who, what) of the camera's log, oldest first, by people."""
    with town.store.begin_read() as uow:
        return [(e.who, e.what) for e in reversed(uow.access.entries(camera=camera, limit=1000))]


def test_it_opens_without_a_login_and_changes_nothing(
    visitor: Visitor, town: Any, page: str, camera: CameraId
) -> None:
    phone = visitor()
    opened = phone.get(page, headers=HTML)
    assert opened.status_code == 200
    assert f"…{camera[-6:]}" in opened.text
    assert camera not in opened.text
    assert opened.headers["cache-control"] == "no-store"
    assert phone.head(page).status_code == 405
    assert "Withdraw consent" not in opened.text
    assert "撤回同意" in opened.text
    there = phone.get("/language/en", headers={"referer": f"http://{phone.base_url.host}{page}"})
    assert there.headers["location"] == page
    english = phone.get(page, headers=HTML).text
    assert "Withdraw consent" in english
    assert "撤回" not in english.replace("中文", "")
    ident = page.removeprefix("/h/").partition(".")[0]
    assert (f"household/{ident}", "open_household_page") in lines(town, camera)
    assert town.app.live_view.gate.refusal_of(camera) is None


def jpegs_in(thing: object, seen: set[int]) -> int:
    """JPEGs that an object of the server's memory holds, however deep."""
    if isinstance(thing, bytes):
        return int(thing.startswith(b"\xff\xd8"))
    is_ours = type(thing).__module__.startswith("patrol.web")
    if id(thing) in seen or not (is_ours or isinstance(thing, dict | list | tuple | set)):
        return 0
    seen.add(id(thing))
    return sum(jpegs_in(one, seen) for one in gc.get_referents(thing))


def fill_caches(town: Any, camera: CameraId) -> list[Any]:
    """Put a picture of the camera into every cache of the server; the caches."""
    owners = [forget.__self__ for forget in town.app.households.picture_caches]
    with town.store.begin_read() as uow:
        visits = uow.rounds.latest_visits(camera, limit=10)  # whichever round was the last
        picture = next(one for visit in visits for one in visit.pictures)
    sha256, now = picture.sha256, town.app.clock.now()
    frame = SentFrame(camera=camera, jpeg=town.app.evidence.get(sha256), taken_at=now, sent_at=now)
    for cache in owners:  # of every server that this town had
        match cache:
            case Thumbnails():
                cache.get(sha256)
            case ContactSheets():
                cache.jpeg((SheetThumb(sha256),))
            case LiveFrames():
                cache.remember("s", frame)
    assert all(jpegs_in(cache, set()) > 0 for cache in owners)
    return owners


def test_a_withdrawal_counts_within_a_second_and_deletes(
    visitor: Visitor, town: Any, page: str, camera: CameraId
) -> None:
    with town.store.begin_read() as uow:
        assert uow.pixels.held(camera)
    caches = fill_caches(town, camera)
    gate = town.app.live_view.gate
    began = time.monotonic()
    answer = visitor().post(page, data={"action": "withdraw"})
    assert answer.status_code == 303
    gate.refresh()
    assert gate.refusal_of(camera) is Refusal.CONSENT_WITHDRAWN
    assert time.monotonic() - began < 3.0
    with town.store.begin_read() as uow:
        assert not uow.pixels.held(camera)
    assert [jpegs_in(cache, set()) for cache in caches] == [0] * len(caches)
    after = visitor().get(answer.headers["location"], headers=HTML).text
    assert "已撤回，画面已删除" in after
    assert 'value="pause"' not in after
    ident = page.removeprefix("/h/").partition(".")[0]
    assert (f"household/{ident}", "consent withdrawn") in lines(town, camera)


def test_frames_of_a_live_view_go_when_their_time_is_over_though_nobody_looks(town: Any) -> None:
    frames = town.app.households.expiring_caches[-1].__self__
    sent = town.app.clock.now() - KEPT_FOR - timedelta(seconds=1)
    frame = SentFrame(camera=CameraId("1"), jpeg=b"\xff\xd8", taken_at=sent, sent_at=sent)
    frames.remember("s", frame)
    assert jpegs_in(frames, set()) == 1
    town.app.households.remove_withdrawn()  # as the service does each second
    assert jpegs_in(frames, set()) == 0


def test_a_pause_and_hours_count_and_end(
    visitor: Visitor, town: Any, page: str, camera: CameraId
) -> None:
    phone, gate, zone = visitor(), town.app.live_view.gate, town.app.site.settings.site.tz
    local = town.app.clock.now().astimezone(zone)
    until = f"{local + timedelta(days=3):%Y-%m-%dT%H:%M}"
    assert phone.post(page, data={"action": "pause", "until": until}).status_code == 303
    gate.refresh()
    assert gate.refusal_of(camera) is Refusal.CONSENT_PAUSED
    assert phone.post(page, data={"action": "resume"}).status_code == 303
    gate.refresh()
    assert gate.refusal_of(camera) is None
    start, end = local + timedelta(hours=2), local + timedelta(hours=4)
    hours = {"action": "hours", "start": f"{start:%H:%M}", "end": f"{end:%H:%M}"}
    assert phone.post(page, data=hours).status_code == 303
    gate.refresh()
    assert gate.refusal_of(camera) is Refusal.CONSENT_HOURS
    assert phone.post(page, data={"action": "hours"}).status_code == 303
    gate.refresh()
    assert gate.refusal_of(camera) is None


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"action": "restore"},
        {"action": "erase"},
        {"action": "pause"},
        {"action": "pause", "until": "2001-01-01"},
        {"action": "pause", "until": "9999-12-31T23:59"},
        {"action": "hours", "start": "25:00", "end": "08:00"},
        {"action": "hours", "start": "08:00"},
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(
    visitor: Visitor, town: Any, page: str, camera: CameraId, form: dict[str, str]
) -> None:
    assert visitor().post(page, data=form).status_code == 422
    with town.store.begin_read() as uow:
        stands = uow.consents.of_camera(camera, town.app.clock.now())
    assert (stands.withdrawn_at, stands.paused_until, stands.hours) == (None, None, ())


def test_a_guess_a_cut_and_another_sites_link_are_the_same_404(
    visitor: Visitor, town: Any, page: str
) -> None:
    other = HouseholdLinkSigner(base_url="", key=b"another site's")
    ident = page.removeprefix("/h/").partition(".")[0]
    for token in (other.path(ident), page[:-1], page + "0", f"/h/{ident}", page.upper()):
        for answer in (visitor().get(token), visitor().post(token, data={"action": "withdraw"})):
            assert answer.status_code in {404, 405}, token


def test_a_revoked_link_and_another_sites_form_change_nothing(
    visitor: Visitor, town: Any, page: str, camera: CameraId
) -> None:
    foreign = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    data = {"action": "withdraw"}
    assert visitor().post(page, data=data, headers=foreign).status_code == 403
    with town.store.begin() as uow:
        assert revoke_link(uow, camera, by="desk", now=town.app.clock.now())
        uow.commit()
    assert visitor().get(page).status_code == 410
    assert visitor().post(page, data=data).status_code == 410
    town.app.live_view.gate.refresh()
    assert town.app.live_view.gate.refusal_of(camera) is None


def test_requests_are_limited_by_address_and_changes_by_link(visitor: Visitor, page: str) -> None:
    guesser = visitor()
    codes = [guesser.get(f"/h/{'A' * 12}.{n:040x}").status_code for n in range(PAGES_A_MINUTE + 1)]
    assert codes == [404] * PAGES_A_MINUTE + [429]
    data, telephones = {"action": "resume"}, [visitor() for _ in range(2)]
    changes = [telephones[n % 2].post(page, data=data).status_code for n in range(31)]
    assert changes == [303] * CHANGES_AN_HOUR + [429], "whatever address they come from"


def test_the_desk_changes_consent_and_prints_the_slip(
    log_in: LogIn, town: Any, camera: CameraId
) -> None:
    desk, gate = log_in("operator"), town.app.live_view.gate
    address = f"/api/cameras/{camera}/consent"
    shown = desk.get(f"/cameras/{camera}", headers=HTML).text
    assert address in shown
    until = f"{town.app.clock.now() + timedelta(days=9):%Y-%m-%d}"
    paused = desk.post(address, json={"action": "pause", "until": until, "why": "婚事"})
    assert paused.status_code == 200, paused.text
    gate.refresh()
    assert gate.refusal_of(camera) is Refusal.CONSENT_PAUSED
    assert "暂停至" in desk.get(f"/cameras/{camera}", headers=HTML).text
    assert desk.post(address, json={"action": "resume"}).json()["paused_until"] is None
    assert desk.post(address, json={"action": "hours", "hours": "nachts"}).status_code == 422
    slip = desk.get(f"/households/{camera}", headers=HTML)
    assert slip.status_code == 200
    assert "<svg" in slip.text
    assert "婚事" in slip.text
    assert desk.post(address, json={"action": "withdraw"}).json()["withdrawn"] is True
    assert desk.post(address, json={"action": "restore"}).json()["withdrawn"] is False
    link = f"/api/cameras/{camera}/household-link"
    first = desk.post(link, json={"action": "make"}).json()["link"]
    assert desk.post(link, json={"action": "make"}).json()["link"] == first
    assert desk.post(link, json={"action": "replace"}).json()["link"] != first
    assert desk.post(link, json={"action": "revoke"}).json()["link"] is None
    assert desk.get("/households/nobody").status_code == 404


@pytest.mark.parametrize("who", ["leader", "cadre", "maintainer", "auditor", "admin", ""])
def test_only_the_desk_may(log_in: LogIn, camera: CameraId, who: str) -> None:
    client = log_in(who)
    answers = (
        client.post(f"/api/cameras/{camera}/consent", json={"action": "withdraw"}),
        client.post(f"/api/cameras/{camera}/household-link", json={"action": "make"}),
        client.get(f"/households/{camera}", headers={"accept": "application/json"}),
    )
    assert {answer.status_code for answer in answers} <= {401, 403}


def test_a_program_changes_a_consent_with_a_scope_of_its_own(
    visitor: Visitor, town: Any, camera: CameraId
) -> None:
    now = town.app.clock.now()
    for number, scopes in enumerate((("consents:change", "cameras:read"), ("cameras:read",))):
        key = issue_api_key(
            name=f"k{number}", scopes=scopes, by="test", now=now, secret=f"{SECRET}{number}"
        )
        with town.store.begin() as uow:
            uow.api_keys.add(key)
            uow.commit()
    address = f"/api/v1/cameras/{camera}/consent"
    may = {"authorization": f"Bearer {SECRET}0"}
    may_not = {"authorization": f"Bearer {SECRET}1"}
    hours = {"action": "hours", "hours": "08:00-18:00"}
    client = visitor()
    assert client.post(address, json=hours, headers=may_not).status_code == 403
    assert client.post(address, json=hours, headers=may).json()["hours"] == "08:00-18:00"
    assert client.get(address, headers=may_not).json()["hours"] == "08:00-18:00"
    wrong = {"action": "pause", "hours": "08:00-18:00"}
    assert client.post(address, json=wrong, headers=may).status_code == 422
    assert client.post(address, json={"action": "hours"}, headers=may).json()["hours"] is None
    assert client.get(address.replace(camera, "1" * 20), headers=may).status_code == 404
    assert ("api:k0", "consent hours") in lines(town, camera)


def test_the_desk_is_told_at_entry_what_is_masked(log_in: LogIn, town: Any) -> None:
    ref = next(c.household_ref for c in town.app.registry.cameras.values() if c.household_ref)
    told = log_in("operator").post("/api/notes/check", json={"text": f"去{ref}家"}).json()
    assert told["masked"] == [ref]
    assert ref in told["warning"]
    assert log_in("operator").post("/api/notes/check", json={"text": "去村口"}).json() == {
        "masked": [], "warning": "",
    }  # fmt: skip


def test_a_household_withdraws_on_its_telephone(
    browser: Browser, console: ConsoleAddress, town: Any, page: str, camera: CameraId
) -> None:
    phone = browser.new_context(
        base_url=console.url, viewport={"width": 390, "height": 844}, java_script_enabled=False,
        extra_http_headers={"x-forwarded-for": "10.77.0.1"},
    )  # fmt: skip
    try:
        shown = phone.new_page()
        shown.goto(page)
        widest = shown.locator("main").bounding_box()
        assert widest is not None
        assert widest["width"] <= 390
        form = shown.locator("section", has_text="不能恢复")
        form.get_by_role("checkbox").check()
        form.get_by_role("button").click()
        assert "已撤回，画面已删除" in shown.get_by_role("status").inner_text()
    finally:
        phone.close()
    town.app.live_view.gate.refresh()
    assert town.app.live_view.gate.refusal_of(camera) is Refusal.CONSENT_WITHDRAWN
