"""The platform as a state machine: registrations, commands, sessions, orphans; no sockets."""

from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest

from simulators.gb28181.wire import digest_answer
from streams.gb28181 import peers
from streams.gb28181.events import (
    AlarmReceived,
    CatalogReceived,
    PeerGone,
    PeerRegistered,
    Refused,
)
from streams.gb28181.invite_session import Dialog, InviteSession, SessionEvent, SessionState
from streams.gb28181.peers import MAX_WRONG_PASSWORDS, REGISTER_PERIOD_S
from streams.gb28181.sdp import make_offer, read_answer
from streams.gb28181.sip_digest import NONCE_LIFE_S
from streams.gb28181.sip_message import SipMessage, parse_message
from streams.gb28181.transactions import Flow
from tests.streams.gb28181.conftest import (
    CAMERA,
    DEVICE,
    FLOW,
    OURS,
    PASSWORD,
    WALL,
    Bench,
    peer_config,
)

ANSWER = (
    "v=0\r\nc=IN IP4 192.0.2.7\r\nm=video 40000 TCP/RTP/AVP 96\r\n"
    "a=setup:active\r\ny=0200000001\r\n"
)


def kinds(bench: Bench) -> list[str]:
    return [type(event).__name__ for event in bench.events()]


# -- registration -------------------------------------------------------------------------------


@pytest.mark.parametrize("qop", [True, False])
def test_a_device_registers_with_both_digests(bench: Bench, qop: bool) -> None:  # noqa: FBT001
    answer = bench.register(qop=qop, Expires="3600")
    assert answer.status == 200
    assert answer.get("expires") == "3600"
    assert answer.get("date") == "2026-11-22T16:00:00.123"
    assert answer.get("x-gb-ver") == "2.0"
    (event,) = bench.events()
    assert event == PeerRegistered("nvr", FLOW, 3600, changed=True)


def test_the_challenge_names_algorithm_and_qop(bench: Bench) -> None:
    (answer,) = bench.receive(bench.request("REGISTER"))
    challenge = answer.get("www-authenticate")
    assert (answer.status, 'qop="auth"' in challenge, "algorithm=MD5" in challenge) == (
        401,
        True,
        True,
    )
    assert f'realm="{OURS[:10]}"' in challenge


def test_a_missing_expires_is_an_hour_and_zero_logs_out(bench: Bench) -> None:
    assert bench.register().get("expires") == "3600"
    assert bench.register(Expires="0").get("expires") == "0"
    assert kinds(bench) == ["PeerRegistered", "PeerGone"]
    assert not bench.platform.peers["nvr"].is_reachable(bench.now_s)


def test_no_date_where_the_peer_obeys_it_wrongly() -> None:
    bench = Bench(peer_config(date_header=False, version_2022=True))
    answer = bench.register()
    assert (answer.get("date"), answer.get("x-gb-ver")) == ("", "3.0")


def test_wrong_passwords_are_refused_and_then_not_even_read(bench: Bench) -> None:
    for _ in range(MAX_WRONG_PASSWORDS):
        assert bench.register("wrong").status == 403
    assert bench.register(PASSWORD).status == 403  # barred
    refused = [event.reason for event in bench.events() if isinstance(event, Refused)]
    assert refused == [
        "a wrong password of peer nvr",
        "too many wrong passwords of peer nvr",
    ]  # fmt: skip  one line each, however often
    bench.now_s += 61
    assert bench.register().status == 200


def test_a_peer_that_is_not_on_the_list_is_refused_and_counted_once(bench: Bench) -> None:
    for _ in range(50):
        (answer,) = bench.receive(bench.request("REGISTER", code="34020000001180009999"))
        assert answer.status == 403
        (answer,) = bench.receive(bench.request("MESSAGE", code="34020000001180009999"))
        assert answer.status == 403
    (event,) = bench.events()
    assert event == Refused("a peer that is not on the list", "192.0.2.7")
    assert bench.platform.refusals.by_reason()["a peer that is not on the list"] == 100


def test_a_peer_comes_from_its_own_network(bench: Bench) -> None:
    elsewhere = replace(FLOW, host="198.51.100.1")
    assert bench.register(flow=elsewhere).status == 403


def test_an_old_nonce_is_stale_and_a_forged_one_too(bench: Bench) -> None:
    (first,) = bench.receive(bench.request("REGISTER"))
    challenge = first.get("www-authenticate")
    bench.now_s += NONCE_LIFE_S + 1
    for given in (challenge, challenge.replace('nonce="', 'nonce="3b9aca00-')):
        answer = digest_answer(
            given, user=DEVICE, password=PASSWORD, method="REGISTER", uri="sip:x", with_qop=True
        )
        (again,) = bench.receive(bench.request("REGISTER", Authorization=answer))
        assert (again.status, "stale=true" in again.get("www-authenticate")) == (401, True)


def test_a_refresh_is_authenticated_whatever_its_call_id(bench: Bench) -> None:
    assert bench.register(**{"Call-ID": "same"}).status == 200
    (again,) = bench.receive(bench.request("REGISTER", **{"Call-ID": "same"}))
    assert again.status == 401


def test_a_pinned_device_without_a_password_is_let_in() -> None:
    pinned = (ip_network("192.0.2.7/32"),)
    bench = Bench(peer_config(without_password=True, password="", networks=pinned))
    (answer,) = bench.receive(bench.request("REGISTER"))
    assert answer.status == 200
    (other,) = bench.receive(bench.request("REGISTER"), replace(FLOW, host="192.0.2.8"))
    assert other.status == 403


def test_a_repeated_request_gets_the_same_answer_and_nothing_more(bench: Bench) -> None:
    bench.register()
    data = bench.command("Notify", "Alarm")
    first = bench.receive(data)
    assert bench.receive(data) == [first[-1] if first[0].method else first[0]]


# -- commands -----------------------------------------------------------------------------------


def test_a_keepalive_moves_the_flow_and_its_answer_has_no_body(bench: Bench) -> None:
    bench.register()
    moved = replace(FLOW, port=6123)
    (answer,) = bench.receive(bench.command("Notify", "Keepalive", "<Status>OK</Status>"), moved)
    assert (answer.status, answer.body) == (200, b"")
    bench.platform.query_catalog("nvr", bench.now_s)
    assert [flow for flow, _ in bench.platform.outbox] == [moved]


def test_three_missed_signs_of_life_are_offline_and_one_is_online_again(bench: Bench) -> None:
    bench.register()
    bench.events()
    bench.pass_s(181, 1.0)
    assert bench.events() == [PeerGone("nvr", "no sign of life")]
    bench.receive(bench.command("Notify", "Keepalive"))
    assert kinds(bench) == ["PeerRegistered"]


def test_a_command_before_registration_or_from_another_host_is_forbidden(bench: Bench) -> None:
    (answer,) = bench.receive(bench.command("Notify", "Keepalive"))
    assert answer.status == 403
    bench.register()
    (answer,) = bench.receive(bench.command("Notify", "Keepalive"), replace(FLOW, host="192.0.2.8"))
    assert answer.status == 403


def test_a_catalogue_comes_in_messages_of_its_own(bench: Bench) -> None:
    bench.register()
    bench.events()
    number = bench.platform.query_catalog("nvr", bench.now_s)
    (asked,) = bench.sent()
    assert (asked.method, asked.recipient.user) == ("MESSAGE", DEVICE)
    assert bench.receive(bench.answer(asked, "200 OK")) == []
    for n in range(3):
        item = (
            f"<DeviceList Num='1'><Item><DeviceID>{int(CAMERA) + n}</DeviceID></Item></DeviceList>"
        )
        data = bench.command("Response", "Catalog", f"<SumNum>3</SumNum>{item}", number or 0)
        assert [m.status for m in bench.receive(data)] == [200]
    assert bench.events() == []
    bench.pass_s(1.0)
    (event,) = bench.events()
    assert isinstance(event, CatalogReceived)
    assert (len(event.catalog.items), event.catalog.complete) == (3, True)


def test_a_catalogue_without_an_end_is_partial_after_a_silence(bench: Bench) -> None:
    bench.register()
    bench.platform.query_catalog("nvr", bench.now_s)
    bench.events()
    bench.pass_s(9)
    (event,) = [e for e in bench.events() if isinstance(e, CatalogReceived)]
    assert not event.catalog.complete


def test_an_alarm_is_answered_apart_and_told_once() -> None:
    bench = Bench(peer_config(alarms=True))
    bench.register()
    bench.events()
    more = "<AlarmMethod>5</AlarmMethod><AlarmTime>2026-11-22T16:00:00</AlarmTime>"
    for _ in range(3):
        sent = bench.receive(bench.command("Notify", "Alarm", more))
        assert sorted((m.method, m.status) for m in sent) == [("", 200), ("MESSAGE", 0)]
        assert b"<Result>OK</Result>" in next(m.body for m in sent if m.method)
    assert [type(e) for e in bench.events()] == [AlarmReceived]


def test_an_alarm_of_a_peer_that_is_not_on_the_alarm_list_is_counted(bench: Bench) -> None:
    bench.register()
    bench.receive(bench.command("Notify", "Alarm"))
    assert "an alarm of a peer whose alarms are not taken" in bench.platform.refusals.by_reason()


@pytest.mark.parametrize(
    "body", ["<!DOCTYPE x><Notify/>", "nothing", "<a>" * 100, "<Notify><CmdType>X"]
)
def test_a_body_that_makes_no_sense_is_answered_and_nothing_stops(bench: Bench, body: str) -> None:
    bench.register()
    (answer,) = bench.receive(bench.request("MESSAGE", body))
    assert answer.status in {200, 400}


def test_reasons_that_others_choose_are_counted_together(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "MAX_REASONS", 40)
    bench.register()
    bench.events()
    for number in range(120):
        name = "".join(chr(97 + int(digit)) for digit in f"{number:05d}")
        (answer,) = bench.receive(bench.request(name.upper()))
        assert answer.status == 403
        bench.receive(bench.command("Query", f"X{name}"))
    assert len(bench.events()) <= 41
    counted = bench.platform.refusals.by_reason()
    assert counted["an unknown method asked of us"] == 120
    assert sum(counted.values()) == 240
    assert len(counted) <= 41


def test_registers_without_end_are_put_off_unread(bench: Bench) -> None:
    answers = [bench.receive(bench.request("REGISTER"))[0] for _ in range(2 * 60)]
    assert [answer.status for answer in answers] == [401] * 60 + [503] * 60
    assert answers[-1].get("retry-after") == "60"
    assert kinds(bench) == ["Refused"]
    assert bench.register(flow=replace(FLOW, host="192.0.2.8")).status == 200
    bench.now_s += REGISTER_PERIOD_S
    assert bench.register().status == 200


def test_another_host_does_not_lock_a_peer_out(bench: Bench) -> None:
    liar = Flow("udp", "192.0.2.66", 5060, "192.0.2.1")
    for _ in range(8):
        assert bench.register("guess", flow=liar).status == 403
    assert bench.register(flow=liar).status == 403
    assert bench.register().status == 200


@pytest.mark.parametrize("method", ["INVITE", "SUBSCRIBE", "INFO", "PUBLISH"])
def test_what_we_do_not_give_is_forbidden(bench: Bench, method: str) -> None:
    bench.register()
    (answer,) = bench.receive(bench.request(method))
    assert answer.status == 403
    (answer,) = bench.receive(bench.request("OPTIONS"))
    assert answer.status == 200


# -- sessions -----------------------------------------------------------------------------------


def opened(bench: Bench, **changed: Any) -> tuple[InviteSession, SipMessage]:
    """A session and its INVITE, on a registered peer."""
    bench.register()
    bench.events()
    offer = make_offer(
        owner=CAMERA, host="192.0.2.1", port=30000, transport="tcp-passive", source="0200000001"
    )
    config = bench.platform.peers["nvr"].config
    flow = changed.get("flow", FLOW)
    session = bench.platform.build.invite(config, flow, CAMERA, "0200000001", offer)
    bench.platform.sessions.start(session, bench.now_s)
    (invite,) = bench.sent()
    return session, invite


def test_the_invite_is_what_devices_want_to_see(bench: Bench) -> None:
    _, invite = opened(bench)
    assert invite.uri == f"sip:{CAMERA}@192.0.2.7:5060"
    assert invite.get("subject") == f"{CAMERA}:0200000001,{OURS}:0"
    assert invite.sender.tag
    assert invite.get("via").startswith("SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bK")
    body = invite.body.decode()
    assert "m=video 30000 TCP/RTP/AVP 96 97 98 99\r\n" in body
    assert "a=setup:passive\r\n" in body
    assert body.endswith("y=0200000001\r\n")


def test_a_session_is_acknowledged_and_ended(bench: Bench) -> None:
    session, invite = opened(bench)
    bench.receive(bench.answer(invite, "100 Trying", tag=""))
    (ack,) = bench.receive(bench.answer(invite, "200 OK", body=ANSWER))
    assert (ack.method, ack.cseq, ack.recipient.tag) == ("ACK", (1, "ACK"), "d1")
    assert session.events == [SessionEvent.ANSWERED]
    assert session.answer == read_answer(ANSWER.encode())
    bench.platform.sessions.close(session, bench.now_s)
    (bye,) = bench.sent()
    assert (bye.method, bye.cseq, bye.recipient.tag, bye.call_id) == (
        "BYE", (2, "BYE"), "d1", invite.call_id,
    )  # fmt: skip
    bench.receive(bench.answer(bye, "200 OK"))
    assert session.state is SessionState.ENDED
    assert not bench.platform.sessions.open


def test_a_200_without_a_tag_and_from_another_port_is_carried_on(bench: Bench) -> None:
    session, invite = opened(bench)
    other = replace(FLOW, port=7000)
    bench.platform.receive(
        parse_message(bench.answer(invite, "200 OK", tag="", body=ANSWER)), other, bench.now_s, WALL
    )
    assert [flow for flow, _ in bench.platform.outbox] == [other]
    assert session.dialog.flow == other


def test_an_invite_is_repeated_until_it_is_answered_and_not_after(bench: Bench) -> None:
    _, invite = opened(bench)
    assert [m.method for m in bench.pass_s(4)] == ["INVITE"] * 3  # at 0.5, 1.5 and 3.5 s
    bench.receive(bench.answer(invite, "100 Trying", tag=""))
    assert bench.pass_s(3) == []


def test_over_tcp_nothing_is_repeated(bench: Bench) -> None:
    opened(bench, flow=replace(FLOW, transport="tcp"))
    assert bench.pass_s(5) == []


def test_an_invite_follows_a_peer_that_turns_up_elsewhere(bench: Bench) -> None:
    """What an earlier run knew of it is old: it started again meanwhile, and has another port."""
    session, invite = opened(bench)
    moved = replace(FLOW, port=5099)
    bench.platform.outbox.clear()
    bench.platform.receive(
        parse_message(bench.command("Notify", "Keepalive")), moved, bench.now_s, WALL
    )
    sent = [(flow.port, data.split(b" ")[0]) for flow, data in bench.platform.outbox]
    assert sorted(sent) == [(5099, b"INVITE"), (5099, b"SIP/2.0")]
    bench.sent()
    bench.receive(bench.answer(invite, "200 OK", body=ANSWER), moved)
    assert session.state is SessionState.ESTABLISHED
    assert session.dialog.flow == moved


def test_a_repeated_200_is_acknowledged_again(bench: Bench) -> None:
    session, invite = opened(bench)
    data = bench.answer(invite, "200 OK", body=ANSWER)
    for _ in range(3):
        assert [m.method for m in bench.receive(data)] == ["ACK"]
    assert session.events == [SessionEvent.ANSWERED]


@pytest.mark.parametrize("status", ["486 Busy Here", "404 Not Found", "500 Oops", "603 Decline"])
def test_a_refusal_is_acknowledged_in_its_transaction(bench: Bench, status: str) -> None:
    session, invite = opened(bench)
    (ack,) = bench.receive(bench.answer(invite, status))
    assert (ack.method, ack.branch, ack.cseq) == ("ACK", invite.branch, (1, "ACK"))
    assert (session.events, session.status) == ([SessionEvent.REFUSED], int(status[:3]))
    assert not bench.platform.sessions.open


def test_no_answer_is_given_up_and_a_late_200_is_ended(bench: Bench) -> None:
    session, invite = opened(bench)
    bench.pass_s(9)
    assert session.events == [SessionEvent.UNANSWERED]
    ack, bye = bench.receive(bench.answer(invite, "200 OK", body=ANSWER))
    assert (ack.method, bye.method) == ("ACK", "BYE")
    bench.receive(bench.answer(bye, "200 OK"))
    assert not bench.platform.sessions.open


def test_a_late_200_after_cancel_is_acknowledged_and_ended(bench: Bench) -> None:
    session, invite = opened(bench)
    bench.receive(bench.answer(invite, "100 Trying", tag=""))
    bench.platform.sessions.close(session, bench.now_s)
    (cancel,) = bench.sent()
    assert (cancel.method, cancel.branch, cancel.cseq) == ("CANCEL", invite.branch, (1, "CANCEL"))
    sent = bench.receive(bench.answer(invite, "200 OK", body=ANSWER))
    assert [m.method for m in sent] == ["ACK", "BYE"]
    assert session.state is SessionState.ENDING


def test_a_cancelled_invite_ends_with_487(bench: Bench) -> None:
    session, invite = opened(bench)
    bench.receive(bench.answer(invite, "100 Trying", tag=""))
    bench.platform.sessions.close(session, bench.now_s)
    bench.sent()
    (ack,) = bench.receive(bench.answer(invite, "487 Request Terminated"))
    assert (ack.method, session.state) == ("ACK", SessionState.ENDED)


def test_a_session_that_is_never_answered_is_forgotten_in_the_end(bench: Bench) -> None:
    opened(bench)
    bench.pass_s(45, 1.0)
    assert not bench.platform.sessions.open


def test_the_peers_bye_is_answered_and_one_that_crosses_ours_too(bench: Bench) -> None:
    session, invite = opened(bench)
    bench.receive(bench.answer(invite, "200 OK", body=ANSWER))
    bench.platform.sessions.close(session, bench.now_s)
    (ours,) = bench.sent()
    theirs = bench.request("BYE", **{"Call-ID": invite.call_id})
    (answer,) = bench.receive(theirs)
    assert (answer.status, session.events[-1]) == (200, SessionEvent.CLOSED)
    assert bench.receive(bench.answer(ours, "481 No Such Call")) == []
    (unknown,) = bench.receive(bench.request("BYE", **{"Call-ID": "nobody's"}))
    assert unknown.status == 481


def test_a_bye_is_tried_three_times_then_the_session_stays_in_the_journal(bench: Bench) -> None:
    session, invite = opened(bench)
    bench.receive(bench.answer(invite, "200 OK", body=ANSWER))
    bench.platform.sessions.close(session, bench.now_s)
    moved = replace(FLOW, port=5099)
    bench.receive(bench.command("Notify", "Keepalive"), moved)
    bench.platform.tick(bench.now_s)
    ways = []
    for _ in range(200):
        bench.now_s += 0.1
        bench.platform.tick(bench.now_s)
        ways += [f.port for f, data in bench.platform.outbox if data.startswith(b"BYE")]
        bench.sent()
    assert (session.bye_tries, set(ways)) == (3, {moved.port})
    assert session.events[-1] is SessionEvent.ABANDONED
    assert bench.platform.sessions.end_orphans("nvr", bench.now_s) == 1
    (bye,) = bench.sent()
    assert (bye.call_id, bye.cseq[0]) == (invite.call_id, 5)
    bench.receive(bench.answer(bye, "481 No Such Call"))
    assert bench.platform.sessions.ended_orphans == [invite.call_id]


# -- orphans, and what we begin -----------------------------------------------------------------


def orphan() -> Dialog:
    return Dialog(
        peer="nvr", channel=CAMERA, call_id="old", from_tag="f", to_tag="t", cseq=1, flow=FLOW
    )


def test_an_orphan_is_ended_when_its_peer_registers(bench: Bench) -> None:
    bench.platform.sessions.orphans["old"] = orphan()
    (first,) = bench.receive(bench.request("REGISTER"))
    answer = digest_answer(
        first.get("www-authenticate"), user=DEVICE, password=PASSWORD, method="REGISTER",
        uri="sip:x", with_qop=True,
    )  # fmt: skip
    sent = bench.receive(bench.request("REGISTER", Authorization=answer))
    bye = next(m for m in sent if m.method == "BYE")
    assert (bye.call_id, bye.sender.tag, bye.recipient.tag, bye.cseq[0]) == ("old", "f", "t", 2)
    bench.receive(bench.answer(bye, "481 No Such Call"))
    assert bench.platform.sessions.ended_orphans == ["old"]


def test_the_late_200_of_an_orphan_is_acknowledged_and_ended(bench: Bench) -> None:
    bench.register()
    bench.platform.sessions.orphans["old"] = replace(orphan(), to_tag="")
    invite = SipMessage(
        method="INVITE", uri=f"sip:{CAMERA}@x",
        headers=(("via", "SIP/2.0/UDP a;branch=z9hG4bKold"), ("from", "<sip:1@2>;tag=f"),
                 ("to", f"<sip:{CAMERA}@x>"), ("call-id", "old"), ("cseq", "1 INVITE")),
    )  # fmt: skip
    sent = bench.receive(bench.answer(invite, "200 OK", tag="late", body=ANSWER))
    assert [(m.method, m.recipient.tag) for m in sent] == [("ACK", "late"), ("BYE", "late")]


def test_a_lost_connection_is_offline_at_once(bench: Bench) -> None:
    tcp = Flow("tcp", "192.0.2.7", 5060, "192.0.2.1", 3)
    assert bench.register(flow=tcp).status == 200
    bench.events()
    bench.platform.connection_lost(3, bench.now_s)
    assert bench.events() == [PeerGone("nvr", "its connection ended")]
    assert not bench.platform.peers["nvr"].is_reachable(bench.now_s)


def upward(**changed: Any) -> Bench:
    return Bench(
        peer_config(
            registers_here=False, register_there=True, address=("192.0.2.9", 5060), user="",
            **changed,
        )
    )  # fmt: skip


CHALLENGE = 'Digest realm="3402000000",nonce="abc",qop="auth",algorithm=MD5'


def challenged(bench: Bench, request: SipMessage, nonce: str = "abc") -> SipMessage:
    challenge = CHALLENGE.replace("abc", nonce)
    data = bench.answer(request, "401 Unauthorized").replace(
        b"CSeq:", f"WWW-Authenticate: {challenge}\r\nCSeq:".encode()
    )
    (again,) = bench.receive(data)
    return again


def test_we_register_upward_refresh_and_give_signs_of_life() -> None:
    bench = upward(expires_s=100, keepalive_s=20)
    (first,) = bench.pass_s(0.1)
    assert (first.method, first.uri) == ("REGISTER", f"sip:{DEVICE}@{DEVICE[:10]}")
    again = challenged(bench, first)
    assert f'username="{OURS}"' in again.get("authorization")
    assert again.call_id == first.call_id
    bench.receive(bench.answer(again, "200 OK"))
    peer = bench.platform.peers["nvr"]
    assert peer.is_reachable(bench.now_s)
    sent = bench.pass_s(75, 1.0)
    assert {m.method for m in sent} == {"MESSAGE", "REGISTER"}
    assert b"Keepalive" in next(m.body for m in sent if m.method == "MESSAGE")


def registered_above(**changed: Any) -> Bench:
    bench = upward(**changed)
    (first,) = bench.pass_s(0.1)
    bench.receive(bench.answer(challenged(bench, first), "200 OK"))
    bench.events()
    return bench


@pytest.mark.parametrize("answers", [["200 OK"], ["401", "200 OK"], ["403 Forbidden"], ["481"]])
def test_we_log_out_above_and_ask_for_nothing_more(answers: list[str]) -> None:
    bench = registered_above(keepalive_s=5)
    bench.platform.leave(bench.now_s)
    (request,) = bench.sent()
    for answer in answers:
        assert bench.platform.is_leaving
        assert (request.method, request.get("expires")) == ("REGISTER", "0")
        assert 'username="' in request.get("authorization")
        if answer == "401":
            request = challenged(bench, request, nonce="new")
        else:
            bench.receive(bench.answer(request, answer))
    assert not bench.platform.is_leaving
    assert bench.events() == [PeerGone("nvr", "we logged out")]
    assert bench.pass_s(200.0, 1.0) == []


def test_who_does_not_answer_our_log_out_is_left() -> None:
    bench = registered_above()
    bench.platform.leave(bench.now_s)
    assert {m.get("expires") for m in bench.pass_s(7.0)} == {"0"}
    assert bench.platform.is_leaving
    bench.pass_s(2.0)
    assert not bench.platform.is_leaving


def test_who_is_not_registered_above_has_nothing_to_take_back() -> None:
    bench = upward()
    bench.platform.leave(bench.now_s)
    assert (bench.sent(), bench.platform.is_leaving) == ([], False)
    assert bench.pass_s(100.0, 1.0) == []


def test_a_subscription_is_ended_in_its_dialog(bench: Bench) -> None:
    bench = Bench(peer_config(subscribe_catalog=True))
    bench.register()
    (first,) = [m for m in bench.pass_s(1.5) if m.method == "SUBSCRIBE"]
    bench.receive(bench.answer(first, "200 OK"))
    bench.platform.leave(bench.now_s)
    (last,) = bench.sent()
    assert (last.method, last.get("expires"), last.get("event")) == (
        "SUBSCRIBE", "0", first.get("event"),
    )  # fmt: skip
    assert (last.call_id, last.recipient.tag) == (first.call_id, "d1")
    bench.receive(bench.answer(last, "200 OK"))
    assert not bench.platform.is_leaving
    assert "SUBSCRIBE" not in {m.method for m in bench.pass_s(4000.0, 10.0)}


def test_unanswered_signs_of_life_register_anew() -> None:
    bench = upward(keepalive_s=5)
    (first,) = bench.pass_s(0.1)
    bench.receive(bench.answer(challenged(bench, first), "200 OK"))
    sent = bench.pass_s(40, 0.5)
    assert "REGISTER" in [m.method for m in sent]


def test_a_redirection_is_followed_and_left_when_it_fails() -> None:
    bench = upward()
    (first,) = bench.pass_s(0.1)
    moved = bench.answer(first, "302 Moved").replace(
        b"CSeq:", b"Contact: <sip:34020000002000000009@192.0.2.77:5070>\r\nCSeq:"
    )
    bench.platform.receive(parse_message(moved), FLOW, bench.now_s, WALL)
    assert [(f.host, f.port) for f, _ in bench.platform.outbox] == [("192.0.2.77", 5070)]
    bench.sent()
    bench.pass_s(9)
    bench.platform.tick(bench.now_s + 1)
    client = bench.platform.peers["nvr"].client
    assert client is not None
    assert client.target == ("192.0.2.9", 5060)


def test_a_wrong_password_upward_is_tried_again_only_after_a_minute() -> None:
    bench = upward()
    (first,) = bench.pass_s(0.1)
    again = challenged(bench, first)
    bench.receive(
        bench.answer(again, "401 Unauthorized").replace(
            b"CSeq:", f"WWW-Authenticate: {CHALLENGE}\r\nCSeq:".encode()
        )
    )
    assert [m.method for m in bench.pass_s(55, 1.0)] == []
    assert [m.method for m in bench.pass_s(8, 1.0)][:1] == ["REGISTER"]


def test_a_refused_refresh_of_a_subscription_begins_a_new_one() -> None:
    bench = Bench(peer_config(subscribe_catalog=True, expires_s=100))
    bench.register()
    (first,) = [m for m in bench.pass_s(1.5) if m.method == "SUBSCRIBE"]
    assert first.get("event").startswith("Catalog;id=")
    bench.receive(bench.answer(first, "200 OK"))
    (refresh,) = [m for m in bench.pass_s(85, 0.5) if m.method == "SUBSCRIBE"][:1]
    assert (refresh.call_id, refresh.recipient.tag) == (first.call_id, "d1")
    bench.receive(bench.answer(refresh, "481 Gone"))
    (anew,) = [m for m in bench.pass_s(0.5) if m.method == "SUBSCRIBE"]
    assert (anew.call_id != first.call_id, anew.recipient.tag) == (True, "")


def test_who_needs_not_register_again_is_subscribed_to() -> None:
    """A peer at a fixed address; one whose registration an earlier run accepted."""
    at_address = peer_config(
        registers_here=False, address=("192.0.2.9", 5060), subscribe_catalog=True
    )
    assert [m.method for m in Bench(at_address).pass_s(0.5)] == ["SUBSCRIBE"]
    bench = Bench(peer_config(subscribe_catalog=True))
    bench.platform.restore("nvr", FLOW, 3000.0, bench.now_s)
    assert [m.method for m in bench.pass_s(1.4)] == ["SUBSCRIBE"]


def test_an_unexpected_notify_is_taken_and_never_481(bench: Bench) -> None:
    bench.register()
    item = f"<DeviceList><Item><DeviceID>{CAMERA}</DeviceID><Event>OFF</Event></Item></DeviceList>"
    body = (
        f"<Notify><CmdType>Catalog</CmdType><SN>1</SN><DeviceID>{DEVICE}</DeviceID>{item}</Notify>"
    )
    (answer,) = bench.receive(bench.request("NOTIFY", body))
    assert answer.status == 200
    assert kinds(bench)[-1] == "CatalogNoticed"
