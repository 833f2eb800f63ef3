"""The sessions of a platform, and the dialogs that were left open: orphans. Pure.

A part of Gb28181Platform, which sends the requests. A session that is over is forgotten. Orphans
are of an earlier run of the program, or their peer answered no BYE: one is ended as soon as its
peer can be reached, and as soon as its late 200 comes.
"""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from streams.gb28181.invite_session import (
    Dialog,
    InviteSession,
    SessionEvent,
    SessionState,
    orphan_bye,
)
from streams.gb28181.sip_message import SipMessage
from streams.gb28181.transactions import FINAL, Flow, RequestOwner

if TYPE_CHECKING:
    from streams.gb28181.platform import Gb28181Platform

BYE_S: Final = 4.0


@dataclass(slots=True, eq=False)
class Sessions:
    """Sessions by Call-ID."""

    platform: "Gb28181Platform"
    open: dict[str, InviteSession] = field(default_factory=dict)
    orphans: dict[str, Dialog] = field(default_factory=dict)
    ended_orphans: list[str] = field(default_factory=list)  # Call-IDs, to be taken away
    _ending: dict[str, Flow] = field(default_factory=dict)  # where an orphan's BYE is under way

    def start(self, session: InviteSession, now_s: float) -> None:
        """Send the INVITE of a session that the journal knows."""
        config = self.platform.peers[session.dialog.peer].config
        self.open[session.dialog.call_id] = session
        owner = self._owner(session)
        flow = session.dialog.flow
        self.platform.send_request(session.invite, flow, now_s, config.answer_s, owner)

    def close(self, session: InviteSession, now_s: float) -> None:
        """End a session, wherever it stands."""
        session.hang_up(now_s)
        self._run(session, now_s)

    def tick(self, now_s: float) -> None:
        """Forget sessions that were given up long enough ago."""
        for session in list(self.open.values()):
            if session.state is SessionState.GIVEN_UP:
                session.tick(now_s)
                self._run(session, now_s)

    def on_bye(self, call_id: str, now_s: float) -> bool:
        """A peer ended a dialog; whether there was one."""
        session = self.open.get(call_id)
        if session is not None:
            session.on_bye()
            self._run(session, now_s)
        return session is not None or self._orphan_ended(call_id)

    def on_stray_response(self, response: SipMessage, flow: Flow, now_s: float) -> bool:
        """A repeated or late answer to INVITE; whether it belongs to one of ours."""
        if response.cseq[1] != "INVITE":
            return response.call_id in self.open
        session = self.open.get(response.call_id)
        if session is not None:
            session.on_response(response, flow)
            self._run(session, now_s)
            return True
        orphan = self.orphans.get(response.call_id)
        if orphan is None:
            return False
        if FINAL <= response.status < 300:  # noqa: PLR2004
            self._end_late(replace(orphan, to_tag=response.recipient.tag, flow=flow), now_s)
        return True

    def end_orphans(self, name: str, now_s: float) -> int:
        """Send BYE for the dialogs of a peer that an earlier run left open; how many."""
        mine = [dialog for dialog in self.orphans.values() if dialog.peer == name]
        for dialog in mine:
            self._end_orphan(dialog, now_s)
        return len(mine)

    def _owner(self, session: InviteSession) -> RequestOwner:
        def on_answer(response: SipMessage, flow: Flow, now_s: float) -> None:
            session.on_response(response, flow)
            self._run(session, now_s)

        def on_timeout(request: SipMessage, now_s: float) -> None:
            session.on_timeout(request, now_s)
            self._run(session, now_s)

        return RequestOwner(on_answer, on_timeout)

    def _run(self, session: InviteSession, now_s: float) -> None:
        """Send what a session wants to send; forget it when it is over."""
        outgoing, session.outgoing = session.outgoing, []
        for message in outgoing:
            if message.method == "ACK":
                self._send_ack(message, session.dialog.flow)
            else:
                owner, flow = self._owner(session), self._flow_for(session)
                self.platform.send_request(message, flow, now_s, BYE_S, owner)
        if session.is_over:
            self.open.pop(session.dialog.call_id, None)
            if SessionEvent.ABANDONED in session.events:  # the peer may come back, and still send
                self.orphans[session.dialog.call_id] = session.dialog

    def _flow_for(self, session: InviteSession) -> Flow:
        """Where its request goes: by the dialog's way, and in vain there, by the peer's newest."""
        peer = self.platform.peers.get(session.dialog.peer)
        if session.bye_tries > 1 and peer is not None and peer.flow is not None:
            return peer.flow
        return session.dialog.flow

    def _send_ack(self, message: SipMessage, flow: Flow) -> None:
        self.platform.outbox.append((flow, self.platform.build.with_via(message, flow).dump()))

    def _end_late(self, orphan: Dialog, now_s: float) -> None:
        """Acknowledge and end a dialog whose 200 came after the program had started again."""
        self.orphans[orphan.call_id] = orphan
        identity = self.platform.identity
        bye = orphan_bye(orphan, identity.id, identity.domain)
        headers = tuple((n, f"{orphan.cseq} ACK" if n == "cseq" else v) for n, v in bye.headers)
        self._send_ack(SipMessage(method="ACK", uri=bye.uri, headers=headers), orphan.flow)
        self._end_orphan(orphan, now_s)

    def _end_orphan(self, dialog: Dialog, now_s: float) -> None:
        platform, peer = self.platform, self.platform.peers.get(dialog.peer)
        flow = peer.flow if peer is not None and peer.flow is not None else dialog.flow
        under_way = self._ending.get(dialog.call_id)
        if under_way is not None and under_way.same_end(flow):
            return
        self._ending[dialog.call_id] = flow

        def on_answer(response: SipMessage, _flow: Flow, _now_s: float) -> None:
            if response.status >= FINAL:
                self._ending.pop(dialog.call_id, None)
                self._orphan_ended(dialog.call_id)

        def on_timeout(_request: SipMessage, _now_s: float) -> None:
            self._ending.pop(dialog.call_id, None)
            platform.refuse("the BYE of an orphan was not answered", dialog.peer)

        bye = orphan_bye(dialog, platform.identity.id, platform.identity.domain)
        platform.send_request(bye, flow, now_s, BYE_S, RequestOwner(on_answer, on_timeout))

    def _orphan_ended(self, call_id: str) -> bool:
        if self.orphans.pop(call_id, None) is None:
            return False
        self.ended_orphans.append(call_id)
        return True
