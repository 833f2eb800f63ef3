"""The strip of thumbnails beside the review: what waits, by filters, and its batch dismissal.

The strip shows what the queue holds in its order, and claims nothing: a finding
is claimed when it comes onto the stage (pages/review.py). A batch is dismissed one finding after
the other, each as it was seen and with its own answer, so that one that changed stops no other.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from patrol.cases.request_keys import RequestRepeated
from patrol.domain import labels
from patrol.domain.finding import (
    AlreadyDecided,
    DismissReason,
    Finding,
    FindingNotAsShown,
    FindingState,
    Origin,
)
from patrol.domain.observation import Subject
from patrol.domain.priority import Level
from patrol.domain.registry import Registry
from patrol.domain.suppression import suppression_for
from patrol.review.claims import FindingClaimed
from patrol.review.decisions import ShownFinding
from patrol.review.queue import waiting_in_order
from patrol.web.auth import CurrentUser
from patrol.web.context import ContextDep, IdempotencyKey, MayReview, WebContext, request_key
from patrol.web.errors import NO_STORE, InvalidRequest, ResourceNotFound, translate_errors
from patrol.web.i18n import (
    Translator,
    camera_name,
    category_label,
    grid_name,
    kind_label,
    level_label,
    person_name,
    village_of,
)

MAX_STRIP: Final = 60  # thumbnails at once
MAX_DISMISSED: Final = 50  # findings of one batch
router = APIRouter()


class ReviewFilter(BaseModel):
    """Which findings are wanted; what is empty filters nothing."""

    level: Level | None = None
    village: str = Field(default="", max_length=20)
    kind: str = Field(default="", max_length=64)  # a category, or a fault of the picture
    subject: Subject | None = None

    def takes(self, finding: Finding, registry: Registry) -> bool:
        """Whether the finding is wanted."""
        return (
            self.level in (None, finding.level)
            and self.subject in (None, finding.subject)
            and self.kind in ("", finding.category, finding.kind)
            and self.village in ("", str(village_of(registry, finding.grid)))
        )

    @property
    def is_empty(self) -> bool:
        """Whether it takes every finding."""
        return not (self.level or self.village or self.kind or self.subject)


class SeenFinding(BaseModel):
    """A finding of a batch, with the revision that the strip showed."""

    id: str
    seen: str = Field(max_length=64)


class BatchDismissalForm(BaseModel):
    """Findings to be dismissed for one reason; `note`: the words of 其他."""

    items: list[SeenFinding] = Field(min_length=1, max_length=MAX_DISMISSED)
    reason: str = Field(min_length=1, max_length=500)
    note: str = Field(default="", max_length=500)


@router.get("/api/review/strip")
def review_strip(
    context: ContextDep, user: MayReview, wanted: Annotated[ReviewFilter, Query()]
) -> Response:
    """The first thumbnails of what waits and is wanted, how many there are, and the choices."""
    registry, t = context.app.registry, user.t
    with context.app.store.begin_read() as uow:
        order = [one.id for one in waiting_in_order(uow, user.now, cameras=registry.cameras)]
        found = uow.findings.with_ids(order)
        claims = {
            ident: claim.holder.partition("/")[0]
            for ident, claim in uow.claims.active(user.now).items()
            if claim.holder != user.holder
        }
        names = {account.name: account.shown_as for account in uow.accounts.all()}
        waiting = [found[ident] for ident in order if ident in found]
        shown = [one for one in waiting if wanted.takes(one, registry)]
        pictures = {
            one.id: uow.pictures.get(one.picture) for one in shown[:MAX_STRIP] if one.picture
        }
    body = {
        "count": len(shown),
        "lines": [
            {
                **_strip_line(one, user, registry),
                "thumbnail": user.picture_url(picture.id, "thumb", f"finding:{one.id}")
                if (picture := pictures.get(one.id))
                else "",
                "judged_by": person_name(registry, claims[one.id], names)
                if one.id in claims
                else "",
            }
            for one in shown[:MAX_STRIP]
        ],
        "choices": _choices(waiting, registry, t),
    }
    return JSONResponse(body, headers=NO_STORE)


def _strip_line(finding: Finding, user: CurrentUser, registry: Registry) -> dict[str, Any]:
    t = user.t
    return {
        "id": finding.id,
        "seen": finding.revision,
        "level": str(finding.level),
        "level_label": level_label(finding.level, t),
        "what": category_label(finding.category, t),
        "where": camera_name(registry, finding.camera) if finding.camera else finding.place,
        "unsure": finding.state is FindingState.UNSURE,
    }


def _choices(
    waiting: Iterable[Finding], registry: Registry, t: Translator
) -> Mapping[str, Sequence[tuple[str, str]]]:
    """What there is to filter by, of all that waits: levels, villages, categories and faults."""
    levels, villages, kinds = set(), set(), {}
    for one in waiting:
        levels.add(one.level)
        villages.add(village_of(registry, one.grid))
        kinds[one.category] = category_label(one.category, t)
        if one.kind in labels.PICTURE_FAULTS:
            kinds[one.kind] = kind_label(one.kind, t)
    return {
        "level": [(str(one), f"{one} {level_label(one, t)}") for one in Level if one in levels],
        "village": [(code, grid_name(registry, code)) for code in sorted(filter(None, villages))],  # type: ignore[arg-type]  # village_of gives codes as text
        "kind": sorted(kinds.items(), key=lambda pair: pair[1]),
    }


@router.post("/api/review/dismiss")
def dismiss_batch(
    context: ContextDep, user: MayReview, form: BatchDismissalForm, key: IdempotencyKey = ""
) -> Response:
    """Dismiss several findings for one reason; each stands or is refused on its own."""
    reason = dismissal_reason(form.reason, form.note, user.t)
    done: list[str] = []
    refused: list[dict[str, str]] = []
    for one in form.items:
        refusal = _dismiss_one(context, user, one, reason, key)
        if refusal:
            refused.append({"id": one.id, "words": refusal})
        else:
            done.append(one.id)
    return JSONResponse({"done": done, "refused": refused})


def _dismiss_one(
    context: WebContext, user: CurrentUser, one: SeenFinding, reason: str, key: str
) -> str:
    """Why this one was not dismissed; empty: it was, now or by an earlier attempt."""
    own_key = f"{key}/{one.id}" if key else ""
    shown = ShownFinding(revision=one.seen, request=request_key(user, own_key, "dismiss", one))
    try:
        with translate_errors():
            context.app.dismiss(
                one.id, by=user.account.name, reason=reason, holder=user.holder, shown=shown
            )
    except RequestRepeated:
        return ""
    except FindingClaimed as exc:
        return user.t(f"正由 {exc.account} 研判", f"{exc.account} is judging it")
    except AlreadyDecided:
        return user.t("已有人判过", "was decided already")
    except FindingNotAsShown:
        return user.t("线索有了变化，请看过再判", "it changed meanwhile: look at it again")
    except ResourceNotFound:
        return user.t("已不存在", "is gone")
    return ""


def dismissal_reason(reason: str, note: str, t: Translator) -> str:
    """The reason to store: a code, or the own words of 其他. Raises InvalidRequest: none given."""
    if reason.strip() != DismissReason.OTHER:
        return reason.strip()
    if not note.strip():
        raise InvalidRequest(t("“其他”须写明原因", "say which other reason it is"))
    return note.strip()


def check_is_named(finding: Finding, category: str | None, note: str, t: Translator) -> None:
    """Refuse to send a change that nobody has named. Raises InvalidRequest."""
    chosen = category or finding.category
    if chosen == labels.UNNAMED_CHANGE and not note.strip():
        raise InvalidRequest(
            t(
                "画面变化尚未定名，请选择类别，或写明要网格长看什么",
                "the change has no name yet: choose a category, or say what is to be looked at",
            )
        )


def taught(finding: Finding, t: Translator) -> dict[str, str]:
    """What a dismissal for each reason teaches, and for how long; by the reason's code."""
    return {str(reason): _suppression_text(finding, reason, t) for reason in DismissReason}


def _suppression_text(finding: Finding, reason: DismissReason, t: Translator) -> str:
    """Of the blind sample the same as of the machine's own, which a reviewer cannot tell apart."""
    is_person = finding.origin is Origin.OPERATOR
    proposal = None if is_person else suppression_for(finding, reason)
    if proposal is None:
        return t("只排除这一条", "this one alone")
    lasts = t.duration(proposal.lasts)
    if proposal.box is None:
        return t(f"本点位同类线索 {lasts}内不再提出", f"none of this kind here for {lasts}")
    return t(
        f"本点位同一处同类线索 {lasts}内不再提出", f"none of this kind in this place for {lasts}"
    )
