"""ZLMediaKit and WVP against their look-alikes, without sockets: every fault, and a polite end."""

import asyncio
from typing import Any

import pytest

from simulators.http_sources.gateways import (
    FORBIDDEN_CALLS,
    WVP_KEY,
    WVP_PASSWORD,
    WVP_USER,
    ZLM_SECRET,
    GatewayFault,
    WvpSimulator,
    ZlmSimulator,
)
from streams.address import StreamAddress
from streams.control_http import ControlAnswer
from streams.errors import RefusedUs, StreamBusy, StreamError, Unreachable, Unreadable, WentSilent
from streams.gateways.gateway import LiveProtocol, LiveUrlRules, WvpGateway, ZlmGateway
from streams.gateways.wvp import WvpOpener, read_live_urls, read_wvp
from streams.gateways.zlm import ZlmOpener, live_urls, read_zlm
from streams.model import VisitOptions
from streams.target_policy import TargetRefused
from tests.support.lookalikes import RecordedVisits, calling, media

F = GatewayFault
ZLM = ZlmGateway(name="zlm", base="http://gateway:8080", secret=ZLM_SECRET, rtsp_port=5540)
SHORT = VisitOptions(visit_timeout_s=5)


def run(opener: Any, url: str, options: VisitOptions = SHORT) -> Any:
    try:
        return asyncio.run(opener(StreamAddress.parse(url), options))
    except StreamError as exc:
        return exc


def zlm_visit(
    *faults: GatewayFault, errors: tuple[Exception | None, ...] = (), **changed: Any
) -> tuple[Any, ZlmSimulator, RecordedVisits]:
    simulator, visits = ZlmSimulator(media(), frozenset(faults)), RecordedVisits(*errors)
    gateway = ZlmGateway(**{**{f: getattr(ZLM, f) for f in ZLM.__slots__}, **changed})
    opener = ZlmOpener({"zlm": gateway}, calling(simulator.handle), visits)
    return run(opener, "zlm://zlm/live/c1?sign=abc"), simulator, visits


def test_the_live_urls_of_zlmediakit() -> None:
    urls = live_urls(ZLM, "live", "路口/1", "sign=abc")
    assert urls[LiveProtocol.RTSP] == "rtsp://gateway:5540/live/%E8%B7%AF%E5%8F%A3%2F1?sign=abc"
    assert urls[LiveProtocol.FLV].startswith(
        "http://gateway:8080/live/%E8%B7%AF%E5%8F%A3%2F1.live.flv"
    )
    assert urls[LiveProtocol.HLS].endswith("/hls.m3u8?sign=abc")
    inner = ZlmGateway(name="z", base="https://[fd00::1]:8443")
    assert live_urls(inner, "a", "b", "")[LiveProtocol.RTSP] == "rtsp://[fd00::1]:554/a/b"


def test_zlm_opens_rtsp_first_and_asks_for_no_snapshot() -> None:
    _, simulator, visits = zlm_visit()
    ((address, options),) = visits.opened
    assert (address.scheme, address.port, address.query) == ("rtsp", 5540, "sign=abc")
    assert options.targets is ZLM.live.targets
    assert simulator.asked == {"getMediaList": 1}
    assert not set(simulator.asked) & set(FORBIDDEN_CALLS)


def test_the_next_protocol_is_tried_and_the_first_error_stands() -> None:
    _, _, visits = zlm_visit(errors=(WentSilent("rtsp"), Unreadable("ts")))
    assert [address.path for address, _ in visits.opened] == [
        "/live/c1", "/live/c1.live.ts", "/live/c1.live.mp4"
    ]  # fmt: skip
    error, _, visits = zlm_visit(errors=tuple(WentSilent(str(n)) for n in range(5)))
    assert (error.seen, len(visits.opened)) == ("0", 5)


def test_a_busy_stream_is_not_asked_for_over_another_protocol() -> None:
    error, _, visits = zlm_visit(errors=(StreamBusy("453"),))
    assert isinstance(error, StreamBusy)
    assert len(visits.opened) == 1


def test_a_stream_that_starts_when_it_is_opened_is_opened() -> None:
    result, _, visits = zlm_visit(F.NOT_LISTED)
    assert isinstance(result, str)
    assert len(visits.opened) == 1
    error, _, visits = zlm_visit(F.NOT_LISTED, on_demand=False)
    assert (type(error), error.reason, visits.opened) == (Unreachable, "device_offline", [])
    error, _, _ = zlm_visit(F.OFFLINE, errors=(RefusedUs("404"),) * 5)
    assert (type(error), error.reason) == (Unreachable, "device_offline")
    assert "404" in error.seen


def test_without_a_secret_the_api_is_not_asked() -> None:
    _, simulator, visits = zlm_visit(secret="")
    assert simulator.asked == {}
    assert len(visits.opened) == 1


@pytest.mark.parametrize(
    ("code", "kind", "reason"),
    [(-100, RefusedUs, "login_refused"), (-300, Unreadable, ""), (-400, WentSilent, ""),
     (-1, WentSilent, ""), (-500, Unreadable, ""), ("x", Unreadable, ""), (None, Unreadable, "")],
)  # fmt: skip
def test_zlm_codes(code: object, kind: type[StreamError], reason: str) -> None:
    body = f'{{"code": {"null" if code is None else repr(code)}, "msg": "m"}}'.replace("'", '"')
    with pytest.raises(kind) as caught:
        read_zlm(ControlAnswer(status=200, body=body.encode()))
    assert caught.value.reason == reason


def test_zlm_refuses_a_wrong_secret_before_anything_is_opened() -> None:
    error, _, visits = zlm_visit(F.BAD_SECRET)
    assert (type(error), error.reason, visits.opened) == (RefusedUs, "login_refused", [])
    assert ZLM_SECRET not in repr(error) + repr(ZLM)


def wvp(
    *faults: GatewayFault, errors: tuple[Exception | None, ...] = (), **login: Any
) -> tuple[WvpSimulator, WvpOpener, RecordedVisits]:
    plain = frozenset(faults)
    zlm = ZlmSimulator(media(), plain & {F.RTSP_SILENT})
    zlm.port, zlm.media.rtsp_port = 8080, 5540
    simulator, visits = WvpSimulator(zlm, plain, host="gateway"), RecordedVisits(*errors)

    async def handle(request: Any) -> Any:
        return await (zlm if request.path.startswith("/index/") else simulator).handle(request)

    gateway = WvpGateway(
        name="wvp", base="http://gateway", media=ZLM, **(login or {"api_key": WVP_KEY})
    )
    return simulator, WvpOpener({"wvp": gateway}, calling(handle), visits), visits


LOGIN = {"user": WVP_USER, "password": WVP_PASSWORD}
URL = "wvp://wvp/62090204001320000001/62090204001320000002"


@pytest.mark.parametrize("faults", [(), (F.OLD_OBJECTS,), (F.NOT_LISTED,)])
def test_wvp_opens_the_url_that_it_names_with_its_ticket(faults: tuple[GatewayFault, ...]) -> None:
    simulator, opener, visits = wvp(*faults)
    run(opener, URL)
    ((address, _),) = visits.opened
    assert (address.scheme, address.host, address.query) == ("rtsp", "gateway", "callId=1")
    assert "callId" not in str(address)
    assert simulator.asked["play/start"] == 1
    assert not any("snap" in call for call in simulator.asked)


def test_wvp_takes_the_protocol_that_is_there() -> None:
    _, opener, visits = wvp(F.ONLY_HLS)
    run(opener, URL)
    assert visits.opened[0][0].path.endswith("hls.m3u8")


def test_an_inner_address_of_wvp_is_refused_or_rewritten() -> None:
    _, opener, visits = wvp(F.WRONG_HOST)
    visits._errors = [TargetRefused("inner")] * 5
    assert isinstance(run(opener, URL), TargetRefused)
    zlm = ZlmSimulator(media())
    zlm.port, zlm.media.rtsp_port = 8080, 5540
    simulator, visits = WvpSimulator(zlm, frozenset({F.WRONG_HOST})), RecordedVisits()
    gateway = WvpGateway(
        name="wvp", base="http://g", api_key=WVP_KEY, live=LiveUrlRules(rewrite_host="seen-by-us")
    )
    run(WvpOpener({"wvp": gateway}, calling(simulator.handle), visits), URL)
    assert (visits.opened[0][0].host, visits.opened[0][0].query) == ("seen-by-us", "callId=1")


@pytest.mark.parametrize(
    ("fault", "kind", "reason"),
    [(F.OFFLINE, Unreachable, "device_offline"), (F.BUSY, StreamBusy, ""),
     (F.NO_MEDIA, WentSilent, ""), (F.UNKNOWN_CHANNEL, RefusedUs, "not_found"),
     (F.BAD_SECRET, RefusedUs, "login_refused"), (F.NOT_JSON, Unreadable, "")],
)  # fmt: skip
@pytest.mark.parametrize("login", [{"api_key": WVP_KEY}, LOGIN])
def test_wvps_faults(
    fault: GatewayFault, kind: type[StreamError], reason: str, login: dict[str, str]
) -> None:
    _, opener, visits = wvp(fault, **login)
    error = run(opener, URL)
    assert (type(error), error.reason, visits.opened) == (kind, reason, [])
    assert WVP_PASSWORD not in error.seen


def test_a_token_is_shared_and_fetched_anew_once() -> None:
    simulator, opener, visits = wvp(**LOGIN)

    async def main() -> None:
        address = StreamAddress.parse(URL)
        await asyncio.gather(*(opener(address, SHORT) for _ in range(20)))

    asyncio.run(main())
    assert simulator.asked["user/login"] == 1
    simulator, opener, visits = wvp(F.TOKEN_FORGOTTEN, **LOGIN)
    run(opener, URL)
    assert simulator.asked["user/login"] == 2
    assert len(visits.opened) == 1


@pytest.mark.parametrize(
    ("owns", "watched", "viewers", "stops"),
    [(False, False, 0, 0), (True, True, 0, 0), (True, False, 1, 0), (True, False, 0, 1)],
)
def test_a_stream_that_somebody_watches_is_never_stopped(
    *, owns: bool, watched: bool, viewers: int, stops: int
) -> None:
    faults = (F.WATCHED,) if watched else ()
    simulator, opener, _ = wvp(*faults, api_key=WVP_KEY, owns_streams=owns)
    simulator.zlm.media.viewers = viewers
    run(opener, URL)
    assert simulator.asked["play/stop"] == stops


def test_a_stream_is_left_politely_after_a_failed_visit_too() -> None:
    simulator, opener, _ = wvp(errors=(WentSilent("x"),) * 5, api_key=WVP_KEY, owns_streams=True)
    assert isinstance(run(opener, URL), WentSilent)
    assert simulator.asked["play/stop"] == 1


def test_a_slow_start_outlasts_the_visit_and_is_not_hung_up_on() -> None:
    simulator, opener, visits = wvp(F.SLOW_START)

    async def main() -> None:
        release = asyncio.Event()
        simulator.wait_for_start = release.wait
        with pytest.raises(WentSilent, match="within the visit"):
            await opener(StreamAddress.parse(URL), VisitOptions(visit_timeout_s=0.2))
        assert simulator.open_channels == set()
        release.set()
        await asyncio.gather(*opener._late)

    asyncio.run(main())
    assert simulator.open_channels == {"62090204001320000002"}
    assert visits.opened == []


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, b"{}"), (200, b"[]"), (200, b"null"), (200, b'{"code":"0"}'), (500, b"<html>"),
     (404, b""), (200, b'{"code":0,"data":"x"}'), (200, b'{"code":true}')],
)  # fmt: skip
def test_odd_answers_are_our_own_errors(status: int, body: bytes) -> None:
    with pytest.raises(StreamError):
        read_live_urls(read_wvp(ControlAnswer(status=status, body=body)))
