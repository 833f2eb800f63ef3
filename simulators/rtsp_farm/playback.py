"""Playback to one viewer of one camera: which frame is due, and how it is sent.

A client that does not keep up is treated as cameras treat it: frames are dropped until the next
key frame finds room; nothing is queued without bound. Sender reports tie the stream's clock to the
wall clock (RFC 3550 §6.4.1). `TimerQueue` is the one timer of all viewers: eight slots a frame,
each viewer in the slot of its camera.
"""

import asyncio
from asyncio import DatagramTransport, Transport
from dataclasses import dataclass, field
from datetime import datetime
from struct import pack
from typing import Final, Protocol

import numpy as np
from typing_extensions import override

from simulators.faults import CameraFault
from simulators.rtsp_farm.camera import (
    AUDIO_CLOCK_HZ,
    FRAMES_PER_S,
    TICKS_PER_FRAME,
    TICKS_PER_S,
    VIDEO_CLOCK_HZ,
    FarmCamera,
    FarmTimeline,
    frame_of,
    ntp_time,
)
from simulators.rtsp_farm.rtp_packets import (
    AUDIO_TYPE,
    Bytes,
    PacketFrame,
    PacketLoop,
    packet_frame,
)

_NAME = b"camera"
MOST_UNSENT_BYTES: Final = 1 << 20  # a camera's send buffer, generously
REPORT_FRAMES: Final = 5 * FRAMES_PER_S
_RTP_TICKS_PER_FRAME: Final = VIDEO_CLOCK_HZ // FRAMES_PER_S
_UNREPORTED: Final = frozenset({CameraFault.NO_PACKETS, CameraFault.GARBAGE_BYTES})
_AUDIO_FRAMES: Final = 3  # audio leaves every third frame: 200 ms, in two packets
_AUDIO_BYTES: Final = AUDIO_CLOCK_HZ * _AUDIO_FRAMES // FRAMES_PER_S // 2
_SILENCE: Final = packet_frame([b"\xd5" * _AUDIO_BYTES], payload_type=AUDIO_TYPE, key=True)
MOST_BEHIND: Final = 2 * TICKS_PER_S  # after a longer stall time is skipped, as in a reboot


@dataclass(slots=True)
class SentCounts:
    """Packets and octets that a track has sent."""

    packets: int = 0
    octets: int = 0


def sender_report(ssrc: int, at: datetime, rtp_time: int, counted: SentCounts) -> bytes:
    """An RTCP SR and SDES (CNAME) as one compound packet."""
    report = pack(
        ">BBHIQIII",
        0x80,
        200,
        6,
        ssrc,
        ntp_time(at),
        rtp_time % (1 << 32),
        counted.packets % (1 << 32),
        counted.octets % (1 << 32),
    )
    item = pack(">IBB", ssrc, 1, len(_NAME)) + _NAME
    item += b"\0" * (4 - len(item) % 4)
    return report + pack(">BBH", 0x81, 202, len(item) // 4) + item


class PacketSink(Protocol):
    """Where a track's packets go: TCP interleaved, or UDP."""

    channel: int

    def can_send(self) -> bool:
        """Whether the client keeps up with the stream."""

    def send(self, frame: PacketFrame, stamped: Bytes) -> None:
        """Send the RTP packets of one frame."""

    def report(self, data: bytes) -> None:
        """Send one RTCP packet."""

    def close(self, rest: bytes = b"") -> None:
        """Send these last bytes and close the client's connection."""


@dataclass(slots=True)
class TcpSink(PacketSink):
    """Interleaved on the RTSP connection."""

    transport: Transport
    channel: int

    @override
    def can_send(self) -> bool:
        return self.transport.get_write_buffer_size() < MOST_UNSENT_BYTES

    @override
    def send(self, frame: PacketFrame, stamped: Bytes) -> None:
        del frame
        self.transport.write(stamped.data)

    @override
    def report(self, data: bytes) -> None:
        self.transport.write(pack(">cBH", b"$", self.channel + 1, len(data)) + data)

    @override
    def close(self, rest: bytes = b"") -> None:
        self.transport.write(rest)
        self.transport.close()


@dataclass(slots=True)
class UdpSink(PacketSink):
    """Datagrams from the farm's port pair."""

    rtp: DatagramTransport
    rtcp: DatagramTransport
    host: str
    port: int
    connection: Transport
    channel: int = 0

    @override
    def can_send(self) -> bool:
        return not self.rtp.is_closing()

    @override
    def send(self, frame: PacketFrame, stamped: Bytes) -> None:
        for datagram in frame.datagrams(stamped):
            self.rtp.sendto(datagram, (self.host, self.port))

    @override
    def report(self, data: bytes) -> None:
        self.rtcp.sendto(data, (self.host, self.port + 1))

    @override
    def close(self, rest: bytes = b"") -> None:
        del rest
        self.connection.close()


@dataclass(slots=True)
class MediaTrack:
    """One RTP stream of a session."""

    sink: PacketSink
    ssrc: int
    sequence: int
    counted: SentCounts = field(default_factory=SentCounts)

    def send(self, frame: PacketFrame, timestamp: int) -> None:
        """Stamp the frame's packets and send them."""
        stamped = frame.stamped(self.sequence, timestamp, self.ssrc, self.sink.channel)
        self.sink.send(frame, stamped)
        self.count_sent(frame)

    def count_sent(self, frame: PacketFrame) -> None:
        """Count a frame that was sent whole or in pieces."""
        self.sequence = (self.sequence + frame.count) % (1 << 16)
        self.counted.packets += frame.count
        self.counted.octets += len(frame.data) - 16 * frame.count


@dataclass(slots=True, eq=False)
class Playback:
    """One playing session; the timer queue ticks it once per frame."""

    camera: FarmCamera
    sub: bool
    timeline: FarmTimeline
    noise: np.random.Generator
    video: MediaTrack | None = None
    audio: MediaTrack | None = None
    played: int = 0
    dropped: int = 0
    _loop: PacketLoop | None = None
    _behind: bool = False

    def tick(self, frame: int) -> None:
        """Send what is due at the farm's frame number `frame`."""
        index = frame + self.camera.town_camera.phase
        if self.video is not None:
            self._tick_video(self.video, index)
        if self.audio is not None and index % _AUDIO_FRAMES == 0:
            self._tick_audio(self.audio, index)
        if self.played % REPORT_FRAMES == 0 and self.camera.fault not in _UNREPORTED:
            self._report(index)
        self.played += 1

    def video_time(self, index: int) -> int:
        """The RTP time of a frame; it is the camera's own, the same for every viewer."""
        return (self.camera.number * 7_919 + index) * _RTP_TICKS_PER_FRAME

    def _tick_video(self, track: MediaTrack, index: int) -> None:
        loop = self._loop_at(index)
        at = frame_of(loop, self.camera.fault, index, self.played)
        if at is None:
            return
        frame = loop.frames[at]
        if not self._keeps_up(track, frame):
            self.dropped += 1
            return
        timestamp = self.video_time(index)
        if self.camera.fault in _FAULT_SENDERS:
            _FAULT_SENDERS[self.camera.fault](self, track, frame, timestamp)
        else:
            track.send(frame, timestamp)

    def _loop_at(self, index: int) -> PacketLoop:
        """A changed scene is shown from its next key frame on."""
        wanted = self.camera.loop(sub=self.sub)
        if self._loop is None or index % wanted.format.gop_frames == 0:
            self._loop = wanted
        return self._loop

    def _keeps_up(self, track: MediaTrack, frame: PacketFrame) -> bool:
        if not track.sink.can_send():
            self._behind = True
        elif frame.key:
            self._behind = False
        return not self._behind

    def _tick_audio(self, track: MediaTrack, index: int) -> None:
        """Silence, in the stream's own time."""
        if not track.sink.can_send():
            return
        samples = index // _AUDIO_FRAMES * 2 * _AUDIO_BYTES
        track.send(_SILENCE, samples)
        track.send(_SILENCE, samples + _AUDIO_BYTES)

    def _report(self, index: int) -> None:
        at = self.wall_at(index)
        if self.video is not None:
            time = self.video_time(index)
            self.video.sink.report(sender_report(self.video.ssrc, at, time, self.video.counted))
        if self.audio is not None:
            time = index * AUDIO_CLOCK_HZ // FRAMES_PER_S
            self.audio.sink.report(sender_report(self.audio.ssrc, at, time, self.audio.counted))

    def wall_at(self, index: int) -> datetime:
        """What the camera believes the time is."""
        return self.timeline.wall_at(index - self.camera.town_camera.phase) + self.camera.clock_skew


def _send_half_picture(
    playback: Playback, track: MediaTrack, frame: PacketFrame, timestamp: int
) -> None:
    """Half a key frame, then the line is dead."""
    if not frame.key:
        track.send(frame, timestamp)
        return
    stamped = frame.stamped(track.sequence, timestamp, track.ssrc, track.sink.channel)
    track.sink.close(stamped[: len(stamped) // 2].tobytes())
    playback.video = None


def _send_garbage(
    playback: Playback, track: MediaTrack, frame: PacketFrame, timestamp: int
) -> None:
    """Noise of the frame's length; never a `$` in front, so that nothing can be read from it."""
    del timestamp
    noise = playback.noise.integers(128, 256, len(frame.data), dtype=np.uint8)
    track.sink.send(frame, noise)
    track.count_sent(frame)


def _send_corrupted(
    playback: Playback, track: MediaTrack, frame: PacketFrame, timestamp: int
) -> None:
    """Overwrite part of the slice data; RTP itself stays whole."""
    stamped = frame.stamped(track.sequence, timestamp, track.ssrc, track.sink.channel)
    ends = np.append(frame.starts[1:], len(stamped))
    for start, end in zip(frame.starts[::2].tolist(), ends[::2].tolist(), strict=True):
        target = stamped[min(start + 60, end) : min(start + 260, end)]
        target[:] = playback.noise.integers(1, 256, len(target), dtype=np.uint8)
    track.sink.send(frame, stamped)
    track.count_sent(frame)


_FAULT_SENDERS: Final = {
    CameraFault.DROPS_MID_PICTURE: _send_half_picture,
    CameraFault.GARBAGE_BYTES: _send_garbage,
    CameraFault.CORRUPT_BITSTREAM: _send_corrupted,
}


class TimedPlayback(Protocol):
    """What the timer queue ticks once per frame."""

    @property
    def camera(self) -> FarmCamera:
        """The camera whose slot it is in."""

    def tick(self, frame: int) -> None:
        """Send what is due at the farm's frame number `frame`."""


@dataclass(slots=True)
class TimerQueue:
    """Ticks every viewer once per frame, until cancelled."""

    timeline: FarmTimeline
    skipped: int = 0
    _slots: list[dict[TimedPlayback, None]] = field(
        default_factory=lambda: [{} for _ in range(TICKS_PER_FRAME)]
    )

    def add(self, playback: TimedPlayback) -> None:
        """Tick this viewer from now on."""
        self._slots[playback.camera.slot][playback] = None

    def remove(self, playback: TimedPlayback) -> None:
        """Tick it no more; unknown viewers are ignored."""
        self._slots[playback.camera.slot].pop(playback, None)

    def playing(self) -> int:
        """How many viewers there are."""
        return sum(len(slot) for slot in self._slots)

    async def run(self) -> None:
        """Never misses a frame of a viewer, however late the event loop wakes it."""
        loop = asyncio.get_running_loop()
        last = self.timeline.tick_at(loop.time())
        while True:
            await asyncio.sleep(max(0.0, self.timeline.due_s(last + 1) - loop.time()))
            now = self.timeline.tick_at(loop.time())
            if now - last > MOST_BEHIND:
                self.skipped += now - last
                last = now - 1
            for tick in range(last + 1, now + 1):
                self._run(tick)
            last = max(last, now)

    def _run(self, tick: int) -> None:
        frame, slot = divmod(tick, TICKS_PER_FRAME)
        for playback in tuple(self._slots[slot]):
            playback.tick(frame)
