"""Accounts (账号): who may log in, who is logged in; a QR code hands a leader the account."""

import secrets
from datetime import datetime
from typing import Any, Final

import cv2
from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from patrol.console.accounts import (
    add_account,
    change_duty,
    change_password,
    log_out_everywhere,
    set_disabled,
)
from patrol.console.asking import Anybody, AtDesk, ForAccounts
from patrol.console.gate import Caller
from patrol.console.pages.common import CannotBe, NotFound, grid_name, paged, said
from patrol.console.passwords import is_right
from patrol.console.welcome import invite
from patrol.domain.account import Account, Duty

DUTIES: Final = {
    Duty.OPERATOR: ("值班员", "operator"),
    Duty.DUTY_LEAD: ("值班长", "duty lead"),
    Duty.VILLAGE_CADRE: ("村班子", "village cadre"),
    Duty.GRID_LEADER: ("网格长", "grid leader"),
    Duty.MAINTAINER: ("运维", "maintainer"),
    Duty.AUDITOR: ("审计员", "auditor"),
    Duty.ADMIN: ("管理员", "administrator"),
}
PER_PAGE: Final = 50
router = APIRouter()


class NewAccount(BaseModel):
    """What the form asks; without a password one is made and shown once."""

    name: str = Field(max_length=64)
    duty: Duty
    shown_as: str = Field(default="", max_length=64)
    person: str = Field(default="", max_length=64)
    grid: str = Field(default="", max_length=15)


class NewPassword(BaseModel):
    """One's own; the old one is asked for."""

    old: str = Field(max_length=256)
    new: str = Field(max_length=256)


@router.get("/accounts")
def accounts(desk: AtDesk, caller: ForAccounts, page: int = 1) -> Response:
    """The list."""
    registry = desk.doors.registry
    with desk.doors.store.begin_read() as uow:
        known, pager = paged(uow.accounts.all(), page, PER_PAGE)
        standing = uow.sessions.of(None, caller.now)
    lines: list[dict[str, Any]] = [
        {
            "account": account,
            "duty": caller.say.pair(DUTIES[account.duty]),
            "grid": grid_name(registry, account.grid) if account.grid else "",
            "sessions": sum(session.account == account.name for session in standing),
            "locked": account.is_locked(caller.now),
        }
        for account in known
    ]
    people = sorted((p.name, p.id, grid_name(registry, p.grid)) for p in registry.people.values())
    return desk.shell.page(
        "accounts.html", caller, lines=lines, people=people, **pager,
        duties=[(str(duty), caller.say.pair(pair)) for duty, pair in DUTIES.items()],
    )  # fmt: skip


@router.post("/api/accounts")
def add(desk: AtDesk, caller: ForAccounts, request: Request, asked: NewAccount) -> Response:
    """A new account: shown once, its first password, and a QR code that hands it over."""
    password = secrets.token_urlsafe(12)
    with said():
        account = add_account(
            desk.doors.store, name=asked.name, duty=asked.duty, password=password,
            registry=desk.doors.registry, now=caller.now, shown_as=asked.shown_as,
            person=asked.person or None, grid=asked.grid or None, by=caller.account.name,
        )  # fmt: skip
    made = _handed_over(account, password, request, caller.now)
    return JSONResponse(made, 201, headers={"Cache-Control": "no-store"})


def _handed_over(
    account: Account, password: str, request: Request, now: datetime
) -> dict[str, Any]:
    address = f"{request.base_url}welcome#{invite(account, now)}"
    return {"name": account.name, "password": password, "address": address, "qr": qr(address)}


class NewDuty(BaseModel):
    """What the account is for from now on, and as whom."""

    duty: Duty
    person: str = Field(default="", max_length=64)


@router.post("/api/accounts/{name}/duty")
def give_duty(desk: AtDesk, caller: ForAccounts, name: str, asked: NewDuty) -> Response:
    """Another duty; whoever is logged in under the name is logged out."""
    with said():
        if name == caller.account.name:
            raise ValueError("not one's own account")
        change_duty(
            desk.doors.store, name=name, duty=asked.duty, registry=desk.doors.registry,
            now=caller.now, person=asked.person or None, by=caller.account.name,
        )  # fmt: skip
    desk.gate.forget()
    return Response(status_code=204)


@router.post("/api/accounts/{name}/{deed}")
def change(desk: AtDesk, caller: ForAccounts, request: Request, name: str, deed: str) -> Response:
    """disable, enable, log_out, password (a new one, shown once)."""
    now, by, store = caller.now, caller.account.name, desk.doors.store
    answer: dict[str, Any] = {}
    with said():
        if deed in ("disable", "enable"):
            if name == by:
                raise ValueError("not one's own account")
            set_disabled(store, name=name, disabled=deed == "disable", now=now, by=by)
        elif deed == "password":
            password = secrets.token_urlsafe(12)
            change_password(store, name=name, password=password, now=now, by=by)
            with store.begin_read() as uow:
                answer = _handed_over(uow.accounts.get(name), password, request, now)
        elif deed == "log_out":
            log_out_everywhere(store, name=name, now=now, by=by)
        else:
            raise KeyError(deed)
    desk.gate.forget()
    return JSONResponse(answer, headers={"Cache-Control": "no-store"})


@router.get("/sessions")
def sessions(desk: AtDesk, caller: ForAccounts, page: int = 1) -> Response:
    """Who is logged in, from which device, since when."""
    with desk.doors.store.begin_read() as uow:
        standing = uow.sessions.of(None, caller.now)
        known = {account.name: account for account in uow.accounts.all()}
    shown, pager = paged(standing, page, PER_PAGE)
    lines = [
        {
            "session": one,
            "shown_as": known[one.account].shown_as if one.account in known else one.account,
            "duty": caller.say.pair(DUTIES[known[one.account].duty])
            if one.account in known
            else "",
            "mine": one.id == caller.session.id,
        }
        for one in shown
    ]
    return desk.shell.page(
        "sessions.html", caller, lines=lines, count=len(standing), **pager
    )  # fmt: skip


@router.post("/api/sessions/{short}/end")
def end_session(desk: AtDesk, caller: ForAccounts, short: str) -> Response:
    """Log one device out; noticed there within two seconds."""
    with desk.doors.store.begin() as uow:
        ended = next((s for s in uow.sessions.of(None, caller.now) if s.short == short), None)
        if ended is None:
            raise NotFound(short)
        uow.sessions.end(ended.id)
        why = f"{ended.account} {ended.device}"[:200]
        who = caller.account.name
        uow.access.append(at=caller.now, who=who, what="end_session", camera=None, why=why)
        uow.commit()
    desk.gate.forget()
    return JSONResponse({"ended": short})


@router.get("/account")
def account(desk: AtDesk, caller: Anybody) -> Response:
    """One's own: password, sessions."""
    with desk.doors.store.begin_read() as uow:
        mine = uow.sessions.of(caller.account.name, caller.now)
    return desk.shell.page(
        "account.html", caller, sessions=mine, duty=caller.say.pair(DUTIES[caller.account.duty])
    )


@router.post("/api/account/password")
def own_password(desk: AtDesk, caller: Anybody, asked: NewPassword) -> Response:
    """Change one's own; every session of the account ends, this one too."""
    _check_old(caller, asked.old)
    with said():
        change_password(
            desk.doors.store, name=caller.account.name, password=asked.new, now=caller.now,
            by=caller.account.name,
        )  # fmt: skip
    desk.gate.forget()
    return Response(status_code=204)


def _check_old(caller: Caller, old: str) -> None:
    if not is_right(old, caller.account.password):
        raise CannotBe(caller.say("原密码不对", "the old password is wrong"))


def qr(text: str) -> list[str]:
    """The QR code's rows, `#` for dark."""
    code = cv2.QRCodeEncoder.create().encode(text)
    return ["".join("#" if dot == 0 else "." for dot in row) for row in code]
