"""API keys (接口密钥): programs that may ask; a key is shown once and kept only as a hash.

Accounts (账号): who may log in, who is logged in; a QR code hands a leader the account.
"""

import secrets
from datetime import datetime
from typing import Any, Final

import cv2
from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from patrol.app.accounts import (
    add_account,
    change_duty,
    change_password,
    log_out_everywhere,
    set_disabled,
    verify_password,
)
from patrol.app.api_keys import add_api_key, revoke_api_key
from patrol.domain.account import Account, Duty
from patrol.domain.labels import API_SCOPES, DUTIES
from patrol.web.auth import CurrentUser
from patrol.web.context import AnyUser, ContextDep, MayManageAccounts
from patrol.web.i18n import InvalidForm, PageNotFound, grid_name, paginate, translate_errors
from patrol.web.signed_links import invitation_token

KEYS_PER_PAGE: Final = 50
router = APIRouter()


class NewKeyForm(BaseModel):
    """Who uses it, and what it opens."""

    name: str = Field(max_length=64)
    scopes: list[str] = Field(max_length=20)


@router.get("/keys")
def keys_page(context: ContextDep, user: MayManageAccounts, page: int = 1) -> Response:
    """All of them, revoked ones too."""
    with context.deps.store.begin_read() as uow:
        shown, pager = paginate(uow.api_keys.all(), page, KEYS_PER_PAGE)
    scopes = [(name, user.t.pair(pair)) for name, pair in API_SCOPES.items()]
    return context.renderer.render_page("keys.html", user, keys=shown, scopes=scopes, **pager)


@router.post("/api/keys")
def add_key(context: ContextDep, user: MayManageAccounts, form: NewKeyForm) -> Response:
    """A new key; nobody sees it again."""
    with translate_errors(), context.deps.store.begin() as uow:
        key, secret = add_api_key(
            uow, name=form.name, scopes=form.scopes, by=user.account.name, now=user.now
        )
        uow.commit()
    shown_once = {"id": key.id, "name": key.name, "secret": secret}
    return JSONResponse(shown_once, 201, headers={"Cache-Control": "no-store"})


@router.post("/api/keys/{key_id}/revoke")
def revoke_key(context: ContextDep, user: MayManageAccounts, key_id: str) -> Response:
    """At once."""
    with context.deps.store.begin() as uow:
        if not revoke_api_key(uow, key_id, by=user.account.name, now=user.now):
            raise InvalidForm(user.t("没有这个有效的密钥", "no such key stands"))
        uow.commit()
    return JSONResponse({"revoked": key_id})


ACCOUNTS_PER_PAGE: Final = 50


class NewAccountForm(BaseModel):
    """What the form asks; without a password one is made and shown once."""

    name: str = Field(max_length=64)
    duty: Duty
    shown_as: str = Field(default="", max_length=64)
    person: str = Field(default="", max_length=64)
    grid: str = Field(default="", max_length=15)


class ChangePasswordForm(BaseModel):
    """One's own; the old one is asked for."""

    old: str = Field(max_length=256)
    new: str = Field(max_length=256)


@router.get("/accounts")
def accounts_page(context: ContextDep, user: MayManageAccounts, page: int = 1) -> Response:
    """The list."""
    registry = context.deps.registry
    with context.deps.store.begin_read() as uow:
        known, pager = paginate(uow.accounts.all(), page, ACCOUNTS_PER_PAGE)
        standing = uow.sessions.of_account(None, user.now)
    lines: list[dict[str, Any]] = [
        {
            "account": account,
            "duty": user.t.pair(DUTIES[account.duty]),
            "grid": grid_name(registry, account.grid) if account.grid else "",
            "sessions": sum(session.account == account.name for session in standing),
            "locked": account.is_locked(user.now),
        }
        for account in known
    ]
    people = sorted((p.name, p.id, grid_name(registry, p.grid)) for p in registry.people.values())
    return context.renderer.render_page(
        "accounts.html", user, lines=lines, people=people, **pager,
        duties=[(str(duty), user.t.pair(pair)) for duty, pair in DUTIES.items()],
    )  # fmt: skip


@router.post("/api/accounts")
def create_account(
    context: ContextDep, user: MayManageAccounts, request: Request, form: NewAccountForm
) -> Response:
    """A new account: shown once, its first password, and a QR code that hands it over."""
    password = secrets.token_urlsafe(12)
    with translate_errors():
        account = add_account(
            context.deps.store, name=form.name, duty=form.duty, password=password,
            registry=context.deps.registry, now=user.now, shown_as=form.shown_as,
            person=form.person or None, grid=form.grid or None, by=user.account.name,
        )  # fmt: skip
    made = _new_login_document(account, password, request, user.now)
    return JSONResponse(made, 201, headers={"Cache-Control": "no-store"})


def _new_login_document(
    account: Account, password: str, request: Request, now: datetime
) -> dict[str, Any]:
    address = f"{request.base_url}welcome#{invitation_token(account, now)}"
    return {
        "name": account.name,
        "password": password,
        "address": address,
        "qr": qr_code_rows(address),
    }


class ChangeDutyForm(BaseModel):
    """What the account is for from now on, and as whom."""

    duty: Duty
    person: str = Field(default="", max_length=64)


@router.post("/api/accounts/{name}/duty")
def set_duty(
    context: ContextDep, user: MayManageAccounts, name: str, form: ChangeDutyForm
) -> Response:
    """Another duty; whoever is logged in under the name is logged out."""
    with translate_errors():
        if name == user.account.name:
            raise ValueError("not one's own account")
        change_duty(
            context.deps.store, name=name, duty=form.duty, registry=context.deps.registry,
            now=user.now, person=form.person or None, by=user.account.name,
        )  # fmt: skip
    context.auth.clear_cache()
    return Response(status_code=204)


@router.post("/api/accounts/{name}/{action}")
def change_account(
    context: ContextDep, user: MayManageAccounts, request: Request, name: str, action: str
) -> Response:
    """disable, enable, log_out, password (a new one, shown once)."""
    now, by, store = user.now, user.account.name, context.deps.store
    answer: dict[str, Any] = {}
    with translate_errors():
        if action in ("disable", "enable"):
            if name == by:
                raise ValueError("not one's own account")
            set_disabled(store, name=name, disabled=action == "disable", now=now, by=by)
        elif action == "password":
            password = secrets.token_urlsafe(12)
            change_password(store, name=name, password=password, now=now, by=by)
            with store.begin_read() as uow:
                answer = _new_login_document(uow.accounts.get(name), password, request, now)
        elif action == "log_out":
            log_out_everywhere(store, name=name, now=now, by=by)
        else:
            raise KeyError(action)
    context.auth.clear_cache()
    return JSONResponse(answer, headers={"Cache-Control": "no-store"})


@router.get("/sessions")
def sessions_page(context: ContextDep, user: MayManageAccounts, page: int = 1) -> Response:
    """Who is logged in, from which device, since when."""
    with context.deps.store.begin_read() as uow:
        standing = uow.sessions.of_account(None, user.now)
        known = {account.name: account for account in uow.accounts.all()}
    shown, pager = paginate(standing, page, ACCOUNTS_PER_PAGE)
    lines = [
        {
            "session": one,
            "shown_as": known[one.account].shown_as if one.account in known else one.account,
            "duty": user.t.pair(DUTIES[known[one.account].duty]) if one.account in known else "",
            "mine": one.id == user.session.id,
        }
        for one in shown
    ]
    return context.renderer.render_page(
        "sessions.html", user, lines=lines, count=len(standing), **pager
    )  # fmt: skip


@router.post("/api/sessions/{short}/end")
def end_session(context: ContextDep, user: MayManageAccounts, short: str) -> Response:
    """Log one device out; noticed there within two seconds."""
    with context.deps.store.begin() as uow:
        ended = next(
            (s for s in uow.sessions.of_account(None, user.now) if s.short_id == short), None
        )
        if ended is None:
            raise PageNotFound(short)
        uow.sessions.end(ended.id)
        why = f"{ended.account} {ended.device}"[:200]
        who = user.account.name
        uow.access.append(at=user.now, who=who, what="end_session", camera=None, why=why)
        uow.commit()
    context.auth.clear_cache()
    return JSONResponse({"ended": short})


@router.get("/account")
def own_account_page(context: ContextDep, user: AnyUser) -> Response:
    """One's own: password, sessions."""
    with context.deps.store.begin_read() as uow:
        mine = uow.sessions.of_account(user.account.name, user.now)
    return context.renderer.render_page(
        "account.html", user, sessions=mine, duty=user.t.pair(DUTIES[user.account.duty])
    )


@router.post("/api/account/password")
def change_own_password(context: ContextDep, user: AnyUser, form: ChangePasswordForm) -> Response:
    """Change one's own; every session of the account ends, this one too."""
    _check_old_password(user, form.old)
    with translate_errors():
        change_password(
            context.deps.store, name=user.account.name, password=form.new, now=user.now,
            by=user.account.name,
        )  # fmt: skip
    context.auth.clear_cache()
    return Response(status_code=204)


def _check_old_password(user: CurrentUser, old: str) -> None:
    if not verify_password(old, user.account.password):
        raise InvalidForm(user.t("原密码不对", "the old password is wrong"))


def qr_code_rows(text: str) -> list[str]:
    """The QR code's rows, `#` for dark."""
    code = cv2.QRCodeEncoder.create().encode(text)
    return ["".join("#" if dot == 0 else "." for dot in row) for row in code]
