"""Approvals: more time (延期), a pause (挂起), the end (作废): one asks, another grants.

Pure. One wish at a time waits in the case; every step is a line of its history with who and why.
Nobody grants a wish of one's own: the duty lead's word is a second pair of eyes. While a case is
suspended none of its clocks run; when it goes on, each limit that was still ahead moves by the
time that it had left, and the ladder's silence goes on where it stopped.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from patrol.domain.case import Case, CaseEvent, CaseState, Request, Suspension, Wish
from patrol.domain.levels import Clocks

LONGEST_EXTENSION: Final = timedelta(days=30)  # of the time that counts; longer is a suspension
EXTENSION: Final = timedelta(days=1)  # what a leader on the ground asks for without saying how long
PAUSABLE: Final = (
    CaseState.DISPATCHED, CaseState.ACKNOWLEDGED, CaseState.ARRIVED, CaseState.HANDLED,
    CaseState.REWORK, CaseState.FED_BACK,
)  # fmt: skip

_ZH: Final = {Wish.EXTENSION: "延期", Wish.SUSPENSION: "挂起", Wish.VOID: "作废"}


class NotPossible(Exception):
    """The wish cannot be asked for or granted just now; says why."""


def ask(case: Case, request: Request) -> Case:
    """Note the wish; the clocks run on until somebody grants it. Raises NotPossible."""
    if case.request is not None:
        waiting = case.request
        raise NotPossible(f"{waiting.by} already asked for {waiting.wish} at {waiting.at:%H:%MZ}")
    if not request.why.strip():
        raise NotPossible("say why")
    _refuse_impossible(case, request)
    noted = case.move(CaseEvent.ASK, at=request.at, by=request.by, note=words(request))
    return replace(noted, request=request)


def grant(case: Case, *, by: str, now: datetime, note: str = "") -> Case:
    """Do what was asked for. Raises NotPossible: nothing was, or the asker would grant it."""
    request = _waiting(case)
    if request.by == by:
        raise NotPossible(f"{by} asked for it, somebody else has to grant it")
    _refuse_impossible(case, request)
    noted = case.move(CaseEvent.GRANT, at=now, by=by, note=_also(words(request), note))
    return _GRANTED[request.wish](replace(noted, request=None), request, by, now)


def refuse(case: Case, *, by: str, now: datetime, note: str) -> Case:
    """It stays as it is, and why; the asker may take a wish back this way, too."""
    request = _waiting(case)
    noted = case.move(CaseEvent.REFUSE, at=now, by=by, note=_also(words(request), note))
    return replace(noted, request=None)


def resume(case: Case, *, by: str, now: datetime, note: str = "") -> Case:
    """The clocks run again from where they stopped. Raises NotPossible: they do run."""
    rest = case.suspension
    if rest is None:
        raise NotPossible(f"case {case.id} is not suspended")
    moved = case.move(CaseEvent.RESUME, at=now, by=by, note=note)
    left = rest.ladder_left_s
    policy = case.policy
    return replace(
        moved,
        suspension=None,
        policy=replace(policy, clocks=_clocks_moved(case, rest.since, now)),
        ladder_due_at=None if left is None else policy.after(now, timedelta(seconds=left)),
        look_due_at=now if rest.look else None,
    )


def words(request: Request) -> str:
    """`延期 24 小时 (extension of 24 h): why`, as the history has it."""
    hours = f"{request.span_s / 3600:g}"
    zh, en = (f" {hours} 小时", f" of {hours} h") if request.span_s else ("", "")
    return f"{_ZH[request.wish]}{zh} ({request.wish}{en}): {request.why}"


def _refuse_impossible(case: Case, request: Request) -> None:
    if not case.is_open:
        raise NotPossible(f"case {case.id} is {case.state}")
    if case.is_untold and request.wish is not Wish.VOID:
        raise NotPossible(f"case {case.id} was not told to anybody yet: none of its clocks runs")
    if request.wish is Wish.EXTENSION:
        span = timedelta(seconds=request.span_s)
        if not timedelta() < span <= LONGEST_EXTENSION:
            raise NotPossible(f"an extension is more than 0 and at most {LONGEST_EXTENSION.days} d")
    elif case.state not in PAUSABLE and (
        request.wish is Wish.SUSPENSION or case.state is not CaseState.RETURNED
    ):
        raise NotPossible(f"case {case.id} is {case.state}: no {request.wish}")
    if request.wish is Wish.SUSPENSION and case.suspension is not None:
        raise NotPossible(f"case {case.id} is suspended since {case.suspension.since:%Y-%m-%d}")


def _waiting(case: Case) -> Request:
    if case.request is None:
        raise NotPossible(f"case {case.id}: nothing was asked for")
    return case.request


def _extended(case: Case, request: Request, by: str, now: datetime) -> Case:  # noqa: ARG001  as its sisters
    """Limits that are still ahead move; what was missed before stays missed."""
    span = timedelta(seconds=request.span_s)
    at = case.suspension.since if case.suspension else now
    clocks, start, policy = case.policy.clocks, case.dispatched_at, case.policy

    def later(limit: timedelta) -> timedelta:
        ahead = start + limit >= at
        return policy.after(start + limit, span) - start if ahead else limit

    moved = _each(clocks, later)
    if start + clocks.close < at:  # nothing was ahead: counted from now, or it would grant nothing
        moved = replace(moved, close=policy.after(now, span) - start)
    return replace(case, policy=replace(policy, clocks=moved))


def _suspended(case: Case, request: Request, by: str, now: datetime) -> Case:
    moved = case.move(CaseEvent.SUSPEND, at=now, by=by, note=request.why)
    due = case.ladder_due_at
    rest = Suspension(
        since=now,
        ladder_left_s=None if due is None else case.policy.between(now, due).total_seconds(),
        look=case.look_due_at is not None,
    )
    return replace(moved, suspension=rest, ladder_due_at=None, look_due_at=None)


def _voided(case: Case, request: Request, by: str, now: datetime) -> Case:
    return case.move(CaseEvent.VOID, at=now, by=by, note=request.why)


def _clocks_moved(case: Case, since: datetime, now: datetime) -> Clocks:
    """Each limit that was ahead when the case was suspended, later by what it had left."""
    start, policy = case.dispatched_at, case.policy

    def later(limit: timedelta) -> timedelta:
        if start + limit < since:
            return limit
        return policy.after(now, policy.between(since, start + limit)) - start

    return _each(policy.clocks, later)


def _each(clocks: Clocks, later: Callable[[timedelta], timedelta]) -> Clocks:
    return Clocks(
        acknowledge=later(clocks.acknowledge),
        arrive=None if clocks.arrive is None else later(clocks.arrive),
        feedback=None if clocks.feedback is None else later(clocks.feedback),
        close=later(clocks.close),
    )


def _also(first: str, note: str) -> str:
    return f"{first}; {note}" if note else first


_GRANTED: Final[dict[Wish, Callable[[Case, Request, str, datetime], Case]]] = {
    Wish.EXTENSION: _extended,
    Wish.SUSPENSION: _suspended,
    Wish.VOID: _voided,
}
