"""Live views: for a purpose that the program can check, masked, on record, and soon over."""

import asyncio
import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from secrets import token_hex
from typing import Any

import cv2
import httpx
import numpy as np
import pytest

from patrol.administration.accounts import (
    add_account,
    change_password,
    log_out_everywhere,
    set_disabled,
)
from patrol.domain.account import AccountRole
from patrol.domain.ids import CameraId
from patrol.domain.sampling import CameraSampling, SamplingPolicy
from patrol.rounds.limiter import SharedLinkSlots
from patrol.rounds.live_view import LiveLimits
from patrol.web.auth import csrf_token
from patrol.web.pages.live_view import BOUNDARY
from streams.address import StreamAddress, StreamChoice
from streams.errors import Unreachable
from streams.model import Codec, KeyFrame, Sample, VisitOptions

LogIn = Callable[[str], httpx.Client]
EVERY_S = 0.1
WITHIN_S = 3.0  # the promise is one second; the rest is what a busy machine adds


@dataclass
class FakeCamera:
    """A camera of white pictures; knows how often it was opened, and when it was left."""

    clock: Any
    opened: int = 0
    address: StreamAddress | None = None
    left: threading.Event = field(default_factory=threading.Event)
    failure: Exception | None = None

    async def __call__(self, address: StreamAddress, options: VisitOptions) -> Sample:
        self.opened += 1
        self.address = address
        if self.failure is not None:
            self.left.set()
            raise self.failure
        self.left.clear()
        jpeg = cv2.imencode(".jpg", np.full((90, 160, 3), 255, np.uint8))[1].tobytes()
        ends_at = asyncio.get_running_loop().time() + options.visit_timeout_s
        try:
            while asyncio.get_running_loop().time() < ends_at:
                frame = KeyFrame(
                    codec=Codec.MJPEG, data=jpeg, taken_at=self.clock.now(), media_time_s=None,
                    sha256="0",
                )  # fmt: skip
                assert options.on_key_frame is not None
                options.on_key_frame(frame)
                await asyncio.sleep(EVERY_S)
        finally:
            self.left.set()
        return None  # type: ignore[return-value]  # nobody asks for it


@pytest.fixture
def fake_camera(town: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCamera]:
    live_view, camera_client = town.app.live_view, FakeCamera(town.app.clock)
    monkeypatch.setattr(live_view, "client", camera_client)
    monkeypatch.setattr(live_view, "limits", LiveLimits(duration_s=30.0, max_viewers=2))
    yield camera_client
    assert not camera_client.opened or camera_client.left.wait(5.0)


@pytest.fixture
def open_case(town: Any) -> Any:
    with town.store.begin_read() as uow:
        gone = uow.consents.withdrawn()
        cases = [c for c in uow.cases.list(open_only=True) if c.camera and c.camera not in gone]
    day = town.app.clock.now().date()
    cameras = town.app.registry.cameras
    return next(c for c in cases if c.camera in cameras and not cameras[c.camera].refusal_on(day))


def ask(camera: str, context: str, reason: str = "核实") -> dict[str, Any]:
    return {"url": f"/api/cameras/{camera}/live", "json": {"for": context, "reason": reason}}


def multipart_parts(body: bytes) -> Iterator[tuple[str, bytes]]:
    """(head, body) of a multipart answer."""
    while match := re.search(rb"Content-Length: (\d+)", body):
        head, _, rest = body[match.start() :].partition(b"\r\n\r\n")
        length = int(match.group(1))
        yield (body[: match.start()] + head).decode(), rest[:length]
        body = rest[length:]


def lines(town: Any, camera: str) -> list[Any]:
    with town.store.begin_read() as uow:
        found = uow.access.entries(camera=CameraId(camera), limit=20)
    return [entry for entry in found if entry.what.startswith("live_look")]


def wait_for(town: Any, camera: str, text: str) -> None:
    """The end is recorded after the answer has ended."""
    ends_at = town.app.clock.monotonic_s() + 3.0
    while text not in lines(town, camera)[0].why:
        assert town.app.clock.monotonic_s() < ends_at
        town.app.clock.sleep(0.02)


def test_pictures_come_until_the_time_is_up_and_both_ends_are_on_record(
    log_in: LogIn, town: Any, fake_camera: FakeCamera, open_case: Any
) -> None:
    town.app.live_view.limits = LiveLimits(duration_s=0.6, max_viewers=2)
    client = log_in("operator")
    answer = client.post(**ask(open_case.camera, f"case:{open_case.id}", "网格长求助"))
    assert answer.headers["content-type"] == f"multipart/x-mixed-replace; boundary={BOUNDARY}"
    assert answer.headers["cache-control"] == "no-store"
    *pictures, (head, ending) = multipart_parts(answer.content)
    assert len(pictures) >= 2
    for kind, jpeg in pictures:
        assert "image/jpeg" in kind
        assert "X-Taken-At: 20" in kind
        assert cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).shape == (90, 160, 3)
    assert "application/json" in head
    assert json.loads(ending)["ended"] == "time_up"
    wait_for(town, open_case.camera, "time_up")
    end, begin = lines(town, open_case.camera)[:2]
    assert (begin.what, begin.who) == ("live_look", "operator")
    assert begin.why == f"case:{open_case.id} 网格长求助"
    assert end.what == "live_look_end"
    assert f"{len(pictures)} pictures, time_up" in end.why


def test_it_shows_the_stream_that_the_site_visits(
    log_in: LogIn,
    town: Any,
    fake_camera: FakeCamera,
    open_case: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    live_view = town.app.live_view
    sub = StreamAddress.parse("rtsp://127.0.0.1/sub")
    camera = replace(town.app.registry.cameras[open_case.camera], sub_stream=sub)
    gate = replace(live_view.gate, cameras=lambda: {camera.id: camera})
    monkeypatch.setattr(live_view, "gate", gate)
    monkeypatch.setattr(live_view, "limits", LiveLimits(duration_s=0.2, max_viewers=2))
    for choice in StreamChoice:
        sampling = SamplingPolicy(site=CameraSampling(stream=choice))
        monkeypatch.setattr(live_view, "sampling", sampling)
        log_in("operator").post(**ask(open_case.camera, f"case:{open_case.id}"))
        assert fake_camera.address == camera.stream(choice)


def test_outside_the_visible_area_it_is_black_at_once(
    log_in: LogIn, town: Any, fake_camera: FakeCamera, open_case: Any
) -> None:
    path = Path(town.config_dir) / "zones.yaml"
    before, town.app.live_view.limits = (
        path.read_bytes(),
        LiveLimits(duration_s=2.0, max_viewers=2),
    )
    left = {"visible": [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]}
    editor = town.app.area_editor

    def draw() -> None:
        version = editor.load(open_case.camera).version
        editor.save(open_case.camera, left, version=version, by="x", why="x")

    drawing = threading.Timer(0.5, draw)
    drawing.start()
    try:
        answer = log_in("operator").post(**ask(open_case.camera, f"case:{open_case.id}"))
        drawing.join()
    finally:
        path.write_bytes(before)
        town.app.registry_watcher.refresh()
    *pictures, _ = multipart_parts(answer.content)
    last = cv2.imdecode(np.frombuffer(pictures[-1][1], np.uint8), cv2.IMREAD_COLOR)
    assert last[:, :70].min() > 200
    assert last[:, 90:].max() < 20


def test_a_withdrawal_ends_it_within_a_second(
    log_in: LogIn, town: Any, fake_camera: FakeCamera, open_case: Any
) -> None:
    camera, now, clock = CameraId(open_case.camera), town.app.clock.now(), town.app.clock
    ending: dict[str, float] = {}

    def withdraw() -> None:
        with town.store.begin() as uow:
            uow.consents.withdraw(camera, by="household", now=now)
            uow.commit()
        ending["at"] = clock.monotonic_s()

    later = threading.Timer(0.4, withdraw)
    later.start()
    try:
        answer = log_in("operator").post(**ask(camera, f"case:{open_case.id}"))
        took_s = clock.monotonic_s() - ending["at"]
        refused = log_in("operator").post(**ask(camera, f"case:{open_case.id}"))
    finally:
        later.join()
        with town.store.begin() as uow:
            uow.consents.restore(camera, by="household", now=now)
            uow.commit()
    *_, (_, end) = multipart_parts(answer.content)
    assert json.loads(end) == {"ended": "consent_withdrawn", "words": "已撤回同意"}
    assert took_s < WITHIN_S
    assert refused.status_code == 409
    assert refused.json()["words"] == "已撤回同意"
    assert fake_camera.opened == 1


def test_it_stops_when_the_window_is_closed(
    log_in: LogIn, town: Any, fake_camera: FakeCamera, open_case: Any
) -> None:
    request = ask(open_case.camera, f"case:{open_case.id}")
    with log_in("operator").stream("POST", **request) as answer:
        coming = answer.iter_raw()
        next(coming)
        assert not fake_camera.left.is_set()
    assert fake_camera.left.wait(3.0)
    wait_for(town, open_case.camera, "stopped")


def test_only_a_few_view_at_once(
    log_in: LogIn, town: Any, fake_camera: FakeCamera, open_case: Any
) -> None:
    town.app.live_view.limits = LiveLimits(duration_s=30.0, max_viewers=1)
    request = ask(open_case.camera, f"case:{open_case.id}")
    with log_in("operator").stream("POST", **request) as answer:
        coming = answer.iter_raw()
        next(coming)
        other = log_in("duty_lead").post(**request)
    assert other.status_code == 409
    assert "太多" in other.json()["words"]


def test_it_takes_a_slot_of_its_link(
    log_in: LogIn,
    town: Any,
    fake_camera: FakeCamera,
    open_case: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A round that fills the link is waited for; another look that fills it is not."""
    live_view, link = (
        town.app.live_view,
        town.app.registry.cameras[open_case.camera].link,
    )
    monkeypatch.setattr(live_view, "limits", LiveLimits(duration_s=0.3, max_viewers=2))
    monkeypatch.setattr(live_view, "link_slots", link_slots := SharedLinkSlots(per_link=1))
    request, client = ask(open_case.camera, f"case:{open_case.id}"), log_in("operator")
    link_slots.set_round_usage(link, 1)
    leaves = threading.Timer(0.4, link_slots.set_round_usage, (link, 0))
    began_s = town.app.clock.monotonic_s()
    leaves.start()
    assert len(list(multipart_parts(client.post(**request).content))) > 1
    assert town.app.clock.monotonic_s() - began_s > 0.4
    leaves.join()
    assert link_slots.reserved() == 0
    assert link_slots.reserve(link)
    refused = client.post(**request)
    assert (refused.status_code, fake_camera.opened) == (409, 1)
    assert "太多" in refused.json()["words"]
    assert link_slots.reserved() == 1, "the other's slot is not released"


def test_a_camera_that_fails_ends_it_with_the_kind(
    log_in: LogIn, town: Any, fake_camera: FakeCamera, open_case: Any
) -> None:
    fake_camera.failure = Unreachable("nobody there")
    answer = log_in("operator").post(**ask(open_case.camera, f"case:{open_case.id}"))
    assert (answer.status_code, answer.json()["words"]) == (409, "连接不上")
    wait_for(town, open_case.camera, "unreachable")


def test_of_a_link_that_only_a_worker_reaches_the_page_says_so(
    log_in: LogIn, town: Any, fake_camera: FakeCamera, open_case: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    link = town.app.registry.cameras[open_case.camera].link
    monkeypatch.setattr(town.app.live_view, "workers_reach", {link}.__contains__)
    fake_camera.failure = Unreachable("nobody there")
    answer = log_in("operator").post(**ask(open_case.camera, f"case:{open_case.id}"))
    assert answer.status_code == 409
    assert "工作机" in answer.json()["words"]
    wait_for(town, open_case.camera, "workers_link")


def test_without_a_purpose_that_holds_nobody_views(
    log_in: LogIn, town: Any, fake_camera: FakeCamera, open_case: Any
) -> None:
    client, camera = log_in("operator"), open_case.camera
    with town.store.begin() as uow:
        old = uow.rounds.of_plan("afternoon", limit=5)[-1]
        finding = uow.findings.get(open_case.finding) if open_case.finding else None
        uow.rounds.put(replace(old, planned_at=town.app.clock.now() - timedelta(days=2)))
        uow.commit()
    other = next(ident for ident in town.app.registry.cameras if ident != camera)
    contexts = [
        "", "curiosity", "camera:1", "case:", "case:C1", "round:20200101-morning-1", "finding:F999",
        f"round:{old.id}", f"camera:{camera}",
    ]  # fmt: skip
    for context in contexts:
        assert client.post(**ask(camera, context)).status_code == 403, context
        page = client.get(f"/cameras/{camera}/live", params={"for": context})
        assert page.status_code == 403, context
    assert client.post(**ask(other, f"case:{open_case.id}")).status_code == 403
    if finding is not None and finding.decided_at is not None:
        held = finding.decided_at > town.app.clock.now() - timedelta(hours=12)
        status = client.get(f"/cameras/{camera}/live", params={"for": f"finding:{finding.id}"})
        assert (status.status_code == 200) == held
    assert client.post(**ask(camera, f"case:{open_case.id}", "")).status_code == 422
    assert fake_camera.opened == 0


@pytest.mark.parametrize("who", ["maintainer", "auditor", "admin", "leader", "cadre", ""])
def test_who_has_no_such_right_has_no_live_view(
    log_in: LogIn, town: Any, fake_camera: FakeCamera, open_case: Any, who: str
) -> None:
    answer = log_in(who).post(**ask(open_case.camera, f"case:{open_case.id}"))
    assert answer.status_code == (403 if who else 401)
    assert fake_camera.opened == 0


Ending = Callable[[Any, str], None]
ENDINGS: dict[str, Ending] = {
    "disabled": lambda town, name: set_disabled(
        town.store, name=name, disabled=True, now=town.app.clock.now()
    ),
    "logged out everywhere": lambda town, name: log_out_everywhere(
        town.store, name=name, now=town.app.clock.now(), by="admin"
    ),
    "a new password": lambda town, name: change_password(
        town.store, name=name, password="an-entirely-other-7", now=town.app.clock.now()
    ),
}


@dataclass(frozen=True)
class Guest:
    """An account of one test, logged in; another process may close it."""

    name: str
    client: httpx.Client


@pytest.fixture
def guest(town: Any, visitor: Callable[[], httpx.Client]) -> Guest:
    name, password, client = f"guest-{token_hex(4)}", "correct-horse-9", visitor()
    add_account(
        town.store, name=name, duty=AccountRole.OPERATOR, password=password,
        registry=town.app.registry, now=town.app.clock.now(),
    )  # fmt: skip
    assert client.post("/login", data={"name": name, "password": password}).status_code == 303
    token = csrf_token(client.cookies["patrol_session"])
    client.headers["x-patrol-csrf"] = token
    return Guest(name, client)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("every_s", [0.1, 30.0], ids=["pictures come", "no picture comes"])
def test_a_view_ends_within_a_second_of_the_account(
    town: Any,
    fake_camera: FakeCamera,
    open_case: Any,
    guest: Guest,
    monkeypatch: pytest.MonkeyPatch,
    ending: str,
    every_s: float,
) -> None:
    monkeypatch.setattr(f"{__name__}.EVERY_S", every_s)
    request, body = ask(open_case.camera, f"case:{open_case.id}"), b""
    with guest.client.stream("POST", **request) as answer:
        chunks = answer.iter_raw()
        body += next(chunks)
        ENDINGS[ending](town, guest.name)
        from_s = town.app.clock.monotonic_s()
        for chunk in chunks:
            body += chunk
    assert town.app.clock.monotonic_s() - from_s < WITHIN_S
    *_, (_, last) = multipart_parts(body)
    assert json.loads(last)["ended"] == "logged_out"
    assert fake_camera.left.wait(WITHIN_S)
    assert guest.client.get("/rounds").status_code in (303, 401)


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_change_feed_ends_within_a_second_of_the_account(
    town: Any, guest: Guest, log_in: LogIn, ending: str
) -> None:
    with log_in("operator").stream("GET", "/api/live") as another:
        heard = another.iter_raw()
        next(heard)
        with guest.client.stream("GET", "/api/live") as answer:
            chunks = answer.iter_raw()
            assert b"hello" in next(chunks)
            ENDINGS[ending](town, guest.name)
            from_s = town.app.clock.monotonic_s()
            for _ in chunks:
                assert town.app.clock.monotonic_s() - from_s < WITHIN_S
        assert town.app.clock.monotonic_s() - from_s < WITHIN_S
        assert not another.is_closed  # nobody else's
