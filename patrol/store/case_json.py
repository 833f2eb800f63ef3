"""The parts of a case that lie in one column each: policy, a wish that waits, suspension, hold."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date, datetime, time, timedelta
from typing import Any

from patrol.domain.case import Hold, LadderStep, Policy, Request, Suspension, Wish
from patrol.domain.levels import Clocks
from patrol.domain.working_time import OfficeHours

Plain = Mapping[str, Any]


def policy_json(policy: Policy) -> Plain:
    """As it lies in the column."""
    clocks = policy.clocks
    return {
        "clocks_s": {
            "acknowledge": clocks.acknowledge.total_seconds(),
            "arrive": _seconds(clocks.arrive),
            "feedback": _seconds(clocks.feedback),
            "close": clocks.close.total_seconds(),
        },
        "ladder": [
            {"grid": step.grid, "person": step.person, "after_s": step.after_s}
            for step in policy.ladder
        ],
        "office": None if policy.office is None else _office_json(policy.office),
        "silence_s": _seconds(policy.silence),
    }


def policy_of(plain: Plain) -> Policy:
    """And back; rows of before 0004 have no office hours."""
    clocks = plain["clocks_s"]
    office = plain.get("office")
    return Policy(
        clocks=Clocks(
            acknowledge=timedelta(seconds=clocks["acknowledge"]),
            arrive=_limit(clocks["arrive"]),
            feedback=_limit(clocks["feedback"]),
            close=timedelta(seconds=clocks["close"]),
        ),
        ladder=tuple(LadderStep(**step) for step in plain["ladder"]),
        office=None if office is None else _office_of(office),
        silence=_limit(plain.get("silence_s")),
    )


def request_json(request: Request | None) -> Plain | None:
    """As it lies in the column."""
    if request is None:
        return None
    return {
        "wish": request.wish,
        "by": request.by,
        "at": request.at.isoformat(),
        "why": request.why,
        "span_s": request.span_s,
    }


def request_of(plain: Plain | None) -> Request | None:
    """And back."""
    if plain is None:
        return None
    at = datetime.fromisoformat(plain["at"])
    return Request(**{**plain, "wish": Wish(plain["wish"]), "at": at})


def suspension_json(rest: Suspension | None) -> Plain | None:
    """As it lies in the column."""
    if rest is None:
        return None
    return {
        "since": rest.since.isoformat(),
        "ladder_left_s": rest.ladder_left_s,
        "look": rest.look,
    }


def suspension_of(plain: Plain | None) -> Suspension | None:
    """And back."""
    if plain is None:
        return None
    return Suspension(**{**plain, "since": datetime.fromisoformat(plain["since"])})


def hold_json(hold: Hold | None) -> Plain | None:
    """As it lies in the column."""
    if hold is None:
        return None
    times = {"since": hold.since.isoformat(), "until": hold.until.isoformat()}
    return {**asdict(hold), **times}


def hold_of(plain: Plain | None) -> Hold | None:
    """And back."""
    if plain is None:
        return None
    times = {name: datetime.fromisoformat(plain[name]) for name in ("since", "until")}
    return Hold(**{**plain, **times})


def _office_json(office: OfficeHours) -> Plain:
    return {
        "zone": office.zone,
        "spans": [[f"{a:%H:%M:%S}", f"{b:%H:%M:%S}"] for a, b in office.spans],
        "weekdays": sorted(office.weekdays),
        "days_off": sorted(day.isoformat() for day in office.days_off),
        "days_on": sorted(day.isoformat() for day in office.days_on),
    }


def _office_of(plain: Plain) -> OfficeHours:
    return OfficeHours(
        zone=plain["zone"],
        spans=tuple((time.fromisoformat(a), time.fromisoformat(b)) for a, b in plain["spans"]),
        weekdays=frozenset(plain["weekdays"]),
        days_off=frozenset(map(date.fromisoformat, plain["days_off"])),
        days_on=frozenset(map(date.fromisoformat, plain["days_on"])),
    )


def _seconds(limit: timedelta | None) -> float | None:
    return None if limit is None else limit.total_seconds()


def _limit(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)
