"""What all connections of the farm share: cameras by id, sessions, time-outs, UDP ports."""

import secrets
from asyncio import DatagramTransport, Transport
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from simulators.faults import CameraFault
from simulators.rtsp_farm.camera import FarmCamera, FarmTimeline
from simulators.rtsp_farm.playback import Playback, TimerQueue

SWEEP_S: Final = 1.0


@dataclass(slots=True, eq=False)
class FarmSession:
    """An RTSP session: tracks that were set up, perhaps playing."""

    id: str
    owner: Transport
    playback: Playback
    last_active_s: float  # when the client last gave a sign of life
    udp_peers: set[tuple[str, int]] = field(default_factory=set)
    playing: bool = False

    @property
    def camera(self) -> FarmCamera:
        """The camera that it plays."""
        return self.playback.camera

    @property
    def over_udp(self) -> bool:
        """Whether it uses UDP; such a session outlives its connection."""
        return bool(self.udp_peers)


@dataclass(frozen=True, slots=True)
class StreamLimit:
    """A recorder's limit: so many streams play at once, the next PLAY gets `status`.

    `status` 0: it hangs up instead. Written as `6`, `6:500` or `6:0`.
    """

    streams: int
    status: int = 453

    @classmethod
    def parse(cls, text: str) -> "StreamLimit":
        """Read the written form. Raises ValueError."""
        streams, _, status = text.partition(":")
        limit = cls(int(streams), int(status or 453))
        if limit.streams < 1 or limit.status not in {0, 453, 500, 503}:
            raise ValueError(f"{text!r} is no stream limit, write STREAMS or STREAMS:STATUS")
        return limit


@dataclass(slots=True)
class ServerCounts:
    """Counters since the start, as `stats` on the control channel gives them."""

    connections: int = 0  # ever
    described: int = 0
    played: int = 0
    turned_away: int = 0  # for want of a stream
    torn_down: int = 0
    timed_out: int = 0


@dataclass(slots=True)
class ServerState:
    """State of one farm, from its start to its end."""

    cameras: Mapping[str, FarmCamera]  # by id
    timeline: FarmTimeline
    timer_queue: TimerQueue
    seed: int
    timeout_s: int
    stream_limit: StreamLimit | None = None
    rtp: DatagramTransport | None = None
    rtcp: DatagramTransport | None = None
    udp_port: int = 0
    counts: ServerCounts = field(default_factory=ServerCounts)
    sessions: dict[str, FarmSession] = field(default_factory=dict)
    connected: set[Transport] = field(default_factory=set)
    _peers: dict[tuple[str, int], FarmSession] = field(default_factory=dict)

    def open(self, camera: FarmCamera, owner: Transport, now_s: float, *, sub: bool) -> FarmSession:
        """Open a session without tracks."""
        noise = np.random.default_rng([self.seed, camera.number, camera.pulls])
        playback = Playback(camera, sub, self.timeline, noise)
        session = FarmSession(secrets.token_hex(4).upper(), owner, playback, now_s)
        self.sessions[session.id] = session
        return session

    def register_udp_peer(self, session: FarmSession, peer: tuple[str, int]) -> None:
        """Receiver reports from this address keep the session alive."""
        session.udp_peers.add(peer)
        self._peers[peer] = session

    def note_datagram(self, peer: tuple[str, int], now_s: float) -> None:
        """Keep the session of this UDP peer alive."""
        session = self._peers.get(peer)
        if session is not None:
            session.last_active_s = now_s

    @property
    def is_full(self) -> bool:
        """Whether as many streams play as this recorder serves at once."""
        limit = self.stream_limit
        return limit is not None and sum(s.playing for s in self.sessions.values()) >= limit.streams

    def play(self, session: FarmSession) -> bool:
        """Start sending; False when the camera has a viewer and admits no second."""
        if session.playing:
            return True
        if session.camera.fault is CameraFault.CLOSES_SECOND_SESSION and session.camera.viewers:
            return False
        session.playing = True
        session.camera.viewers += 1
        session.playback.played = 0
        self.counts.played += 1
        self.timer_queue.add(session.playback)
        return True

    def pause(self, session: FarmSession) -> None:
        """Stop sending; the session stays."""
        if session.playing:
            session.playing = False
            session.camera.viewers -= 1
            self.timer_queue.remove(session.playback)

    def close(self, session: FarmSession) -> None:
        """End the session and drop its peers."""
        self.pause(session)
        self.sessions.pop(session.id, None)
        for peer in session.udp_peers:
            self._peers.pop(peer, None)

    def close_silent_sessions(self, now_s: float) -> None:
        """End the sessions whose clients went silent."""
        for session in tuple(self.sessions.values()):
            if now_s - session.last_active_s > self.timeout_s:
                self.counts.timed_out += 1
                self.close(session)
                if not session.over_udp:
                    session.owner.close()
