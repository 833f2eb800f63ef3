"""`patrol meeting`: a pack for a meeting of the town, a centre or a village, as a file."""

from enum import StrEnum, auto
from pathlib import Path
from typing import Annotated

import typer

from patrol.cli.options import AsJson
from patrol.cli.output import bad_input, print_err, print_json
from patrol.cli.site import site_of, store_of, trusted_now
from patrol.domain.reader_language import translate
from patrol.files import write_atomically
from patrol.reports.meeting import PackHeading, load_pack, parse_period, parse_scope
from patrol.reports.meeting_files import PACK_FORMATS


class PackFormat(StrEnum):
    """What `--format` takes."""

    HTML = auto()
    XLSX = auto()
    DOCX = auto()
    CSV = auto()
    JSON = auto()


def make_pack(
    context: typer.Context,
    *,
    period: Annotated[
        str,
        typer.Option("--period", help="2026-11-22、2026-W47、2026-11、2026-Q4、2026。 Period."),
    ],
    scope: Annotated[
        str, typer.Option("--scope", help="town、centre：编号、village：编码。 Whose pack.")
    ] = "town",
    as_format: Annotated[
        PackFormat, typer.Option("--format", help="格式。 Format.")
    ] = PackFormat.HTML,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="写到。 Where to write.")],
    as_json: AsJson = False,
) -> None:
    """会议材料：村月例会、镇联席会。 A pack for a meeting: html, xlsx, docx, csv, json."""
    if out.is_dir() or not out.parent.is_dir():
        bad_input(f"--out: {out}: give a file's name in a directory that is there")
    site = site_of(context)
    asked, span = parse_scope(scope, site.registry.tree), parse_period(period)
    with store_of(site) as store, store.begin_read() as uow:
        heading = PackHeading(
            scope=asked,
            period=span,
            site=site.settings.site.name,
            zone=site.settings.site.tz,
            made_at=trusted_now(uow),
            registry=site.registry,
        )
        pack = load_pack(uow, heading, site.settings.calendar.all_plans)
    write_atomically(out, PACK_FORMATS[as_format](pack))
    if as_json:
        print_json({"out": str(out), "format": str(as_format), "cases": len(pack.cases)})
    else:
        print_err(
            translate(
                f"{out}：{pack.title} · {len(pack.cases)} 件",
                f"{out}: {pack.title} · {len(pack.cases)} cases",
            )
        )
