"""Meeting packs (会议材料) as a page and as files; a cadre has those of the own centre alone.

The page is in the reader's language; the files are the office's papers and stay Chinese.
"""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query
from starlette.responses import Response

from patrol.domain import town_labels
from patrol.domain.labels import label_of
from patrol.reports.english import note_in_english
from patrol.reports.figures import Figure
from patrol.reports.meeting import (
    CountRow,
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
    overdue_lines,
    precision_lines,
)
from patrol.web.auth import CurrentUser, Forbidden
from patrol.web.context import ContextDep, MayPrepareMeetings, WebContext
from patrol.web.errors import NO_STORE, translate_errors
from patrol.web.i18n import Translator, category_label, kind_label

DOCX: Final = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
PACK_TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "xlsx": XLSX,
    "docx": DOCX,
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
}
ENGLISH_COLUMNS: Final = {
    COUNT_COLUMNS: ("Name", "Accepted", "Closed", "Late"),
    PRECISION_COLUMNS: ("Kind", "Real", "Decided", "Precision", "95 % interval"),
    OVERDUE_COLUMNS: ("Case", "Level", "What", "Grid", "Which limit", "Since", "Supervised"),
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
            _value_text(one.figure, user.t),
            _change_text(one.mom, user.t),
            _change_text(one.yoy, user.t),
            user.t(one.figure.note, note_in_english(one.figure.note)),
        )
        for one in pack.figures
    ]
    return context.renderer.render_page(
        "meetings.html", user, pack=pack, figures=figures, title=_title(pack, user.t),
        scopes=[(one.id, one.name) for one in chosen],
        tables=_tables(pack, user.t), top=max(pack.hours) or 1,
    )  # fmt: skip


def _tables(pack: MeetingPack, t: Translator) -> list[tuple[str, Sequence[str], list[Any]]]:
    """(title, columns, lines) of each table, in the reader's language."""
    categories = [(category_label(row.key, t), row) for row in pack.categories]
    count, precision, overdue = (
        columns if t.language == "zh" else english for columns, english in ENGLISH_COLUMNS.items()
    )
    return [
        (t("按类别", "By category"), count, _count_lines(categories)),
        (t("按村", "By village"), count, _count_lines((row.name, row) for row in pack.villages)),
        (t("按标签", "By tag"), count, _count_lines((row.name, row) for row in pack.tags)),
        (
            t("初筛准确率", "Precision"),
            precision,
            [
                (kind_label(row.kind, t), *line[1:])
                for row, line in zip(pack.precision, precision_lines(pack), strict=True)
            ],
        ),
        (
            t("超时清单", "Overdue"),
            overdue,
            [
                (
                    *line[:2],
                    category_label(one.case.category, t),
                    line[3],
                    t.pair(label_of(town_labels.OVERDUE_STEPS, one.step)),
                    line[5],
                    t("是", "yes") if one.case.supervision else "",
                )
                for one, line in zip(pack.overdue, overdue_lines(pack), strict=True)
            ],
        ),
    ]


def _count_lines(rows: Iterable[tuple[str, CountRow]]) -> list[Any]:
    return [(name, row.count, row.closed, row.late) for name, row in rows]


def _title(pack: MeetingPack, t: Translator) -> str:
    period = t.pair(town_labels.PACK_PERIODS[pack.period.kind])
    return t(pack.title, f"{pack.scope.name}: pack of the {period} {pack.period.name}")


def _value_text(figure: Figure, t: Translator) -> str:
    """`95.2 % (571/600)`, `8.0 min (n=3)`; a dash on a zero base."""
    if t.language == "zh":
        return figure.text
    if figure.part is None or figure.whole == 0:
        return "— (n=0)"
    if figure.whole is None:
        return f"{figure.part:g}{' days' if figure.unit else ''}"  # the one unit there is
    if figure.minutes:
        return f"{figure.part:.1f} min (n={figure.whole})"
    return f"{100 * figure.part / figure.whole:.1f} % ({figure.part:g}/{figure.whole})"


def _change_text(text: str, t: Translator) -> str:
    return text if t.language == "zh" else text.replace("个百分点", "pp")


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
