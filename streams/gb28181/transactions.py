"""SIP transactions (RFC 3261 §17): requests repeated until answered, answers repeated as asked.

Pure: time comes in, bytes to send come out. Over TCP nothing is repeated. Both sides are bounded.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from streams.gb28181.sip_message import SipMessage

T1_S: Final = 0.5
T2_S: Final = 4.0
KEPT_S: Final = 32.0  # 64 × T1: how long a repetition may come
MAX_KEPT_ANSWERS: Final = 20_000
FINAL: Final = 200


@dataclass(frozen=True, slots=True)
class Flow:
    """Where messages come from and go to."""

    transport: str  # udp or tcp
    host: str
    port: int
    local: str = ""  # our address that they came to
    connection: int = 0  # of TCP, a number of the endpoint's

    @property
    def over_udp(self) -> bool:
        """Whether messages may be lost."""
        return self.transport == "udp"

    def same_end(self, other: "Flow") -> bool:
        """Whether the other end is the same, whichever address of ours it came to."""
        ends = ((f.transport, f.host, f.port, f.connection) for f in (self, other))
        return len(set(ends)) == 1


@dataclass(frozen=True, slots=True)
class RequestOwner:
    """Who sent a request, as two callbacks: with an answer and its flow, or without one."""

    on_answer: Callable[[SipMessage, Flow, float], None]
    on_timeout: Callable[[SipMessage, float], None]


@dataclass(slots=True, eq=False)
class ClientTransaction:
    """A request of ours that waits for its final answer."""

    request: SipMessage
    flow: Flow
    deadline_s: float
    data: bytes = field(repr=False)
    due_s: float = 0.0  # of the next repetition
    interval_s: float = T1_S
    provisional: bool = False

    @property
    def key(self) -> tuple[str, str]:
        """Branch and method, by which an answer is matched (§17.1.3)."""
        return self.request.branch, self.request.method


@dataclass(slots=True)
class ClientTransactions:
    """Requests of ours under way."""

    _open: dict[tuple[str, str], ClientTransaction] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._open)

    def start(
        self, request: SipMessage, flow: Flow, now_s: float, timeout_s: float
    ) -> ClientTransaction:
        """Begin one; the caller sends its `data` now."""
        started = ClientTransaction(
            request=request,
            flow=flow,
            deadline_s=now_s + timeout_s,
            data=request.dump(),
            due_s=now_s + T1_S,
        )
        self._open[started.key] = started
        return started

    def answered(self, response: SipMessage) -> ClientTransaction | None:
        """The transaction that a response belongs to; a final one ends it."""
        key = response.branch, response.cseq[1]
        found = self._open.get(key)
        if found is None:
            return None
        if response.status >= FINAL:
            del self._open[key]
        else:
            found.provisional = True
        return found

    def drop(self, transaction: ClientTransaction) -> None:
        """Forget one."""
        self._open.pop(transaction.key, None)

    def move(self, old: Flow, new: Flow, now_s: float) -> list[ClientTransaction]:
        """A peer is elsewhere now: what waits for its first answer goes there; to be sent."""
        moved = [t for t in self._open.values() if t.flow.same_end(old) and not t.provisional]
        for transaction in moved:
            transaction.flow, transaction.interval_s = new, T1_S
            transaction.due_s = now_s + T1_S
        return moved

    def due(self, now_s: float) -> tuple[list[ClientTransaction], list[ClientTransaction]]:
        """Those to be sent once more, and those that got no answer in time (which are over)."""
        repeated, timed_out = [], []
        for transaction in list(self._open.values()):
            if now_s >= transaction.deadline_s:
                del self._open[transaction.key]
                timed_out.append(transaction)
            elif self._is_repeated(transaction, now_s):
                repeated.append(transaction)
        return repeated, timed_out

    def _is_repeated(self, transaction: ClientTransaction, now_s: float) -> bool:
        is_invite = transaction.request.method == "INVITE"
        quiet = not transaction.flow.over_udp or (transaction.provisional and is_invite)
        if quiet or now_s < transaction.due_s:
            return False
        doubled_s = transaction.interval_s * 2
        transaction.interval_s = doubled_s if is_invite else min(T2_S, doubled_s)
        transaction.due_s = now_s + transaction.interval_s
        return True


AnswerKey = tuple[str, str, int, str, str, int]


def answer_key(request: SipMessage, flow: Flow) -> AnswerKey:
    """What makes a request the same as an earlier one."""
    number, method = request.cseq
    return request.branch, request.call_id, number, method, flow.host, flow.port


@dataclass(slots=True)
class KeptAnswers:
    """Answers that we gave, to be given again when a request is repeated."""

    _kept: OrderedDict[AnswerKey, tuple[float, bytes]] = field(default_factory=OrderedDict)

    def get(self, key: AnswerKey, now_s: float) -> bytes | None:
        """The answer to a repeated request."""
        kept = self._kept.get(key)
        return kept[1] if kept is not None and now_s - kept[0] < KEPT_S else None

    def keep(self, key: AnswerKey, answer: bytes, now_s: float) -> None:
        """Keep an answer; the oldest give way."""
        self._kept[key] = now_s, answer
        for old in list(self._too_old(now_s)):
            del self._kept[old]

    def _too_old(self, now_s: float) -> Iterator[AnswerKey]:
        spare = len(self._kept) - MAX_KEPT_ANSWERS
        for number, (key, (at_s, _)) in enumerate(self._kept.items()):
            if number >= spare and now_s - at_s < KEPT_S:
                return
            yield key
