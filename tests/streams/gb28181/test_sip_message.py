"""SIP messages as the field writes them: what is read, what is refused, what we write."""

import pytest

from streams.gb28181.sip_framing import SipStreamFramer
from streams.gb28181.sip_message import (
    MAX_HEAD,
    MAX_HEADERS,
    BadMessage,
    SipMessage,
    parameters,
    parse_message,
    read_address,
    respond,
)

MESSAGE = (
    "MESSAGE sip:34020000002000000001@3402000000 SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 192.0.2.7:5060;rport;branch=z9hG4bK1\r\n"
    "From: <sip:34020000001180000001@3402000000>;tag=f1\r\n"
    "To: <sip:34020000002000000001@3402000000>\r\n"
    "Call-ID: c1\r\nCSeq: 20 MESSAGE\r\nMax-Forwards: 70\r\n"
    "Content-Type: Application/MANSCDP+xml\r\n"
)
BODY = "<Notify><Name>村口</Name></Notify>"


def message(extra: str = "", body: str = BODY, charset: str = "gb18030") -> bytes:
    data = body.encode(charset)
    return (MESSAGE + extra + f"Content-Length: {len(data)}\r\n\r\n").encode(charset) + data


def test_a_domain_of_ten_digits_is_read() -> None:
    read = parse_message(message())
    assert (read.method, read.sender.user, read.sender.host) == (
        "MESSAGE", "34020000001180000001", "3402000000",
    )  # fmt: skip
    assert (read.sender.tag, read.recipient.tag) == ("f1", "")
    assert (read.call_id, read.cseq, read.branch) == ("c1", (20, "MESSAGE"), "z9hG4bK1")
    assert read.content_type == "application/manscdp+xml"
    assert read.body.decode("gb18030") == BODY


TORTURE = {
    "LF only": message().replace(b"\r\n", b"\n"),
    "folded": message().replace(b";rport", b"\r\n ;rport"),
    "compact names": message()
    .replace(b"Via:", b"v:").replace(b"From:", b"f:").replace(b"To:", b"t:")
    .replace(b"Call-ID:", b"i:").replace(b"Content-Type:", b"c:"),
    "names in other letters": message().replace(b"CSeq", b"CSEQ").replace(b"Via", b"VIA"),
    "GB2312 in a header": message("User-Agent: 海康威视\r\n", charset="gb2312"),
    "UTF-8 in a header": message("User-Agent: 海康威视\r\n", charset="utf-8"),
    "a comma in quotes": message('Authorization: Digest username="a,b", realm="x"\r\n'),
    "two Via": message().replace(b"From:", b"Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK2\r\nFrom:"),
    "spaces around colons": message().replace(b"CSeq: 20", b"CSeq :   20"),
    "blank lines in front": b"\r\n\r\n" + message(),
    "NUL in front": b"\x00\x00" + message(),
    "a line that is none": message().replace(b"CSeq:", b"nonsense\r\nCSeq:"),
    "Content-Length 0 and a body": message().replace(
        b"Content-Length: %d" % len(BODY.encode("gb18030")), b"Content-Length: 0"
    ),
    "Content-Length beyond the datagram": message().replace(
        b"Content-Length: %d" % len(BODY.encode("gb18030")), b"Content-Length: 5000"
    ),
    "Content-Length that is none": message().replace(b"Content-Length: ", b"Content-Length: x"),
    "no tag in From": message().replace(b";tag=f1", b""),
    "a lower-case method": message().replace(b"MESSAGE sip", b"message sip", 1),
}  # fmt: skip


@pytest.mark.parametrize("name", TORTURE)
def test_what_the_field_writes_is_read(name: str) -> None:
    read = parse_message(TORTURE[name])
    assert (read.method, read.call_id, read.cseq[0]) == ("MESSAGE", "c1", 20)
    assert read.sender.user == "34020000001180000001"
    assert read.branch == "z9hG4bK1"
    assert (
        read.body.decode("utf-8" if "UTF-8" in name else "gb18030").replace("\r\n", "\n").strip()
        == BODY
    )


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b"\r\n\r\n", "empty"),
        (b"GET / HTTP/1.1\r\n\r\n", "first line"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", "first line"),
        (b"SIP/2.0 xyz\r\n\r\n", "first line"),
        (b"A" * (MAX_HEAD + 1), "no end of the headers"),
        (MESSAGE.encode() + b"X-A: b\r\n" * (MAX_HEADERS + 1) + b"\r\n", "headers"),
    ],
)
def test_what_is_no_message_is_refused_with_a_reason(data: bytes, said: str) -> None:
    with pytest.raises(BadMessage, match=said):
        parse_message(data)


def test_a_message_of_ours_is_read_back_whole() -> None:
    ours = SipMessage(
        method="INVITE", uri="sip:1@2", headers=(("call-id", "c"), ("www-authenticate", "x")),
        body="<a>村</a>".encode(),
    )  # fmt: skip
    data = ours.dump()
    assert (
        b"Call-ID: c\r\nWWW-Authenticate: x\r\nContent-Length: %d\r\n\r\n" % len(ours.body) in data
    )
    read = parse_message(data)
    assert (read.method, read.uri, read.body, read.get("call-id")) == (
        "INVITE",
        "sip:1@2",
        ours.body,
        "c",
    )


def test_a_response_keeps_via_and_tags_and_tells_the_real_address() -> None:
    request = parse_message(TORTURE["two Via"])
    answer = parse_message(
        respond(request, 200, "OK", to_tag="ours", received=("198.51.100.1", 6000)).dump()
    )
    assert answer.status == 200
    assert answer.all("via") == [
        "SIP/2.0/UDP 192.0.2.7:5060;rport=6000;branch=z9hG4bK1;received=198.51.100.1",
        "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK2",
    ]
    assert (answer.sender.tag, answer.recipient.tag) == ("f1", "ours")
    assert answer.body == b""


@pytest.mark.parametrize(
    ("text", "user", "host", "tag"),
    [
        ('"门口" <sip:1@192.0.2.1:5060>;tag=a', "1", "192.0.2.1:5060", "a"),
        ("sip:1@2;tag=b", "1", "2", "b"),
        ("<sip:192.0.2.1>", "", "192.0.2.1", ""),
        ("<sips:1@2;transport=tcp>;x=y;TAG=c", "1", "2", "c"),
        ("nonsense", "", "", ""),
    ],
)
def test_addresses(text: str, user: str, host: str, tag: str) -> None:
    read = read_address(text)
    assert (read.user, read.host, read.tag) == (user, host, tag)


def test_parameters_and_expires() -> None:
    assert parameters('x;a=1;B="2;3";c') == {"a": "1", "b": "2;3", "c": ""}
    assert SipMessage(headers=(("expires", "3600"),)).expires == 3600
    assert SipMessage(headers=(("contact", "<sip:1@2>;expires=60"),)).expires == 60
    assert SipMessage(headers=(("expires", "soon"),)).expires is None


@pytest.mark.parametrize("cut", [1, 7, 100, 5000])
def test_a_connection_is_cut_into_messages(cut: int) -> None:
    stream = (message() + b"\r\n\r\n" + message(body="")) * 3
    framer = SipStreamFramer()
    read = [m for at in range(0, len(stream), cut) for m in framer.feed(stream[at : at + cut])]
    assert [m.body.decode("gb18030") for m in read] == [BODY, ""] * 3


def test_a_length_of_zero_with_a_body_does_not_lose_the_connection() -> None:
    framer = SipStreamFramer()
    read = framer.feed(TORTURE["Content-Length 0 and a body"] + message())
    assert [m.body.decode("gb18030") for m in read] == [BODY, BODY]


@pytest.mark.parametrize(
    "data",
    [b"x" * (MAX_HEAD + 1), message().replace(b"Content-Length: ", b"Content-Length: 99999")],
)
def test_a_connection_that_makes_no_sense_is_ended(data: bytes) -> None:
    with pytest.raises(BadMessage):
        SipStreamFramer().feed(data)
