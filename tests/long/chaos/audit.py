"""Check the store against what the chaos run did and what the leaders' phones show.

No loss: every reply is in a case's history or among the dead letters, every message was sent,
every phone shows the present state. No double effect: no reply twice, no key with two meanings.
No illegal state: the store's own consistency check finds nothing. No time that was not: whatever
the wall clock was set to, no history is dated further off than a step that may be adopted.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

from patrol.clock import SystemClock
from patrol.domain.case import Case, CaseEvent
from patrol.domain.escalation import announced_grids
from patrol.domain.outbox import DeadLetter
from patrol.domain.wall_clock import LONGEST_STEP
from patrol.store import Store, check
from tests.long.chaos.people import ChaosLeaders

MANY = 100_000
LONGEST_RUN = timedelta(minutes=20)
EVENTS_WITH_TEXT = {  # one reply may be two lines (handled and fed back): the text stands in one
    CaseEvent.RECEIVED, CaseEvent.OPENED, CaseEvent.ACKNOWLEDGE, CaseEvent.ARRIVE,
    CaseEvent.PROGRESS, CaseEvent.FEED_BACK, CaseEvent.RETURN, CaseEvent.EXTEND,
}  # fmt: skip


def find_problems(store: Store, leaders: ChaosLeaders, confirmed: int) -> list[str]:
    """What does not hold just now; `confirmed` is the operator's count of findings."""
    if leaders.unsent:
        return [f"{leaders.unsent} replies are still to be sent"]
    with store.begin_read() as uow:
        waiting = uow.outbox.unsent() + uow.outbox.count_refused()[1]
        cases = list(uow.cases.list(limit=MANY))
        dead_letters = list(uow.inbox.dead_letters(limit=MANY))
    wrong = [f"{waiting} messages wait in the outbox"] if waiting else []
    wrong += leaders.conflicting_messages
    wrong += _misdated_entries(cases)
    wrong += _misplaced_replies(leaders, cases, dead_letters)
    wrong += _wrongly_shown_cases(leaders, cases)
    counted = sum(case.count for case in cases)
    if counted != confirmed:
        wrong.append(f"{confirmed} findings confirmed, {counted} counted in cases")
    # The fsck last: while something is still on its way it is only read again and again.
    return wrong or [f"{problem.where}: {problem.what}" for problem in check(store)]


def _misdated_entries(cases: list[Case]) -> Iterator[str]:
    """Lines of a history that a clock dated which was set by more than may be adopted."""
    now = SystemClock().now()
    for case in cases:
        for entry in case.entries:
            if abs(now - entry.at) > LONGEST_STEP + LONGEST_RUN:
                yield f"{case.id}: {entry.what} is dated {entry.at}"


def _misplaced_replies(
    leaders: ChaosLeaders, cases: list[Case], dead_letters: list[DeadLetter]
) -> Iterator[str]:
    """Replies whose token is not exactly once in a history, nor refused."""
    lines = [e.note for case in cases for e in case.entries if e.what in EVENTS_WITH_TEXT]
    noted = Counter(token for line in lines for token in _tokens(line))
    refused = {
        token
        for letter in dead_letters
        for token in _tokens(letter.payload.decode(errors="replace"))
    }
    receipts = {receipt for token in noted if (receipt := _receipt(token))}
    for token in leaders.topic_by_token:
        if noted[token] > 1:
            yield f"{token} had effect {noted[token]} times"
        if noted[token] or token in refused or _receipt(token) in receipts:
            continue
        yield f"{token} was sent and is nowhere"


def _receipt(token: str) -> tuple[str, ...] | None:
    """Case, grid and kind of a receipt's token; None: of another reply.

    Of receipts that the history has already, another one is not noted: one that comes late, after
    that of a later revision, says nothing new (`ReplyHandler._is_known_receipt`).
    """
    match token.strip("<>").split("."):
        case [case, _revision, grid, "received" | "opened" as kind, _result]:
            return case, grid, kind
    return None


def _tokens(text: str) -> set[str]:
    return {f"<{piece.split('>')[0]}>" for piece in text.split("<")[1:]}


def _wrongly_shown_cases(leaders: ChaosLeaders, cases: list[Case]) -> Iterator[str]:
    """Cases that a phone shows otherwise than they stand."""
    prefix = "patrol/v1/shangba/grid"
    expected = {
        f"{prefix}/{grid}/case/{case.id}": case.revision
        for case in cases
        if case.is_open
        for grid in announced_grids(case)
    }
    shown = dict(leaders.shown)
    for topic in sorted({*expected, *shown}):
        if expected.get(topic) != shown.get(topic):
            yield f"{topic}: stands at {expected.get(topic)}, shown at {shown.get(topic)}"
