"""Live views of a simulated device: INVITE, ACK, BYE, CANCEL, with its faults."""

import asyncio
import contextlib
import re
import socket
from typing import TYPE_CHECKING

from simulators.gb28181.channels import DeviceChannel, DeviceSession
from simulators.gb28181.media import MediaSender
from simulators.gb28181.wire import Headers, WireMessage

if TYPE_CHECKING:
    from simulators.gb28181.device import SimulatedDevice


class DeviceSessions:
    """The sessions of one device, by Call-ID."""

    def __init__(self, device: "SimulatedDevice") -> None:
        self.open: dict[str, DeviceSession] = {}
        self.unended: list[DeviceSession] = []  # their media goes on behind their BYE
        self._not_free = 0  # sessions that ended, and still count for the cap
        self._device = device
        self._loop = asyncio.get_running_loop()

    def on_invite(self, message: WireMessage) -> None:
        """Answer, refuse, or repeat the answer."""
        call_id = message.headers["call-id"]
        known = self.open.get(call_id)
        if known is not None:  # a repetition
            self._device.send(known.answer)
            return
        self._device.counts.invites += 1
        channel = self._device.channels.get(re.split("[:@]", message.first)[1])
        refusal = self._refusal(channel, message)
        if refusal or channel is None:
            if refusal != "-":
                self._device.send(self._device.respond(message, refusal, tag="r"))
            return
        session = self._open_session(message, channel)
        self.open[call_id] = session
        self._device.counts.most_sessions = max(self._device.counts.most_sessions, len(self.open))
        if self._device.faults.answers_after_s:
            self._device.send(self._device.respond(message, "100 Trying"))
        session.tasks.append(self._device.spawn(self._answer(session, channel)))

    def _refusal(self, channel: DeviceChannel | None, message: WireMessage) -> str:
        if channel is None:
            return "404 Not Found"
        if not channel.online:
            return "480 Temporarily Unavailable"
        if "a=setup:passive" in message.body and self._device.faults.refuses_passive:
            return "488 Not Acceptable Here"
        in_use = len(self.open) + self._not_free
        if self._device.faults.session_cap and in_use >= self._device.faults.session_cap:
            self._device.counts.busy += 1
            return "486 Busy Here"
        return channel.source.refusal()

    def _open_session(self, message: WireMessage, channel: DeviceChannel) -> DeviceSession:
        body = message.body
        asked = re.search(r"y=(\d+)", body)
        source = asked[1] if asked else "0000000001"
        if self._device.faults.other_source:
            source = "0999900042"
        over_tcp = "TCP/RTP/AVP" in body
        sender = MediaSender(self._device.faults, int(source) & 0xFFFFFFFF, over_tcp)
        match = re.search(r"m=video (\d+)", body)
        host = re.search(r"c=IN IP4 (\S+)", body)
        sender.target = (host[1] if host else self._device.host, int(match[1]) if match else 0)
        tag = f"{self._device.rng.getrandbits(32):x}"
        port = self._media_port(sender, body)
        answer = self._device.respond(
            message,
            "200 OK",
            [("Contact", f"<sip:{channel.code}@{self._named}:{self._device.address[1]}>"),
             ("Content-Type", "APPLICATION/SDP")],
            self._answer_sdp(channel, sender, port, source).encode(),
            tag=tag,
        )  # fmt: skip
        return DeviceSession(message.headers["call-id"], message, answer, sender, tag)

    @property
    def _named(self) -> str:
        """The address that the device says it has."""
        return self._device.faults.named_host or self._device.host

    def _media_port(self, sender: MediaSender, body: str) -> int:
        """The port of the answer; for TCP with `setup:active` in the offer, one that listens."""
        if not sender.over_tcp:
            sender.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sender.sock.setblocking(False)  # noqa: FBT003  the socket's own signature
            sender.sock.bind((self._device.host, 0))
            return int(sender.sock.getsockname()[1])
        if "a=setup:active" not in body:
            return 9
        listener = socket.create_server((self._device.host, 0))
        listener.setblocking(False)  # noqa: FBT003  the socket's own signature
        self._device.spawn(self._accept_media(listener, sender))
        return int(listener.getsockname()[1])

    async def _accept_media(self, listener: socket.socket, sender: MediaSender) -> None:
        with listener:
            sock, _ = await self._loop.sock_accept(listener)
        transport, _ = await self._loop.create_connection(asyncio.Protocol, sock=sock)
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  # nosec B101
        sender.transport = transport

    def _answer_sdp(
        self, channel: DeviceChannel, sender: MediaSender, port: int, source: str
    ) -> str:
        faults = self._device.faults
        digits = {9: source[-9:], 20: source.rjust(20, "0"), 0: "null"}
        profile = "TCP/RTP/AVP" if sender.over_tcp else "RTP/AVP"
        lines = [
            "v=0",
            f"o={channel.code} 0 0 IN IP4 {self._device.host}",
            "s=Play",
            f"c=IN IP4 {self._named}",
            "t=0 0",
            f"m=video {0 if faults.port_zero else port} {profile} 96",
            "a=recvonly" if faults.recvonly else "a=sendonly",
            "a=rtpmap:96 PS/90000",
            *(["a=setup:active"] if sender.over_tcp else []),
            f"y={digits.get(faults.source_digits, source)}",
            "f=",
            "",
        ]
        return "\r\n".join(lines)

    async def _answer(self, session: DeviceSession, channel: DeviceChannel) -> None:
        faults, offered = self._device.faults, session.invite.body
        if faults.answers_after_s:
            await asyncio.sleep(faults.answers_after_s)
        if faults.hangs_up_first:
            self._send_bye(session)
        for _ in range(1 + faults.repeats_200):
            self._device.send(session.answer)
        if faults.hangs_up_first:
            return
        if session.sender.over_tcp and "a=setup:passive" in offered:
            with contextlib.suppress(OSError):
                transport, _ = await self._loop.create_connection(
                    asyncio.Protocol, *session.sender.target
                )
                assert isinstance(transport, asyncio.Transport)  # noqa: S101  # nosec B101
                session.sender.transport = transport
        session.playing = channel.source.start(session.sender)
        if faults.hangs_up_after_s:
            await asyncio.sleep(faults.hangs_up_after_s)
            self._send_bye(session)

    def _send_bye(self, session: DeviceSession) -> None:
        invite = session.invite
        headers: Headers = [
            ("Via", self._device.via()),
            ("From", f"{invite.headers['to']};tag={session.to_tag}"),
            ("To", invite.headers["from"]),
            ("Call-ID", session.call_id),
            ("CSeq", f"{next(self._device.cseq)} BYE"),
            ("Max-Forwards", "70"),
        ]
        self._device.send(
            self._device.write(
                f"BYE sip:{self._device.server_code}@{self._device.host} SIP/2.0", headers
            )
        )
        self.end(session)

    def on_ack(self, message: WireMessage) -> None:
        """Note that an answer was acknowledged."""
        session = self.open.get(message.headers["call-id"])
        if session is not None:
            self._device.counts.acks += 1

    def on_bye(self, message: WireMessage) -> None:
        """End a session."""
        self._device.counts.byes += 1
        if self._device.counts.byes <= self._device.faults.loses_byes:
            return
        session = self.open.get(message.headers["call-id"])
        status = "200 OK" if session is not None else "481 Call/Transaction Does Not Exist"
        self._device.send(self._device.respond(message, status))
        if session is not None:
            if self._device.faults.frees_after_s:
                self._not_free += 1
                self._loop.call_later(self._device.faults.frees_after_s, self._free)
            if self._device.faults.media_after_bye:
                self.unended.append(self.open.pop(session.call_id))
            else:
                self.end(session)

    def _free(self) -> None:
        self._not_free -= 1

    def send_key_frame(self, channel: str) -> None:
        """A command asks a camera for a key frame."""
        self._device.counts.commands += 1
        for session in self.open.values():
            if channel in session.invite.first:
                session.sender.asked_for_key_frame = True

    def on_cancel(self, message: WireMessage) -> None:
        """Cancel a session that was not answered yet."""
        self._device.counts.cancels += 1
        if self._device.faults.ignores_cancel:
            return
        self._device.send(self._device.respond(message, "200 OK"))
        session = self.open.get(message.headers["call-id"])
        if session is not None and session.playing is None:
            self._device.send(
                self._device.respond(session.invite, "487 Request Terminated", tag=session.to_tag)
            )
            self.end(session)

    def end(self, session: DeviceSession) -> None:
        """Send no more, and forget it."""
        self.open.pop(session.call_id, None)
        if session.playing is not None:
            session.playing.stop()
        session.sender.close()
        current = asyncio.current_task() if self._loop.is_running() else None
        for task in session.tasks:
            if task is not current:
                task.cancel()
