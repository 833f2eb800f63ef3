"""One RTSP visit over one TCP socket in the event loop: feeds the session, keeps its time limits.

Hundreds of these wait at once, so each is a socket, a timer and a few numbers: no transport, no
task of its own beyond the caller's, and one read buffer for all visits of a thread (an event loop
handles one read at a time). Between the answers the callbacks alone do the work; the coroutine
sleeps until there are enough key frames, or a reason to give up.
"""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Final

from streams.clocks import SenderClock
from streams.errors import StreamBusy, StreamError, Unreachable, Unreadable, WentSilent
from streams.model import Codec, KeyFrame, VisitOptions
from streams.read_batching import ReadBatching
from streams.rtsp.session import (
    KeyFrameReceived,
    Redirected,
    RtspSession,
    SenderClockReported,
    SessionEvent,
    SessionStage,
    UnsupportedStream,
)
from streams.sampling import FrameSampler

# Above what rtsp.interleaved may leave unread (MAX_UNREAD_BYTES), with room for one generous read.
BUFFER_BYTES: Final = 512 * 1024
TEARDOWN_TIMEOUT_S: Final = 1.0  # for the answer to TEARDOWN
KEEP_ALIVE_FRACTION: Final = 0.4  # of the session's timeout: a lost one leaves time for another
FIRST_KEEP_ALIVE_FRACTION: Final = 0.2  # earlier: it asks which request the server counts as one

_thread = threading.local()


def shared_buffer() -> tuple[bytearray, memoryview]:
    """This thread's read buffer, shared by all its visits, and a view of it."""
    if not hasattr(_thread, "buffer"):
        _thread.buffer = bytearray(BUFFER_BYTES)
        _thread.view = memoryview(_thread.buffer)
    buffer: bytearray = _thread.buffer
    view: memoryview = _thread.view
    return buffer, view


def no_key_frame_error(what: str, session: RtspSession, bytes_received: int) -> StreamError:
    """The error of a stream that played and gave no key frame: silence or noise, by the counts."""
    reader, depacketizer = session.reader, session.depacketizer
    seen = f"{what}: {bytes_received} bytes, {reader.media_packets} video packets"
    if reader.garbage_bytes:
        return Unreadable(f"{seen}, {reader.garbage_bytes} bytes of garbage")
    if depacketizer is not None and depacketizer.undecodable:
        return Unreadable(f"{seen}; key frames without parameter sets, in SDP or in band")
    if depacketizer is not None and depacketizer.lost:
        seen += f"; {depacketizer.lost} key frames lost packets"
    elif depacketizer is not None and depacketizer.headless:
        seen += f"; {depacketizer.headless} fragments of key frames without a first fragment"
    return WentSilent(seen)


_AFTER_DESCRIBE: Final = {
    SessionStage.SETTING_UP: "on SETUP",
    SessionStage.STARTING: "on PLAY",
    SessionStage.PLAYING: "after PLAY, before the first packet",
}


class LoginDisconnected(Exception):
    """The server asked for a login and hung up instead of waiting for it; not an error."""


class UseOtherTransport(Exception):
    """The stream is available at another URL or over another transport; not an error."""

    def __init__(self, event: Redirected | UnsupportedStream) -> None:
        super().__init__(type(event).__name__)
        self.event = event


class RtspCapture:
    """Captures key frames over one connected socket; `run` is called once."""

    def __init__(
        self,
        *,
        sock: socket.socket,
        session: RtspSession,
        options: VisitOptions,
        now: Callable[[], datetime],
        deadline_s: float,
    ) -> None:
        self.sampler = FrameSampler(options.pictures, options.spacing_s, options.on_key_frame)
        self.bytes_received = 0
        self.described_at_s = 0.0  # loop time; 0 while it did not happen
        self.first_key_frame_at_s = 0.0
        self.sender_clock = SenderClock()
        self._sock = sock
        # By number: the selector would format a whole socket into errors that it then discards.
        self._fd = sock.fileno()
        self._writing = False
        self._batching = ReadBatching(sock)
        self._session = session
        self._options = options
        self._now = now
        self._deadline_s = deadline_s
        self._loop = asyncio.get_running_loop()
        self._buffer, self._view = shared_buffer()
        self._tail = b""  # read and not used yet
        self._done: asyncio.Future[None] = self._loop.create_future()
        self._teardown_done: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._stage = session.stage
        self._stage_at_s = self._media_at_s = self._loop.time()
        self._media_packets = 0
        self._kept_alive_at_s = 0.0

    async def run(self) -> None:
        """Capture until there are enough key frames, then TEARDOWN.

        Raises StreamError, UseOtherTransport, LoginDisconnected; sends TEARDOWN also then.
        """
        self._loop.add_reader(self._fd, self._readable)
        try:
            self._session.start()
            self._send()
            self._schedule_timer()
            await self._done
        finally:
            try:
                await self._leave()
            finally:
                self._close()

    # -- callbacks ----------------------------------------------------------------------------

    def _readable(self) -> None:
        tail = self._tail
        kept = len(tail)
        if kept:
            self._buffer[:kept] = tail
        try:
            count = self._sock.recv_into(self._view[kept:])
        except (BlockingIOError, InterruptedError):
            return
        except OSError as exc:
            self._on_disconnect(f"the connection broke ({exc.strerror})")
            return
        if not count:
            self._on_disconnect("the server hung up")
            return
        self.bytes_received += count
        end = kept + count
        try:
            used = self._session.feed(self._buffer, end)
        except StreamError as exc:
            self._fail(exc)
            return
        self._tail = bytes(self._view[used:end]) if used < end else b""
        self._after_feed()
        self._batch_reads(count)

    def _batch_reads(self, count: int) -> None:
        """Wake less often for what is passed over, while the stream plays."""
        depacketizer = self._session.depacketizer
        if self._stage is not SessionStage.PLAYING or depacketizer is None or self._done.done():
            self._batching.release()
            return
        self._batching.on_read(
            count,
            self._loop.time(),
            inside=depacketizer.busy,
            wanted=self._session.reader.listening,
        )
        if self._batching.release_at_s is not None:
            self._schedule_timer()

    def _after_feed(self) -> None:
        session = self._session
        if session.reader.media_packets != self._media_packets:
            self._media_packets = session.reader.media_packets
            self._media_at_s = self._loop.time()
        if session.events:
            events, session.events = session.events, []
            for event in events:
                self._on_event(event)
        if session.outgoing:
            self._send()
        if session.stage is not self._stage:
            self._on_stage_change()

    def _on_event(self, event: SessionEvent) -> None:
        if isinstance(event, KeyFrameReceived):
            self._keep_frame(event)
        elif isinstance(event, SenderClockReported):
            self.sender_clock.report(event.unix_s, self._now().timestamp())
        elif not self._done.done():
            self._done.set_exception(UseOtherTransport(event))

    def _keep_frame(self, event: KeyFrameReceived) -> None:
        track, now_s = self._session.track, self._loop.time()
        if track is None or self._done.done():
            return
        frame = KeyFrame(
            codec=Codec(track.codec),
            data=event.unit.data,
            taken_at=self._now(),
            media_time_s=event.media_time_s,
            sha256=event.unit.sha256,
        )
        if not self.sampler.accept(frame, now_s):
            return
        self.first_key_frame_at_s = self.first_key_frame_at_s or now_s
        if self.sampler.done:
            self._done.set_result(None)
        elif self._options.spacing_s:
            self._session.reader.listening = False  # until `spacing_s` is over
            self._schedule_timer()

    def _on_stage_change(self) -> None:
        self._stage = self._session.stage
        self._stage_at_s = self._media_at_s = self._kept_alive_at_s = self._loop.time()
        if self._stage is SessionStage.SETTING_UP:
            self.described_at_s = self._stage_at_s
            self._options.reach("described", self._session.server)
        elif (
            self._stage is SessionStage.LEFT
            and self._teardown_done is not None
            and not self._teardown_done.done()
        ):
            self._teardown_done.set_result(None)
        self._schedule_timer()

    # -- time ---------------------------------------------------------------------------------

    def _schedule_timer(self) -> None:
        """Set the timer to when something may be due next; too early does no harm."""
        due_s = self._next_due_s()
        if self._timer is not None:
            if self._timer.when() <= due_s:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(due_s, self._tick)

    def _next_due_s(self) -> float:
        options = self._options
        if self._stage is not SessionStage.PLAYING:
            return min(self._deadline_s, self._stage_at_s + options.answer_timeout_s)
        due_s = min(
            self._deadline_s,
            self._media_at_s + options.silence_timeout_s,
            self._kept_alive_at_s + self._keep_alive_every_s,
        )
        if self._batching.release_at_s is not None:
            due_s = min(due_s, self._batching.release_at_s)
        return due_s if self._session.reader.listening else min(due_s, self.sampler.next_wanted_s)

    @property
    def _keep_alive_every_s(self) -> float:
        known = self._session.methods_known
        return self._session.timeout_s * (
            KEEP_ALIVE_FRACTION if known else FIRST_KEEP_ALIVE_FRACTION
        )

    def _tick(self) -> None:
        now_s, self._timer = self._loop.time(), None
        if self._done.done():
            return
        if self._stage is not SessionStage.PLAYING:
            self._check_answer(now_s)
        else:
            self._check_playing(now_s)
        if not self._done.done():
            self._schedule_timer()

    def _check_answer(self, now_s: float) -> None:
        waited_s = now_s - self._stage_at_s
        if now_s < self._deadline_s and waited_s < self._options.answer_timeout_s:
            return
        asked = {SessionStage.DESCRIBING: "DESCRIBE", SessionStage.SETTING_UP: "SETUP"}.get(
            self._stage, "PLAY"
        )
        message = f"no answer to {asked} in {waited_s:.1f} s"
        self._fail(WentSilent(message) if self.bytes_received else Unreachable(message))

    def _check_playing(self, now_s: float) -> None:
        options, release_at_s = self._options, self._batching.release_at_s
        if release_at_s is not None and now_s >= release_at_s:
            self._batching.release()
        if now_s >= self._deadline_s:
            self._fail(self._no_key_frame(f"no key frame in {now_s - self._stage_at_s:.1f} s"))
            return
        if now_s >= self._media_at_s + options.silence_timeout_s:
            self._fail(self._no_key_frame(f"silent for {now_s - self._media_at_s:.1f} s"))
            return
        if now_s >= self.sampler.next_wanted_s:
            self._session.reader.listening = True
            self._batching.release()
        if now_s >= self._kept_alive_at_s + self._keep_alive_every_s:
            self._kept_alive_at_s = now_s
            self._session.keep_alive()
            self._send()

    # -- ends ---------------------------------------------------------------------------------

    def _no_key_frame(self, what: str) -> StreamError:
        return no_key_frame_error(what, self._session, self.bytes_received)

    def _on_disconnect(self, reason: str) -> None:
        self._loop.remove_reader(self._fd)
        if self._teardown_done is not None and not self._teardown_done.done():
            self._teardown_done.set_result(None)
        if not self.bytes_received:
            self._fail(Unreachable(f"{reason} without an answer"))
        elif self._session.awaits_login and not self.sampler.kept and not self._done.done():
            self._done.set_exception(LoginDisconnected())
        elif self._stage is SessionStage.PLAYING and self._session.reader.media_packets:
            depacketizer = self._session.depacketizer
            inside = " in the middle of a picture" if depacketizer and depacketizer.busy else ""
            self._fail(self._no_key_frame(reason + inside))
        elif self._stage in _AFTER_DESCRIBE:  # as recorders do that have no stream left
            self._fail(StreamBusy(f"{reason} {_AFTER_DESCRIBE[self._stage]}"))
        else:
            self._fail(WentSilent(f"{reason} while describing"))

    def _fail(self, error: StreamError) -> None:
        """End the visit; after at least one key frame that is no failure."""
        if self._done.done():
            return
        if self.sampler.kept:
            self._done.set_result(None)
        else:
            self._done.set_exception(error)

    # -- sending, leaving ---------------------------------------------------------------------

    def _send(self) -> None:
        outgoing = self._session.outgoing
        try:
            while outgoing:
                del outgoing[: self._sock.send(outgoing)]
        except (BlockingIOError, InterruptedError):
            self._loop.add_writer(self._fd, self._send)
            self._writing = True
            return
        except OSError:
            outgoing.clear()  # the next read reports what happened
        self._stop_writing()

    def _stop_writing(self) -> None:
        if self._writing:
            self._loop.remove_writer(self._fd)
            self._writing = False

    async def _leave(self) -> None:
        """Send TEARDOWN where a session is open, and wait for its answer."""
        self._teardown_done = self._loop.create_future()
        self._batching.release()
        self._session.leave()
        self._send()
        if self._session.stage is SessionStage.LEAVING and self._loop.remove_reader(self._fd):
            self._loop.add_reader(self._fd, self._readable)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TEARDOWN_TIMEOUT_S):
                    await self._teardown_done

    def _close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._loop.remove_reader(self._fd)
        self._stop_writing()
        self._sock.close()
