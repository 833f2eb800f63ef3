"""Whole sessions against servers whose every answer is made up: only the library's own errors.

Each answer is a status, headers and a body of plausible parts, odd values that once broke a parser,
and noise; a session asks, gets such an answer, and so on, to its end. Whatever comes, `feed` raises
StreamError or nothing, and what we send stays whole requests of one line and plain headers.
"""

import contextlib
import dataclasses
import re
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from streams.address import StreamAddress
from streams.capture import redirected_address
from streams.errors import StreamError
from streams.rtsp.control_url import MAX_CANDIDATES
from streams.rtsp.digest_auth import DigestAuthenticator
from streams.rtsp.session import Redirected, RtspSession, SessionStage, UnsupportedStream

URI = "rtsp://192.0.2.7:554/live?channel=1"
MAX_REQUESTS = 80
REQUEST = re.compile(
    rb"(?:DESCRIBE|SETUP|PLAY|OPTIONS|GET_PARAMETER|SET_PARAMETER|TEARDOWN) [^\x00-\x20\x7f]+"
    rb" RTSP/1\.0\r\nCSeq: \d+\r\n(?:[A-Za-z-]+: [^\r\n]*\r\n)*\r\n"
)

ODD_URL_LIST = [
    "//[x", "control://[x", "rtsp://[x", "rtsp://[x/", "rtsp://]", "rtsp://rtsp://h:554/stream1/",
    "192.168.1.10:554/stream0/", "rtsp://camera.example/s/", "rtsp://h:99999/", "rtsp://h:-1/",
    "rtsp://h:port/", "rtsp:///", "rtsp://", "://", "rtsp:/h/a", "/", "*", "", "trackID=1", "//",
    "?", "#", "a b", "a\tb", "rtsp://u:p@h/", "rtsp://[::1%25x]/", "\x00",
    "rtsp://\u2100/", "rtsp://h\uff0f/", "rtsp://\uff1ah/", "../../..", "a" * 5000, "rtsp://h/\u2028x",
    "rtsp://h/x y", "mailto:x", "rtsp://h/é", "\x0btrack", "rtsp://0x7f.1/", "[", "]", "%", "%zz",
]  # fmt: skip
ODD_URLS = st.sampled_from(ODD_URL_LIST)
ODD_NUMBER_LIST = [
    "", "0", "-1", "1e999", "nan", "inf", "9" * 5000, "²", "٣", "0x10", "1_0", "96", "127", "128",
    " ", "١٢٨", "1" * 20,
]  # fmt: skip
ODD_NUMBERS = st.sampled_from(ODD_NUMBER_LIST)
NOISE = st.text(max_size=30)
ODD = st.one_of(ODD_URLS, ODD_NUMBERS, NOISE)
HEADERS = st.one_of(
    st.tuples(st.sampled_from(["Content-Base", "Content-Location", "Location"]), ODD_URLS),
    st.tuples(
        st.just("WWW-Authenticate"),
        st.one_of(
            st.sampled_from([
                'Digest realm="r", nonce="n"', 'Digest realm="r", nonce="m"', 'Basic realm="r"',
                'Digest realm="r", nonce="n", stale=true', 'Digest nonce="', "Digest", ",,,",
                'Digest realm="\\", nonce="n", algorithm=SHA-256-SESS, qop="auth-int"',
                'Digest realm="\r", nonce="\x00"',
                'Digest realm="\u2028é", nonce="", userhash=true',
                'Digest nonce=n, qop=", ,", opaque=""', 'Digest nonce="n", algorithm=',
            ]),
            NOISE.map("Digest nonce={}".format),
        ),
    ),
    st.tuples(
        st.just("Transport"),
        st.one_of(
            st.sampled_from([
                "RTP/AVP/TCP;unicast;interleaved=0-1", "RTP/AVP;client_port=1-2", ";", "=", ",",
                "RTP/AVP/TCP;interleaved=999-1", "RTP/AVP/TCP;interleaved=-", "x;interleaved",
            ]),
            ODD.map("RTP/AVP/TCP;interleaved={}".format),
        ),
    ),
    st.tuples(
        st.just("Session"),
        st.one_of(st.sampled_from(["s", ";", "s;timeout=1"]), ODD.map("s;timeout={}".format)),
    ),
    st.tuples(st.sampled_from(["Retry-After", "Content-Length", "CSeq"]), ODD_NUMBERS),
    st.tuples(st.sampled_from(["Public", "Server", "Authentication-Info", "Connection"]), ODD),
    st.tuples(st.just("Authentication-Info"), ODD.map("nextnonce={}".format)),
    st.tuples(st.just("Public"), st.sampled_from(["GET_PARAMETER", "SET_PARAMETER", ",", "PLAY"])),
    st.tuples(NOISE, NOISE),
)  # fmt: skip
SDP_LINES = st.one_of(
    st.sampled_from([
        "m=video 0 RTP/AVP 96", "m=video 0 RTP/AVP 96 97 33", "m=video 0 RTP/AVP 33",
        "m=video 0 RTP/AVP 26", "m=video 0 RTP/SAVP 96", "m=audio 0 RTP/AVP 8", "m=video", "m=",
        "m=application 0 RTP/AVP 107", "a=rtpmap:96 H264/90000", "a=rtpmap:96 H265/90000",
        "a=rtpmap:96 H264/0", "a=rtpmap:96 /", "a=rtpmap:", "a=rtpmap:96", "a=fmtp:96", "a=fmtp:",
        "a=fmtp:96 sprop-parameter-sets=Z00AHpWoWAlk,aO48gA==", "a=fmtp:96 sprop-parameter-sets=,",
        "a=fmtp:96 sprop-vps=QA==; sprop-sps=Qg==; sprop-pps=RA==", "a=fmtp:96 sprop-sps=Zw",
        "a=fmtp:97 sprop-parameter-sets=Zw==,aA==", "a=fmtp:96 sprop-parameter-sets=é",
        "a=fmtp:96 sprop-parameter-sets=AAAAAQ==,AAAB", "a=fmtp:96 sprop-parameter-sets=AA==",
        "a=framerate:", "v=0", "=", "a=", "a",
    ]),
    ODD_URLS.map("a=control:{}".format),
    ODD.map("a=framerate:{}".format),
    ODD.map("a=fmtp:96 {}".format),
    ODD.map("a=fmtp:96 sprop-max-don-diff={}".format),
    ODD.map("a=rtpmap:96 H264/{}".format),
    ODD_NUMBERS.map("m=video 0 RTP/AVP {}".format),
    NOISE,
)  # fmt: skip
STATUS_LIST = [
    "404 Not Found", "454 Session Not Found", "453 Busy", "500 Error", "503 Busy", "302 Found",
    "461 No", "100 Continue", "551 Option", "200", "٢٠٠ OK", "999", "403 \x00\x1b[31m", "301 Moved",
]  # fmt: skip
STATUSES = st.sampled_from(["200 OK"] * 40 + ["401 Unauthorized"] * 6 + STATUS_LIST)


@dataclass(frozen=True)
class MadeUpAnswer:
    status: str
    headers: list[tuple[str, str]]
    lines: list[str]
    right_length: bool = True
    behind: bytes = b""

    def data(self, cseq: int) -> bytes:
        body = "\r\n".join(self.lines).encode("utf-8", "replace")
        lines = [f"RTSP/1.0 {self.status}", f"CSeq: {cseq}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        if self.right_length:
            lines.insert(1, f"Content-Length: {len(body)}")
        head = "\r\n".join(lines).encode("utf-8", "replace")
        return head + b"\r\n\r\n" + (body if self.right_length else b"") + self.behind


GOOD_TRACK = ["m=video 0 RTP/AVP 96", "a=rtpmap:96 H264/90000"]
ANSWERS = st.builds(
    MadeUpAnswer,
    status=STATUSES,
    headers=st.lists(HEADERS, max_size=5),
    lines=st.lists(SDP_LINES, max_size=6).flatmap(
        lambda lines: st.sampled_from([lines, *[[*GOOD_TRACK, *lines]] * 4])
    ),
    right_length=st.sampled_from([True] * 9 + [False]),
    behind=st.one_of(
        st.just(b""),
        st.binary(max_size=40),
        st.sampled_from([
            b"$\0\0\0", b"$\0\0\x0c\x80\x60" + bytes(10), b"$\1\0\x08\x80\xc8\0\6\0\0\0\1",
            b"$\0\0\x0e\x80\xe0" + bytes(10) + b"\x65\x88", b"OPTIONS * RTSP/1.0\r\n\r\n",
            b"REDIRECT * RTSP/1.0\r\nLocation: rtsp://[x\r\n\r\n", b"RTSP/1.0 404\r\n\r\n",
            b"TEARDOWN * RTSP/1.0\r\n\r\n", b"\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n",
        ]),
    ),
)  # fmt: skip


def converse(session: RtspSession, answers: list[MadeUpAnswer], sent: list[bytes]) -> None:
    """Answer whatever the session asks until it asks no more. Raises StreamError."""
    tail = b""
    for number, answer in enumerate(answers):
        if session.outgoing:
            sent.append(bytes(session.outgoing))
            session.outgoing.clear()
        data = tail + answer.data(session._cseq)
        used = session.feed(bytearray(data), len(data))
        assert 0 <= used <= len(data)
        tail = data[used:]
        if session.stage is SessionStage.PLAYING and number % 2:
            session.keep_alive()
    session.leave()
    sent.append(bytes(session.outgoing))


@seed(20261130)
@settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))
@given(answers=st.lists(ANSWERS, min_size=1, max_size=12), stale=st.booleans())
def test_only_stream_errors_leave_a_session(answers: list[MadeUpAnswer], *, stale: bool) -> None:
    session = RtspSession(URI, DigestAuthenticator('us"er', "pä\\ss"), 1 << 20)
    session.start()
    sent: list[bytes] = []
    if stale:
        packets = b"$\0\0\x0c\x80\x60" + bytes(10) + b"$\1\0\0"
        assert session.feed(packets, len(packets)) <= len(packets)
    seen = ""
    try:
        converse(session, answers, sent)
    except StreamError as exc:
        seen = exc.seen
    assert seen.isprintable()
    assert len(seen) < 400
    assert "pä" not in seen
    sent.append(bytes(session.outgoing))
    requests = b"".join(sent)
    answers_to_them = re.compile(rb"RTSP/1\.0 \d{3} [^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n")
    requests = answers_to_them.sub(b"", requests)
    assert REQUEST.sub(b"", requests) == b""
    assert requests.count(b"RTSP/1.0\r\n") < MAX_REQUESTS
    assert all(isinstance(e, Redirected | UnsupportedStream) for e in session.events)


@seed(7)
@settings(max_examples=600, deadline=None)
@given(uri=ODD | st.text(max_size=60) | ODD_URLS.map("rtsp://u:s3cret@h/x{}".format))
def test_a_redirect_if_granted_an_address_or_a_stream_error(uri: str) -> None:
    home = StreamAddress.parse("rtsp://u:s3cret@192.0.2.7/live")
    try:
        target = redirected_address(home, home, uri)
    except StreamError as exc:
        assert "s3cret" not in exc.seen  # noqa: PT017  either way is right
    else:
        assert "s3cret" not in str(target)
        assert not re.search(r"[\s\x00-\x20\x7f]", target.request_uri)


ONE_HEADER = [
    *(
        (name, url)
        for name in ("Content-Base", "Content-Location", "Location")
        for url in ODD_URL_LIST
    ),
    *(
        (name, form.format(value))
        for name, form in (
            ("Transport", "RTP/AVP/TCP;interleaved={}"), ("Transport", "{}"), ("Session", "{}"),
            ("Session", "s;timeout={}"), ("Retry-After", "{}"), ("Content-Length", "{}"),
            ("CSeq", "{}"), ("Public", "{}"), ("Authentication-Info", "nextnonce={}"),
            ("WWW-Authenticate", "Digest nonce={}"), ("WWW-Authenticate", "{}"), ("Server", "{}"),
        )
        for value in [*ODD_NUMBER_LIST, *ODD_URL_LIST]
    ),
]  # fmt: skip
ONE_LINE = [
    *(f"a=control:{url}" for url in ODD_URL_LIST),
    *(
        form.format(value)
        for form in (
            "a=framerate:{}", "a=fmtp:96 {}", "a=fmtp:{}", "a=rtpmap:{}", "a=rtpmap:96 H264/{}",
            "a=fmtp:96 sprop-parameter-sets={}", "a=fmtp:96 sprop-max-don-diff={}", "a=fmtp:{} x",
            "m=video 0 RTP/AVP {}", "m=video {}", "m={}", "{}",
        )
        for value in [*ODD_NUMBER_LIST, *ODD_URL_LIST]
    ),
]  # fmt: skip


@pytest.mark.parametrize("status", ["200 OK", "401 No", "404 No", "302 Found", "٢٠٠ OK"])
@pytest.mark.parametrize("place", range(5))
def test_each_odd_header_in_each_answer(status: str, place: int) -> None:
    """The others are as they should be."""
    for header in ONE_HEADER:
        answers = [MadeUpAnswer("200 OK", [], GOOD_TRACK) for _ in range(7)]
        answers[place] = MadeUpAnswer(status, [header], GOOD_TRACK)
        for control in ("t", "*"):
            answers[0] = dataclasses.replace(
                answers[0], lines=[*GOOD_TRACK, f"a=control:{control}"]
            )
            session = RtspSession(URI, DigestAuthenticator("u", "p"), 1 << 20)
            session.start()
            with contextlib.suppress(StreamError):
                converse(session, answers, [])


@pytest.mark.parametrize("place", range(len(GOOD_TRACK) + 1))
def test_each_odd_line_of_a_description(place: int) -> None:
    for line in ONE_LINE:
        lines = list(GOOD_TRACK)
        lines.insert(place, line)
        described = MadeUpAnswer("200 OK", [], lines)
        session = RtspSession(URI, DigestAuthenticator("u", "p"), 1 << 20)
        session.start()
        with contextlib.suppress(StreamError):
            converse(session, [described] * 6, [])


@pytest.mark.parametrize("status", ["404 Not Found", "401 Unauthorized", "454 No", "403 No"])
def test_a_server_that_refuses_every_url_is_left_soon(status: str) -> None:
    session = RtspSession(URI, DigestAuthenticator("u", "p"), 1 << 20)
    session.start()
    described = MadeUpAnswer(
        "200 OK",
        [("Content-Base", "rtsp://camera.example/x")],
        ["m=video 0 RTP/AVP 96", "a=rtpmap:96 H264/90000", "a=control:t"],
    )
    refusal = MadeUpAnswer(status, [], [])
    sent: list[bytes] = []
    with pytest.raises(StreamError, match=f"SETUP refused: {status[:3]}|a way in"):
        converse(session, [described, *[refusal] * 30], sent)
    assert b"".join(sent).count(b"SETUP") <= MAX_CANDIDATES
