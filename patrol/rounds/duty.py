"""Sign on to a round and hand it over (巡查员签到、移交), in one transaction each.

Used by the console, the API and the command line; the rules are domain/round_duty.py's. Every
signature is an access log entry as well.
"""

from datetime import datetime

from patrol.domain import round_duty
from patrol.domain.account import Permission
from patrol.domain.errors import BadInput
from patrol.domain.ids import RoundId
from patrol.domain.round_duty import RoundDutyEntry
from patrol.store import UnitOfWork


class NoSuchColleague(BadInput, ValueError):
    """There is no account of that name that may work a round."""


def sign_on(
    uow: UnitOfWork,
    round_id: RoundId,
    *,
    who: str,
    now: datetime,
    may_take_over: bool,
    note: str = "",
) -> RoundDutyEntry:
    """Take the round. Raises KeyError (no such round), NotRoundOwner (another account has it)."""
    uow.rounds.get(round_id)
    entry = round_duty.sign_on(
        uow.round_duties.of_round(round_id),
        round_id=round_id, who=who, now=now, may_take_over=may_take_over, note=note,
    )  # fmt: skip
    return _append(uow, entry)


def hand_over(
    uow: UnitOfWork, round_id: RoundId, *, who: str, to: str, now: datetime, note: str = ""
) -> RoundDutyEntry:
    """Give the own round to another account.

    Raises KeyError (no such round), NotRoundOwner, NoSuchColleague.
    """
    uow.rounds.get(round_id)
    entries = uow.round_duties.of_round(round_id)
    entry = round_duty.hand_over(entries, round_id=round_id, who=who, to=to, now=now, note=note)
    check_colleague(uow, to)
    return _append(uow, entry)


def check_colleague(uow: UnitOfWork, name: str) -> None:
    """Raise NoSuchColleague unless there is such an account that may work rounds."""
    try:
        account = uow.accounts.get(name)
    except KeyError:
        raise NoSuchColleague(f"account {name!r}: there is none, `patrol user list`") from None
    if not account.has_permission(Permission.ROUND):
        raise NoSuchColleague(f"account {name!r}: may not work a round, name an operator")


def _append(uow: UnitOfWork, entry: RoundDutyEntry) -> RoundDutyEntry:
    uow.round_duties.append(entry)
    given = f" to {entry.to}" if entry.to else ""
    uow.access.append(
        at=entry.at, who=entry.who, what=f"round_{entry.what}", camera=None,
        why=f"round:{entry.round}{given}",
    )  # fmt: skip
    return entry
