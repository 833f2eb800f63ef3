"""A simulated GB/T 28181 device or lower platform: registers, answers, sends media.

One asyncio UDP socket (or one TCP connection, which it opens) to the platform above. What it does
wrong is told by DeviceFaults. Written apart from `streams`, so that a fault there cannot hide here.
"""

import asyncio
import contextlib
import itertools
import random
import re
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from xml.sax.saxutils import escape

from typing_extensions import override

from simulators.gb28181.faults import DeviceFaults
from simulators.gb28181.media import MediaSender, PictureSource, Playing
from simulators.gb28181.wire import Headers, WireMessage, digest_answer, read, value_of, write

REGISTER_RETRY_S: Final = 2.0
_TRYING: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceChannel:
    """One channel of a device."""

    code: str
    name: str
    source: PictureSource
    online: bool = True
    parent: str = ""


@dataclass(slots=True, eq=False)
class DeviceSession:
    """A live view that somebody asked for."""

    call_id: str
    invite: WireMessage
    answer: bytes
    sender: MediaSender
    to_tag: str
    playing: Playing | None = None
    confirmed: bool = False
    tasks: list["asyncio.Task[None]"] = field(default_factory=list)


@dataclass(slots=True)
class DeviceCounts:
    """What happened to a device."""

    registered: int = 0
    refused: int = 0
    keepalives: int = 0
    keepalives_answered: int = 0
    catalogs: int = 0
    invites: int = 0
    acks: int = 0
    byes: int = 0
    cancels: int = 0
    busy: int = 0
    key_frame_commands: int = 0
    most_sessions: int = 0
    subscriptions: int = 0
    alarms_taken: int = 0


class SimulatedDevice:
    """One device; `start` opens it, `close` ends it."""

    def __init__(
        self,
        *,
        code: str,
        password: str,
        server: tuple[str, int],
        server_code: str,
        channels: Sequence[DeviceChannel] = (),
        faults: DeviceFaults | None = None,
        transport: str = "udp",
        keepalive_s: float = 60.0,
        expires_s: int = 3600,
        register: bool = True,
        seed: int = 1,
        host: str = "127.0.0.1",
        on_ready: Callable[[], None] | None = None,
    ) -> None:
        self.code = code
        self.channels: Mapping[str, DeviceChannel] = {c.code: c for c in channels}
        self.faults = faults or DeviceFaults()
        self.sessions: dict[str, DeviceSession] = {}
        self.counts = DeviceCounts()
        self.last_sent: list[bytes] = []
        self.clock_seen = ""  # the Date of the answer to REGISTER
        self._password = password
        self._server, self._server_code = server, server_code
        self._transport_name = transport
        self._keepalive_s, self._expires_s = keepalive_s, expires_s
        self._register_first = register
        self._host = host
        self._rng = random.Random(f"{seed}/{code}")  # noqa: S311  the same device each time
        self._cseq = itertools.count(1)
        self._sn = itertools.count(100)
        self._register_call = f"{self._rng.getrandbits(60):x}"
        self._tasks: set[asyncio.Task[None]] = set()
        self._udp: asyncio.DatagramTransport | None = None
        self._tcp: asyncio.Transport | None = None
        self._address = (host, 0)
        self._is_registered = asyncio.Event()
        self._subscription: WireMessage | None = None
        self._loop = asyncio.get_running_loop()
        self._on_ready = on_ready

    # -- life -----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Open the socket, register, and give signs of life."""
        await self._open()
        if self._register_first:
            self._spawn(self._stay_registered())
        else:
            self._is_registered.set()

    async def registered(self, timeout_s: float = 10.0) -> None:
        """Wait for the registration. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            await self._is_registered.wait()

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        return self._address

    async def close(self, *, politely: bool = False) -> None:
        """End it; `politely` logs out first."""
        if politely and self._is_registered.is_set():
            self._send_register("", expires=0)
            await asyncio.sleep(0.05)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for session in list(self.sessions.values()):
            self._end(session)
        for transport in (self._udp, self._tcp):
            if transport is not None:
                transport.close()

    async def _open(self) -> None:
        if self._transport_name == "tcp":
            transport, _ = await self._loop.create_connection(
                lambda: _StreamProtocol(self._received), *self._server
            )
            assert isinstance(transport, asyncio.Transport)  # noqa: S101
            self._tcp = transport
            self._address = transport.get_extra_info("sockname")[:2]
            return
        udp, _ = await self._loop.create_datagram_endpoint(
            lambda: _DatagramProtocol(self._received), local_addr=(self._host, 0)
        )
        self._udp = udp
        self._address = udp.get_extra_info("sockname")[:2]

    def _spawn(self, work: "asyncio._CoroutineLike[None]") -> "asyncio.Task[None]":
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _stay_registered(self) -> None:
        while not self._is_registered.is_set():
            self._send_register("")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REGISTER_RETRY_S):
                    await self._is_registered.wait()
        if self.faults.moves_port and self._udp is not None:
            self._udp.close()
            await self._open()
            self._send_keepalive()
        while not self.faults.silent:
            await asyncio.sleep(self._keepalive_s)
            self._send_keepalive()

    # -- sending --------------------------------------------------------------------------------

    def _send(self, data: bytes) -> None:
        self.last_sent = [*self.last_sent[-20:], data]
        if self._tcp is not None:
            self._tcp.write(data)
        elif self._udp is not None and not self._udp.is_closing():
            self._udp.sendto(data, self._server)

    def _write(self, first: str, headers: Headers, body: bytes = b"") -> bytes:
        faults = self.faults
        agent = "海康威视" if faults.chinese_header else "sim"
        return write(
            first,
            [*headers, ("User-Agent", agent)],
            body,
            lf_only=faults.lf_only,
            length_zero=faults.length_zero and bool(body),
            folded=faults.folded,
        )

    def _via(self) -> str:
        host, port = self._address
        kind = self._transport_name.upper()
        return f"SIP/2.0/{kind} {host}:{port};rport;branch=z9hG4bK{self._rng.getrandbits(40):x}"

    def _common(self, method: str, to: str, call_id: str = "") -> Headers:
        domain = self.code[:10]
        return [
            ("Via", self._via()),
            ("From", f"<sip:{self.code}@{domain}>;tag={self._rng.getrandbits(32):x}"),
            ("To", to),
            ("Call-ID", call_id or f"{self._rng.getrandbits(60):x}"),
            ("CSeq", f"{next(self._cseq)} {method}"),
            ("Max-Forwards", "70"),
        ]

    def _send_register(self, challenge: str, expires: int | None = None) -> None:
        uri = f"sip:{self._server_code}@{self._server_code[:10]}"
        host, port = self._address
        me = f"<sip:{self.code}@{self.code[:10]}>"
        headers = self._common("REGISTER", me, self._register_call)
        headers.append(("Contact", f"<sip:{self.code}@{host}:{port}>"))
        if not self.faults.no_expires or expires is not None:
            headers.append(("Expires", str(self._expires_s if expires is None else expires)))
        if challenge:
            wrong = "x" if self.faults.wrong_password else ""
            answer = digest_answer(
                challenge,
                user=self.code,
                password=self._password + wrong,
                method="REGISTER",
                uri=uri,
                with_qop=not self.faults.without_qop,
            )
            headers.append(("Authorization", answer))
        self._send(self._write(f"REGISTER {uri} SIP/2.0", headers))

    def _send_message(self, body: str, *, utf8: bool = False) -> None:
        to = f"<sip:{self._server_code}@{self._server_code[:10]}>"
        headers = self._common("MESSAGE", to)
        headers.append(("Content-Type", "Application/MANSCDP+xml"))
        data = body.encode("utf-8" if utf8 else "gb18030")
        uri = f"sip:{self._server_code}@{self._server_code[:10]}"
        self._send(self._write(f"MESSAGE {uri} SIP/2.0", headers, data))

    def _send_keepalive(self) -> None:
        self.counts.keepalives += 1
        self._send_message(
            '<?xml version="1.0" encoding="GB2312"?>\r\n<Notify>\r\n<CmdType>Keepalive</CmdType>\r\n'
            f"<SN>{next(self._sn)}</SN>\r\n<DeviceID>{self.code}</DeviceID>\r\n"
            "<Status>OK</Status>\r\n</Notify>\r\n"
        )

    def send_alarm(
        self, at: datetime, *, method: int = 5, kind: int = 2, text: str = "移动"
    ) -> None:
        """Send an alarm of the first channel as a MESSAGE."""
        device = next(iter(self.channels), self.code)
        self._send_message(
            '<?xml version="1.0"?>\r\n<Notify>\r\n<CmdType>Alarm</CmdType>\r\n'
            f"<SN>{next(self._sn)}</SN>\r\n<DeviceID>{device}</DeviceID>\r\n"
            f"<AlarmPriority>4</AlarmPriority>\r\n<AlarmMethod>{method}</AlarmMethod>\r\n"
            f"<AlarmTime>{at:%Y-%m-%dT%H:%M:%S}</AlarmTime>\r\n"
            f"<AlarmDescription>{escape(text)}</AlarmDescription>\r\n"
            f"<Info><AlarmType>{kind}</AlarmType></Info>\r\n</Notify>\r\n"
        )

    # -- receiving ------------------------------------------------------------------------------

    def _received(self, data: bytes) -> None:
        message = read(data)
        if message.status:
            self._on_response(message)
            return
        handler = {
            "INVITE": self._on_invite,
            "ACK": self._on_ack,
            "BYE": self._on_bye,
            "CANCEL": self._on_cancel,
            "MESSAGE": self._on_message,
            "SUBSCRIBE": self._on_subscribe,
        }.get(message.method)
        if handler is not None:
            handler(message)

    def _respond(self, request: WireMessage, status: str, headers: Headers | None = None,
                 body: bytes = b"", tag: str = "") -> bytes:  # fmt: skip
        to = request.headers["to"]
        if tag and "tag=" not in to and not self.faults.no_to_tag:
            to = f"{to};tag={tag}"
        copied: Headers = [("Via", via) for via in request.all_vias]
        copied += [
            ("From", request.headers["from"]),
            ("To", to),
            ("Call-ID", request.headers["call-id"]),
            ("CSeq", request.headers["cseq"]),
        ]
        return self._write(f"SIP/2.0 {status}", [*copied, *(headers or [])], body)

    def _on_response(self, message: WireMessage) -> None:
        method = message.headers.get("cseq", "").split(" ")[-1]
        if method == "REGISTER":
            self._on_register_answer(message)
        elif method == "MESSAGE" and message.status < 300:  # noqa: PLR2004
            self.counts.keepalives_answered += 1

    def _on_register_answer(self, message: WireMessage) -> None:
        if message.status == 401:  # noqa: PLR2004
            challenge = message.headers.get("www-authenticate", "")
            if self.faults.needs_algorithm and "algorithm" not in challenge:
                return
            self._send_register(challenge)
        elif message.status == 200:  # noqa: PLR2004
            self.counts.registered += 1
            self.clock_seen = message.headers.get("date", "")
            self._is_registered.set()
            if self._on_ready is not None:
                self._on_ready()
        else:
            self.counts.refused += 1

    def _on_message(self, message: WireMessage) -> None:
        self._send(self._respond(message, "200 OK", tag="m"))
        command = value_of(message.body, "CmdType")
        if command == "Catalog" and "<Query>" in message.body:
            self.counts.catalogs += 1
            self._spawn(self._send_catalog(value_of(message.body, "SN")))
        elif "IFameCmd" in message.body or "IFrameCmd" in message.body:
            self.counts.key_frame_commands += 1
        elif command == "Alarm" and "<Response>" in message.body:
            self.counts.alarms_taken += 1

    def _on_subscribe(self, message: WireMessage) -> None:
        self.counts.subscriptions += 1
        if self.faults.refuses_refresh and "tag=" in message.headers["to"]:
            self._send(self._respond(message, "481 Subscription does not exist"))
            return
        self._subscription = message
        self._send(self._respond(message, "200 OK", [("Expires", "60")], tag="sub"))

    def notify(self, code: str, event: str) -> None:
        """Tell a change of the catalogue, in the dialog of the subscription."""
        subscribed = self._subscription
        if subscribed is None:
            return
        body = (
            '<?xml version="1.0" encoding="GB2312"?>\r\n<Notify>\r\n<CmdType>Catalog</CmdType>\r\n'
            f"<SN>{next(self._sn)}</SN>\r\n<DeviceID>{self.code}</DeviceID>\r\n<SumNum>1</SumNum>\r\n"
            f'<DeviceList Num="1"><Item><DeviceID>{code}</DeviceID><Event>{event}</Event></Item>'
            "</DeviceList>\r\n</Notify>\r\n"
        )
        headers: Headers = [
            ("Via", self._via()),
            ("From", f"{subscribed.headers['to']};tag=sub"),
            ("To", subscribed.headers["from"]),
            ("Call-ID", subscribed.headers["call-id"]),
            ("CSeq", f"{next(self._cseq)} NOTIFY"),
            ("Max-Forwards", "70"),
            ("Event", "Catalog"),
            ("Subscription-State", "active"),
            ("Content-Type", "Application/MANSCDP+xml"),
        ]
        uri = f"sip:{self._server_code}@{self._server_code[:10]}"
        self._send(self._write(f"NOTIFY {uri} SIP/2.0", headers, body.encode("gb18030")))

    # -- catalogue ------------------------------------------------------------------------------

    async def _send_catalog(self, number: str) -> None:
        faults = self.faults
        items = [self._item(channel) for channel in self.channels.values()]
        total = 0 if faults.sum_zero else len(items) + faults.sum_offset
        size = max(1, faults.items_per_message)
        parts = [items[at : at + size] for at in range(0, len(items), size)] or [[]]
        if faults.sum_zero:
            parts = [[]]
        if faults.shuffled:
            self._rng.shuffle(parts)
        if faults.loses_part:
            parts = parts[:-1]
        if faults.repeats_parts:
            parts = [part for part in parts for _ in range(2)]
        for at, part in enumerate(parts):
            self._send_message(self._catalog_text(number, total, part), utf8=faults.utf8)
            if at % 8 == 7:  # noqa: PLR2004  a device sends on as fast as it can write
                await asyncio.sleep(0)

    def _catalog_text(self, number: str, total: int, items: Sequence[str]) -> str:
        nul = "\x00" if self.faults.nul_bytes else ""
        listed = f'<DeviceList Num="{len(items)}">\r\n{"".join(items)}</DeviceList>\r\n'
        return (
            '<?xml version="1.0" encoding="GB2312"?>\r\n<Response>\r\n<CmdType>Catalog</CmdType>\r\n'
            f"<SN>{number}</SN>\r\n<DeviceID>{self.code}</DeviceID>\r\n<SumNum>{total}</SumNum>\r\n"
            f"{listed if items else ''}</Response>\r\n{nul}"
        )

    def _item(self, channel: DeviceChannel) -> str:
        name = escape(channel.name)
        if self.faults.bare_ampersand:
            name = f"{channel.name} A&B"
        parent = channel.parent or self.code
        if self.faults.cyclic:
            parent = channel.code
        end = "</Item>\r\n</Item>\r\n" if self.faults.doubled_end_tag else "</Item>\r\n"
        return (
            f"<Item>\r\n<DeviceID>{channel.code}</DeviceID>\r\n<Name>{name}</Name>\r\n"
            f"<Manufacturer>sim</Manufacturer>\r\n<Model>S1</Model>\r\n<Owner>0</Owner>\r\n"
            f"<CivilCode>{channel.code[:8]}</CivilCode>\r\n<Address>路口</Address>\r\n"
            f"<Parental>0</Parental>\r\n<ParentID>{parent}</ParentID>\r\n"
            f"<RegisterWay>1</RegisterWay>\r\n<Secrecy>0</Secrecy>\r\n"
            f"<Status>{'ON' if channel.online else 'OFF'}</Status>\r\n"
            f"<Longitude>98.75</Longitude>\r\n<Latitude>39.6</Latitude>\r\n{end}"
        )

    # -- sessions -------------------------------------------------------------------------------

    def _on_invite(self, message: WireMessage) -> None:
        call_id = message.headers["call-id"]
        known = self.sessions.get(call_id)
        if known is not None:  # a repetition
            self._send(known.answer)
            return
        self.counts.invites += 1
        channel = self.channels.get(re.split("[:@]", message.first)[1])
        refusal = self._refusal(channel, message)
        if refusal or channel is None:
            self._send(self._respond(message, refusal, tag="r"))
            return
        session = self._open_session(message, channel)
        self.sessions[call_id] = session
        self.counts.most_sessions = max(self.counts.most_sessions, len(self.sessions))
        if self.faults.answers_after_s:
            self._send(self._respond(message, "100 Trying"))
        session.tasks.append(self._spawn(self._answer(session, channel)))

    def _refusal(self, channel: DeviceChannel | None, message: WireMessage) -> str:
        if channel is None:
            return "404 Not Found"
        if not channel.online:
            return "480 Temporarily Unavailable"
        if "a=setup:passive" in message.body and self.faults.refuses_passive:
            return "488 Not Acceptable Here"
        if self.faults.session_cap and len(self.sessions) >= self.faults.session_cap:
            self.counts.busy += 1
            return "486 Busy Here"
        return ""

    def _open_session(self, message: WireMessage, channel: DeviceChannel) -> DeviceSession:
        body = message.body
        asked = re.search(r"y=(\d+)", body)
        source = asked[1] if asked else "0000000001"
        if self.faults.other_source:
            source = "0999900042"
        over_tcp = "TCP/RTP/AVP" in body
        sender = MediaSender(self.faults, int(source) & 0xFFFFFFFF, over_tcp)
        match = re.search(r"m=video (\d+)", body)
        host = re.search(r"c=IN IP4 (\S+)", body)
        sender.target = (host[1] if host else self._host, int(match[1]) if match else 0)
        tag = f"{self._rng.getrandbits(32):x}"
        port = self._media_port(sender, body)
        answer = self._respond(
            message,
            "200 OK",
            [("Contact", f"<sip:{channel.code}@{self._host}:{self._address[1]}>"),
             ("Content-Type", "APPLICATION/SDP")],
            self._answer_sdp(channel, sender, port, source).encode(),
            tag=tag,
        )  # fmt: skip
        return DeviceSession(message.headers["call-id"], message, answer, sender, tag)

    def _media_port(self, sender: MediaSender, body: str) -> int:
        """The port of the answer; for TCP with `setup:active` in the offer, one that listens."""
        if not sender.over_tcp:
            sender.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sender.sock.setblocking(False)  # noqa: FBT003  the socket's own signature
            sender.sock.bind((self._host, 0))
            return int(sender.sock.getsockname()[1])
        if "a=setup:active" not in body:
            return 9
        listener = socket.create_server((self._host, 0))
        listener.setblocking(False)  # noqa: FBT003  the socket's own signature
        self._spawn(self._accept_media(listener, sender))
        return int(listener.getsockname()[1])

    async def _accept_media(self, listener: socket.socket, sender: MediaSender) -> None:
        with listener:
            sock, _ = await self._loop.sock_accept(listener)
        transport, _ = await self._loop.create_connection(asyncio.Protocol, sock=sock)
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        sender.transport = transport

    def _answer_sdp(
        self, channel: DeviceChannel, sender: MediaSender, port: int, source: str
    ) -> str:
        faults = self.faults
        digits = {9: source[-9:], 20: source.rjust(20, "0"), 0: "null"}
        lines = [
            "v=0",
            f"o={channel.code} 0 0 IN IP4 {self._host}",
            "s=Play",
            f"c=IN IP4 {self._host}",
            "t=0 0",
            f"m=video {0 if faults.port_zero else port} {'TCP/' if sender.over_tcp else ''}RTP/AVP 96",
            "a=recvonly" if faults.recvonly else "a=sendonly",
            "a=rtpmap:96 PS/90000",
            *(["a=setup:active"] if sender.over_tcp else []),
            f"y={digits.get(faults.source_digits, source)}",
            "f=",
            "",
        ]
        return "\r\n".join(lines)

    async def _answer(self, session: DeviceSession, channel: DeviceChannel) -> None:
        faults, offered = self.faults, session.invite.body
        if faults.answers_after_s:
            await asyncio.sleep(faults.answers_after_s)
        for _ in range(1 + faults.repeats_200):
            self._send(session.answer)
        if session.sender.over_tcp and "a=setup:passive" in offered:
            with contextlib.suppress(OSError):
                transport, _ = await self._loop.create_connection(
                    asyncio.Protocol, *session.sender.target
                )
                assert isinstance(transport, asyncio.Transport)  # noqa: S101
                session.sender.transport = transport
        session.playing = channel.source.start(session.sender)
        if faults.hangs_up_after_s:
            await asyncio.sleep(faults.hangs_up_after_s)
            self._send_bye(session)

    def _send_bye(self, session: DeviceSession) -> None:
        invite = session.invite
        headers: Headers = [
            ("Via", self._via()),
            ("From", f"{invite.headers['to']};tag={session.to_tag}"),
            ("To", invite.headers["from"]),
            ("Call-ID", session.call_id),
            ("CSeq", f"{next(self._cseq)} BYE"),
            ("Max-Forwards", "70"),
        ]
        self._send(self._write(f"BYE sip:{self._server_code}@{self._host} SIP/2.0", headers))
        self._end(session)

    def _on_ack(self, message: WireMessage) -> None:
        session = self.sessions.get(message.headers["call-id"])
        if session is not None:
            self.counts.acks += 1
            session.confirmed = True

    def _on_bye(self, message: WireMessage) -> None:
        self.counts.byes += 1
        if self.counts.byes <= self.faults.loses_byes:
            return
        session = self.sessions.get(message.headers["call-id"])
        status = "200 OK" if session is not None else "481 Call/Transaction Does Not Exist"
        self._send(self._respond(message, status))
        if session is not None:
            if self.faults.media_after_bye:
                del self.sessions[session.call_id]
            else:
                self._end(session)

    def _on_cancel(self, message: WireMessage) -> None:
        self.counts.cancels += 1
        if self.faults.ignores_cancel:
            return
        self._send(self._respond(message, "200 OK"))
        session = self.sessions.get(message.headers["call-id"])
        if session is not None and session.playing is None:
            self._send(self._respond(session.invite, "487 Request Terminated", tag=session.to_tag))
            self._end(session)

    def _end(self, session: DeviceSession) -> None:
        self.sessions.pop(session.call_id, None)
        if session.playing is not None:
            session.playing.stop()
        session.sender.close()
        current = asyncio.current_task() if self._loop.is_running() else None
        for task in session.tasks:
            if task is not current:
                task.cancel()


class _DatagramProtocol(asyncio.DatagramProtocol):
    """Hands each datagram on."""

    def __init__(self, receive: Callable[[bytes], None]) -> None:
        self._receive = receive

    @override
    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        self._receive(data)


class _StreamProtocol(asyncio.Protocol):
    """Cuts the platform's messages, which are exact, out of a connection."""

    def __init__(self, receive: Callable[[bytes], None]) -> None:
        self._receive = receive
        self._data = b""

    @override
    def data_received(self, data: bytes) -> None:
        self._data += data
        while b"\r\n\r\n" in self._data:
            head, _, rest = self._data.partition(b"\r\n\r\n")
            match = re.search(rb"Content-Length: (\d+)", head)
            length = int(match[1]) if match else 0
            if len(rest) < length:
                return
            self._data = rest[length:]
            self._receive(head + b"\r\n\r\n" + rest[:length])
