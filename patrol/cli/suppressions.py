"""`patrol suppressions` and `suppress revoke`: what dismissals hold back for a while."""

from datetime import datetime
from typing import Annotated, Any, Final

import typer

from patrol.cli.options import AsJson, By
from patrol.cli.output import console, print_json, print_none
from patrol.cli.site import EndAction, end_by_number, site_names, store_of, trusted_now
from patrol.domain.reader_language import translate
from patrol.domain.suppression import Suppression
from patrol.domain.timestamps import rfc3339_or_none
from patrol.review import suppressed_count

WithEnded = Annotated[
    bool, typer.Option("--all", help="也列已过期、已撤销的。 Ended ones, too.", show_default=False)
]

SUPPRESSION_END: Final = EndAction(
    end=lambda uow, number, by, now: uow.suppressions.revoke(number, by=by, now=now),
    done="revoked",
    done_zh="已撤销",
    none="holds nothing; `patrol suppressions` lists those that stand",
)


def show_suppressions(
    context: typer.Context, *, everything: WithEnded = False, as_json: AsJson = False
) -> None:
    """现有抑制：何处、何类、谁定、到何时、已抑制几次。 What is held back, and how often it was."""
    site = site_names(context)
    with store_of(site) as store, store.begin_read() as uow:
        now = trusted_now(uow)
        wanted = uow.suppressions.list() if everything else uow.suppressions.active(now)
        rows = [(one, suppressed_count(uow, one)) for one in wanted]
    if as_json:
        print_json([{**_suppression_document(one, now), "held": held} for one, held in rows])
        return
    zone = site.settings.site.tz
    for one, held in rows:
        until = translate(
            f"至 {one.until.astimezone(zone):%m-%d %H:%M}",
            f"until {one.until.astimezone(zone):%m-%d %H:%M}",
        )
        end = translate("已撤销", "revoked") if one.revoked_at else until
        where = (
            translate("画面一处", "one place") if one.box else translate("全画面", "whole picture")
        )
        console().print(
            translate(
                f"{one.number:>5}  {one.camera}  {one.kind}  {where} "
                f" {end}  {one.reason}（{one.owner}）  已抑制 {held} 次",
                f"{one.number:>5}  {one.camera}  {one.kind}  {where} "
                f" {end}  {one.reason} ({one.owner})  held {held}",
            ),
            markup=False,
        )
    if not rows:
        print_none()


def revoke_suppression(
    context: typer.Context,
    number: Annotated[int, typer.Argument(metavar="ID", help="编号。 As `suppressions` shows it.")],
    *,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """撤销抑制：下一轮起照常提出。 Take one back: proposed again from the next round on."""
    end_by_number(context, number, SUPPRESSION_END, by=by, as_json=as_json)


def _suppression_document(one: Suppression, now: datetime) -> dict[str, Any]:
    return {
        "id": one.number,
        "camera": one.camera,
        "kind": one.kind,
        "box": list(one.box) if one.box else None,
        "reason": one.reason,
        "owner": one.owner,
        "created_at": rfc3339_or_none(one.created_at),
        "until": rfc3339_or_none(one.until),
        "standing": one.revoked_at is None and now < one.until,
        "revoked_at": rfc3339_or_none(one.revoked_at),
        "revoked_by": one.revoked_by,
    }
