"""Duty of a round (巡查员): sign on, hand over; who owns it stands on the wall of the round."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from patrol.cases.request_keys import remember_request
from patrol.domain.account import Permission
from patrol.domain.ids import RoundId
from patrol.domain.round_duty import owner_of, owners_of
from patrol.domain.schedule import Stoppage
from patrol.files import ProcessBusy
from patrol.rounds import duty
from patrol.rounds.adhoc import AdhocSelection, NoCameraSelected
from patrol.rounds.planner import NothingToVisit, RoundsPaused
from patrol.store import UnitOfWork
from patrol.web.auth import CurrentUser
from patrol.web.context import ContextDep, IdempotencyKey, MayStartRounds, request_key
from patrol.web.errors import InvalidRequest, error_document, translate_errors
from patrol.web.i18n import Translator

router = APIRouter()


class RoundDutyForm(BaseModel):
    """Sign on (no `to`), or hand the round over to an account."""

    to: str = Field(default="", max_length=64)
    note: str = Field(default="", max_length=500)


@router.post("/api/rounds/{round_id}/duty")
def sign_round(
    context: ContextDep,
    user: MayStartRounds,
    round_id: str,
    form: RoundDutyForm,
    key: IdempotencyKey = "",
) -> Response:
    """Sign on to a round or hand it over; a duty lead may take it from somebody else."""
    ident, who = RoundId(round_id), user.account.name
    with translate_errors(f"round {round_id}"), context.app.store.begin() as uow:
        remember_request(uow, request_key(user, key, f"duty {round_id}", form), user.now)
        if form.to:
            entry = duty.hand_over(uow, ident, who=who, to=form.to, now=user.now, note=form.note)
        else:
            entry = duty.sign_on(
                uow, ident, who=who, now=user.now, note=form.note,
                may_take_over=user.has_permission(Permission.SETTLE),
            )  # fmt: skip
        uow.commit()
    return JSONResponse({"round": round_id, "owner": entry.owner}, 201)


class AdhocRoundForm(BaseModel):
    """A village (or another grid) to be visited now, with all below it."""

    grid: str = Field(max_length=15)


@router.post("/api/rounds/adhoc/grid")
def start_adhoc_round(context: ContextDep, user: MayStartRounds, form: AdhocRoundForm) -> Response:
    """Begin an ad-hoc round over one village; what keeps it from beginning is the answer's 409."""
    t = user.t
    try:
        chosen = AdhocSelection.resolve(context.app.registry, grids=[form.grid])
        begun = context.app.start_round("", by=user.account.name, adhoc=chosen)
    except NoCameraSelected as exc:
        raise InvalidRequest(str(exc)) from exc
    except RoundsPaused as exc:
        return error_document(409, paused_text(exc.pause, t), detail="")
    except ProcessBusy:
        message = t("已有一轮巡查在进行，未另开", "a round is under way: no other was begun")
        return error_document(409, message, detail="")
    except NothingToVisit:
        message = t("没有可以巡查的点位，未开始", "no camera may be visited: not begun")
        return error_document(409, message, detail="")
    return JSONResponse({"round": begun.id, "scope": begun.scope}, 202)


def paused_text(pause: Stoppage, t: Translator) -> str:
    """That all rounds are paused: why, by whom, until when."""
    until = t.short_datetime(pause.until) if pause.until else t("有人恢复为止", "somebody resumes")
    return t(
        f"巡查已暂停，未开始：{pause.reason}（{pause.by}），至{until}",
        f"rounds are paused, not begun: {pause.reason} ({pause.by}), until {until}",
    )


def duty_content(uow: UnitOfWork, round_id: RoundId, user: CurrentUser) -> dict[str, Any]:
    """Who owns the round, by shown name, and what this user may do about it."""
    entries = uow.round_duties.of_round(round_id)
    accounts = {account.name: account for account in uow.accounts.all()}
    owner = owner_of(entries)

    def shown(name: str) -> str:
        return accounts[name].shown_as if name in accounts else name

    may_take = user.has_permission(Permission.START_ROUND) and owner != user.account.name
    is_supervisor = user.has_permission(Permission.SETTLE)
    colleagues = [
        (one.name, one.shown_as)
        for one in sorted(accounts.values(), key=lambda one: one.name)
        if one.has_permission(Permission.START_ROUND) and one.name != user.account.name
    ]
    return {
        "owner": shown(owner) if owner else "",
        "owners": [shown(name) for name in owners_of(entries)],
        "may_sign_on": may_take and (not owner or is_supervisor),
        "colleagues": colleagues if owner == user.account.name else [],
    }
