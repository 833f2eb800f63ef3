"""API keys (接口密钥): programs that may ask; a key is shown once and kept only as a hash."""

import secrets
from typing import Final

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from patrol.console.asking import AtDesk, ForAccounts
from patrol.console.pages.common import CannotBe, paged, said
from patrol.domain.api_key import PREFIX, SCOPES, issued

PER_PAGE: Final = 50
WORDS: Final = {
    "rounds:read": "读取巡查轮次",
    "findings:read": "读取线索",
    "findings:decide": "确认、排除线索",
    "cases:read": "读取案件",
    "cameras:read": "读取点位(不含地址与农户)",
    "reports:read": "读取报表",
}
router = APIRouter()


class NewKey(BaseModel):
    """Who uses it, and what it opens."""

    name: str = Field(max_length=64)
    scopes: list[str] = Field(max_length=20)


@router.get("/keys")
def keys(desk: AtDesk, caller: ForAccounts, page: int = 1) -> Response:
    """All of them, revoked ones too."""
    with desk.doors.store.begin_read() as uow:
        shown, pager = paged(uow.api_keys.all(), page, PER_PAGE)
    scopes = [(name, caller.say(WORDS.get(name, name), text)) for name, text in SCOPES.items()]
    return desk.shell.page("keys.html", caller, keys=shown, scopes=scopes, **pager)


@router.post("/api/keys")
def add(desk: AtDesk, caller: ForAccounts, asked: NewKey) -> Response:
    """A new key; nobody sees it again."""
    secret, by = PREFIX + secrets.token_urlsafe(32), caller.account.name
    with said():
        key = issued(name=asked.name, scopes=asked.scopes, by=by, now=caller.now, secret=secret)
    with desk.doors.store.begin() as uow:
        uow.api_keys.add(key)
        why = f"{key.id} {key.name}: {' '.join(sorted(key.scopes))}"
        uow.access.append(at=caller.now, who=by, what="add_key", camera=None, why=why)
        uow.commit()
    said_once = {"id": key.id, "name": key.name, "secret": secret}
    return JSONResponse(said_once, 201, headers={"Cache-Control": "no-store"})


@router.post("/api/keys/{key_id}/revoke")
def revoke(desk: AtDesk, caller: ForAccounts, key_id: str) -> Response:
    """At once."""
    with desk.doors.store.begin() as uow:
        if not uow.api_keys.revoke(key_id, caller.now):
            raise CannotBe(caller.say("没有这个有效的密钥", "no such key stands"))
        who = caller.account.name
        uow.access.append(at=caller.now, who=who, what="revoke_key", camera=None, why=key_id)
        uow.commit()
    return JSONResponse({"revoked": key_id})
