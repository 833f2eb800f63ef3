"""Who is present (在岗) for the page of today: the shift, patrols on the ground, leave.

Names are of the centre's own people alone; of those on the ground and on leave only how many, as
the page also hangs on a wall.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from patrol.cases.shift_handover import SIGNATURES_READ
from patrol.domain.account import Account, AccountRole
from patrol.domain.shift_handover import shift_owner
from patrol.store import UnitOfWork
from patrol.web.auth import CurrentUser
from patrol.web.context import WebContext

ON_DUTY: Final = (AccountRole.OPERATOR, AccountRole.SHIFT_SUPERVISOR)
ROSTERS_PAGE, PEOPLE_PAGE = "/rosters", "/people"


def presence(
    uow: UnitOfWork,
    accounts: Mapping[str, Account],
    day: date,
    context: WebContext,
    user: CurrentUser,
) -> dict[str, Any]:
    """Who owns the shift, who is logged in beside, and a line each for the ground and leave."""
    owner = shift_owner(uow.handovers.entries(limit=SIGNATURES_READ))
    logged_in = {session.account for session in uow.sessions.of_account(None, user.now)}
    return {
        "shift_of": accounts[owner].shown_as if owner in accounts else owner,
        "on_duty": [
            accounts[name].shown_as
            for name in sorted(logged_in & accounts.keys())
            if name != owner and accounts[name].duty in ON_DUTY
        ],
        "on_the_ground": _on_the_ground(uow, day, user),
        "on_leave": _on_leave(context, user),
    }


def _on_the_ground(uow: UnitOfWork, day: date, user: CurrentUser) -> tuple[str, bool, str] | None:
    """Points of today: (`联动巡防签到 12/268`, whether any is late, page), or None without any."""
    counts = uow.ground_patrols.counts_of_day(day)
    if not counts.planned:
        return None
    t, late = user.t, uow.ground_patrols.late_on(day, user.now)
    done = f"{counts.done + counts.late}/{counts.planned}"
    parts = [t(f"联动巡防签到 {done}", f"ground patrols {done}")]
    if late:
        parts.append(t(f"过时未到 {late}", f"{late} past due"))
    if counts.review:
        parts.append(t(f"待复核 {counts.review}", f"{counts.review} to review"))
    if counts.missed:
        parts.append(t(f"漏签 {counts.missed}", f"{counts.missed} missed"))
    return " · ".join(parts), late + counts.missed > 0, ROSTERS_PAGE


def _on_leave(context: WebContext, user: CurrentUser) -> tuple[str, bool, str] | None:
    """Leave of now: (`请假 2 人`, whether a substitute is missing, page), or None without any."""
    absent = context.app.registry.absent
    if not absent:
        return None
    t, alone = user.t, sum(instead is None for instead in absent.values())
    text = t(f"请假 {len(absent)} 人", f"{len(absent)} on leave")
    if alone:
        text += t(f" · 无人代班 {alone}", f" · {alone} without a substitute")
    return text, alone > 0, PEOPLE_PAGE
