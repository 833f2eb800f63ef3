"""What users at the centre may do with a case (案件操作): buttons, who sees them, what they run.

More time, a suspension and voiding take two people: one asks, another grants. The server checks
state and right again when a button is pressed.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from patrol.app.town_service import TownService
from patrol.cases.hand_off import OutsideContacts, ask_broadcast, hand_off_case
from patrol.cases.person_moves import PERSON_MOVES, PersonMove
from patrol.cases.request_keys import remember_request
from patrol.cases.supervision import supervise_case, tag_case, urge_case
from patrol.domain.access_labels import NOTE_MASKED
from patrol.domain.account import Permission
from patrol.domain.answering import may_see_case
from patrol.domain.approval import SUSPENDABLE_STATES
from patrol.domain.case import CASE_TRANSITIONS, Case, CaseEvent, CaseState
from patrol.domain.ids import CaseId
from patrol.domain.registry import GridLevel, GridTree
from patrol.messaging.payloads import PayloadBuilder
from patrol.store import UnitOfWork
from patrol.web.auth import CurrentUser, Forbidden
from patrol.web.context import (
    AnyUser,
    ContextDep,
    IdempotencyKey,
    MayMoveCases,
    WebContext,
    request_key,
)
from patrol.web.errors import NO_STORE, ResourceNotFound, translate_errors

LONGEST_H: Final = 30 * 24
router = APIRouter()


def visible_case(context: WebContext, user: CurrentUser, ident: CaseId) -> Case:
    """The case, if this account may see it. Raises ResourceNotFound, Forbidden."""
    with context.app.store.begin_read() as uow:
        try:
            case = uow.cases.get(ident)
        except KeyError:
            raise ResourceNotFound(ident) from None
    if not may_see_case(user.account, case, context.app.registry):
        raise Forbidden(f"{ident} lies outside the scope of {user.account.name}")
    return case


class CaseNotAsShown(Exception):
    """The case is not as the page showed it when the button was pressed."""


def shown_revision(case: Case) -> str:
    """What an action on the case rests on, as a short text: state, grid, request, last look.

    Receipts and notes leave it as it is; so does a repeat of the finding.
    """
    request, since = case.request, case.suspension.since if case.suspension else None
    asked = (request.kind, request.by, request.at, request.span_s) if request else ()
    basis = (case.id, case.state, case.grid, case.last_sent_at, case.after, since, *asked)
    return sha256("|".join(map(str, basis)).encode()).hexdigest()[:16]


class CaseActionForm(BaseModel):
    """A pressed button (`move`) with what the page asked for."""

    move: str = Field(max_length=20)
    note: str = Field(default="", max_length=500)
    grid: str = Field(default="", max_length=15)
    hours: float = Field(default=0.0, ge=0, le=LONGEST_H)
    span: float = Field(default=0.0, ge=0, le=LONGEST_H)  # of a supervision, in hours
    tags: str = Field(default="", max_length=400)
    recipient: str = Field(default="", max_length=64)  # of a hand-off
    template: str = Field(default="", max_length=64)  # of a broadcast
    seen: str = Field(default="", max_length=64)  # shown_revision of the page


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseAction:
    """One action under way: its transaction, case, user and form."""

    uow: UnitOfWork
    case: CaseId
    context: WebContext
    user: CurrentUser
    form: CaseActionForm

    @property
    def payloads(self) -> PayloadBuilder:
        """The builder of the messages that the action sends."""
        return self.context.app.payloads

    @property
    def by(self) -> str:
        """Who pressed the button."""
        return self.user.account.name

    @property
    def now(self) -> datetime:
        """When the request came."""
        return self.user.now

    @property
    def note(self) -> str:
        """The reason that the page asked for."""
        return self.form.note.strip()

    @property
    def person_move(self) -> PersonMove:
        """The action as the table of moves takes it."""
        return PersonMove(
            uow=self.uow, case=self.case, by=self.by, now=self.now, note=self.note,
            payloads=self.payloads, registry=self.context.app.registry, grid=self.form.grid,
            more_time=timedelta(hours=self.form.hours),
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseButton:
    """One button: its label, who may press it, when it is shown, what it runs."""

    label: tuple[str, str]
    permission: Permission
    is_shown: Callable[[Case], bool]
    run: Callable[[CaseAction], Case]
    asks_for: str = "note"  # which fields the page shows beside the reason
    strong: bool = False
    needs_note: bool = True


def _person_move(name: str) -> Callable[[CaseAction], Case]:
    return lambda action: PERSON_MOVES[name](action.person_move)


def _urge(action: CaseAction) -> Case:
    return urge_case(
        action.uow, action.case, by=action.by, now=action.now, payloads=action.payloads,
        why=action.note,
    )  # fmt: skip


def _supervise(action: CaseAction) -> Case:
    return supervise_case(
        action.uow, action.case, by=action.by, now=action.now, payloads=action.payloads,
        why=action.note, span=timedelta(hours=action.form.span),
    )  # fmt: skip


def _tag(action: CaseAction) -> Case:
    return tag_case(
        action.uow, action.case, split_tags(action.form.tags), by=action.by, now=action.now,
        payloads=action.payloads,
    )  # fmt: skip


def split_tags(text: str) -> list[str]:
    """The tags that a person typed, parted by spaces or commas."""
    return re.split(r"[\s,;，；、]+", text)


def _hand_off(action: CaseAction) -> Case:
    hand_off_case(
        action.uow, action.case, action.form.recipient, by=action.by, now=action.now,
        why=action.note, context=TownService(action.context.app).context,
    )  # fmt: skip
    return action.uow.cases.get(action.case)


def _broadcast(action: CaseAction) -> Case:
    ask_broadcast(
        action.uow, action.case, by=action.by, now=action.now, text=action.note,
        template=action.form.template, context=TownService(action.context.app).context,
    )  # fmt: skip
    return action.uow.cases.get(action.case)


def _allows(event: CaseEvent) -> Callable[[Case], bool]:
    return lambda case: (case.state, event) in CASE_TRANSITIONS


def _can_request(case: Case) -> bool:
    return case.is_open and case.request is None


BUTTONS: Final[Mapping[str, CaseButton]] = {
    "gone": CaseButton(
        label=("核查通过，办结", "Verified: close"),
        permission=Permission.MOVE_CASES,
        is_shown=lambda case: case.state is CaseState.FED_BACK,
        run=_person_move("gone"),
        strong=True,
        needs_note=False,
    ),
    "still_there": CaseButton(
        label=("仍存在，退回重办", "Still there: rework"),
        permission=Permission.MOVE_CASES,
        is_shown=lambda case: case.state is CaseState.FED_BACK,
        run=_person_move("still_there"),
    ),
    "grant": CaseButton(
        label=("批准", "Grant"),
        permission=Permission.SETTLE,
        strong=True,
        needs_note=False,
        is_shown=lambda case: case.request is not None,
        run=_person_move("grant"),
    ),
    "refuse": CaseButton(
        label=("不批准", "Refuse"),
        permission=Permission.SETTLE,
        is_shown=lambda case: case.request is not None,
        run=_person_move("refuse"),
    ),
    "withdraw": CaseButton(
        label=("撤回申请", "Take it back"),
        permission=Permission.MOVE_CASES,
        is_shown=lambda case: case.request is not None,
        run=_person_move("withdraw"),
        needs_note=False,
    ),
    "resume": CaseButton(
        label=("恢复办理", "Go on"),
        permission=Permission.SETTLE,
        needs_note=False,
        strong=True,
        is_shown=lambda case: case.suspension is not None,
        run=_person_move("resume"),
    ),
    "phone": CaseButton(
        label=("已电话通知", "Phoned"),
        permission=Permission.MOVE_CASES,
        needs_note=False,
        is_shown=_allows(CaseEvent.PHONE),
        run=_person_move("phone"),
    ),
    "reassign": CaseButton(
        label=("转派", "Reassign"),
        permission=Permission.MOVE_CASES,
        asks_for="note grid",
        is_shown=_allows(CaseEvent.REASSIGN),
        run=_person_move("reassign"),
    ),
    "extend": CaseButton(
        label=("申请延期", "Ask for time"),
        permission=Permission.MOVE_CASES,
        asks_for="note hours",
        is_shown=lambda case: _can_request(case) and not case.is_unannounced,
        run=_person_move("extend"),
    ),
    "suspend": CaseButton(
        label=("申请挂起", "Ask to suspend"),
        permission=Permission.MOVE_CASES,
        run=_person_move("suspend"),
        is_shown=lambda case: (
            _can_request(case)
            and case.state in SUSPENDABLE_STATES
            and case.suspension is None
            and not case.is_unannounced
        ),
    ),
    "void": CaseButton(
        label=("申请作废", "Ask to void"),
        permission=Permission.MOVE_CASES,
        run=_person_move("void"),
        is_shown=lambda case: _can_request(case) and _allows(CaseEvent.VOID)(case),
    ),
    "urge": CaseButton(
        label=("催办", "Urge"),
        permission=Permission.SUPERVISE,
        is_shown=lambda case: case.is_open and not case.is_unannounced,
        run=_urge,
    ),
    "supervise": CaseButton(
        label=("督办", "Supervise"),
        permission=Permission.SUPERVISE,
        asks_for="note span",
        is_shown=_allows(CaseEvent.SUPERVISE),
        run=_supervise,
    ),
    "hand_off": CaseButton(
        label=("移交", "Hand off"),
        permission=Permission.HAND_OFF,
        asks_for="note recipient",
        is_shown=_allows(CaseEvent.HAND_OFF),
        run=_hand_off,
    ),
    "broadcast": CaseButton(
        label=("大喇叭", "Broadcast"),
        permission=Permission.BROADCAST,
        asks_for="note template",
        needs_note=False,
        is_shown=_allows(CaseEvent.BROADCAST),
        run=_broadcast,
    ),
    "tag": CaseButton(
        label=("标签", "Tags"),
        permission=Permission.TAG_CASES,
        asks_for="tags",
        needs_note=False,
        is_shown=_allows(CaseEvent.TAG),
        run=_tag,
    ),
    "close": CaseButton(
        label=("办结", "Close"),
        permission=Permission.SETTLE,
        is_shown=_allows(CaseEvent.CLOSE),
        run=_person_move("close"),
    ),
    "reopen": CaseButton(
        label=("重开", "Reopen"),
        permission=Permission.SETTLE,
        is_shown=_allows(CaseEvent.REOPEN),
        run=_person_move("reopen"),
    ),
}


def allowed_buttons(
    case: Case, user: CurrentUser, tree: GridTree, contacts: OutsideContacts
) -> list[tuple[str, CaseButton]]:
    """The buttons of the case's page for this user, by name."""
    return [
        (name, button)
        for name, button in BUTTONS.items()
        if user.has_permission(button.permission)
        and button.is_shown(case)
        and _is_for_user(name, case, user, tree)
        and (name != "hand_off" or contacts.recipients)
        and (name != "broadcast" or contacts.speakers)
    ]


def _is_for_user(name: str, case: Case, user: CurrentUser, tree: GridTree) -> bool:
    """The user who asked for approval may only withdraw it; others grant or refuse it.

    Of the cadres that of the town alone supervises; the villages' urge.
    """
    if name == "supervise" and user.is_outside_centre:
        grid = tree.grids.get(user.account.grid) if user.account.grid else None
        return grid is not None and grid.level is GridLevel.TOWN
    asker = case.request.by if case.request else ""
    if name == "withdraw":
        return asker == user.account.name
    return name not in ("grant", "refuse") or asker != user.account.name


@router.post("/api/cases/{case_id}/move")
def act_on_case(
    context: ContextDep,
    user: MayMoveCases,
    case_id: str,
    form: CaseActionForm,
    key: IdempotencyKey = "",
) -> Response:
    """Run the action of one button; a repeat under its key changes nothing.

    Raises Forbidden, ResourceNotFound, InvalidRequest, CaseNotAsShown, RequestRepeated.
    """
    button = BUTTONS.get(form.move)
    if button is None:
        raise ResourceNotFound(form.move)
    case = visible_case(context, user, CaseId(case_id))
    if not user.has_permission(button.permission) or not _is_for_user(
        form.move, case, user, context.app.registry.tree
    ):
        raise Forbidden(f"{user.account.name} may not {form.move}")
    with translate_errors():
        if button.needs_note and not form.note.strip():
            raise ValueError(user.t("请写明理由", "give the reason"))
        with context.app.store.begin() as uow:
            remember_request(uow, request_key(user, key, f"move {case.id}", form), user.now)
            if form.seen not in {"", shown_revision(uow.cases.get(case.id))}:
                raise CaseNotAsShown(f"{case.id} was changed after the page showed it")
            changed = button.run(
                CaseAction(uow=uow, case=case.id, context=context, user=user, form=form)
            )
            uow.commit()
    context.app.wake_relays()
    warning = masked_note_warning(context, user, form.note)
    more = {"warning": warning} if warning else {}
    return JSONResponse({"state": changed.state.value, **more})


class NoteForm(BaseModel):
    """A note as it is typed."""

    text: str = Field(max_length=2000)


@router.post("/api/notes/check")
def check_note(context: ContextDep, user: AnyUser, form: NoteForm) -> Response:
    """What of a note would be masked before it goes to phones; asked while it is typed."""
    masked = context.app.payloads.masked_parts(form.text)
    warning = masked_note_warning(context, user, form.text)
    return JSONResponse({"masked": masked, "warning": warning}, headers=NO_STORE)


def masked_note_warning(context: WebContext, user: CurrentUser, note: str) -> str:
    """The sentence that names what of the note is masked; empty where nothing is."""
    masked = dict.fromkeys(context.app.payloads.masked_parts(note))
    colon, between = user.t("：", ": "), user.t("；", "; ")
    return f"{user.t.pair(NOTE_MASKED)}{colon}{between.join(masked)}" if masked else ""
