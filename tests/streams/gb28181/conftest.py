"""A platform without sockets, and messages of a device to hand to it."""

import itertools
from datetime import datetime, timedelta, timezone
from ipaddress import ip_network
from typing import Any

import pytest

from simulators.gb28181.wire import digest_answer, write
from streams.gb28181.peers import PeerConfig
from streams.gb28181.platform import Gb28181Platform
from streams.gb28181.requests import Identity
from streams.gb28181.sip_message import SipMessage, parse_message
from streams.gb28181.transactions import Flow

OURS, DEVICE = "34020000002000000001", "34020000001180000001"
CAMERA = "34020000001320000001"
PASSWORD = "s3cret-28181"
FLOW = Flow("udp", "192.0.2.7", 5060, "192.0.2.1")
WALL = datetime(2026, 11, 22, 16, 0, 0, 123000, tzinfo=timezone(timedelta(hours=8)))


def peer_config(**changed: Any) -> PeerConfig:
    plain = {"name": "nvr", "id": DEVICE, "user": DEVICE, "password": PASSWORD}
    plain["networks"] = (ip_network("192.0.2.0/24"),)
    return PeerConfig(**{**plain, **changed})


class Bench:
    """A platform, its clock, and a device that writes by hand."""

    def __init__(self, *configs: PeerConfig) -> None:
        numbers = itertools.count(1)
        identity = Identity(
            id=OURS, domain=OURS[:10], port=5060, token=lambda: f"{next(numbers):08x}"
        )
        self.platform = Gb28181Platform(
            identity, configs or (peer_config(),), b"k" * 32, lambda _host: "192.0.2.1"
        )
        self.now_s = 1000.0
        self._cseq = itertools.count(1)

    def receive(self, data: bytes, flow: Flow = FLOW) -> list[SipMessage]:
        """Hand a message over; what goes out."""
        self.platform.receive(parse_message(data), flow, self.now_s, WALL)
        return self.sent()

    def sent(self) -> list[SipMessage]:
        out, self.platform.outbox = self.platform.outbox, []
        return [parse_message(data) for _, data in out]

    def pass_s(self, seconds: float, step_s: float = 0.1) -> list[SipMessage]:
        """Let time pass in steps; what goes out."""
        until_s, out = self.now_s + seconds, []
        while self.now_s < until_s:
            self.now_s = min(until_s, self.now_s + step_s)
            self.platform.tick(self.now_s)
            out += self.sent()
        return out

    def events(self) -> list[Any]:
        found, self.platform.events = self.platform.events, []
        return found

    def request(self, method: str, body: str = "", **changed: str) -> bytes:
        number = next(self._cseq)
        code = changed.pop("code", DEVICE)
        headers = {
            "Via": f"SIP/2.0/UDP 10.9.9.9:5060;rport;branch=z9hG4bKd{number}",
            "From": f"<sip:{code}@{code[:10]}>;tag=t{number}",
            "To": f"<sip:{OURS}@{OURS[:10]}>",
            "Call-ID": f"call{number}",
            "CSeq": f"{number} {method}",
            **changed,
        }
        return write(
            f"{method} sip:{OURS}@{OURS[:10]} SIP/2.0",
            list(headers.items()),
            body.encode("gb18030"),
        )

    def register(
        self, password: str = PASSWORD, *, qop: bool = True, flow: Flow = FLOW, **changed: str
    ) -> SipMessage:
        """Register as a device does: REGISTER, challenge, answer; the last answer."""
        (first,) = self.receive(self.request("REGISTER", **changed), flow)
        if first.status != 401:
            return first
        uri = f"sip:{OURS}@{OURS[:10]}"
        answer = digest_answer(
            first.get("www-authenticate"), user=DEVICE, password=password, method="REGISTER",
            uri=uri, with_qop=qop,
        )  # fmt: skip
        second, *_ = self.receive(self.request("REGISTER", Authorization=answer, **changed), flow)
        return second

    def command(self, kind: str, name: str, more: str = "", number: int = 1) -> bytes:
        body = (
            f"<?xml version='1.0'?><{kind}><CmdType>{name}</CmdType><SN>{number}</SN>"
            f"<DeviceID>{DEVICE}</DeviceID>{more}</{kind}>"
        )
        return self.request("MESSAGE", body)

    def answer(self, request: SipMessage, status: str, *, tag: str = "d1", body: str = "") -> bytes:
        """A device's answer to a request of ours."""
        to = request.get("to")
        tagged = f"{to};tag={tag}" if tag and "tag=" not in to else to
        headers = [("Via", via) for via in request.all("via")]
        headers += [("From", request.get("from")), ("To", tagged), ("Call-ID", request.call_id)]
        headers += [("CSeq", request.get("cseq")), ("Content-Type", "APPLICATION/SDP")]
        return write(f"SIP/2.0 {status}", headers, body.encode())


@pytest.fixture
def bench() -> Bench:
    return Bench()
