"""`patrol pause|resume|maintenance`: what is deliberately not patrolled, by whom and why."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from patrol.cli.options import AsJson, By, operator
from patrol.cli.output import bad_input, code_text, colon, console, print_json, print_none
from patrol.cli.site import (
    EndAction,
    end_by_number,
    maintenance_windows,
    site_of,
    store_of,
    trusted_now,
)
from patrol.domain.problem_texts import problem_text
from patrol.domain.reader_language import reader_language, translate
from patrol.domain.schedule import Stoppage, StoppageScope
from patrol.domain.timestamps import parse_time, rfc3339_or_none

if TYPE_CHECKING:
    from patrol.settings import Site

Reason = Annotated[str, typer.Option("--reason", help="原因，必填。 Why; needed.")]
Until = Annotated[
    str, typer.Option("--until", metavar="TIME", help="到何时，本地 2026-11-22 18:00。 Local time.")
]
Start = Annotated[
    str, typer.Option("--from", metavar="TIME", help="从何时，默认现在。 Now if not.")
]

MAINTENANCE_END: Final = EndAction(
    end=lambda uow, number, by, now: uow.stoppages.end(number, by=by, now=now),
    done="ended",
    done_zh="已结束",
    none="is over already, or never was; `patrol maintenance list` shows all",
)


def pause(
    context: typer.Context,
    *,
    reason: Reason = "",
    until: Until = "",
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """暂停全部巡查，进行中的一轮随即中断。 Pause all rounds; one under way is interrupted."""
    site = site_of(context)
    _print_stoppage(
        _add_stoppage(site, StoppageScope.ROUNDS, "", reason=reason, span=("", until), by=by),
        as_json=as_json,
    )


def resume(context: typer.Context, *, by: By = "", as_json: AsJson = False) -> None:
    """恢复巡查，中断的一轮接着走。 End every pause; an interrupted round goes on."""
    who = operator(by)
    with store_of(site_of(context)) as store, store.begin() as uow:
        now = trusted_now(uow)
        paused = [s for s in uow.stoppages.active(now) if s.scope is StoppageScope.ROUNDS]
        ended = [s.number for s in paused if uow.stoppages.end(s.number, by=who, now=now)]
        uow.commit()
    if as_json:
        print_json({"resumed": ended, "by": who})
    elif ended:
        console().print(
            translate(
                f"已恢复巡查（{len(ended)} 个暂停结束）",
                f"rounds go on ({len(ended)} pauses ended)",
            ),
            markup=False,
        )
    else:
        console().print(translate("没有暂停", "nothing was paused"), markup=False)


def add_maintenance(
    context: typer.Context,
    *,
    camera: Annotated[str, typer.Option("--camera", help="摄像头编码。 Its 20 digits.")] = "",
    link: Annotated[str, typer.Option("--link", help="链路。 A link of cameras.csv.")] = "",
    village: Annotated[str, typer.Option("--village", help="村（网格）编码。 A grid code.")] = "",
    reason: Reason = "",
    start: Start = "",
    until: Until = "",
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """登记维护：不计划、不计漏巡。 Put a camera, a link or a village into maintenance."""
    site = site_of(context)
    registry = site.registry
    known: dict[StoppageScope, tuple[str, set[str]]] = {
        StoppageScope.CAMERA: (camera, set(registry.cameras)),
        StoppageScope.LINK: (link, {one.link for one in registry.cameras.values()}),
        StoppageScope.GRID: (village, set(registry.tree.grids)),
    }
    named = [(scope, name, there) for scope, (name, there) in known.items() if name]
    if len(named) != 1:
        bad_input("maintenance: name one of --camera, --link, --village")
    scope, name, there = named[0]
    if name not in there:
        bad_input(
            f"--{'village' if scope is StoppageScope.GRID else scope} {name!r}: there is none"
        )
    _print_stoppage(
        _add_stoppage(site, scope, name, reason=reason, span=(start, until), by=by), as_json=as_json
    )


def end_maintenance(
    context: typer.Context,
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="编号。 As `list` shows it.")],
    *,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """维护提前结束。 End it before its time."""
    end_by_number(context, number, MAINTENANCE_END, by=by, as_json=as_json)


def show_stoppages(context: typer.Context, *, as_json: AsJson = False) -> None:
    """现在与将来的暂停和维护。 What is stopped now or will be, site.yaml's windows too."""
    site, windows = maintenance_windows(context)
    with store_of(site) as store, store.begin_read() as uow:
        now = trusted_now(uow)
        known = [*windows, *uow.stoppages.active(now)]
    standing = [stoppage for stoppage in known if not stoppage.has_ended(now)]
    if as_json:
        print_json([_stoppage_document(stoppage) for stoppage in standing])
        return
    zone = site.settings.site.tz
    for one in standing:
        number = str(one.number) if one.number else "site.yaml"
        until = f"{one.until.astimezone(zone):%m-%d %H:%M}" if one.until else "…"
        span = f"{one.start.astimezone(zone):%m-%d %H:%M} – {until}"
        console().print(
            f"{number:>9}  {code_text(one.scope)} {one.subject}  {span}  {one.reason} ({one.by})",
            markup=False,
        )
    if not standing:
        print_none()


def _add_stoppage(
    site: "Site",
    scope: StoppageScope,
    subject: str,
    *,
    reason: str,
    span: tuple[str, str],
    by: str,
) -> Stoppage:
    if not reason.strip():
        bad_input("--reason: is missing, say why")
    start, until = (_local_time(text, site) for text in span)
    try:
        with store_of(site) as store, store.begin() as uow:
            now = trusted_now(uow)
            added = uow.stoppages.add(
                scope=scope,
                subject=subject,
                start=start or now,
                until=until,
                reason=reason,
                by=operator(by),
                now=now,
            )
            uow.commit()
    except ValueError as exc:
        bad_input(f"--until: {exc}")
    return added


def _local_time(text: str, site: "Site") -> datetime | None:
    if not text.strip():
        return None
    try:
        return parse_time(text.strip(), site.settings.site.tz)
    except ValueError:
        bad_input(f"{text!r} is not a time, write 2026-11-22 18:00")


def _stoppage_document(one: Stoppage) -> dict[str, Any]:
    return {
        "number": one.number,
        "scope": str(one.scope),
        "subject": one.subject,
        "from": rfc3339_or_none(one.start),
        "until": rfc3339_or_none(one.until),
        "reason": one.reason,
        "by": one.by,
    }


def _print_stoppage(added: Stoppage, *, as_json: bool) -> None:
    if as_json:
        print_json(_stoppage_document(added))
        return
    console().print(
        f"{added.number}{colon()}{problem_text(added.description, reader_language())}", markup=False
    )
