"""`patrol ticket devices VENDOR`: what a ticket service lists, as addresses for cameras.csv.

Asks for the list alone: no URL is minted and no camera is asked for anything.
"""

import asyncio
from typing import Annotated, Any

import typer

from patrol.cli.options import AsJson
from patrol.cli.output import FAILED, bad_input, console, folding_table, print_json
from patrol.cli.probe import report_failure
from patrol.cli.site import site_for_lists
from patrol.clock import SystemClock
from patrol.domain.reader_language import translate
from patrol.settings.config_file import did_you_mean
from streams.errors import StreamError
from streams.ticket.exchange import TicketDevice

_ONLINE = {True: ("在线", "online"), False: ("离线", "offline"), None: ("—", "—")}


def list_devices(
    context: typer.Context,
    vendor: Annotated[
        str, typer.Argument(metavar="VENDOR", help="sources.yaml 中 vendors 下的名称。 Its name.")
    ],
    *,
    timeout_s: Annotated[
        float,
        typer.Option("--timeout", metavar="S", min=1, max=600, help="每次询问等几秒。 Per call."),
    ] = 20.0,
    as_json: AsJson = False,
) -> None:
    """列出票据平台账号下的设备及其写法。 The devices of a ticket service, as addresses."""
    from patrol.app.http_sources import ticket_services  # noqa: PLC0415  0.6 s

    site = site_for_lists(context)
    services = ticket_services(site.sources, SystemClock())
    if vendor not in services:
        known = did_you_mean(vendor, sorted(services)) if services else ", add it there"
        bad_input(f"ticket devices: sources.yaml has no {vendor!r} under vendors{known}")
    service = services[vendor]
    if service.account.profile.list is None:
        bad_input(f"ticket devices: the profile of {vendor} has no `list`")
    try:
        devices = asyncio.run(service.devices(timeout_s))
    except StreamError as exc:
        report_failure(f"ticket://{vendor}", exc, as_json=as_json)
        raise typer.Exit(FAILED) from exc
    if as_json:
        print_json({"vendor": vendor, "devices": [_document(vendor, d) for d in devices]})
        return
    _print_devices(vendor, devices)


def _document(vendor: str, device: TicketDevice) -> dict[str, Any]:
    return {
        "id": device.id,
        "name": device.name,
        "online": device.online,
        "url": f"ticket://{vendor}/{device.id}",
    }


def _print_devices(vendor: str, devices: list[TicketDevice]) -> None:
    table = folding_table(
        translate("地址", "url"), translate("名称", "name"), translate("状态", "state")
    )
    for device in devices:
        table.add_row(
            f"ticket://{vendor}/{device.id}", device.name, translate(*_ONLINE[device.online])
        )
    out = console()
    if devices:
        out.print(table)
    out.print(translate(f"{len(devices)} 台设备", f"{len(devices)} devices"))
