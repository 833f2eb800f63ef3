"""`patrol handover show|give|take|list`: a shift passes to the next person, signed by both."""

from collections.abc import Mapping
from datetime import tzinfo
from typing import Annotated, Any

import typer

from patrol.cases import shift_handover
from patrol.cli.options import AsJson, By, operator
from patrol.cli.output import colon, console, print_json, print_none, value_text
from patrol.cli.site import site_for_lists, site_names, store_of, trusted_now
from patrol.domain.labels import HANDOVER_LISTS, label_text
from patrol.domain.reader_language import translate
from patrol.domain.shift_handover import HandoverEntry
from patrol.domain.timestamps import rfc3339

Note = Annotated[str, typer.Option("--note", help="交接事项。 What else to say.")]


def show_sheet(context: typer.Context, *, as_json: AsJson = False) -> None:
    """此刻的交接单。 The sheet as it would be signed now."""
    site = site_for_lists(context)
    with store_of(site) as store, store.begin_read() as uow:
        sheet = shift_handover.handover_sheet(
            uow, trusted_now(uow), site.settings.calendar.maintenance
        )
    if as_json:
        print_json(sheet)
    else:
        _print_sheet(sheet, site.settings.site.tz)


def give_shift(
    context: typer.Context,
    *,
    to: Annotated[str, typer.Option("--to", help="接班人。 Who takes over.")],
    note: Note = "",
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """交班人签字。 The one who goes signs the sheet of now."""
    site = site_for_lists(context)
    with store_of(site) as store, store.begin() as uow:
        now = trusted_now(uow)
        sheet = shift_handover.handover_sheet(uow, now, site.settings.calendar.maintenance)
        given = shift_handover.give_shift(
            uow, who=operator(by), to=to, note=note, sheet=sheet, now=now
        )
        uow.commit()
    _print_signature(given, as_json=as_json)


def take_shift(
    context: typer.Context, *, note: Note = "", by: By = "", as_json: AsJson = False
) -> None:
    """接班人签同一张单，班次归其所有。 The one who comes signs that sheet and owns the shift."""
    with store_of(site_for_lists(context)) as store, store.begin() as uow:
        taken = shift_handover.take_shift(uow, who=operator(by), note=note, now=trusted_now(uow))
        uow.commit()
    _print_signature(taken, as_json=as_json)


def list_signatures(
    context: typer.Context,
    *,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=10_000, help="最多几条。 At most.")
    ] = 20,
    as_json: AsJson = False,
) -> None:
    """历次签字，最近在前。 Signatures, newest first."""
    site = site_names(context)
    with store_of(site) as store, store.begin_read() as uow:
        entries = uow.handovers.entries(limit=limit)
    if as_json:
        print_json([_signature_document(entry) for entry in entries])
        return
    for entry in entries:
        at = f"{entry.at.astimezone(site.settings.site.tz):%Y-%m-%d %H:%M}"
        what = (
            translate(f"交班 → {entry.to}", f"handed over → {entry.to}")
            if entry.to
            else translate("接班", "took over")
        )
        console().print(f"{entry.number:>5}  {at}  {entry.who} {what}  {entry.note}", markup=False)
    if not entries:
        print_none()


def _print_signature(entry: HandoverEntry, *, as_json: bool) -> None:
    if as_json:
        print_json(_signature_document(entry))
        return
    what = (
        translate(f"已交班给 {entry.to}", f"handed over to {entry.to}")
        if entry.to
        else translate("已接班", "took over")
    )
    console().print(
        f"{entry.who}{colon()}{what} (#{entry.number}, {entry.digest[:12]})", markup=False
    )


def _signature_document(entry: HandoverEntry) -> dict[str, Any]:
    return {
        "number": entry.number,
        "at": rfc3339(entry.at),
        "what": str(entry.what),
        "who": entry.who,
        "to": entry.to,
        "note": entry.note,
        "digest": entry.digest,
        "hash": entry.hash,
        "sheet": dict(entry.sheet),
    }


def _print_sheet(sheet: Mapping[str, Any], zone: tzinfo) -> None:
    findings, cameras = sheet["findings"], sheet["cameras"]
    out = console()
    for line in (
        translate(f"当班：{sheet['shift_of'] or '—'}", f"shift of: {sheet['shift_of'] or '—'}"),
        translate(
            f"待核线索：{findings['open']} · {value_text(findings['by_level'])}",
            f"open findings: {findings['open']} · {value_text(findings['by_level'])}",
        ),
        translate(f"在办案件：{sheet['open_cases']}", f"open cases: {sheet['open_cases']}"),
        translate(
            f"离线 {cameras['offline']} · 画面异常 {cameras['faulty']}",
            f"offline {cameras['offline']} · faulty {cameras['faulty']}",
        ),
        translate(
            f"撤回同意：{cameras['withdrawn']}", f"consent withdrawn: {cameras['withdrawn']}"
        ),
        translate(
            f"待发消息：{sheet['messages_waiting']}",
            f"messages waiting: {sheet['messages_waiting']}",
        ),
    ):
        out.print(line, markup=False, soft_wrap=True)
    for key, title in HANDOVER_LISTS.items():
        rows = sheet.get(key, ())  # a sheet that was signed before there was such a list
        out.print(f"{label_text(title)}{colon()}{len(rows)}", markup=False)
        for row in rows:
            shown = "  ".join(value_text(v, zone) for v in row.values() if v)
            out.print(f"    {shown}", markup=False, soft_wrap=True)
