"""A simulated platform above ours: takes registrations, redirects, gives its catalogue and cameras.

Provincial platforms demand that a client registers there first. This one does: it challenges,
checks the answer by its own code, answers or ignores signs of life, and serves catalogue and
live views as a device does, to clients that are registered. Listens for UDP and TCP at one port.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from typing_extensions import override

from simulators.gb28181.channels import DeviceChannel
from simulators.gb28181.device import SimulatedDevice, StreamProtocol
from simulators.gb28181.faults import DeviceFaults
from simulators.gb28181.wire import Headers, WireMessage, is_right_answer, read, value_of

GRANTED_S: Final = 3600
PORT_TRIES: Final = 20


@dataclass(slots=True, kw_only=True)
class AboveFaults:
    """What a platform above does to those who register; may be changed while it runs."""

    redirects_to: tuple[str, int, str] | None = None  # host, port and code of another, by 302
    refuses: str = ""  # the status that a right answer gets, as `403 Forbidden`
    without_qop: bool = False  # in its challenge
    without_algorithm: bool = False
    granted_s: int = GRANTED_S
    ignores_keepalives: bool = False
    forgets: bool = False  # who is registered: signs of life get 403
    silent: bool = False  # reads nothing


@dataclass(slots=True)
class AboveCounts:
    """What a platform above saw."""

    challenges: int = 0
    accepted: int = 0
    wrong: int = 0
    redirected: int = 0
    keepalives: int = 0
    logged_out: int = 0


class PlatformAbove(SimulatedDevice):
    """The platform; `accounts` are passwords by code."""

    def __init__(
        self,
        *,
        code: str,
        accounts: Mapping[str, str],
        client_code: str,
        channels: Sequence[DeviceChannel] = (),
        faults: DeviceFaults | None = None,
        above_faults: AboveFaults | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        super().__init__(
            code=code,
            password="",  # it registers nowhere  # nosec B106
            server=("", 0),
            server_code=client_code,
            channels=channels,
            faults=faults,
            register=False,
            host=host,
        )
        self.above_faults = above_faults or AboveFaults()
        self.above = AboveCounts()
        self._accounts = accounts
        self.registered_as = ""  # the first line of the last REGISTER that was right
        self._nonce = ""
        self._listener: asyncio.Server | None = None
        self._connections: dict[tuple[str, int], asyncio.Transport] = {}
        self._clients: set[tuple[str, int]] = set()  # who is registered

    @override
    async def close(self, *, politely: bool = False) -> None:
        if self._listener is not None:
            self._listener.close()
        self.cut_connections()
        await super().close()

    def cut_connections(self) -> None:
        """End every connection of SIP, as a restart or a firewall does."""
        for transport in list(self._connections.values()):
            transport.abort()
        self._connections.clear()
        self._tcp = None

    @override
    async def _open(self) -> None:
        for left in reversed(range(PORT_TRIES)):
            await super()._open()  # UDP, at a port of the system's choice
            try:
                self._listener = await self._loop.create_server(self._connected, *self.address)
            except OSError:  # another program has it for TCP
                if not left:
                    raise
                await super().close()
            else:
                return

    def _connected(self) -> asyncio.Protocol:
        return StreamProtocol(self._received, self._connections.__setitem__)

    @override
    def _received(self, data: bytes, source: tuple[str, int]) -> None:
        if self.above_faults.silent:
            return
        message = read(data)
        if not message.status:
            self._answer_at(source)
            if message.method == "REGISTER":
                self._on_register(message, source)
                return
            if source not in self._clients or self.above_faults.forgets:
                self._clients.discard(source)
                self.send(self.respond(message, "403 Forbidden", tag="x"))
                return
            if value_of(message.body, "CmdType") == "Keepalive":
                self.above.keepalives += 1
                if self.above_faults.ignores_keepalives:
                    return
        super()._received(data, source)

    def _answer_at(self, source: tuple[str, int]) -> None:
        """What is sent from here on goes to this client."""
        self._server, self._tcp = source, self._connections.get(source)
        self._transport_name = "udp" if self._tcp is None else "tcp"

    def _on_register(self, message: WireMessage, source: tuple[str, int]) -> None:
        faults = self.above_faults
        if faults.redirects_to is not None:
            host, port, code = faults.redirects_to
            self.above.redirected += 1
            contact = ("Contact", f"<sip:{code}@{host}:{port}>;expires=3600")
            self.send(self.respond(message, "302 Moved Temporarily", [contact], tag="r"))
            return
        answer = message.headers.get("authorization", "")
        user = message.headers["from"].partition("sip:")[2].partition("@")[0]
        if not answer or user not in self._accounts:
            self.send(self.respond(message, "401 Unauthorized", self._challenge(), tag="r"))
            return
        right = is_right_answer(
            answer, method="REGISTER", password=self._accounts[user], nonce=self._nonce
        )
        if right and not faults.refuses:
            self._accept(message, source)
        else:
            self.above.wrong += not right
            self.send(self.respond(message, faults.refuses or "403 Forbidden", tag="r"))

    def _accept(self, message: WireMessage, source: tuple[str, int]) -> None:
        if message.headers.get("expires") == "0":
            self.above.logged_out += source in self._clients
            self._clients.discard(source)
        else:
            self.registered_as = message.first
            self._clients.add(source)
            self.above.accepted += 1
        granted: Headers = [("Expires", str(self.above_faults.granted_s))]
        self.send(self.respond(message, "200 OK", granted, tag="r"))

    def _challenge(self) -> Headers:
        faults = self.above_faults
        self.above.challenges += 1
        self._nonce = f"{self.rng.getrandbits(64):x}"
        text = f'Digest realm="{self.code[:10]}", nonce="{self._nonce}"'
        text += "" if faults.without_qop else ', qop="auth"'
        text += "" if faults.without_algorithm else ", algorithm=MD5"
        return [("WWW-Authenticate", text)]
