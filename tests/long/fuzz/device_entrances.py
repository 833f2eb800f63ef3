"""Entrances of GB/T 28181 devices, ONVIF devices, tunnels and MPEG streams."""

from collections.abc import Callable, Iterator
from typing import Final

from streams.control_http import read_json
from streams.errors import StreamError
from streams.gb28181.long_documents import pieces_of
from streams.gb28181.manscdp import read_catalog, read_command
from streams.gb28181.rtp_framing import RtpStreamFramer
from streams.gb28181.sdp import read_answer
from streams.gb28181.sip_framing import SipStreamFramer
from streams.gb28181.sip_message import BadMessage, parse_message
from streams.gb28181.xml_text import BadXml, parse_xml
from streams.mpeg.key_pictures import sniff_codec
from streams.mpeg.program_stream import ProgramStreamDemuxer
from streams.mpeg.transport_stream import TransportStreamDemuxer
from streams.onvif.discovery import read_matches
from streams.onvif.soap import read_soap
from streams.rtsp.http_tunnel import read_http_head
from streams.rtsp.websocket import WebSocketReader
from tests.long.fuzz.entrance import Entrance

KEEPALIVE: Final = (
    b'<?xml version="1.0" encoding="GB2312"?>\r\n<Notify>\r\n<CmdType>Keepalive</CmdType>\r\n'
    b"<SN>7</SN>\r\n<DeviceID>34020000001320000001</DeviceID>\r\n<Status>OK</Status>\r\n</Notify>"
)
SIP: Final = (
    b"MESSAGE sip:34020000002000000001@3402000000 SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.7:5060;rport;branch=z9hG4bK1\r\n"
    b"From: <sip:34020000001320000001@3402000000>;tag=1\r\n"
    b"To: <sip:34020000002000000001@3402000000>\r\nCall-ID: 1@192.0.2.7\r\nCSeq: 20 MESSAGE\r\n"
    b"Content-Type: Application/MANSCDP+xml\r\nMax-Forwards: 70\r\nContent-Length: %d\r\n\r\n%s"
) % (len(KEEPALIVE), KEEPALIVE)
CATALOG: Final = (
    b"<Response><CmdType>Catalog</CmdType><SN>1</SN><SumNum>300</SumNum><DeviceList>%s"
    b"</DeviceList></Response>"
) % b"".join(
    b"<Item><DeviceID>3402000000132%07d</DeviceID><Name>a</Name><Status>ON</Status></Item>\r\n"
    % number
    for number in range(300)
)
PLAY: Final = (
    b"v=0\r\no=34020000001320000001 0 0 IN IP4 192.0.2.7\r\ns=Play\r\nc=IN IP4 192.0.2.7\r\n"
    b"t=0 0\r\nm=video 6000 RTP/AVP 96\r\na=sendonly\r\na=rtpmap:96 PS/90000\r\ny=0100000001\r\n"
)
SOAP: Final = (
    b'<?xml version="1.0"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" '
    b'xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"><s:Body><d:ProbeMatches>'
    b"<d:ProbeMatch><d:XAddrs>http://192.0.2.7/onvif/device_service</d:XAddrs></d:ProbeMatch>"
    b"</d:ProbeMatches></s:Body></s:Envelope>"
)
UPGRADED: Final = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)
PACK: Final = bytes.fromhex("000001ba44000400040100007ff8")
PES: Final = bytes.fromhex("000001e0001d8080052100010001") + bytes.fromhex(
    "000000016742c01fda0280f6000000016588840a0b0c"
)
TS: Final = b"\x47\x40\x00\x10" + bytes(184) + b"\x47\x41\x00\x11" + PES + bytes(148)


def _in_pieces(feed: Callable[[bytes], object], data: bytes) -> None:
    for start in range(0, len(data), 700):
        feed(data[start : start + 700])


def device_entrances() -> Iterator[Entrance]:
    """One for each protocol's text, framing and media."""
    xml, mpeg = (BadXml, BadMessage), "streams/mpeg/"
    yield Entrance(
        name="sip",
        samples=(SIP,),
        feed=parse_message,
        refusals=(BadMessage,),
        covers=("streams/gb28181/sip_message.py:parse_message",),
    )
    yield Entrance(
        name="sip over tcp", samples=(SIP + SIP, SIP), refusals=(BadMessage,),
        feed=lambda data: _in_pieces(SipStreamFramer().feed, data),
        covers=("streams/gb28181/sip_framing.py:feed",),
    )  # fmt: skip
    yield Entrance(
        name="manscdp", samples=(KEEPALIVE,), refusals=xml,
        feed=lambda data: (parse_xml(data), read_command(data)),
        covers=(
            "streams/gb28181/manscdp.py:read_command", "streams/gb28181/xml_text.py:parse_xml",
            "streams/gb28181/text.py:decode_text", "streams/gb28181/text.py:decode_with_charset",
        ),
    )  # fmt: skip
    yield Entrance(
        name="long catalogue", samples=(CATALOG, CATALOG.replace(b"\r\n", b"")), refusals=xml,
        feed=lambda data: [read_catalog(read_command(piece)) for piece in pieces_of(data)],
        covers=("streams/gb28181/long_documents.py:pieces_of",),
    )  # fmt: skip
    yield Entrance(
        name="gb28181 sdp",
        samples=(PLAY,),
        feed=read_answer,
        covers=("streams/gb28181/sdp.py:read_answer",),
    )
    yield Entrance(
        name="rtp over tcp", samples=(b"\0\x10\x80\x60" + bytes(14), PACK),
        feed=lambda data: _in_pieces(RtpStreamFramer().feed, data),
        covers=("streams/gb28181/rtp_framing.py:feed",),
    )  # fmt: skip
    yield Entrance(
        name="program stream", samples=(PACK + PES + PES, PES),
        feed=lambda data: _in_pieces(ProgramStreamDemuxer(1 << 20).feed, data),
        covers=(f"{mpeg}program_stream.py:feed", f"{mpeg}program_stream.py:read_pts"),
    )  # fmt: skip
    yield Entrance(
        name="transport stream", samples=(TS, TS + TS), refusals=(StreamError,),
        feed=lambda data: _in_pieces(TransportStreamDemuxer(1 << 20).feed, data),
        covers=(f"{mpeg}transport_stream.py:feed",),
    )  # fmt: skip
    yield Entrance(
        name="codec of a stream", samples=(PES, TS), feed=sniff_codec,
        covers=(f"{mpeg}key_pictures.py:sniff_codec",),
    )  # fmt: skip
    yield Entrance(
        name="onvif", samples=(SOAP,), refusals=(StreamError,),
        feed=lambda data: (read_matches(data, "192.0.2.7"), read_soap(data)),
        covers=(
            "streams/onvif/discovery.py:read_matches", "streams/onvif/soap.py:read_soap",
            "streams/onvif/xml.py:read_xml",
        ),
    )  # fmt: skip
    yield Entrance(
        name="http head",
        samples=(UPGRADED,),
        refusals=(StreamError,),
        feed=read_http_head,
        covers=("streams/rtsp/http_tunnel.py:read_http_head",),
    )
    yield Entrance(
        name="websocket", samples=(b"\x82\x05hello\x89\x00\x82\x7e\x00\x80" + bytes(128),),
        refusals=(StreamError,), feed=lambda data: _in_pieces(WebSocketReader().feed, data),
        covers=("streams/rtsp/websocket.py:feed",),
    )  # fmt: skip
    yield Entrance(
        name="json of a service", samples=(b'{"code": "200", "data": {"url": "x"}}',),
        refusals=(StreamError,), feed=read_json, covers=("streams/control_http.py:read_json",),
    )  # fmt: skip
