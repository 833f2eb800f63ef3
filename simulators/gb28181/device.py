"""A simulated GB/T 28181 device or lower platform: registers, answers, sends media.

One asyncio UDP socket (or one TCP connection, which it opens) to the platform above. What it does
wrong is told by DeviceFaults. Written apart from `streams`, so that a fault there cannot hide here.
"""

import asyncio
import contextlib
import itertools
import random
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from typing_extensions import override

from simulators.gb28181.catalog import catalog_texts
from simulators.gb28181.channels import DeviceChannel, DeviceCounts
from simulators.gb28181.faults import DeviceFaults
from simulators.gb28181.sessions import DeviceSessions
from simulators.gb28181.wire import Headers, WireMessage, digest_answer, read, value_of
from simulators.gb28181.wire import write as write_message

REGISTER_RETRY_S: Final = 2.0
Receive = Callable[[bytes, tuple[str, int]], None]  # a message, and where it came from


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
        self.sessions = DeviceSessions(self)
        self.counts = DeviceCounts()
        self.last_sent: list[bytes] = []
        self.clock_seen = ""  # the Date of the answer to REGISTER
        self._password = password
        self._server, self.server_code = server, server_code
        self._transport_name = transport
        self._keepalive_s, self._expires_s = keepalive_s, expires_s
        self._register_first = register
        self.host = host
        self.rng = random.Random(f"{seed}/{code}")  # noqa: S311  the same device each time  # nosec B311
        self.cseq = itertools.count(1)
        self._sn = itertools.count(100)
        self._register_call = f"{self.rng.getrandbits(60):x}"
        self._tasks: set[asyncio.Task[None]] = set()
        self._udp: asyncio.DatagramTransport | None = None
        self._tcp: asyncio.Transport | None = None
        self.address = (host, 0)
        self._is_registered = asyncio.Event()
        self._subscription: WireMessage | None = None
        self._loop = asyncio.get_running_loop()
        self._on_ready = on_ready

    # -- life -----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Open the socket, register, and give signs of life."""
        if self._register_first:
            await self._is_connected()
            self.spawn(self._stay_registered())
        else:
            await self._open()
            self._is_registered.set()

    async def registered(self, timeout_s: float = 10.0) -> None:
        """Wait for the registration. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            await self._is_registered.wait()

    async def close(self, *, politely: bool = False) -> None:
        """End it; `politely` logs out first."""
        if politely and self._is_registered.is_set():
            self._send_register("", expires=0)
            await asyncio.sleep(0.05)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for session in (*self.sessions.open.values(), *self.sessions.unended):
            self.sessions.end(session)
        for transport in (self._udp, self._tcp):
            if transport is not None:
                transport.close()

    async def _is_connected(self) -> bool:
        """Open what is not open; False while nobody listens over TCP."""
        if self._udp is not None or (self._tcp is not None and not self._tcp.is_closing()):
            return True
        try:
            await self._open()
        except ConnectionError:
            return False
        return True

    async def _open(self) -> None:
        if self._transport_name == "tcp":
            transport, _ = await self._loop.create_connection(
                lambda: StreamProtocol(self._received), *self._server
            )
            assert isinstance(transport, asyncio.Transport)  # noqa: S101  # nosec B101
            self._tcp = transport
            self.address = transport.get_extra_info("sockname")[:2]
            return
        udp, _ = await self._loop.create_datagram_endpoint(
            lambda: _DatagramProtocol(self._received), local_addr=(self.host, 0)
        )
        self._udp = udp
        self.address = udp.get_extra_info("sockname")[:2]

    def spawn(self, work: "asyncio._CoroutineLike[None]") -> "asyncio.Task[None]":
        """Run until the device is closed."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _register(self) -> None:
        """Register, again and again until the platform is there and takes it."""
        while not self._is_registered.is_set():
            if await self._is_connected():
                self._send_register("")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REGISTER_RETRY_S):
                    await self._is_registered.wait()

    async def _stay_registered(self) -> None:
        await self._register()
        if self.faults.moves_port and self._udp is not None:
            self._udp.close()
            await self._open()
            self._send_keepalive()
        while not self.faults.silent:
            await asyncio.sleep(self._keepalive_s)
            if self._tcp is not None and self._tcp.is_closing():
                self._is_registered.clear()
                await self._register()
            self._send_keepalive()

    # -- sending --------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Send to the platform."""
        self.last_sent = [*self.last_sent[-20:], data]
        if self._tcp is not None:
            self._tcp.write(data)
        elif self._udp is not None and not self._udp.is_closing():
            self._udp.sendto(data, self._server)

    def write(self, first: str, headers: Headers, body: bytes = b"") -> bytes:
        """A message as this device writes it."""
        faults = self.faults
        agent = "海康威视" if faults.chinese_header else "sim"
        return write_message(
            first,
            [*headers, ("User-Agent", agent)],
            body,
            lf_only=faults.lf_only,
            length_zero=faults.length_zero and bool(body),
            length_excess=faults.length_excess if body else 0,
            folded=faults.folded,
        )

    def via(self) -> str:
        """A Via with a branch of its own."""
        host, port = self.address
        kind = self._transport_name.upper()
        return f"SIP/2.0/{kind} {host}:{port};rport;branch=z9hG4bK{self.rng.getrandbits(40):x}"

    def _common(self, method: str, to: str, call_id: str = "") -> Headers:
        signed = (method == "MESSAGE" and self.faults.signs_as) or self.code
        return [
            ("Via", self.via()),
            ("From", f"<sip:{signed}@{signed[:10]}>;tag={self.rng.getrandbits(32):x}"),
            ("To", to),
            ("Call-ID", call_id or f"{self.rng.getrandbits(60):x}"),
            ("CSeq", f"{next(self.cseq)} {method}"),
            ("Max-Forwards", "70"),
        ]

    def _send_register(self, challenge: str, expires: int | None = None) -> None:
        uri = f"sip:{self.server_code}@{self.server_code[:10]}"
        host, port = self.address
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
        self.send(self.write(f"REGISTER {uri} SIP/2.0", headers))

    def _send_message(self, body: str, *, utf8: bool = False) -> None:
        to = f"<sip:{self.server_code}@{self.server_code[:10]}>"
        headers = self._common("MESSAGE", to)
        headers.append(("Content-Type", "Application/MANSCDP+xml"))
        data = body.encode("utf-8" if utf8 else "gb18030")
        uri = f"sip:{self.server_code}@{self.server_code[:10]}"
        self.send(self.write(f"MESSAGE {uri} SIP/2.0", headers, data))

    def _send_keepalive(self) -> None:
        self._send_message(
            '<?xml version="1.0" encoding="GB2312"?>\r\n<Notify>\r\n'
            "<CmdType>Keepalive</CmdType>\r\n"
            f"<SN>{next(self._sn)}</SN>\r\n<DeviceID>{self.code}</DeviceID>\r\n"
            "<Status>OK</Status>\r\n</Notify>\r\n"
        )

    # -- receiving ------------------------------------------------------------------------------

    def _received(self, data: bytes, source: tuple[str, int]) -> None:
        message = read(data)
        if self.faults.exact and not self._is_exact(message, source):
            self.counts.dropped += 1
            return
        if message.status:
            self._on_response(message)
            return
        handler = {
            "INVITE": self.sessions.on_invite,
            "ACK": self.sessions.on_ack,
            "BYE": self.sessions.on_bye,
            "CANCEL": self.sessions.on_cancel,
            "MESSAGE": self._on_message,
            "SUBSCRIBE": self._on_subscribe,
        }.get(message.method)
        if handler is not None:
            handler(message)

    def _is_exact(self, message: WireMessage, source: tuple[str, int]) -> bool:
        """Whether a message is from the very address that was written to, and well addressed."""
        if message.status:
            return source == self._server
        host, port = self._server
        named = f" {host}:{port};" in message.all_vias[0]
        return source == self._server and named and ";tag=" in message.headers["from"]

    def respond(
        self,
        request: WireMessage,
        status: str,
        headers: Headers | None = None,
        body: bytes = b"",
        tag: str = "",
    ) -> bytes:
        """A response to the platform's request."""
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
        return self.write(f"SIP/2.0 {status}", [*copied, *(headers or [])], body)

    def _on_response(self, message: WireMessage) -> None:
        method = message.headers.get("cseq", "").split(" ")[-1]
        if method == "REGISTER":
            self._on_register_answer(message)

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
        self.send(self.respond(message, "200 OK", tag="m"))
        command = value_of(message.body, "CmdType")
        if command == "Catalog" and "<Query>" in message.body:
            self.counts.catalogs += 1
            self.spawn(self._send_catalog(value_of(message.body, "SN")))
        if "<IFameCmd>Send</IFameCmd>" in message.body or "<IFrameCmd>" in message.body:
            self.sessions.send_key_frame(value_of(message.body, "DeviceID"))

    def _on_subscribe(self, message: WireMessage) -> None:
        if self.faults.refuses_refresh and "tag=" in message.headers["to"]:
            self.send(self.respond(message, "481 Subscription does not exist"))
            return
        self.counts.subscriptions += "tag=" not in message.headers["to"]
        if message.headers.get("expires") == "0":
            self._subscription = None
            self.counts.unsubscribed += 1
            self.send(self.respond(message, "200 OK", [("Expires", "0")]))
            return
        self._subscription = message
        self.send(self.respond(message, "200 OK", [("Expires", "60")], tag="sub"))

    def send_alarm(self, device: str, at: str, *, method: int = 5, kind: int = 2) -> None:
        """Tell an alarm, as most devices do: in a MESSAGE, subscribed or not."""
        self._send_message(
            '<?xml version="1.0" encoding="GB2312"?>\r\n<Notify>\r\n<CmdType>Alarm</CmdType>\r\n'
            f"<SN>{next(self._sn)}</SN>\r\n<DeviceID>{device}</DeviceID>\r\n"
            f"<AlarmPriority>1</AlarmPriority>\r\n<AlarmMethod>{method}</AlarmMethod>\r\n"
            f"<AlarmTime>{at}</AlarmTime>\r\n<AlarmDescription>移动侦测</AlarmDescription>\r\n"
            f"<Info><AlarmType>{kind}</AlarmType></Info>\r\n</Notify>\r\n"
        )

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
            ("Via", self.via()),
            ("From", f"{subscribed.headers['to']};tag=sub"),
            ("To", subscribed.headers["from"]),
            ("Call-ID", subscribed.headers["call-id"]),
            ("CSeq", f"{next(self.cseq)} NOTIFY"),
            ("Max-Forwards", "70"),
            ("Event", "Catalog"),
            ("Subscription-State", "active"),
            ("Content-Type", "Application/MANSCDP+xml"),
        ]
        uri = f"sip:{self.server_code}@{self.server_code[:10]}"
        self.send(self.write(f"NOTIFY {uri} SIP/2.0", headers, body.encode("gb18030")))

    async def _send_catalog(self, number: str) -> None:
        texts = catalog_texts(
            self.code, list(self.channels.values()), number, self.faults, self.rng
        )
        for at, text in enumerate(texts):
            self._send_message(text, utf8=self.faults.utf8)
            if at % 8 == 7:  # noqa: PLR2004  a device sends on as fast as it can write
                await asyncio.sleep(0)


class _DatagramProtocol(asyncio.DatagramProtocol):
    """Hands each datagram on."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive

    @override
    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        self._receive(data, (str(addr[0]), int(addr[1])))


class StreamProtocol(asyncio.Protocol):
    """Cuts the platform's messages, which are exact, out of a connection."""

    def __init__(
        self,
        receive: Receive,
        note: Callable[[tuple[str, int], asyncio.Transport], None] | None = None,
    ) -> None:
        self._receive = receive
        self._note = note
        self._data = b""
        self._source = ("", 0)

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._source = transport.get_extra_info("peername")[:2]
        if self._note is not None and isinstance(transport, asyncio.Transport):
            self._note(self._source, transport)

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
            self._receive(head + b"\r\n\r\n" + rest[:length], self._source)
