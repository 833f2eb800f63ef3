"""Wave sender: publishes leased messages and finds out which of them the broker does not take.

A broker says of a message that it refuses it (PUBACK of MQTT 5), says nothing (one PUBACK may be
lost on the way; twice is a refusal), or closes the connection without saying at which message. In
the last case everything in flight is suspect: it is
sent again alone, one message after another and after all others, until one ends the connection
again while nothing else is under way. Such a message is at fault once the broker has taken others
in between; until then the broker may be.

Messages of different topics never wait for each other; of one topic none passes an earlier one.
Used by the relay (outbox_relay.py), which writes down what comes of it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from patrol.domain.ids import MessageKey
from patrol.domain.outbox import OutboxMessage, PublishRefusal, RefusalKind
from patrol.ports import NotConnected, Publisher


@dataclass(kw_only=True)
class WavesResult:
    """What became of a batch; messages that stand nowhere here are to be sent again."""

    taken: list[MessageKey] = field(default_factory=list)
    refused: dict[MessageKey, PublishRefusal] = field(default_factory=dict)
    problem: str = ""  # why the rest was not tried, as text


@dataclass
class WaveSender:
    """Publishes through one publisher; remembers suspects from one batch to the next."""

    publisher: Publisher
    timeout_s: float  # without any PUBACK; then the wave is given up
    _suspects: set[MessageKey] = field(default_factory=set)
    _unanswered: set[MessageKey] = field(default_factory=set)  # once already
    _taken_count: int = 0  # so far
    _taken_before: dict[MessageKey, int] = field(default_factory=dict)  # its first fall: of count

    def send(self, messages: Sequence[OutboxMessage]) -> WavesResult:
        """Publish all that can be; never raises for a broker that is away."""
        result = WavesResult()
        suspect_topics = {m.topic for m in messages if m.key in self._suspects}
        trusted = [m for m in messages if m.topic not in suspect_topics]
        # What was refused before goes last: it ends the connection, and the others wait for that.
        tries = {m.topic: m.tries for m in sorted(messages, key=lambda m: m.tries)}
        suspects = [m for m in messages if m.topic in suspect_topics]
        alone = [[m] for m in sorted(suspects, key=lambda m: tries[m.topic])]
        blocked: set[str] = set()  # topics on which an earlier message was not taken
        for wave in (*waves(trusted), *alone):
            ready = [m for m in wave if m.topic not in blocked]
            if ready and not self._send_wave(ready, result):
                break
            taken = set(result.taken)
            blocked.update(m.topic for m in ready if m.key not in taken)
        return result

    def _send_wave(self, wave: Sequence[OutboxMessage], result: WavesResult) -> bool:
        """Whether to go on with the next wave."""
        try:
            published = self.publisher.publish(wave, self.timeout_s)
        except NotConnected as exc:
            result.problem = f"broker not connected: {exc}".rstrip(": ")
            return False
        result.taken.extend(published.taken)
        result.refused.update(published.refused)
        self._taken_count += len(published.taken)
        self._forget((*published.taken, *published.refused))
        answered = len(published.taken) + len(published.refused)
        if answered == len(wave):
            return True
        if published.ended:
            return self._judge_end(wave, published.unanswered, published.ended, result)
        return self._judge_silence(published.unanswered, answered, result)

    def _judge_end(
        self,
        wave: Sequence[OutboxMessage],
        in_flight: Sequence[MessageKey],
        reason: str,
        result: WavesResult,
    ) -> bool:
        if len(wave) == 1 and in_flight:
            refusal = f"the broker ends the connection at it: {reason}"
            result.refused[wave[0].key] = PublishRefusal(refusal, self._kind(wave[0].key))
        self._suspects.update(in_flight)
        result.problem = f"{reason}; {len(in_flight)} messages were not acknowledged"
        return False

    def _judge_silence(
        self, unanswered: Sequence[MessageKey], answered: int, result: WavesResult
    ) -> bool:
        """The connection is up, and some were sent without any answer; `answered` others were."""
        refusal = f"the broker does not acknowledge it within {self.timeout_s:g} s"
        again = self._unanswered.intersection(unanswered)
        for key in unanswered:
            before = self._taken_before.setdefault(key, self._taken_count - answered)
            if key in again and self._taken_count > before:
                result.refused[key] = PublishRefusal(refusal, RefusalKind.BROKER)
        self._unanswered.update(unanswered)
        if answered or all(key in result.refused for key in unanswered):
            return True
        # What follows would take as long, wave after wave.
        result.problem = f"{len(unanswered)} messages were not acknowledged"
        return False

    def _kind(self, key: MessageKey) -> RefusalKind:
        """The message is at fault if the broker took others since it fell over this one."""
        before = self._taken_before.setdefault(key, self._taken_count)
        return RefusalKind.MESSAGE if self._taken_count > before else RefusalKind.UNPROVEN

    def _forget(self, keys: Sequence[MessageKey]) -> None:
        self._suspects.difference_update(keys)
        self._unanswered.difference_update(keys)
        for key in keys:
            self._taken_before.pop(key, None)


def waves(messages: Sequence[OutboxMessage]) -> list[list[OutboxMessage]]:
    """Split a batch so that no wave has two messages of one topic, in their order per topic."""
    out: list[list[OutboxMessage]] = []
    turn: Counter[str] = Counter()
    for message in messages:
        index = turn[message.topic]
        turn[message.topic] += 1
        if index == len(out):
            out.append([])
        out[index].append(message)
    return out
