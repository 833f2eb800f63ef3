"""One live view: INVITE, ACK, BYE (RFC 3261 §13, §15; GB/T 28181 §9.2) as a state machine. Pure.

It must end politely whatever happens: a 200 that comes after we gave up is acknowledged and ended,
a repeated one acknowledged again, a BYE that crosses ours answered. Who keeps the session tells the
journal by `JournalEntry`, so that a program that starts again can end what it finds open.
"""

from dataclasses import dataclass, field, replace
from enum import StrEnum, auto
from typing import Final

from streams.address import host_text
from streams.gb28181.sdp import SdpAnswer, read_answer
from streams.gb28181.sip_message import SipMessage
from streams.gb28181.transactions import FINAL, Flow

LATE_S: Final = 32.0  # how long after giving up an answer may still come
BYE_S: Final = 4.0  # for the answer to one BYE
BYE_TRIES: Final = 3
REDIRECTION: Final = 300


class SessionState(StrEnum):
    """Where a session stands."""

    CALLING = auto()  # INVITE sent
    PROCEEDING = auto()  # a provisional answer came
    ESTABLISHED = auto()  # 200 came, ACK sent
    GIVEN_UP = auto()  # we wait for no answer; one may still come
    ENDING = auto()  # BYE sent
    ENDED = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialog:
    """What names a dialog and is needed to end it."""

    peer: str  # its name
    channel: str
    call_id: str
    from_tag: str
    to_tag: str = ""
    cseq: int = 1  # of the last request of ours
    flow: Flow


class SessionEvent(StrEnum):
    """What a session tells the one who opened it."""

    ANSWERED = auto()  # `answer` is there
    REFUSED = auto()  # `status` and `reason` are there
    UNANSWERED = auto()  # nothing, or nothing final, in time
    HUNG_UP = auto()  # the peer ended it
    CLOSED = auto()  # it is over, and the peer knows
    ABANDONED = auto()  # it is over for us; the peer did not answer our BYE


@dataclass(slots=True, eq=False)
class InviteSession:
    """One session; what it wants to send stands in `outgoing`, what happened in `events`."""

    dialog: Dialog
    invite: SipMessage
    state: SessionState = SessionState.CALLING
    answer: SdpAnswer | None = None
    status: int = 0
    reason: str = ""
    source: str = ""  # our y=, given back at the end
    events: list[SessionEvent] = field(default_factory=list)
    outgoing: list[SipMessage] = field(default_factory=list)
    bye_tries: int = 0
    over_at_s: float | None = None  # when a session that was given up is forgotten

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do."""
        return self.state is SessionState.ENDED

    # -- what comes -----------------------------------------------------------------------------

    def on_response(self, response: SipMessage, flow: Flow) -> None:
        """Take an answer to INVITE, CANCEL or BYE."""
        method = response.cseq[1]
        if method == "INVITE":
            self._on_invite_answer(response, flow)
        elif method == "BYE" and self.state is SessionState.ENDING and response.status >= FINAL:
            self._end(SessionEvent.CLOSED)  # also 481: it knows nothing of it any more

    def on_bye(self) -> None:
        """The peer ended it; the caller answers 200."""
        if self.state is SessionState.ENDED:
            return
        ours = self.state in {SessionState.ENDING, SessionState.GIVEN_UP}
        self._end(SessionEvent.CLOSED if ours else SessionEvent.HUNG_UP)

    def on_timeout(self, request: SipMessage, now_s: float) -> None:
        """A request of ours got no final answer in time."""
        if request.method == "INVITE":
            if self.state in {SessionState.CALLING, SessionState.PROCEEDING}:
                self.events.append(SessionEvent.UNANSWERED)
                self._give_up(now_s)
        elif request.method == "BYE" and self.state is SessionState.ENDING:
            if self.bye_tries < BYE_TRIES:
                self._send_bye()
            else:
                self._end(SessionEvent.ABANDONED)

    def hang_up(self, now_s: float) -> None:
        """End it, wherever it stands."""
        if self.state is SessionState.ESTABLISHED:
            self._send_bye()
        elif self.state in {SessionState.CALLING, SessionState.PROCEEDING}:
            self._give_up(now_s)

    def tick(self, now_s: float) -> None:
        """Forget a session that was given up long enough ago."""
        if self.over_at_s is not None and now_s >= self.over_at_s:
            self._end(SessionEvent.CLOSED)

    # -- what follows ---------------------------------------------------------------------------

    def _on_invite_answer(self, response: SipMessage, flow: Flow) -> None:
        if response.status < FINAL:
            if self.state is SessionState.CALLING:
                self.state = SessionState.PROCEEDING
            elif self.state is SessionState.GIVEN_UP and self.bye_tries == 0:
                self._send_cancel()  # only now it may be cancelled (RFC 3261 §9.1)
        elif response.status < REDIRECTION:
            self._on_success(response, flow)
        else:
            self._on_refusal(response)

    def _on_success(self, response: SipMessage, flow: Flow) -> None:
        tag = response.recipient.tag
        first = self.state in {SessionState.CALLING, SessionState.PROCEEDING}
        if first or not self.dialog.to_tag:
            # Requests within it go to where the 200 came from: its Contact may be private.
            self.dialog = replace(self.dialog, to_tag=tag, flow=flow)
        self.outgoing.append(self._ack())
        if first:
            self.state = SessionState.ESTABLISHED
            self.answer = read_answer(response.body)
            self.events.append(SessionEvent.ANSWERED)
        elif self.state is SessionState.GIVEN_UP:
            self._send_bye()

    def _on_refusal(self, response: SipMessage) -> None:
        """The transaction's own ACK: same branch, same number (§17.1.1.3)."""
        to = response.get("to") or self.invite.get("to")
        headers = tuple((n, to if n == "to" else v) for n, v in _routing(self.invite, "ACK"))
        self.outgoing.append(SipMessage(method="ACK", uri=self.invite.uri, headers=headers))
        if self.state in {SessionState.CALLING, SessionState.PROCEEDING}:
            self.status, self.reason = response.status, response.reason
            self._end(SessionEvent.REFUSED)
        elif self.state is SessionState.GIVEN_UP:
            self._end(SessionEvent.CLOSED)

    def _give_up(self, now_s: float) -> None:
        proceeding = self.state is SessionState.PROCEEDING
        self.state, self.over_at_s = SessionState.GIVEN_UP, now_s + LATE_S
        if proceeding:
            self._send_cancel()

    def _send_cancel(self) -> None:
        headers = _routing(self.invite, "CANCEL")
        self.outgoing.append(SipMessage(method="CANCEL", uri=self.invite.uri, headers=headers))

    def _send_bye(self) -> None:
        self.bye_tries += 1
        self.over_at_s = None
        self.state = SessionState.ENDING
        self.dialog = replace(self.dialog, cseq=self.dialog.cseq + 1)
        self.outgoing.append(self._in_dialog("BYE", self.dialog.cseq))

    def _ack(self) -> SipMessage:
        return self._in_dialog("ACK", self.invite.cseq[0])

    def _in_dialog(self, method: str, number: int) -> SipMessage:
        """A request within the dialog; its Via gets a branch of its own when it is sent."""
        to = self.invite.get("to")
        tag = self.dialog.to_tag
        headers = tuple(
            (name, f"{to};tag={tag}" if name == "to" and tag else value)
            for name, value in _routing(self.invite, method, number)
            if name != "via"
        )
        return SipMessage(method=method, uri=self.invite.uri, headers=headers)

    def _end(self, event: SessionEvent) -> None:
        self.state, self.over_at_s = SessionState.ENDED, None
        self.events.append(event)


def _routing(
    invite: SipMessage, method: str, number: int | None = None
) -> tuple[tuple[str, str], ...]:
    """The headers that requests around an INVITE share with it."""
    kept = {"via", "from", "to", "call-id", "max-forwards", "user-agent"}
    cseq = f"{invite.cseq[0] if number is None else number} {method}"
    return (*((n, v) for n, v in invite.headers if n in kept), ("cseq", cseq))


def orphan_bye(dialog: Dialog, our_id: str, domain: str) -> SipMessage:
    """The BYE of a dialog that an earlier run of the program left open."""
    tag = f";tag={dialog.to_tag}" if dialog.to_tag else ""
    host = f"{host_text(dialog.flow.host)}:{dialog.flow.port}"
    return SipMessage(
        method="BYE",
        uri=f"sip:{dialog.channel}@{host}",
        headers=(
            ("from", f"<sip:{our_id}@{domain}>;tag={dialog.from_tag}"),
            ("to", f"<sip:{dialog.channel}@{host}>{tag}"),
            ("call-id", dialog.call_id),
            ("cseq", f"{dialog.cseq + 1} BYE"),
            ("max-forwards", "70"),
        ),
    )
