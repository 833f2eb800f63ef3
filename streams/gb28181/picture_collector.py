"""Collects the key frames of one session's media, and says why none came.

Between two key frames that are kept the packets are passed over unread. The event that it is given
is set when there is something to do.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final

from streams.annexb import split_nals
from streams.clocks import RTSP_BURST_S, media_clock_of
from streams.errors import StreamError, Unreadable, WentSilent
from streams.gb28181.media_receiver import MediaReceiver
from streams.gb28181.media_sockets import MediaSocket
from streams.gb28181.sdp import UDP
from streams.model import KeyFrame, Sample, StreamFacts, VisitOptions
from streams.mpeg.key_pictures import KeyPicture
from streams.rtsp.session import CODEC_FORMATS
from streams.sampling import FrameSampler, freshness_of, key_frame_interval_s

UDP_TICK_S: Final = 0.05  # packets wait no longer for others
LONGEST_WAIT_S: Final = 0.5


class PictureCollector:
    """Key frames of one session; `media` is its socket."""

    def __init__(
        self,
        transport: str,
        options: VisitOptions,
        now: Callable[[], datetime],
        happened: asyncio.Event,
    ) -> None:
        self.sampler = FrameSampler(options.pictures, options.spacing_s, options.on_key_frame)
        self.receiver = MediaReceiver(options.max_key_frame_bytes, over_udp=transport == UDP)
        self.media = MediaSocket(transport, self.receiver, self._on_data, self._on_end)
        self.answered_s = 0.0  # loop time
        self.first_picture_s = 0.0
        self._options = options
        self._now = now
        self._happened = happened
        self._loop = asyncio.get_running_loop()
        self._began_s = self._loop.time()
        self._media_end = ""
        self._paused = False
        self._first_packet_reported = False
        self._packets = 0
        self._packets_at_s = 0.0
        self._size: tuple[int, int] | None = None

    def begin(self) -> None:
        """The session was answered."""
        self.answered_s = self._packets_at_s = self._loop.time()

    @property
    def has_media(self) -> bool:
        """Whether a packet came."""
        return self.receiver.packets > 0

    async def wait(self, most_s: float) -> None:
        """Wait for something to do, `most_s` at most."""
        if self._paused:
            most_s = min(most_s, self.sampler.next_wanted_s - self._loop.time())
        elif self.receiver.over_udp:
            most_s = min(most_s, UDP_TICK_S)
        try:
            async with asyncio.timeout(max(0.001, min(most_s, LONGEST_WAIT_S))):
                await self._happened.wait()
        except TimeoutError:
            pass
        self._happened.clear()
        if self._paused and self._loop.time() >= self.sampler.next_wanted_s:
            self._paused, self.media.listening = False, True
        self.media.tick()

    def problem(self, deadline_s: float, media_s: float) -> StreamError | None:
        """Why no more is to be waited for; None while it is."""
        receiver, now_s = self.receiver, self._loop.time()
        if receiver.packets != self._packets or self._paused:
            self._packets, self._packets_at_s = receiver.packets, now_s
        silent_s = now_s - self._packets_at_s
        ends = (
            (bool(self._media_end), self._media_end),
            (
                not self.has_media and now_s >= self.answered_s + media_s,
                f"answered, and no media in {media_s:.0f} s",
            ),
            (now_s >= deadline_s, f"no key frame in {now_s - self._began_s:.1f} s"),
            (
                self.has_media and silent_s >= self._options.silence_timeout_s,
                f"silent for {silent_s:.1f} s",
            ),
            (receiver.is_hopeless, "a stream of no kind that is known"),
        )
        what = next((text for true, text in ends if true), None)
        return None if what is None else self.no_picture(what)

    def no_picture(self, what: str) -> StreamError:
        """The error of a session that was answered and gave no picture, with what came."""
        receiver, media, finder = self.receiver, self.media, self.receiver.finder
        seen = f"{what}: {media.bytes_received} bytes, {receiver.packets} packets"
        if media.stray_packets:
            seen += f", {media.stray_packets} from hosts that are not the peer's"
        if receiver.declared == "SVAC" and finder.codec is None:
            return Unreadable(f"{seen} of SVAC, which cannot be decoded; set H.264 or H.265")
        if receiver.is_hopeless or (media.garbage_bytes and not receiver.packets):
            return Unreadable(f"{seen}, {media.garbage_bytes} bytes of garbage")
        if finder.undecodable:
            return Unreadable(f"{seen}; key frames without parameter sets")
        if receiver.gaps:
            seen += f"; {receiver.gaps} gaps, {receiver.lost} pictures lost to them"
        elif finder.units and finder.codec is None:
            named = f", its map says {receiver.declared}" if receiver.declared else ""
            seen += f"; no parameter sets of H.264 or H.265 in {finder.units} pictures{named}"
        return WentSilent(seen)

    def sample(self) -> Sample:
        """What was collected."""
        frames, began_s = tuple(self.sampler.kept), self._began_s
        clock = media_clock_of(frames, RTSP_BURST_S)
        facts = StreamFacts(
            transport=f"gb28181+{self.media.transport}",
            codec=frames[0].codec.value,
            width_px=self._size[0] if self._size else None,
            height_px=self._size[1] if self._size else None,
            key_frame_interval_s=key_frame_interval_s(frames, clock),
            connect_s=self.answered_s - began_s,
            describe_s=self.answered_s - began_s,
            first_key_frame_s=self.first_picture_s - began_s,
            visit_s=self._loop.time() - began_s,
            bytes_received=self.media.bytes_received,
            media_clock=clock,
        )
        return Sample(key_frames=frames, facts=facts, freshness=freshness_of(frames, RTSP_BURST_S))

    def _on_data(self) -> None:
        receiver = self.receiver
        if receiver.packets and not self._first_packet_reported:
            self._first_packet_reported = True
            self._options.reach("media", f"{self.media.transport}, {receiver.container}")
            self._happened.set()
        if receiver.pictures:
            pictures, receiver.pictures = receiver.pictures, []
            for picture in pictures:
                self._keep(picture)

    def _on_end(self, reason: str) -> None:
        self._media_end = reason
        self._happened.set()

    def _keep(self, picture: KeyPicture) -> None:
        now_s = self._loop.time()
        frame = KeyFrame(
            codec=picture.codec,
            data=picture.data,
            taken_at=self._now(),
            media_time_s=picture.media_time_s,
            sha256=picture.sha256,
        )
        if self._paused or not self.sampler.accept(frame, now_s):
            return
        if not self.first_picture_s:
            self.first_picture_s, self._size = now_s, _size_of(picture)
            self._options.reach("key_frame", f"{picture.codec}, {len(picture.data)} bytes")
        if self._options.spacing_s and not self.sampler.done:
            self._paused, self.media.listening = True, False
            self.receiver.pause()
        self._happened.set()


def _size_of(picture: KeyPicture) -> tuple[int, int] | None:
    a_format = CODEC_FORMATS[picture.codec]
    sets = (n for n in split_nals(picture.data) if a_format.parameter_kind(n) == a_format.size_kind)
    return next((a_format.size_px(nal) for nal in sets), None)
