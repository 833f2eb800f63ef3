"""One RTSP conversation: DESCRIBE, SETUP of the video track alone, PLAY, keep-alive, TEARDOWN.

Pure: bytes in (`feed`), events and bytes out (`events`, `outgoing`); it opens nothing and reads no
clock (rtsp_client.py does). What it learned of the stream stands in its attributes. It raises
StreamError and nothing else.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from typing_extensions import override

from streams.errors import LOGIN_REFUSED, RefusedUs, StreamBusy, StreamError, Unreadable, WentSilent
from streams.model import Codec
from streams.rtsp import h264, h265
from streams.rtsp.control_url import base_urls, control_url_candidates
from streams.rtsp.depacketizer import CodecFormat, KeyAccessUnit, KeyFrameDepacketizer
from streams.rtsp.digest_auth import DigestAuthenticator
from streams.rtsp.interleaved import InterleavedReader, InterleavedReceiver
from streams.rtsp.message import (
    DEFAULT_TIMEOUT_S,
    RtspHeaders,
    RtspMessage,
    RtspResponse,
    ServerRequest,
    printable,
    read_granted,
    write_answer,
    write_request,
)
from streams.rtsp.rtp import RtpTimeline, read_rtp, read_sender_report
from streams.rtsp.sdp import SessionDescription, VideoTrack, read_description


@dataclass(frozen=True, slots=True)
class KeyFrameReceived:
    """A whole key picture."""

    unit: KeyAccessUnit
    media_time_s: float  # since the first key picture of the session


@dataclass(frozen=True, slots=True)
class SenderClockReported:
    """The sender's wall clock as of an RTCP sender report."""

    unix_s: float


@dataclass(frozen=True, slots=True)
class Redirected:
    """The server names another URL for the stream."""

    uri: str


@dataclass(frozen=True, slots=True)
class UnsupportedStream:
    """A stream that libav can play and this session cannot."""

    reason: str
    over_udp: bool  # the server refuses TCP


SessionEvent = KeyFrameReceived | SenderClockReported | Redirected | UnsupportedStream


USER_AGENT: Final = "patrol-streams"
MAX_PLAY_URLS: Final = 3  # of the whole presentation
MAX_MESSAGES: Final = 500  # of one visit; a server that sends more floods us
_RTCP_TYPES: Final = range(64, 96)
_UNAUTHORIZED: Final = 401
_SESSION_NOT_FOUND: Final = 454
_UNSUPPORTED_TRANSPORT: Final = 461
# The URL was not the one that the server knows the track or the presentation by. A 401 to a signed
# request is among them, once an earlier one was let in: such servers hash the URL that they expect.
_WRONG_URL: Final = frozenset({400, 401, 403, 404, 451, 454, 455, 459, 460})
# What recorders answer that serve no more streams at once.
_BUSY: Final = frozenset({453, 500, 503})
_REDIRECTS: Final = frozenset({301, 302, 303, 305, 307, 308})
_LOGIN_METHODS: Final = frozenset({"DESCRIBE", "SETUP", "PLAY"})
_ANSWERED_OK: Final = frozenset({"OPTIONS", "GET_PARAMETER", "SET_PARAMETER", "ANNOUNCE"})


class SessionStage(Enum):
    """The state of the conversation: which answer is awaited, or that media comes."""

    DESCRIBING = auto()
    SETTING_UP = auto()
    STARTING = auto()
    PLAYING = auto()
    LEAVING = auto()
    LEFT = auto()


@dataclass(frozen=True, slots=True)
class _Pending:
    method: str
    uri: str
    cseq: int
    after_challenge: bool  # the same was answered with a 401 before


class RtspSession(InterleavedReceiver):
    """The protocol of one RTSP visit: `feed` it bytes, send `outgoing`, act on `events`."""

    def __init__(
        self, uri: str, authenticator: DigestAuthenticator, max_key_frame_bytes: int
    ) -> None:
        self.stage = SessionStage.DESCRIBING
        self.events: list[SessionEvent] = []
        self.outgoing = bytearray()
        self.reader = InterleavedReader(self)
        self.server = ""
        self.timeout_s = DEFAULT_TIMEOUT_S
        self.track: VideoTrack | None = None
        self.depacketizer: KeyFrameDepacketizer | None = None
        self._uri = uri
        self._authenticator = authenticator
        self._max_key_frame_bytes = max_key_frame_bytes
        self._timeline = RtpTimeline(90_000)
        self._payload_type_came = False  # the one that the description names
        self._pending: deque[_Pending] = deque()
        self._cseq = 0
        self._session = ""
        self._messages = 0  # received
        self._let_in = False  # a signed request was answered with something else than 401
        self._public: frozenset[str] | None = None  # methods, once the server listed them
        self._refused_methods: set[str] = set()  # of keep-alives
        self._refusal: RtspResponse | None = None  # of the likeliest URL of SETUP
        self._bases: list[str] = []
        self._track_uris: Iterator[str] = iter(())
        self._play_uris: deque[str] = deque()
        self._aggregate_uri = uri
        self._handlers: dict[str, Callable[[_Pending, RtspResponse], None]] = {
            "DESCRIBE": self._described,
            "SETUP": self._set_up,
            "PLAY": self._started,
            "OPTIONS": self._kept_alive,
            "GET_PARAMETER": self._kept_alive,
            "SET_PARAMETER": self._kept_alive,
            "TEARDOWN": self._left,
        }

    def start(self) -> None:
        """Request the description (DESCRIBE)."""
        self._ask("DESCRIBE", self._uri)

    def feed(self, data: bytes | bytearray, end: int) -> int:
        """Read data[0:end]; how many bytes were used. The rest is to come again in front."""
        return self.reader.feed(data, end)

    def keep_alive(self) -> None:
        """Send the request that keeps the server's session from timing out.

        By the methods that the server lists: some count GET_PARAMETER alone, some hang up on it.
        """
        self._ask(self._keep_alive_methods()[0], self._aggregate_uri)

    def _keep_alive_methods(self) -> list[str]:
        """The best first; those that were refused last."""
        usual = ("GET_PARAMETER", "SET_PARAMETER", "OPTIONS")
        known = [method for method in usual if self._public and method in self._public]
        return sorted(known or ["OPTIONS", "GET_PARAMETER"], key=self._refused_methods.__contains__)

    @property
    def methods_known(self) -> bool:
        """Whether the server listed its methods, or was asked for them in vain."""
        return self._public is not None

    @property
    def awaits_login(self) -> bool:
        """Whether a request that was answered 401 was sent again and has no answer yet."""
        return bool(self._pending) and self._pending[-1].after_challenge

    def leave(self) -> None:
        """End the conversation; with TEARDOWN where the server opened a session."""
        if self.stage in {SessionStage.LEAVING, SessionStage.LEFT}:
            return
        self.reader.listening = False
        if self.stage in {SessionStage.STARTING, SessionStage.PLAYING}:
            self.stage = SessionStage.LEAVING
            self._ask("TEARDOWN", self._aggregate_uri)
        else:
            self.stage = SessionStage.LEFT

    # -- received from the server -------------------------------------------------------------

    @override
    def media(self, packet: bytes) -> bool:
        rtp, depacketizer, track = read_rtp(packet), self.depacketizer, self.track
        if depacketizer is None or track is None:
            return False
        if rtp is not None and self._is_video(rtp.payload_type, track):
            unit = depacketizer.push(rtp)
            if unit is not None:
                self.events.append(KeyFrameReceived(unit, self._timeline.seconds(unit.timestamp)))
        return depacketizer.busy

    def _is_video(self, payload_type: int, track: VideoTrack) -> bool:
        """Whether a packet on the video channel is video.

        Some cameras number their payload otherwise than they describe it: any number is right
        until the described one comes, but those that tell RTCP from RTP (RFC 5761 §4).
        """
        if payload_type == track.payload_type:
            self._payload_type_came = True
            return True
        return not self._payload_type_came and payload_type not in _RTCP_TYPES

    @override
    def control(self, packet: bytes) -> None:
        report = read_sender_report(packet)
        if report is not None:
            self.events.append(SenderClockReported(report.unix_s))

    @override
    def message(self, message: RtspMessage) -> None:
        self._messages += 1
        if self._messages > MAX_MESSAGES:
            raise Unreadable(f"a flood of more than {MAX_MESSAGES} RTSP messages")
        if isinstance(message, ServerRequest):
            self._asked(message)
            return
        if message.status < 200:  # noqa: PLR2004  100 Continue: the answer is still to come
            return
        pending = self._pending_of(message)
        if pending is not None:
            self._answered(pending, message)

    # -- requests of theirs, answers to ours --------------------------------------------------

    def _asked(self, request: ServerRequest) -> None:
        known = request.method in _ANSWERED_OK or request.method in {"TEARDOWN", "REDIRECT"}
        status, reason = (200, "OK") if known else (501, "Not Implemented")
        self.outgoing += write_answer(request, status, reason)
        if request.method == "REDIRECT":
            self.events.append(Redirected(request.headers.get("location")))
        elif request.method == "TEARDOWN" and self.stage is not SessionStage.LEAVING:
            raise WentSilent("the server ended the session")

    def _pending_of(self, answer: RtspResponse) -> _Pending | None:
        """The request that this answers; servers that leave CSeq out answer in order."""
        cseq = answer.cseq
        if cseq is not None and any(p.cseq == cseq for p in self._pending):
            while self._pending[0].cseq != cseq:
                self._pending.popleft()
        elif cseq is not None and cseq < self._cseq - len(self._pending) + 1:
            return None  # a late answer to something that was answered already
        return self._pending.popleft() if self._pending else None

    def _answered(self, pending: _Pending, answer: RtspResponse) -> None:
        self._learn(answer.headers)
        if answer.status == _UNAUTHORIZED:
            challenges = answer.headers.all("www-authenticate")
            if self._authenticator.accept_challenges(challenges):
                self._ask(pending.method, pending.uri, after_challenge=True)
                return
            if pending.method in _LOGIN_METHODS and not self._let_in:
                why = self._authenticator.refusal_text()
                raise RefusedUs(f"{answer.status_line}: {why}", reason=LOGIN_REFUSED)
            self._authenticator.renew_nonce(challenges)
        else:
            self._let_in = self._let_in or self._authenticator.answered
            self._authenticator.confirm()
        self._handlers[pending.method](pending, answer)

    def _learn(self, headers: RtspHeaders) -> None:
        self.server = self.server or printable(headers.get("server"))
        public = headers.get("public")
        if public:
            self._public = frozenset(method.strip().upper() for method in public.split(","))
        self._authenticator.renew(headers.get("authentication-info"))

    def _described(self, _: _Pending, answer: RtspResponse) -> None:
        if answer.status in _REDIRECTS:
            self.events.append(Redirected(answer.headers.get("location")))
            return
        _refuse_unless_ok("DESCRIBE", answer)
        description = read_description(answer.body)
        track = description.video
        if track.codec not in CODEC_FORMATS:
            self.events.append(
                UnsupportedStream(f"{printable(track.encoding, 20)} over RTP", over_udp=False)
            )
            return
        self._bases = base_urls(answer.headers, description.control, self._uri)
        self._prepare(description)
        self._set_up_next(answer)

    def _prepare(self, description: SessionDescription) -> None:
        track = self.track = description.video
        self._track_uris = control_url_candidates(track.control, self._bases, self._uri)
        self._play_uris = deque(
            control_url_candidates(description.control, self._bases, self._uri, MAX_PLAY_URLS)
        )
        self._timeline = RtpTimeline(track.clock_rate_hz)
        depacketizer = KeyFrameDepacketizer(_format_of(track), self._max_key_frame_bytes)
        depacketizer.add_parameter_sets(track.parameter_sets)
        self.depacketizer = depacketizer

    def _set_up_next(self, answer: RtspResponse) -> None:
        """SETUP with the next URL that the control attribute may mean."""
        uri = next(self._track_uris, None)
        if uri is None:
            raise _refusal("SETUP", self._refusal or answer)
        self.stage = SessionStage.SETTING_UP
        self._ask("SETUP", uri)

    def _set_up(self, pending: _Pending, answer: RtspResponse) -> None:
        if answer.status in _WRONG_URL:
            self._refusal = self._refusal or answer
            self._set_up_next(answer)
            return
        if answer.status == _UNSUPPORTED_TRANSPORT:
            self.events.append(
                UnsupportedStream("RTP over TCP refused: " + answer.status_line, over_udp=True)
            )
            return
        _refuse_unless_ok("SETUP", answer)
        granted = read_granted(answer.headers)
        self._session, self.timeout_s = granted.session, granted.timeout_s
        # The presentation is known by the URL that its track was known by.
        first, *others = sorted(
            self._play_uris, key=lambda uri: not pending.uri.startswith(uri.rstrip("/"))
        )
        self._play_uris = deque(dict.fromkeys([first, pending.uri, *others]))
        self._aggregate_uri = first
        self.stage = SessionStage.STARTING
        if not granted.over_tcp:
            self.events.append(
                UnsupportedStream("RTP over UDP granted where TCP was asked", over_udp=True)
            )
            return
        if self.depacketizer is not None:
            channels = granted.media_channel, granted.control_channel
            payload_type = None if self.track is None else self.track.payload_type
            self.reader.expect(*channels, self.depacketizer.format, payload_type)
        self._ask("PLAY", self._play_uris.popleft())

    def _started(self, pending: _Pending, answer: RtspResponse) -> None:
        if answer.status in _WRONG_URL and self._play_uris:
            self._ask("PLAY", self._play_uris.popleft())
            return
        _refuse_unless_ok("PLAY", answer)
        self._aggregate_uri = pending.uri
        self.stage = SessionStage.PLAYING

    def _kept_alive(self, pending: _Pending, answer: RtspResponse) -> None:
        if answer.status == _SESSION_NOT_FOUND:
            raise WentSilent(f"the server forgot our session: {answer.status_line}")
        if not answer.is_ok:
            self._refused_methods.add(pending.method)
            if self._keep_alive_methods()[0] not in self._refused_methods:
                self.keep_alive()  # at once: the session may time out before the next is due
        self._public = self._public or frozenset()

    def _left(self, _: _Pending, __: RtspResponse) -> None:
        self.stage = SessionStage.LEFT

    def _ask(self, method: str, uri: str, *, after_challenge: bool = False) -> None:
        self._cseq += 1
        headers = [("User-Agent", USER_AGENT), *_EXTRA_HEADERS.get(method, ())]
        if self._session:
            headers.append(("Session", self._session))
        authorization = self._authenticator.authorization(method, uri)
        if authorization is not None:
            headers.append(("Authorization", authorization))
        self._pending.append(_Pending(method, uri, self._cseq, after_challenge))
        self.outgoing += write_request(method, uri, self._cseq, headers)


CODEC_FORMATS: Final = {Codec.H264: h264.FORMAT, Codec.H265: h265.FORMAT}
_EXTRA_HEADERS: Final = {
    "DESCRIBE": (("Accept", "application/sdp"),),
    "SETUP": (("Transport", "RTP/AVP/TCP;unicast;interleaved=0-1"),),
    "PLAY": (("Range", "npt=0.000-"),),
}


def _format_of(track: VideoTrack) -> CodecFormat:
    if track.codec is Codec.H265 and track.uses_don:
        return h265.FORMAT_WITH_DON
    return CODEC_FORMATS[track.codec]


_PERMANENT_STATUSES = frozenset(
    {501, 505, 551}
)  # not implemented, version, option: the same tomorrow


def _refuse_unless_ok(method: str, answer: RtspResponse) -> None:
    if not answer.is_ok:
        raise _refusal(method, answer)


def _refusal(method: str, answer: RtspResponse) -> StreamError:
    """The error of an answer that is no success: a busy server, one in trouble, a plain no."""
    seen = f"{method} refused: {answer.status_line}"
    if answer.status in _BUSY:
        return StreamBusy(seen, status=answer.status, retry_after_s=answer.headers.retry_after_s)
    if 500 <= answer.status < 600 and answer.status not in _PERMANENT_STATUSES:  # noqa: PLR2004
        return WentSilent(seen)
    return RefusedUs(seen)
