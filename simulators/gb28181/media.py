"""Media of simulated GB/T 28181 channels: pictures in, RTP over UDP or TCP out, with faults."""

import asyncio
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from simulators.gb28181.faults import DeviceFaults
from simulators.gb28181.program_stream import (
    interleaved,
    mux_picture,
    rtp_packets,
    transport_stream,
)
from simulators.rtsp_farm.rtp_packets import payloads, split_annexb

VIDEO_CLOCK_HZ: Final = 90_000
MOST_UNSENT: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class EncodedPicture:
    """One picture in Annex B."""

    annexb: bytes
    key: bool
    codec: str  # h264 or hevc


class PictureSource(Protocol):
    """Where a channel's pictures come from."""

    def refusal(self) -> str:
        """Why an INVITE is refused, as `404 Not Found`; empty: it is not; `-`: no answer."""

    def start(self, sender: "MediaSender") -> "Playing":
        """Send pictures until stopped."""


class Playing(Protocol):
    """A running playback."""

    def stop(self) -> None:
        """Send no more."""


@dataclass(slots=True, eq=False)
class MediaSender:
    """Sends one session's pictures to where the offer said."""

    faults: DeviceFaults
    ssrc: int
    over_tcp: bool
    transport: asyncio.Transport | None = None  # of TCP, once it is connected
    sock: socket.socket | None = None  # of UDP
    target: tuple[str, int] = ("", 0)
    sequence: int = 0
    sent: int = 0
    closed: bool = False
    asked_for_key_frame: bool = False
    _counter: int = 0
    _late: list[tuple[int, bytes]] = field(default_factory=list)
    _began: bool = False

    def send_picture(self, picture: EncodedPicture, pts: int) -> bool:
        """Send one picture; False where the other side does not keep up."""
        if self.closed or self.faults.no_media or (self.over_tcp and not self._is_connected):
            return True
        transport = self.transport if self.over_tcp else None
        if transport is not None and transport.get_write_buffer_size() > MOST_UNSENT:
            return False
        if self.faults.waits_for_command and picture.key and not self.asked_for_key_frame:
            return True
        packets = self._with_faults(self._packets(picture, pts))
        self.sent += len(packets)
        if transport is not None:
            self._send_stream(transport, packets)
            if self.faults.reset_after and self.sent >= self.faults.reset_after:
                self._reset(transport)
        elif self.sock is not None:
            for packet in packets:
                self._send_datagram(self.sock, packet)
        return True

    @property
    def _is_connected(self) -> bool:
        return self.transport is not None and not self.transport.is_closing()

    def _send_stream(self, transport: asyncio.Transport, packets: list[bytes]) -> None:
        data = interleaved(packets, self.faults.framing)
        if not self._began:
            self._began, data = True, self.faults.preamble + data
        transport.write(data)

    def _reset(self, transport: asyncio.Transport) -> None:
        """End the connection by RST, in the middle of what it carries."""
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()

    def _send_datagram(self, sock: socket.socket, packet: bytes) -> None:
        try:
            sock.sendto(packet, self.target)
        except OSError:  # nobody listens there any more
            return

    def close(self) -> None:
        """End the media; idempotent."""
        self.closed = True
        if self.transport is not None:
            self.transport.close()
        if self.sock is not None:
            self.sock.close()
            self.sock = None

    def _packets(self, picture: EncodedPicture, pts: int) -> list[bytes]:
        container, number = self.faults.container, self.sequence
        if container == "raw":
            kind = 98 if picture.codec == "h264" else 99
            units = payloads(picture.codec, split_annexb(picture.annexb), aggregate=False)
            packets = [
                next(rtp_packets(p, sequence=number + n, timestamp=pts, ssrc=self.ssrc,
                                 payload_type=kind, size=len(p)))
                for n, p in enumerate(units)
            ]  # fmt: skip
        elif container == "ts":
            data, self._counter = transport_stream(picture.annexb, pts, counter=self._counter)
            packets = list(
                rtp_packets(data, sequence=number, timestamp=pts, ssrc=self.ssrc,
                            payload_type=33, size=1316)
            )  # fmt: skip
        else:
            data = mux_picture(
                picture.annexb, pts, key=picture.key, codec=picture.codec, options=self.faults.mux
            )
            packets = list(rtp_packets(data, sequence=number, timestamp=pts, ssrc=self.ssrc))
        self.sequence = (number + len(packets)) & 0xFFFF
        return packets

    def _with_faults(self, packets: list[bytes]) -> list[bytes]:
        faults = self.faults
        if not (faults.lose_every or faults.reorder or faults.alien_every):
            return packets
        out: list[bytes] = []
        for at, packet in enumerate(packets, start=self.sent + 1):
            out += [late for due, late in self._late if due <= at]
            self._late = [(due, late) for due, late in self._late if due > at]
            if faults.lose_every and at % faults.lose_every == 0:
                continue
            if faults.reorder and at % 7 == 0:
                self._late.append((at + faults.reorder, packet))
                continue
            out.append(packet)
            if faults.alien_every and at % faults.alien_every == 0:
                out.append(packet[:8] + b"\x00\x00\xff\xff" + packet[12:])
        return out


@dataclass(frozen=True, slots=True, eq=False)
class LoopSource:
    """Repeats pictures at a rate; for tests, which may let them run faster than life."""

    pictures: Sequence[EncodedPicture]
    frames_per_s: float = 25.0
    start_at: int = 0  # in mid-group, if that is to be

    def refusal(self) -> str:
        """It serves everybody."""
        return ""

    def start(self, sender: MediaSender) -> "_LoopPlaying":
        """Send until stopped."""
        return _LoopPlaying(asyncio.get_running_loop().create_task(self._run(sender)))

    async def _run(self, sender: MediaSender) -> None:
        loop = asyncio.get_running_loop()
        began_s, number = loop.time(), 0
        ticks = round(VIDEO_CLOCK_HZ / self.frames_per_s)
        while not sender.closed:
            picture = self.pictures[(self.start_at + number) % len(self.pictures)]
            sender.send_picture(picture, (number + 1) * ticks)
            number += 1
            await asyncio.sleep(max(0.0, began_s + number / self.frames_per_s - loop.time()))


@dataclass(slots=True)
class _LoopPlaying:
    task: asyncio.Task[None]

    def stop(self) -> None:
        """Send no more."""
        self.task.cancel()
