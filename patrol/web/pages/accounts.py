"""Accounts (账号), login sessions (登录), one's own account, and API keys (接口密钥).

An administrator makes accounts and keys; a first password, its QR code and a key's secret are shown
once. Whatever changes an account or a session takes effect within a second (auth.clear_cache).
"""

import secrets
from datetime import datetime
from typing import Any, Final

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from patrol.administration.accounts import (
    add_account,
    add_api_key,
    change_duty,
    change_password,
    guessable_names,
    log_out_everywhere,
    revoke_api_key,
    set_disabled,
    unlock,
)
from patrol.domain.account import Account, AccountRole, Permission
from patrol.domain.attention import AttentionKind
from patrol.domain.display_link import display_address
from patrol.domain.labels import API_SCOPES, ATTENTION, DUTIES
from patrol.households.qr_code import qr_code_rows
from patrol.web.auth import BadLogin
from patrol.web.context import AnyUser, ContextDep, MayManageAccounts
from patrol.web.errors import NO_STORE, InvalidRequest, ResourceNotFound, translate_errors
from patrol.web.i18n import grid_name, paginate
from patrol.web.login_limits import TooManyAttempts
from patrol.web.pages.attention import choice_of
from patrol.web.signed_links import invitation_token

KEYS_PER_PAGE: Final = 50
ACCOUNTS_PER_PAGE: Final = 50
router = APIRouter()


class NewKeyForm(BaseModel):
    """The program that gets the key, and the key's scopes."""

    name: str = Field(max_length=64)
    scopes: list[str] = Field(max_length=20)


class NewAccountForm(BaseModel):
    """The account to make."""

    name: str = Field(max_length=64)
    duty: AccountRole
    shown_as: str = Field(default="", max_length=64)
    person: str = Field(default="", max_length=64)
    grid: str = Field(default="", max_length=15)


class ChangePasswordForm(BaseModel):
    """A change of one's own password."""

    old: str = Field(max_length=256)
    new: str = Field(max_length=256)


class ChangeDutyForm(BaseModel):
    """Another duty, and the person of people.csv who has it."""

    duty: AccountRole
    person: str = Field(default="", max_length=64)


@router.get("/keys")
def keys_page(context: ContextDep, user: MayManageAccounts, page: int = 1) -> Response:
    """The list of keys, revoked ones too."""
    with context.app.store.begin_read() as uow:
        shown, pager = paginate(uow.api_keys.all(), page, KEYS_PER_PAGE)
    scopes = [(name, user.t.pair(pair)) for name, pair in API_SCOPES.items()]
    return context.renderer.render_page("keys.html", user, keys=shown, scopes=scopes, **pager)


@router.post("/api/keys")
def add_key(context: ContextDep, user: MayManageAccounts, form: NewKeyForm) -> Response:
    """Make a key; its secret is in this answer and nowhere else."""
    with translate_errors(), context.app.store.begin() as uow:
        key, secret = add_api_key(
            uow, name=form.name, scopes=form.scopes, by=user.account.name, now=user.now
        )
        uow.commit()
    shown_once = {"id": key.id, "name": key.name, "secret": secret}
    return JSONResponse(shown_once, 201, headers=NO_STORE)


@router.post("/api/keys/{key_id}/revoke")
def revoke_key(context: ContextDep, user: MayManageAccounts, key_id: str) -> Response:
    """Revoke a key; requests with it are refused from now on."""
    with context.app.store.begin() as uow:
        if not revoke_api_key(uow, key_id, by=user.account.name, now=user.now):
            raise InvalidRequest(user.t("没有这个有效的密钥", "no such key stands"))
        uow.commit()
    return JSONResponse({"revoked": key_id})


@router.get("/accounts")
def accounts_page(context: ContextDep, user: MayManageAccounts, page: int = 1) -> Response:
    """The list of accounts."""
    registry = context.app.registry
    with context.app.store.begin_read() as uow:
        known, pager = paginate(uow.accounts.all(), page, ACCOUNTS_PER_PAGE)
        open_sessions = uow.sessions.of_account(None, user.now)
    lines: list[dict[str, Any]] = [
        {
            "account": account,
            "duty": user.t.pair(DUTIES[account.duty]),
            "grid": grid_name(registry, account.grid) if account.grid else "",
            "sessions": sum(session.account == account.name for session in open_sessions),
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
    """Make an account; its first password and the QR code of an invitation are shown once."""
    password = secrets.token_urlsafe(12)
    with translate_errors():
        account = add_account(
            context.app.store, name=form.name, duty=form.duty, password=password,
            registry=context.app.registry, now=user.now, shown_as=form.shown_as,
            person=form.person or None, grid=form.grid or None, by=user.account.name,
        )  # fmt: skip
    document = _new_login_document(account, password, request, user.now)
    return JSONResponse(document, 201, headers=NO_STORE)


def _new_login_document(
    account: Account, password: str, request: Request, now: datetime
) -> dict[str, Any]:
    """Shown once: a person's first password and invitation; of a display its link alone."""
    if account.duty is AccountRole.DISPLAY:
        address, password = display_address(str(request.base_url), account), ""
    else:
        address = f"{request.base_url}welcome#{invitation_token(account, now)}"
    return {
        "name": account.name,
        "password": password,
        "address": address,
        "qr": qr_code_rows(address),
    }


@router.post("/api/accounts/{name}/duty")
def set_duty(
    context: ContextDep, user: MayManageAccounts, name: str, form: ChangeDutyForm
) -> Response:
    """Set another duty; the account's sessions end."""
    with translate_errors():
        if name == user.account.name:
            raise ValueError("not one's own account")
        change_duty(
            context.app.store, name=name, duty=form.duty, registry=context.app.registry,
            now=user.now, person=form.person or None, by=user.account.name,
        )  # fmt: skip
    context.auth.clear_cache()
    return Response(status_code=204)


@router.post("/api/accounts/{name}/{action}")
def change_account(
    context: ContextDep, user: MayManageAccounts, request: Request, name: str, action: str
) -> Response:
    """Disable, enable, unlock, log out, or make a password that is shown once."""
    now, by, store = user.now, user.account.name, context.app.store
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
        elif action == "unlock":
            unlock(store, name=name, now=now, by=by)
        elif action == "log_out":
            log_out_everywhere(store, name=name, now=now, by=by)
        else:
            raise KeyError(action)
    context.auth.clear_cache()
    return JSONResponse(answer, headers=NO_STORE)


@router.get("/sessions")
def sessions_page(context: ContextDep, user: MayManageAccounts, page: int = 1) -> Response:
    """Who is logged in, from which device, since when."""
    with context.app.store.begin_read() as uow:
        open_sessions = uow.sessions.of_account(None, user.now)
        known = {account.name: account for account in uow.accounts.all()}
    shown, pager = paginate(open_sessions, page, ACCOUNTS_PER_PAGE)
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
        "sessions.html", user, lines=lines, count=len(open_sessions), **pager
    )  # fmt: skip


@router.post("/api/sessions/{short}/end")
def end_session(context: ContextDep, user: MayManageAccounts, short: str) -> Response:
    """End one session; its device notices within two seconds."""
    with context.app.store.begin() as uow:
        ended = next(
            (s for s in uow.sessions.of_account(None, user.now) if s.short_id == short), None
        )
        if ended is None:
            raise ResourceNotFound(short)
        uow.sessions.end(ended.id)
        why = f"{ended.account} {ended.device}"[:200]
        who = user.account.name
        uow.access.append(at=user.now, who=who, what="end_session", camera=None, why=why)
        uow.commit()
    context.auth.clear_cache()
    return JSONResponse({"ended": short})


@router.get("/account")
def own_account_page(context: ContextDep, user: AnyUser) -> Response:
    """The user's own account: password and sessions."""
    with context.app.store.begin_read() as uow:
        mine = uow.sessions.of_account(user.account.name, user.now)
    is_called = user.has_permission(Permission.REVIEW) or user.has_permission(Permission.CASES)
    return context.renderer.render_page(
        "account.html", user, sessions=mine, duty=user.t.pair(DUTIES[user.account.duty]),
        attention=choice_of(context, user) if is_called else None,
        attention_kinds=[(str(kind), user.t.pair(ATTENTION[kind])) for kind in AttentionKind],
    )  # fmt: skip


@router.post("/api/account/password")
def change_own_password(
    context: ContextDep, user: AnyUser, request: Request, form: ChangePasswordForm
) -> Response:
    """Change one's own password; every session of the account ends, this one too."""
    origin = request.client.host if request.client else "?"
    try:
        context.auth.confirm_password(user, form.old, origin)
    except BadLogin as exc:
        raise InvalidRequest(user.t("原密码不对", "the old password is wrong")) from exc
    except TooManyAttempts as exc:
        raise HTTPException(429) from exc
    with translate_errors():
        change_password(
            context.app.store, name=user.account.name, password=form.new, now=user.now,
            by=user.account.name, known_names=guessable_names(context.site, context.app.registry),
        )  # fmt: skip
    context.auth.clear_cache()
    return Response(status_code=204)
