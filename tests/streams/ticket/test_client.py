"""A ticket service's whole way, against the look-alike without sockets: mint once, open once."""

import asyncio
import dataclasses
import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from patrol.settings.config_file import ProblemLog
from patrol.settings.vendor_profile import load_profile, shipped_profile_path
from simulators.http_sources.http_server import json_reply
from simulators.http_sources.ticket_service import (
    APP_KEY,
    APP_SECRET,
    TicketFault,
    TicketServiceSimulator,
    profile_text,
)
from streams.address import StreamAddress
from streams.errors import RefusedUs, StreamBusy, StreamError, Unreachable, Unreadable, WentSilent
from streams.model import VisitOptions
from streams.target_policy import TargetPolicy, TargetRefused
from streams.ticket import client as ticket_client
from streams.ticket.capture import TicketOpener
from streams.ticket.client import TicketAccount, TicketService
from streams.ticket.profile import (
    ExpiryFormat,
    ExpiryRule,
    ServiceCall,
    TokenRule,
    UrlRule,
    VendorProfile,
)
from tests.support.lookalikes import NOON, RecordedVisits, calling, media

LOCAL = TargetPolicy(networks=(ip_network("127.0.0.0/8"),))
F = TicketFault


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pauses between repeated pages."""
    monkeypatch.setattr(ticket_client, "RETRY_PAUSE_S", (0.0, 0.0))


@pytest.fixture(scope="module")
def profile_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("profile") / "sim.yaml"
    path.write_text(profile_text(), encoding="utf-8")
    return path


Make = Callable[..., tuple[TicketServiceSimulator, TicketService]]


@pytest.fixture
def make(profile_path: Path) -> Make:
    def made(
        *faults: TicketFault, targets: TargetPolicy = LOCAL, **more: Any
    ) -> tuple[TicketServiceSimulator, TicketService]:
        simulator = TicketServiceSimulator(media(), frozenset(faults), now=lambda: NOON, **more)
        simulator.media.rtsp_port = 8554
        profile = load_profile(profile_path, ProblemLog().for_file(profile_path))
        assert profile is not None
        account = TicketAccount(
            name="sim",
            profile=profile,
            base="http://vendor",
            secrets={"app_key": APP_KEY, "app_secret": APP_SECRET},
            targets=targets,
        )
        ask = calling(simulator.handle, lambda: simulator.clock)
        return simulator, TicketService(account, ask, lambda: NOON, random.Random(1))

    return made


def visit(
    service: TicketService, *errors: Exception | None
) -> tuple[Any, RecordedVisits, list[str]]:
    visits, stages = RecordedVisits(*errors), []
    opener = TicketOpener({"sim": service}, visits)
    options = VisitOptions(on_stage=lambda stage: stages.append(stage.name))
    try:
        result = asyncio.run(opener(StreamAddress.parse("ticket://sim/D1"), options))
    except StreamError as exc:
        result = exc
    return result, visits, stages


def test_a_url_is_minted_right_before_it_is_opened_and_opened_once(make: Make) -> None:
    simulator, service = make()
    _, visits, stages = visit(service)
    ((address, options),) = visits.opened
    assert (address.path, options.single_use, options.targets) == ("/live/D1", True, LOCAL)
    assert stages == ["logged_in", "minted"]
    visit(service)
    assert simulator.asked == {"/api/token": 1, "/api/live": 2}  # a token is kept, a URL never


def test_a_refused_url_is_replaced_once_by_another(make: Make) -> None:
    simulator, service = make()
    _, visits, stages = visit(service, RefusedUs("404 Not Found"))
    first, second = (address.query for address, _ in visits.opened)
    assert first != second
    assert stages == ["logged_in", "minted", "expired", "logged_in", "minted"]
    error, visits, _ = visit(service, RefusedUs("403"), RefusedUs("403"))
    assert (error.kind, error.reason, len(visits.opened)) == ("refused_us", "expired_ticket", 2)
    assert simulator.asked["/api/live"] == 4


@pytest.mark.parametrize(
    "error", [WentSilent("x"), Unreachable("x"), StreamBusy("x"), Unreadable("x")]
)
def test_a_url_that_was_not_refused_is_not_minted_again(make: Make, error: StreamError) -> None:
    found, visits, _ = visit(make()[1], error)
    assert found is error
    assert len(visits.opened) == 1


def test_an_error_of_the_media_server_names_no_ticket(make: Make) -> None:
    class Quoting(RecordedVisits):
        async def __call__(self, address: StreamAddress, options: VisitOptions) -> Any:
            raise Unreadable(f"cannot read {address.request_uri}")

    opener = TicketOpener({"sim": make()[1]}, Quoting())
    with pytest.raises(Unreadable) as caught:
        asyncio.run(opener(StreamAddress.parse("ticket://sim/D1"), VisitOptions()))
    assert "ticket=" not in str(caught.value)
    assert "ticket=" not in caught.value.seen


@pytest.mark.parametrize(
    ("fault", "kind", "reason"),
    [(F.OFFLINE, Unreachable, "device_offline"), (F.NOT_FOUND, RefusedUs, "not_found"),
     (F.NO_GRANT, RefusedUs, "no_grant"), (F.BUSY, StreamBusy, ""),
     (F.ERROR_500, WentSilent, ""), (F.NOT_JSON, Unreadable, ""),
     (F.NO_URL, Unreadable, "vendor_error"), (F.PRIVATE_URL, TargetRefused, "target_refused"),
     (F.FILE_URL, TargetRefused, "scheme_refused"), (F.TOKEN_DEAD, RefusedUs, "login_refused")],
)  # fmt: skip
def test_every_fault_is_its_error_and_nothing_is_opened(
    make: Make, fault: TicketFault, kind: type[StreamError], reason: str
) -> None:
    simulator, service = make(fault)
    error, visits, _ = visit(service)
    assert type(error) is kind
    assert error.reason == reason
    assert visits.opened == []
    assert simulator.asked["/api/live"] <= 2
    assert APP_SECRET not in error.seen


def test_an_inner_address_is_opened_only_where_it_is_allowed(make: Make) -> None:
    error, visits, _ = visit(make(targets=TargetPolicy())[1])
    assert isinstance(error, TargetRefused)
    assert visits.opened == []
    assert "ticket" not in error.seen


def test_the_services_clock_counts(make: Make) -> None:
    """Two hours ahead: the first signature is refused, the second is made by its clock."""
    simulator, service = make(F.CLOCK_AHEAD)
    _, visits, _ = visit(service)
    assert len(visits.opened) == 1
    assert simulator.asked["/api/token"] == 2
    assert service.service_now == NOON + timedelta(hours=2)


def test_a_token_that_the_service_forgot_is_fetched_anew_once_a_call(make: Make) -> None:
    simulator, service = make(F.TOKEN_FORGOTTEN)
    for _ in range(5):
        assert len(visit(service)[1].opened) == 1
    assert simulator.asked["/api/token"] == 2


def test_hundreds_of_visits_fetch_one_token(make: Make) -> None:
    simulator, service = make()

    async def main() -> None:
        await asyncio.gather(*(service.token(5) for _ in range(300)))

    asyncio.run(main())
    assert simulator.asked["/api/token"] == 1


def test_devices_page_by_page(make: Make) -> None:
    simulator, service = make(devices=120)
    found = asyncio.run(service.devices(5))
    assert len(found) == 120
    assert simulator.asked["/api/devices"] == 3
    assert (found[0].online, found[1].online, found[1].name) == (False, True, "摄像头1")


def test_pages_that_repeat_themselves_end(make: Make) -> None:
    simulator, service = make(F.ENDLESS_PAGES)
    assert len(asyncio.run(service.devices(5))) == 50
    assert simulator.asked["/api/devices"] == 2


def test_a_full_last_page_ends_with_an_empty_one(make: Make) -> None:
    simulator, service = make(devices=100)
    assert len(asyncio.run(service.devices(5))) == 100
    assert simulator.asked["/api/devices"] == 3


def test_a_token_that_ends_in_mid_page_is_fetched_anew(make: Make) -> None:
    simulator, service = make(F.TOKEN_FORGOTTEN, devices=400)
    assert len(asyncio.run(service.devices(5))) == 400
    assert simulator.asked["/api/token"] == 3


def test_a_page_that_did_not_come_is_asked_for_again_but_a_url_is_not(make: Make) -> None:
    simulator, service = make()
    handle, calls = simulator.handle, []

    async def flaky(request: Any) -> Any:
        calls.append(request.path)
        if request.path != "/api/token" and calls.count(request.path) == 1:
            raise WentSilent("cut")
        return await handle(request)

    service._ask = calling(flaky)
    assert len(asyncio.run(service.devices(5))) == 120
    assert calls.count("/api/devices") == 4
    error, _, _ = visit(service)
    assert (str(error), calls.count("/api/live")) == ("cut", 1)


@pytest.fixture(scope="module")
def rsa_key() -> Iterator[Any]:
    return rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505  a test's


def test_china_telecoms_way_as_far_as_documents_tell(rsa_key: Any) -> None:
    """XXTEA parameters, HMAC over five fields, RSA answers in several blocks."""
    simulator = TicketServiceSimulator(media(), rsa_key=rsa_key, now=lambda: NOON)
    simulator.media.rtsp_port = 8554
    path = shipped_profile_path("china-telecom")
    profile = load_profile(path, ProblemLog().for_file(path))
    assert profile is not None
    key = rsa_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    secrets = {
        "app_id": APP_KEY, "app_secret": APP_SECRET, "rsa_private_key": key,
        "enterprise_user": "u",
    }  # fmt: skip
    account = TicketAccount(
        name="sim",
        profile=dataclasses.replace(profile, calls_per_s=1000),
        base="http://vendor",
        secrets=secrets,
        targets=LOCAL,
    )
    service = TicketService(account, calling(simulator.handle), lambda: NOON)
    _, visits, _ = visit(service)
    ((address, _),) = visits.opened
    assert address.path == "/live/D1"
    assert len(asyncio.run(service.devices(5))) == 120
    assert simulator.asked["/open/oauth/getAccessToken"] == 1


def test_a_refresh_token_is_used_once_and_then_a_new_login() -> None:
    asked: list[str] = []

    async def handle(request: Any) -> Any:
        asked.append(request.form.get("grant", request.path))
        if request.path != "/token":
            return json_reply({"data": {"url": "rtsp://127.0.0.1/a"}})
        if request.form["grant"] == "refresh" and request.form["r"] != "first":
            return json_reply({}, status=401)
        return json_reply(
            {"t": f"t{len(asked)}", "s": 100, "r": "first" if len(asked) < 2 else "x"}
        )

    token = TokenRule(
        call=ServiceCall(path="/token", params={"grant": "new"}),
        value="t",
        expires=ExpiryRule(path="s", format=ExpiryFormat.SECONDS),
        refresh_value="r",
        refresh_call=ServiceCall(
            path="/token", params={"grant": "refresh", "r": "{refresh_token}"}
        ),
        early_s=0,
    )
    profile = VendorProfile(
        url=UrlRule(call=ServiceCall(path="/url"), url="data.url"), token=token, calls_per_s=1000
    )
    clock = [NOON]
    service = TicketService(
        TicketAccount(name="v", profile=profile, base="http://v", secrets={}, targets=LOCAL),
        calling(handle, lambda: clock[0]),
        lambda: clock[0],
    )

    def later() -> datetime:
        clock[0] += timedelta(seconds=101)
        return clock[0]

    for _ in range(3):
        asyncio.run(service.token(5))
        later()
    assert asked == ["new", "refresh", "refresh", "new"]
