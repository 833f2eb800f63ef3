"""Calls written and answers read by profiles: every vendor code, every shape of expiry, damage."""

import json
import string
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patrol.settings.config_file import ProblemLog
from patrol.settings.vendor_profile import SHIPPED, load_profile, shipped_profile_path
from streams.control_http import ControlAnswer, value_at
from streams.errors import RefusedUs, StreamBusy, StreamError, Unreachable, Unreadable, WentSilent
from streams.ticket import exchange
from streams.ticket.exchange import CallValues, TokenRefused
from streams.ticket.primitives import Decryption, Operation
from streams.ticket.profile import (
    Encoding,
    ExpiryFormat,
    ExpiryRule,
    HiddenRule,
    ListRule,
    ServiceCall,
    SignStep,
    TokenRule,
    UrlRule,
    VendorError,
    VendorProfile,
    profile_problems,
)
from tests.support.lookalikes import NOON, mutations

CALL = ServiceCall(path="/live/{id}", params={"device": "{id}", "n": 5, "deep": [{"t": "{token}"}]})
URL = UrlRule(call=CALL, url="data.url", expires=ExpiryRule(path="data.end"))
CODES: dict[str, VendorError] = {kind.value: kind for kind in VendorError}
PROFILE = VendorProfile(
    url=URL,
    ok_path="code",
    ok_values=frozenset({"0", "200"}),
    message_path="msg",
    errors=CODES,
    secrets=("app_secret",),
)


def given_values(**values: str) -> CallValues:
    return CallValues(
        base="https://vendor.example/base/",
        secrets={"app_secret": "s3cret"},
        values={"id": "a b/ü", "token": "t0ken", **values},
        now_ms=1_700_000_000_000,
        nonce="n" * 32,
    )


def answer(data: Any, status: int = 200, *headers: tuple[str, str]) -> ControlAnswer:
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    return ControlAnswer(status=status, headers=headers, body=body)


@pytest.mark.parametrize("encoding", list(Encoding))
def test_a_call_in_each_encoding(encoding: Encoding) -> None:
    profile = VendorProfile(url=URL, encoding=encoding, headers={"X-T": "{token}", "X-E": "{page}"})
    request = exchange.write_call(profile, CALL, given_values())
    parts = urlsplit(request.url)
    assert parts.path == "/base/live/a%20b%2F%C3%BC"
    assert dict(request.headers)["X-T"] == "t0ken"
    assert "X-E" not in dict(request.headers)
    if encoding is Encoding.JSON:
        assert json.loads(request.body) == {"device": "a b/ü", "n": 5, "deep": [{"t": "t0ken"}]}
        return
    fields = dict(parse_qsl(parts.query if encoding is Encoding.QUERY else request.body.decode()))
    assert fields == {"device": "a b/ü", "n": "5", "deep": '[{"t": "t0ken"}]'}


def test_a_value_cannot_bring_placeholders_of_its_own() -> None:
    request = exchange.write_call(VendorProfile(url=URL), CALL, given_values(id="{app_secret}"))
    assert b"s3cret" not in request.body
    assert "s3cret" not in request.url


def test_steps_see_what_earlier_ones_made_and_send_replaces_the_parameters() -> None:
    steps = (
        SignStep(operation=Operation.SORT_JOIN, source="params", into="plain"),
        SignStep(operation=Operation.NOW_S, into="stamp"),
        SignStep(operation=Operation.NONCE, into="nonce"),
        SignStep(
            operation=Operation.CONCAT, parts=("plain", "stamp", "app_secret"), separator="|",
            into="text",
        ),
        SignStep(operation=Operation.UPPER, source="text", into="text"),
    )  # fmt: skip
    call = ServiceCall(path="/x", params={"b": "2", "a": "1"})
    signed = VendorProfile(url=URL, sign=steps, send={"s": "{text}"}, add={"n": "{nonce}"})
    fields = dict(parse_qsl(exchange.write_call(signed, call, given_values()).body.decode()))
    assert fields == {"s": "A=1&B=2|1700000000|S3CRET", "n": "n" * 32}
    added = VendorProfile(url=URL, sign=steps, add={"t": "{stamp}"})
    fields = dict(parse_qsl(exchange.write_call(added, call, given_values()).body.decode()))
    assert fields == {"b": "2", "a": "1", "t": "1700000000"}


def test_no_secret_prints() -> None:
    request = exchange.write_call(PROFILE, CALL, given_values())
    token = exchange.Token(value="t0ken", until=NOON, refresh="r3fresh")
    for shown in (repr(request), request.shown, repr(given_values()), repr(token)):
        for secret in ("s3cret", "t0ken", "r3fresh", "device="):
            assert secret not in shown


KINDS: list[tuple[str, type[Exception], str]] = [
    ("token", TokenRefused, ""),
    ("auth", RefusedUs, "login_refused"),
    ("busy", StreamBusy, ""),
    ("rate", StreamBusy, ""),
    ("offline", Unreachable, "device_offline"),
    ("not_found", RefusedUs, "not_found"),
    ("grant", RefusedUs, "no_grant"),
    ("anything else", Unreadable, "vendor_error"),
]


@pytest.mark.parametrize(("code", "kind", "reason"), KINDS)
@pytest.mark.parametrize("status", [200, 400, 403, 500])
def test_each_code_is_its_error_whatever_the_status(
    code: str, kind: type[Exception], reason: str, status: int
) -> None:
    if code == "anything else" and status != 200:
        return  # then the status decides
    with pytest.raises(kind) as caught:
        exchange.read_answer(PROFILE, answer({"code": code, "msg": "为什么"}, status), {})
    if isinstance(caught.value, StreamError):
        assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, TokenRefused), (403, TokenRefused), (404, RefusedUs), (418, Unreadable),
     (429, StreamBusy), (503, StreamBusy), (500, WentSilent), (302, Unreadable)],
)  # fmt: skip
def test_statuses(status: int, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        exchange.read_answer(PROFILE, answer(b"<html>", status), {})


def test_a_busy_service_says_how_long() -> None:
    with pytest.raises(StreamBusy) as caught:
        exchange.read_answer(PROFILE, answer(b"", 429, ("retry-after", "7")), {})
    assert caught.value.retry_after_s == 7.0


@pytest.mark.parametrize("code", [0, "0", 200, "200"])
def test_a_success_is_a_number_or_a_text(code: object) -> None:
    assert exchange.read_answer(PROFILE, answer({"code": code, "data": 1}), {})["data"] == 1


@pytest.mark.parametrize("code", [True, None, [], {}, 0.5, "00"])
def test_what_is_no_success(code: object) -> None:
    with pytest.raises(Unreadable):
        exchange.read_answer(PROFILE, answer({"code": code}), {})


END = datetime(2026, 11, 30, 4, 10, tzinfo=UTC)
EXPIRIES = [
    (ExpiryFormat.EPOCH_MS, END.timestamp() * 1000, END),
    (ExpiryFormat.EPOCH_S, str(int(END.timestamp())), END),
    (ExpiryFormat.SECONDS, 600, END),
    (ExpiryFormat.SECONDS, "600", END),
    (ExpiryFormat.SECONDS, -5, NOON),
    (ExpiryFormat.ISO, "2026-11-30T04:10:00Z", END),
    (ExpiryFormat.ISO, "2026-11-30T12:10:00", END),
    (ExpiryFormat.LOCAL, "2026-11-30 12:10:00", END),
    (ExpiryFormat.ISO, "soon", None),
    (ExpiryFormat.EPOCH_S, "x", None),
    (ExpiryFormat.EPOCH_MS, None, None),
    (ExpiryFormat.EPOCH_MS, {}, None),
    (ExpiryFormat.EPOCH_S, float("inf"), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    (ExpiryFormat.EPOCH_S, "nan", None),
]


@pytest.mark.parametrize(("written", "value", "end"), EXPIRIES)
def test_expiries(written: ExpiryFormat, value: object, end: datetime | None) -> None:
    rule = ExpiryRule(path="e", format=written)
    assert exchange.read_expiry({"e": value}, rule, NOON, 8.0) == end


def test_a_token_is_used_until_shortly_before_its_end() -> None:
    rule = TokenRule(
        call=CALL, value="t", expires=ExpiryRule(path="s", format=ExpiryFormat.SECONDS)
    )
    profile = VendorProfile(url=URL, token=rule)
    for life_s, used_s in ((7200, 6900), (600, 300), (20, 10), (0, 0)):
        token = exchange.read_token(profile, {"t": "x", "s": life_s}, answer(b""), NOON)
        assert (token.until - NOON).total_seconds() == used_s
    with pytest.raises(Unreadable, match="no token"):
        exchange.read_token(profile, {"t": None}, answer(b""), NOON)


@pytest.mark.parametrize("url", [None, "", "not a url", "live/1", 5, ["rtsp://a/b"], "rtsp://[/"])
def test_an_answer_without_a_url(url: object) -> None:
    with pytest.raises(Unreadable):
        exchange.read_minted(PROFILE, {"data": {"url": url}}, NOON)


def test_a_minted_url_prints_without_its_ticket() -> None:
    minted = exchange.read_minted(
        PROFILE, {"data": {"url": "rtsp://media/live/5?ticket=abc123", "end": 1}}, NOON
    )
    assert "abc123" not in str(minted.address)
    assert "abc123" not in repr(minted)
    assert minted.address.query == "ticket=abc123"


def test_devices_without_an_id_are_passed_over() -> None:
    rule = ListRule(
        call=CALL, items="d", id="i", name="n", online="s", online_values=frozenset({"1", "true"})
    )
    profile = VendorProfile(url=URL, list=rule)
    items = [{"i": 7, "n": "a\nb", "s": True}, {"n": "x"}, "text", {"i": "8", "s": 0}, {"i": "9"}]
    found = exchange.read_devices(profile, {"d": items})
    assert [(d.id, d.name, d.online) for d in found] == [
        ("7", "a?b", True), ("8", "", False), ("9", "", None)
    ]  # fmt: skip
    with pytest.raises(Unreadable):
        exchange.read_devices(profile, {"d": None})


def test_a_hidden_part_is_opened_where_it_is_hidden() -> None:
    hidden = HiddenRule(path="data", how=Decryption.XXTEA, key="app_secret")
    profile = VendorProfile(url=URL, hidden=hidden)
    secret = {"app_secret": "k"}
    assert exchange.read_answer(profile, answer({"data": {"a": 1}}), secret) == {"data": {"a": 1}}
    with pytest.raises(Unreadable, match="cannot be decrypted"):
        exchange.read_answer(profile, answer({"data": "00" * 12}), secret)


@given(st.integers(0, 1 << 30))
def test_damaged_answers_raise_nothing_but_our_own(seed: int) -> None:
    whole = json.dumps(
        {"code": 0, "data": {"url": "rtsp://a/b?t=1", "end": 5, "list": [{"id": 1}]}}
    ).encode()
    for data in mutations(whole, seed, 20):
        try:
            read = exchange.read_answer(PROFILE, answer(data), {})
            exchange.read_minted(PROFILE, read, NOON)
        except (StreamError, TokenRefused):
            continue


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 50_000, b"\xff\xfe\x00", b"1e999999"])
def test_hostile_json(body: bytes) -> None:
    with pytest.raises(Unreadable):
        exchange.read_minted(PROFILE, exchange.read_answer(PROFILE, answer(body), {}), NOON)


def test_paths_into_answers() -> None:
    data = {"a": [{"b": 1}], "c": None}
    assert value_at(data, "a.0.b") == 1
    for path in ("a.1.b", "a.x", "c.d", "z", "a.-1", "a.999999999", "a.²"):
        assert value_at(data, path) is None


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_profiles_are_whole_and_say_that_they_were_not_tried(name: str) -> None:
    path, notes = shipped_profile_path(name), ProblemLog()
    profile = load_profile(path, notes.for_file(path))
    assert profile is not None, notes.problems
    assert "not tried on the real service" in profile.remark
    assert "NOT TRIED ON THE REAL SERVICE" in path.read_text("utf-8")
    assert list(profile_problems(profile)) == []
    assert profile.base.startswith("https://")
    for _, call in profile.calls():
        exchange.write_call(profile, call, _with_secrets(profile))


def _with_secrets(profile: VendorProfile) -> CallValues:
    secrets = dict.fromkeys(profile.secrets, string.ascii_letters)
    return CallValues(base=profile.base, secrets=secrets, values={}, now_ms=1, nonce="n")


BROKEN: list[tuple[dict[str, Any], str, str]] = [
    ({"sign": (SignStep(operation=Operation.MD5_HEX, into="a"),)}, "sign[0]", "wants from"),
    ({"sign": (SignStep(operation=Operation.HMAC_MD5_HEX, source="id", into="a"),)},
     "sign[0]", "wants a key"),
    ({"sign": (SignStep(operation=Operation.KV_JOIN, source="id", into="a"),)},
     "sign[0]", "joins the parameters"),
    ({"sign": (SignStep(operation=Operation.MD5_HEX, source="b", into="a"),)},
     "sign[0]", "'b' is no secret"),
    ({"send": {"x": "{nope}"}}, "send", "{nope} is no secret"),
    ({"headers": {"x": "{nope}"}}, "headers", "{nope}"),
    ({"token": None}, "token", "a call asks for {token}"),
    ({"hidden": HiddenRule(path="d", how=Decryption.XXTEA, key="k")},
     "response.decrypt", "'k' is no secret"),
]  # fmt: skip


@pytest.mark.parametrize(("changed", "where", "said"), BROKEN)
def test_a_profile_that_cannot_work_is_told_before_it_is_used(
    changed: dict[str, Any], where: str, said: str
) -> None:
    whole: dict[str, Any] = {"url": URL, "token": TokenRule(call=ServiceCall(path="/t"), value="t")}
    found = list(profile_problems(VendorProfile(**{**whole, **changed})))
    assert any(field == where and said in text for field, text in found), found
