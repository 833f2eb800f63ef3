"""Legal holds: `patrol hold add|end|list`; `patrol retention`: what is kept, how long, and why."""

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from patrol.administration.legal_holds import end_hold, hold_document, set_hold
from patrol.cli.options import AsJson, By, operator
from patrol.cli.output import bad_input, colon, console, print_json
from patrol.cli.site import (
    camera_named,
    retention_settings,
    site_for_lists,
    site_names,
    store_of,
    trusted_now,
)
from patrol.domain.ids import camera_id_problem
from patrol.domain.labels import bilingual, label_text
from patrol.domain.legal_hold import HoldScope, LegalHold
from patrol.domain.reader_language import translate
from patrol.domain.timestamps import rfc3339_or_none
from patrol.reports.retention import RetentionRule, retention_classes

if TYPE_CHECKING:
    from patrol.settings import Site
    from patrol.settings.site_names import SiteNames

Reference = Annotated[
    str, typer.Option("--reference", metavar="REFERENCE", help="文号。 The order's reference.")
]
Why = Annotated[str, typer.Option("--why", help="原因。 The reason.")]
SCOPES: Final = {HoldScope.CASE: ("案件", "case"), HoldScope.CAMERA: ("点位", "camera")}


def add_hold(
    context: typer.Context,
    *,
    reference: Reference,
    why: Why,
    case: Annotated[str, typer.Option("--case", metavar="ID", help="案件。 A case.")] = "",
    camera: Annotated[str, typer.Option("--camera", metavar="ID", help="点位。 A camera.")] = "",
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """证据保全：有文号、有事由，期间不删除。 Hold deletion by order, with its reference."""
    if bool(case) == bool(camera):
        bad_input("hold add: give one of --case ID and --camera ID")
    site = site_for_lists(context)
    scope = HoldScope.CASE if case else HoldScope.CAMERA
    subject = case or _camera_id(site, camera)
    with store_of(site) as store, store.begin() as uow:
        hold = set_hold(
            uow,
            scope=scope,
            subject=subject,
            reference=reference,
            reason=why,
            by=operator(by),
            now=trusted_now(uow),
            cameras=site.registry.cameras.keys(),
        )
        uow.commit()
    _print(site, hold, as_json=as_json)


def finish_hold(
    context: typer.Context,
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="编号。 Its number.")],
    *,
    why: Why,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """解除保全，写明原因。 End a hold; what is due goes at the next sweep."""
    site = site_names(context)
    with store_of(site) as store, store.begin() as uow:
        hold = end_hold(uow, number, by=operator(by), why=why, now=trusted_now(uow))
        uow.commit()
    _print(site, hold, as_json=as_json)


def list_holds(
    context: typer.Context,
    *,
    every: Annotated[
        bool, typer.Option("--all", help="含已解除。 Those that were ended, too.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """现有保全：对象、文号、事由、何人何时。 What is held, by which order, and since when."""
    site = site_names(context)
    with store_of(site) as store, store.begin_read() as uow:
        holds = uow.holds.all(ended=every)
        pictures = uow.holds.held_pictures()
    if as_json:
        print_json({"holds": [hold_document(one) for one in holds], "pictures_held": pictures})
        return
    for one in holds:
        console().print(_line(site, one), markup=False, soft_wrap=True)
    console().print(
        translate(
            f"{len(holds)} 项保全，保住照片 {pictures}",
            f"{len(holds)} holds, pictures held {pictures}",
        )
    )


def show_retention(context: typer.Context, *, as_json: AsJson = False) -> None:
    """各类数据留多久、依据、现有多少。 Each class: how long, why so long, and what there is."""
    site, retention = retention_settings(context)
    with store_of(site) as store, store.begin_read() as uow:
        classes = retention_classes(
            uow,
            sample=timedelta(days=retention.sample_days),
            evidence=timedelta(days=retention.evidence_days),
            messages=timedelta(days=retention.message_days),
            reasons={str(name): text for name, text in retention.reasons.items()},
        )
        holds = uow.holds.all()
    if as_json:
        document = {
            "classes": [_class_document(one) for one in classes],
            "holds": [hold_document(one) for one in holds],
        }
        print_json(document)
        return
    for one in classes:
        kept = (
            translate("永久", "for good")
            if one.kept is None
            else translate(f"{one.kept.days} 天", f"{one.kept.days} days")
        )
        why = translate(f"依据：{one.reason[0]}", f"why: {one.reason[1]}")
        line = f"{label_text(one.name)}{colon()}{kept} · {one.count} · {why}"
        console().print(line, markup=False, soft_wrap=True)
    for hold in holds:
        console().print(
            translate(f"保全 {_line(site, hold)}", f"hold {_line(site, hold)}"),
            markup=False,
            soft_wrap=True,
        )


def _class_document(one: RetentionRule) -> dict[str, Any]:
    return {
        "class": one.id,
        "zh": one.name[0],
        "en": one.name[1],
        "setting": one.setting or None,
        "days": None if one.kept is None else one.kept.days,
        "reason": bilingual(one.reason),
        "count": one.count,
        "held": one.held,
        "oldest": rfc3339_or_none(one.oldest),
    }


def _camera_id(site: "Site", text: str) -> str:
    """A whole id counts as it is: a camera that left cameras.csv is held, too."""
    return camera_named(site, text).id if camera_id_problem(text) else text


def _line(site: "Site | SiteNames", hold: LegalHold) -> str:
    zone = site.settings.site.tz
    since = f"{hold.since.astimezone(zone):%Y-%m-%d %H:%M}"
    scope = translate(*SCOPES[hold.scope])
    line = (
        f"#{hold.number}  {scope} {hold.subject}  {hold.reference}  {hold.reason}"
        f"  {since} {hold.set_by}"
    )
    if hold.ended_at is None:
        return line
    ended = f"{hold.ended_at.astimezone(zone):%Y-%m-%d %H:%M}"
    return translate(
        f"{line}  解除 {ended} {hold.ended_by}：{hold.ended_why}",
        f"{line}  ended {ended} {hold.ended_by}: {hold.ended_why}",
    )


def _print(site: "Site | SiteNames", hold: LegalHold, *, as_json: bool) -> None:
    if as_json:
        print_json(hold_document(hold))
    else:
        console().print(_line(site, hold), markup=False, soft_wrap=True)
