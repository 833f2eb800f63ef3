"""`patrol clock [accept]`: what is believed of the machine's clock, and a person's confirmation."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

import typer

from patrol.cli.options import AsJson, By, operator
from patrol.cli.output import (
    FAILED,
    bad_input,
    console,
    print_err,
    print_json,
    render_document,
)
from patrol.cli.site import site_names, store_of
from patrol.clock import SystemClock, TrustedClock, kernel_is_synchronised
from patrol.domain.reader_language import translate
from patrol.domain.timestamps import rfc3339_or_none
from patrol.domain.wall_clock import SETTLE_S, ClockRecord, ClockTrust
from patrol.store import UnitOfWork

ACCEPT: Final = "accept"
TIMES: Final = ("wall", "since", "seen", "last_step", "accepted")


def show_clock(
    context: typer.Context,
    action: Annotated[
        str, typer.Argument(metavar="[accept]", help="确认本机时间正确。 Its time is right.")
    ] = "",
    *,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """本机时钟是否可信；accept 由人确认。 What is believed of the clock; accept confirms it."""
    if action not in ("", ACCEPT):
        bad_input(f"clock {action!r}: give `accept`, or nothing to see what is believed")
    wall, site = SystemClock().now(), site_names(context)
    with store_of(site) as store:
        if action == ACCEPT:
            with store.begin() as uow:
                uow.clock.accept(wall, by=operator(by))
                uow.access.append(
                    at=wall, who=operator(by), what="accept_clock", camera=None,
                    why=rfc3339_or_none(wall) or "",
                )  # fmt: skip
                uow.commit()
        with store.begin_read() as uow:
            document = clock_document(uow, wall)
    if as_json:
        print_json(document)
    else:
        console().print(render_document(_local_times(document, site.settings.site.tz)))
    if document["history"] == "held" and document["trust"] == ClockTrust.SETTLING:
        print_err(
            translate(
                f"刚启动，先看 {SETTLE_S:.0f} 秒时钟是否平稳",
                f"a start: the clock is watched first for {SETTLE_S:.0f} s",
            )
        )
    elif document["history"] == "held" and action != ACCEPT:
        print_err(
            translate(
                "时间对则执行 patrol clock accept；错则先校时",
                "if the wall time is right, patrol clock accept; else set it first",
            )
        )
        raise typer.Exit(FAILED)


def clock_document(uow: UnitOfWork, wall: datetime) -> dict[str, Any]:
    """What the service last believed, and what it would believe if it started now."""
    record = uow.clock.get()
    clock = TrustedClock.of_record(SystemClock(), record)
    unconfirmed = clock.is_unconfirmed or (record is not None and record.is_unconfirmed)
    if record is not None and record.acceptance_of(wall) is not None:
        unconfirmed = False
    is_held = unconfirmed or (record is not None and _is_settling(record, clock.now()))
    return {
        "wall": rfc3339_or_none(wall),
        "synchronised": kernel_is_synchronised(wall),
        "history": "held" if is_held else "written",
        **_record_document(record),
    }


def _is_settling(record: ClockRecord, now: datetime) -> bool:
    """Whether a service began a moment ago and waits until its wall clock has stood still."""
    is_recent = timedelta(0) <= now - record.since <= timedelta(seconds=2 * SETTLE_S)
    return record.trust is ClockTrust.SETTLING and is_recent


def _local_times(document: dict[str, Any], zone: ZoneInfo) -> dict[str, Any]:
    """The document with its times as the town's clocks show them."""
    times = {key: document[key] for key in TIMES if document.get(key)}
    local = {
        key: f"{datetime.fromisoformat(text).astimezone(zone):%Y-%m-%d %H:%M:%S}"
        for key, text in times.items()
    }
    return {**document, **local}


def _record_document(record: ClockRecord | None) -> dict[str, Any]:
    """The same keys always; nothing in them before a service has run."""
    one = record or ClockRecord(trust=ClockTrust.SETTLING, since=datetime.min.replace(tzinfo=UTC))
    return {
        "trust": str(one.trust) if record else None,
        "since": rfc3339_or_none(one.since if record else None),
        "jump_s": round(one.jump_s) if one.is_unconfirmed else None,
        "seen": rfc3339_or_none(one.seen.at if one.seen else None),
        "last_step_s": round(one.step_s) if one.step_at else None,
        "last_step": rfc3339_or_none(one.step_at),
        "accepted": rfc3339_or_none(one.accepted_at),
        "accepted_by": one.accepted_by or None,
    }
