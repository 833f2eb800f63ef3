"""The conversation as a script: what a server sends, what we ask next. No socket."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from streams.errors import RefusedUs, StreamBusy, StreamError, Unreadable, WentSilent
from streams.rtsp.digest_auth import DigestAuthenticator
from streams.rtsp.message import RtspHeaders, RtspResponse
from streams.rtsp.session import (
    KeyFrameReceived,
    Redirected,
    RtspSession,
    SenderClockReported,
    SessionStage,
    UnsupportedStream,
)

URI = "rtsp://192.0.2.7/live?channel=1"


def new_session(user: str = "", password: str = "", uri: str = URI) -> RtspSession:
    session = RtspSession(uri, DigestAuthenticator(user, password), 1 << 20)
    session.start()
    return session


def asked(session: RtspSession) -> tuple[str, str, dict[str, str]]:
    """The request that waits to be sent: method, URI, headers."""
    text = bytes(session.outgoing).decode()
    session.outgoing.clear()
    first, *lines = text.strip().split("\r\n")
    method, uri, _ = first.split()
    return method, uri, {k.lower(): v.strip() for k, _, v in (x.partition(":") for x in lines)}


def response(session: RtspSession, status: str = "200 OK", body: str = "", **headers: str) -> None:
    """Answer the newest request."""
    lines = [f"RTSP/1.0 {status}", f"CSeq: {session._cseq}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    lines += [f"Content-Length: {len(body)}"] if body else []
    give(session, ("\r\n".join(lines) + "\r\n\r\n" + body).encode())


def give(session: RtspSession, data: bytes) -> None:
    assert session.feed(data, len(data)) == len(data)


def play(session: RtspSession, sdp: str, transport: str = "RTP/AVP/TCP;interleaved=0-1") -> None:
    session.outgoing.clear()
    response(session, body=sdp)
    session.outgoing.clear()
    response(session, Transport=transport, Session="s1;timeout=30")
    session.outgoing.clear()
    response(session)
    assert session.stage is SessionStage.PLAYING


@pytest.mark.parametrize(
    ("base", "control", "track", "whole"),
    [
        pytest.param("rtsp://h/a/", "trackID=1", "rtsp://h/a/trackID=1", "rtsp://h/a/", id="base"),
        pytest.param("rtsp://h/a", "t", "rtsp://h/a/t", "rtsp://h/a", id="no slash: appended"),
        pytest.param("", "t", f"{URI}/t", URI, id="request URL, behind its query, as live555 does"),
        pytest.param(
            "rtsp://h/cam/realmonitor?channel=1&subtype=0/",
            "trackID=0",
            "rtsp://h/cam/realmonitor?channel=1&subtype=0/trackID=0",
            "rtsp://h/cam/realmonitor?channel=1&subtype=0/",
            id="Dahua",
        ),
        pytest.param("rtsp://h/a/", "rtsp://i/b", "rtsp://i/b", "rtsp://h/a/", id="absolute"),
        pytest.param("rtsp://h/a/", "*", "rtsp://h/a/", "rtsp://h/a/", id="star"),
        pytest.param("rtsp://h/a/", "", "rtsp://h/a/", "rtsp://h/a/", id="none given"),
        pytest.param("rtsp://h/a/", "/b/t", "rtsp://h/b/t", "rtsp://h/a/", id="from the root"),
        pytest.param("/other/", "t", "rtsp://192.0.2.7/other/t", None, id="relative base"),
    ],
)
def test_control_urls(
    h264: Any, sdp: Callable[..., str], base: str, control: str, track: str, whole: str | None
) -> None:
    session = new_session()
    assert asked(session)[:2] == ("DESCRIBE", URI)
    response(session, body=sdp(h264, control=control), **({"Content_Base": base} if base else {}))
    assert asked(session)[:2] == ("SETUP", track)
    response(session, Session="s")
    method, uri, headers = asked(session)
    assert (method, headers["session"]) == ("PLAY", "s")
    assert whole is None or uri == whole


def test_a_server_that_does_not_know_the_usual_url_is_asked_for_the_strict_one(
    h264: Any, sdp: Callable[..., str]
) -> None:
    session = new_session(uri="rtsp://h/a/b?x=1")
    session.outgoing.clear()
    response(session, body=sdp(h264, control="t"))
    tried = [asked(session)[1]]
    for status in ("404 Not Found", "454 Session Not Found"):
        response(session, status)
        tried.append(asked(session)[1])
    assert tried == ["rtsp://h/a/b?x=1/t", "rtsp://h/a/t", "rtsp://h/a/b/t?x=1"]
    with pytest.raises(RefusedUs, match="404"):
        response(session, "404 Not Found")


def test_an_inner_address_in_the_description_falls_back_to_the_host_we_know(
    h264: Any, sdp: Callable[..., str]
) -> None:
    session = new_session(uri="rtsp://h:8554/a")
    session.outgoing.clear()
    response(session, body=sdp(h264, control="rtsp://0.0.0.0/a/t?k=v"))
    assert asked(session)[1] == "rtsp://0.0.0.0/a/t?k=v"
    response(session, "404 Not Found")
    assert asked(session)[1] == "rtsp://h:8554/a/t?k=v"


def test_play_falls_back_to_the_track_where_the_aggregate_is_refused(
    h264: Any, sdp: Callable[..., str]
) -> None:
    session = new_session(uri="rtsp://h/a")
    session.outgoing.clear()
    response(session, body=sdp(h264, control="t"))
    session.outgoing.clear()
    response(session, Session="s")
    assert asked(session)[:2] == ("PLAY", "rtsp://h/a")
    response(session, "459 Aggregate Operation Not Allowed")
    assert asked(session)[:2] == ("PLAY", "rtsp://h/a/t")
    response(session)
    session.leave()
    assert asked(session)[:2] == ("TEARDOWN", "rtsp://h/a/t")


def test_only_the_video_track_is_set_up(h264: Any, sdp: Callable[..., str]) -> None:
    session = new_session()
    session.outgoing.clear()
    text = sdp(h264)
    head, video, audio = re.split(r"(?=m=)", text)
    response(session, body=head + audio + video)
    assert "trackID=1" in asked(session)[1]
    response(session, Session="s")
    assert asked(session)[0] == "PLAY"


def test_channels_are_those_that_the_server_names(
    h264: Any, sdp: Callable[..., str], sender: Any
) -> None:
    session = new_session()
    play(session, sdp(h264), "RTP/AVP/TCP;unicast;interleaved=6-9;ssrc=1")
    out = sender()
    packets = out.picture(h264.key)
    give(session, out.framed(packets, channel=0))
    assert not session.events
    report = bytes.fromhex("80c8000600001234") + (2_208_988_800 + 1000).to_bytes(4, "big")
    report += bytes.fromhex("80000000 00000000 00000000 00000000")
    give(session, out.framed(packets, channel=6) + out.framed([report], channel=9))
    frame, clock = session.events
    assert isinstance(frame, KeyFrameReceived)
    assert frame.unit.data.endswith(h264.key[-1])
    assert clock == SenderClockReported(1000.5)


def test_a_401_is_answered_once_and_a_stale_nonce_once_more() -> None:
    session = new_session("u", "p")
    assert "authorization" not in asked(session)[2]
    response(
        session, "401 Unauthorized", WWW_Authenticate='Digest realm="r", nonce="1", qop="auth"'
    )
    first = asked(session)[2]["authorization"]
    assert 'nonce="1"' in first
    assert "nc=00000001" in first
    stale = 'Digest realm="r", nonce="2", qop="auth", stale=true'
    response(session, "401 Unauthorized", WWW_Authenticate=stale)
    assert 'nonce="2"' in asked(session)[2]["authorization"]
    with pytest.raises(RefusedUs, match="not accepted"):
        response(session, "401 Unauthorized", WWW_Authenticate=stale.replace(", stale=true", ""))


def test_a_401_without_a_password_names_what_is_missing() -> None:
    session = new_session()
    with pytest.raises(RefusedUs, match="wanted"):
        response(session, "401 Unauthorized", WWW_Authenticate='Basic realm="r"')


@pytest.mark.parametrize("status", ["403 Forbidden", "404 Not Found", "405 Method Not Allowed"])
def test_a_no_is_a_no(status: str) -> None:
    session = new_session()
    with pytest.raises(RefusedUs, match=status[:3]):
        response(session, status)


@pytest.mark.parametrize(
    "quoted",
    ["rtsp://h/user=a&password=Zq7x&channel=1", "/user=a_password=Zq7x_channel=1.sdp",
     "rtsp://admin:Zq7x@h/1", "/snap?loginuse=a&loginpas=Zq7x", "x" * 60 + "?pwd=Zq7x"],
)  # fmt: skip
def test_a_server_that_quotes_our_url_gives_no_password_away(quoted: str) -> None:
    answer = RtspResponse(status=404, reason=f"Not Found {quoted}", headers=RtspHeaders())
    assert "Zq7x" not in answer.status_line
    assert answer.status_line.startswith("404 Not Found ")


def test_ways_that_are_not_ours(h264: Any, sdp: Callable[..., str]) -> None:
    def until_setup() -> RtspSession:
        session = new_session()
        response(session, body=sdp(h264))
        return session

    session = new_session()
    response(session, body=sdp(h264).replace("H264/", "VP8/"))
    assert session.events == [UnsupportedStream("VP8 over RTP", over_udp=False)]
    session = until_setup()
    response(session, "461 Unsupported Transport")
    assert [type(e) for e in session.events] == [UnsupportedStream]
    session = until_setup()
    response(session, Session="s", Transport="RTP/AVP;unicast;client_port=5000-5001")
    session.outgoing.clear()
    assert session.events[0] == UnsupportedStream(
        "RTP over UDP granted where TCP was asked", over_udp=True
    )
    session.leave()
    assert asked(session)[0] == "TEARDOWN"


def test_redirects_by_answer_and_by_request(h264: Any, sdp: Callable[..., str]) -> None:
    session = new_session()
    response(session, "302 Found", Location="rtsp://elsewhere/x")
    assert session.events == [Redirected("rtsp://elsewhere/x")]
    session = new_session()
    play(session, sdp(h264))
    give(session, b"REDIRECT rtsp://h RTSP/1.0\r\nCSeq: 9\r\nLocation: rtsp://b/y\r\n\r\n")
    assert session.events == [Redirected("rtsp://b/y")]
    assert bytes(session.outgoing).startswith(b"RTSP/1.0 200 OK\r\nCSeq: 9\r\n")


def test_requests_of_the_server_are_answered(h264: Any, sdp: Callable[..., str]) -> None:
    session = new_session()
    play(session, sdp(h264))
    give(session, b"OPTIONS * RTSP/1.0\nCSeq: 5\n\n" + b"RECORD * RTSP/1.0\r\nCSeq: 6\r\n\r\n")
    answers = bytes(session.outgoing)
    assert b"200 OK\r\nCSeq: 5" in answers
    assert b"501 Not Implemented\r\nCSeq: 6" in answers
    with pytest.raises(WentSilent, match="ended the session"):
        give(session, b"TEARDOWN * RTSP/1.0\r\nCSeq: 7\r\n\r\n")


def test_keep_alive_learns_what_the_server_knows(h264: Any, sdp: Callable[..., str]) -> None:
    session = new_session()
    play(session, sdp(h264))
    assert session.timeout_s == 30
    session.keep_alive()
    assert asked(session)[0] == "OPTIONS"
    response(session, Public="OPTIONS, PLAY, GET_PARAMETER")
    session.keep_alive()
    method, _, headers = asked(session)
    assert (method, headers["session"]) == ("GET_PARAMETER", "s1")
    response(session, "501 Not Implemented")
    session.keep_alive()
    assert asked(session)[0] == "OPTIONS"
    with pytest.raises(WentSilent, match="454"):
        response(session, "454 Session Not Found")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        pytest.param("404 Not Found", RefusedUs, id="no such channel"),
        pytest.param("453 Not Enough Bandwidth", StreamBusy, id="no room"),
        pytest.param("500 Internal Server Error", StreamBusy, id="recorders without a stream"),
        pytest.param("501 Not Implemented", RefusedUs, id="never will"),
        pytest.param("503 Service Unavailable", StreamBusy, id="busy"),
        pytest.param("504 Gateway Timeout", WentSilent, id="passing trouble: once more"),
    ],
)
def test_a_no_is_a_no_and_a_busy_server_is_asked_again(
    status: str, kind: type[StreamError]
) -> None:
    session = new_session()
    with pytest.raises(kind, match=status[:3]):
        response(session, status)


def test_headers_of_careless_servers(h264: Any, sdp: Callable[..., str]) -> None:
    """LF alone, a folded header, no CSeq, a missing reason, blank lines between messages."""
    session = new_session()
    body = sdp(h264)
    text = f"\r\n\r\nRTSP/1.0 200\nContent-BASE : rtsp://h/\n x/\ncontent-length:{len(body)}\n\n"
    give(session, (text + body).encode())
    assert session.stage is SessionStage.SETTING_UP


def test_late_answers_and_100_continue_change_nothing(h264: Any, sdp: Callable[..., str]) -> None:
    session = new_session("u", "p")
    response(session, "100 Continue")
    response(session, "401 Unauthorized", WWW_Authenticate='Basic realm="r"')
    give(session, b"RTSP/1.0 404 Not Found\r\nCSeq: 1\r\n\r\n")  # answered before
    response(session, body=sdp(h264))
    assert session.stage is SessionStage.SETTING_UP


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n", "no RTSP answer", id="a web server"),
        pytest.param(b"\x00\xff\x13garbage", "no RTSP answer", id="noise"),
        pytest.param(b"RTSP/1.0 what\r\n\r\n", "not an RTSP message", id="no status"),
        pytest.param(b"RTSP/1.0 200 OK\r\nContent-Length: 99999999\r\n\r\n", "limit", id="huge"),
        pytest.param(b"RTSP/1.0 200 OK\r\nContent-Length: -5\r\n\r\n", "Length", id="negative"),
        pytest.param(b"RTSP/1.0 200 OK\r\n" + b"X: y\r\n" * 9000, "header", id="endless header"),
        pytest.param(b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n", "empty", id="no description"),
    ],
)
def test_what_is_no_rtsp_server(data: bytes, message: str) -> None:
    session = new_session()
    with pytest.raises(Unreadable, match=message):
        session.feed(data, len(data))
