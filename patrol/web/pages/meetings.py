"""Meeting packs (会议材料) as a page and as files; a cadre has those of the own centre alone."""

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query
from starlette.responses import Response

from patrol.reports.meeting import (
    MeetingPack,
    PackHeading,
    PackScope,
    load_pack,
    parse_period,
    parse_scope,
    scopes_of,
)
from patrol.reports.meeting_files import (
    COUNT_COLUMNS,
    OVERDUE_COLUMNS,
    PACK_FORMATS,
    PRECISION_COLUMNS,
    count_lines,
    figure_text,
    overdue_lines,
    precision_lines,
)
from patrol.web.auth import CurrentUser, Forbidden
from patrol.web.context import ContextDep, MayPrepareMeetings, WebContext
from patrol.web.errors import NO_STORE, translate_errors

DOCX: Final = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
PACK_TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "xlsx": XLSX,
    "docx": DOCX,
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
}
Scope = Annotated[str, Query(max_length=80)]
Period = Annotated[str, Query(max_length=10)]
router = APIRouter()


@router.get("/meetings")
def meetings_page(
    context: ContextDep, user: MayPrepareMeetings, scope: Scope = "", period: Period = ""
) -> Response:
    """The pack of a scope and a period; by default this month's, of the widest own scope."""
    month = f"{user.now.astimezone(context.site.tz):%Y-%m}"
    chosen = _allowed_scopes(context, user)
    pack = _pack(context, user, scope or chosen[0].id, period or month)
    figures = [
        (
            user.t(one.figure.zh, one.figure.en),
            figure_text(one.figure),
            one.mom,
            one.yoy,
            one.figure.note,
        )
        for one in pack.figures
    ]
    return context.renderer.render_page(
        "meetings.html", user, pack=pack, figures=figures,
        scopes=[(one.id, one.name) for one in chosen],
        tables=[
            (user.t("按类别", "By category"), COUNT_COLUMNS, count_lines(pack.categories)),
            (user.t("按村", "By village"), COUNT_COLUMNS, count_lines(pack.villages)),
            (user.t("按标签", "By tag"), COUNT_COLUMNS, count_lines(pack.tags)),
            (user.t("初筛准确率", "Precision"), PRECISION_COLUMNS, precision_lines(pack)),
            (user.t("超时清单", "Overdue"), OVERDUE_COLUMNS, overdue_lines(pack)),
        ],
        top=max(pack.hours) or 1,
    )  # fmt: skip


@router.get("/meetings/file.{kind}")
def download_pack(
    context: ContextDep,
    user: MayPrepareMeetings,
    kind: Literal["html", "xlsx", "docx", "csv", "json"],
    scope: Scope,
    period: Period,
) -> Response:
    """The pack as a file; the download is logged."""
    pack = _pack(context, user, scope, period)
    data = PACK_FORMATS[kind](pack)
    with context.app.store.begin() as uow:
        uow.access.append(
            at=user.now, who=user.account.name, what="export_report", camera=None,
            why=f"meeting {pack.scope.id} {pack.period.name} {kind}",
        )  # fmt: skip
        uow.commit()
    ident = pack.scope.id.replace(":", "-")
    name = f"meeting-{context.site.id}-{ident}-{pack.period.name}.{kind}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', **NO_STORE}
    return Response(data, media_type=PACK_TYPES[kind], headers=headers)


def _allowed_scopes(context: WebContext, user: CurrentUser) -> list[PackScope]:
    """The scopes that this account may have: all, or a cadre's own. Raises Forbidden."""
    own = user.account.grid if user.is_outside_centre else None
    found = scopes_of(context.app.registry.tree, own)
    if not found:
        raise Forbidden(f"{user.account.name} has no village and no centre")
    return found


def _pack(context: WebContext, user: CurrentUser, scope: str, period: str) -> MeetingPack:
    with translate_errors():
        chosen = parse_scope(scope, context.app.registry.tree)
        heading = PackHeading(
            scope=chosen, period=parse_period(period), site=context.site.name,
            zone=context.site.tz, made_at=user.now, registry=context.app.registry,
        )  # fmt: skip
    if chosen.id not in {one.id for one in _allowed_scopes(context, user)}:
        raise Forbidden(f"{scope} lies outside the scope of {user.account.name}")
    with context.app.store.begin_read() as uow:
        return load_pack(uow, heading, context.plans)
