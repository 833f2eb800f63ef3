"""One viewer of one camera: which frame is due, and how it leaves.

A client that does not keep up is treated as cameras treat it: frames are dropped until the next
key frame finds room; nothing is queued without bound.
"""

from asyncio import DatagramTransport, Transport
from dataclasses import dataclass, field
from datetime import datetime
from struct import pack
from typing import Final, Protocol

import numpy as np

from simulators.farm.camera import FarmCamera, frame_of
from simulators.farm.packets import AUDIO_TYPE, Bytes, PacketFrame, packet_frame
from simulators.farm.rtcp import Counted, sender_report
from simulators.farm.shelf import PacketLoop
from simulators.farm.timeline import AUDIO_CLOCK_HZ, FRAMES_PER_S, VIDEO_CLOCK_HZ, Timeline
from simulators.faults import Fault

MOST_UNSENT_BYTES: Final = 1 << 20  # a camera's send buffer, generously
REPORT_FRAMES: Final = 5 * FRAMES_PER_S
_TICKS_PER_FRAME: Final = VIDEO_CLOCK_HZ // FRAMES_PER_S
_UNREPORTED: Final = frozenset({Fault.NO_PACKETS, Fault.GARBAGE_BYTES})
_AUDIO_FRAMES: Final = 3  # audio leaves every third frame: 200 ms, in two packets
_AUDIO_BYTES: Final = AUDIO_CLOCK_HZ * _AUDIO_FRAMES // FRAMES_PER_S // 2
_SILENCE: Final = packet_frame([b"\xd5" * _AUDIO_BYTES], payload_type=AUDIO_TYPE, key=True)


class Outlet(Protocol):
    """Where a track's packets go."""

    channel: int

    def has_room(self) -> bool:
        """Whether the client keeps up."""

    def send(self, frame: PacketFrame, stamped: Bytes) -> None:
        """RTP packets of one frame."""

    def report(self, data: bytes) -> None:
        """One RTCP packet."""

    def hang_up(self, rest: bytes = b"") -> None:
        """Send these last bytes and close."""


@dataclass(slots=True)
class TcpOutlet:
    """Interleaved on the RTSP connection."""

    transport: Transport
    channel: int

    def has_room(self) -> bool:
        """Bounded by what the socket has not taken yet."""
        return self.transport.get_write_buffer_size() < MOST_UNSENT_BYTES

    def send(self, frame: PacketFrame, stamped: Bytes) -> None:
        """One write, whatever the number of packets."""
        del frame
        self.transport.write(stamped.data)

    def report(self, data: bytes) -> None:
        """On the odd channel."""
        self.transport.write(pack(">cBH", b"$", self.channel + 1, len(data)) + data)

    def hang_up(self, rest: bytes = b"") -> None:
        """Close as a camera that reboots does: FIN behind the last bytes."""
        self.transport.write(rest)
        self.transport.close()


@dataclass(slots=True)
class UdpOutlet:
    """Datagrams from the farm's port pair."""

    rtp: DatagramTransport
    rtcp: DatagramTransport
    host: str
    port: int
    connection: Transport
    channel: int = 0

    def has_room(self) -> bool:
        """UDP always has."""
        return not self.rtp.is_closing()

    def send(self, frame: PacketFrame, stamped: Bytes) -> None:
        """A datagram per packet."""
        for datagram in frame.datagrams(stamped):
            self.rtp.sendto(datagram, (self.host, self.port))

    def report(self, data: bytes) -> None:
        """To the next port."""
        self.rtcp.sendto(data, (self.host, self.port + 1))

    def hang_up(self, rest: bytes = b"") -> None:
        """Whatever is left never arrives."""
        del rest
        self.connection.close()


@dataclass(slots=True)
class Track:
    """One RTP stream of a session."""

    outlet: Outlet
    ssrc: int
    sequence: int
    counted: Counted = field(default_factory=Counted)

    def send(self, frame: PacketFrame, timestamp: int) -> None:
        """Stamp and send."""
        stamped = frame.stamped(self.sequence, timestamp, self.ssrc, self.outlet.channel)
        self.outlet.send(frame, stamped)
        self.passed(frame)

    def passed(self, frame: PacketFrame) -> None:
        """Count a frame that was sent, or that left in pieces."""
        self.sequence = (self.sequence + frame.count) % (1 << 16)
        self.counted.packets += frame.count
        self.counted.octets += len(frame.data) - 16 * frame.count


@dataclass(slots=True, eq=False)
class Playback:
    """Ticked by the wheel once per frame while it plays."""

    camera: FarmCamera
    sub: bool
    timeline: Timeline
    noise: np.random.Generator
    video: Track | None = None
    audio: Track | None = None
    played: int = 0
    dropped: int = 0
    _loop: PacketLoop | None = None
    _behind: bool = False

    def tick(self, frame: int) -> None:
        """Send what is due at the farm's frame number `frame`."""
        index = frame + self.camera.record.phase
        if self.video is not None:
            self._tick_video(self.video, index)
        if self.audio is not None and index % _AUDIO_FRAMES == 0:
            self._tick_audio(self.audio, index)
        if self.played % REPORT_FRAMES == 0 and self.camera.fault not in _UNREPORTED:
            self._report(index)
        self.played += 1

    def video_time(self, index: int) -> int:
        """RTP time of a frame: the camera's, the same for whoever watches."""
        return (self.camera.number * 7_919 + index) * _TICKS_PER_FRAME

    def _tick_video(self, track: Track, index: int) -> None:
        loop = self._loop_at(index)
        at = frame_of(loop, self.camera.fault, index, self.played)
        if at is None:
            return
        frame = loop.frames[at]
        if not self._keeps_up(track, frame):
            self.dropped += 1
            return
        timestamp = self.video_time(index)
        if self.camera.fault in _SPOILERS:
            _SPOILERS[self.camera.fault](self, track, frame, timestamp)
        else:
            track.send(frame, timestamp)

    def _loop_at(self, index: int) -> PacketLoop:
        """A changed scene is shown from its next key frame on."""
        wanted = self.camera.loop(sub=self.sub)
        if self._loop is None or index % wanted.format.gop_frames == 0:
            self._loop = wanted
        return self._loop

    def _keeps_up(self, track: Track, frame: PacketFrame) -> bool:
        if not track.outlet.has_room():
            self._behind = True
        elif frame.key:
            self._behind = False
        return not self._behind

    def _tick_audio(self, track: Track, index: int) -> None:
        """Silence, in the stream's own time."""
        if not track.outlet.has_room():
            return
        samples = index // _AUDIO_FRAMES * 2 * _AUDIO_BYTES
        track.send(_SILENCE, samples)
        track.send(_SILENCE, samples + _AUDIO_BYTES)

    def _report(self, index: int) -> None:
        at = self.wall_at(index)
        if self.video is not None:
            time = self.video_time(index)
            self.video.outlet.report(sender_report(self.video.ssrc, at, time, self.video.counted))
        if self.audio is not None:
            time = index * AUDIO_CLOCK_HZ // FRAMES_PER_S
            self.audio.outlet.report(sender_report(self.audio.ssrc, at, time, self.audio.counted))

    def wall_at(self, index: int) -> datetime:
        """What the camera believes the time is."""
        return self.timeline.wall_at(index - self.camera.record.phase) + self.camera.clock_skew


def _drop_mid_picture(play: Playback, track: Track, frame: PacketFrame, timestamp: int) -> None:
    """Half a key frame, then the line is dead."""
    if not frame.key:
        track.send(frame, timestamp)
        return
    stamped = frame.stamped(track.sequence, timestamp, track.ssrc, track.outlet.channel)
    track.outlet.hang_up(stamped[: len(stamped) // 2].tobytes())
    play.video = None


def _garbage(play: Playback, track: Track, frame: PacketFrame, timestamp: int) -> None:
    """Noise of the frame's length; never a `$` in front, so that nothing can be read from it."""
    del timestamp
    noise = play.noise.integers(128, 256, len(frame.data), dtype=np.uint8)
    track.outlet.send(frame, noise)
    track.passed(frame)


def _corrupt(play: Playback, track: Track, frame: PacketFrame, timestamp: int) -> None:
    """Overwrite part of the slice data; RTP itself stays whole."""
    stamped = frame.stamped(track.sequence, timestamp, track.ssrc, track.outlet.channel)
    ends = np.append(frame.starts[1:], len(stamped))
    for start, end in zip(frame.starts[::2].tolist(), ends[::2].tolist(), strict=True):
        room = stamped[min(start + 60, end) : min(start + 260, end)]
        room[:] = play.noise.integers(1, 256, len(room), dtype=np.uint8)
    track.outlet.send(frame, stamped)
    track.passed(frame)


_SPOILERS: Final = {
    Fault.DROPS_MID_PICTURE: _drop_mid_picture,
    Fault.GARBAGE_BYTES: _garbage,
    Fault.CORRUPT_BITSTREAM: _corrupt,
}
