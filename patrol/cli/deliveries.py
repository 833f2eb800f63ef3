"""`patrol deliveries list|retry`: what is held, unsent or was given up, with the reason."""

from typing import Annotated, Any, Final

import typer

from patrol.cli.failures import bad_input
from patrol.cli.options import AsJson
from patrol.cli.output import console, print_json
from patrol.cli.site import site_of, store_of
from patrol.clock import SystemClock
from patrol.domain.case import Case
from patrol.domain.outbox import Delivery
from patrol.domain.timestamps import rfc3339_or_none
from patrol.settings import Site

MAX_OPEN_CASES: Final = 10_000  # that are read: far more than a town can have open


def show_deliveries(
    context: typer.Context,
    *,
    limit: Annotated[int, typer.Option("--limit", min=1, help="最多几条。 At most.")] = 100,
    as_json: AsJson = False,
) -> None:
    """暂缓、待送与已放弃的,附原因。 What is held, waits, or was given up, with the reason."""
    site = site_of(context)
    with store_of(site) as store, store.begin_read() as uow:
        waiting, dead = uow.deliveries.waiting(), uow.deliveries.dead(limit=limit)
        unsent = uow.outbox.unsent()
        held = [case for case in uow.cases.list(open_only=True, limit=MAX_OPEN_CASES) if case.hold]
    if as_json:
        print_json(
            {
                "waiting": {
                    target: {"count": count, "since": rfc3339_or_none(since)}
                    for target, (count, since) in waiting.items()
                },
                "dead": [_dead_document(one) for one in dead],
                "unsent": unsent,
                "held": [_held_document(case) for case in held],
            }
        )
        return
    out = console()
    for case in held:
        _print_held(case, site)
    if unsent:
        out.print(f"MQTT: 待发 unsent {unsent}")
    for target, (count, since) in waiting.items():
        local = since.astimezone(site.settings.site.tz)
        out.print(
            f"{target}: 待送 waiting {count}, 自 since {local:%Y-%m-%d %H:%M}", soft_wrap=True
        )
    for one in dead:
        out.print(f"{one.target} {one.key}: 已放弃 given up: {one.problem}", soft_wrap=True)
    if not (waiting or dead or held or unsent):
        out.print("没有待送或放弃的通知。 Nothing waits, nothing was given up.")


def _dead_document(one: Delivery) -> dict[str, Any]:
    return {
        "target": one.target,
        "key": one.key,
        "event": one.event,
        "tries": one.tries,
        "reason": one.problem,
        "at": rfc3339_or_none(one.ended_at),
    }


def _held_document(case: Case) -> dict[str, Any]:
    hold = case.hold
    return {
        "case": case.id,
        "grid": case.grid,
        "why": hold.why if hold else None,
        "first_word": case.is_unannounced,
        "since": rfc3339_or_none(hold.since) if hold else None,
        "until": rfc3339_or_none(hold.until) if hold else None,
    }


def _print_held(case: Case, site: Site) -> None:
    if case.hold is None:
        return
    until = case.hold.until.astimezone(site.settings.site.tz)
    what = "首次推送 first word" if case.is_unannounced else "并案更新 repeat"
    console().print(
        f"{case.id} {case.grid}: {what} 暂缓 held: {case.hold.why}, 至 until {until:%m-%d %H:%M}",
        soft_wrap=True,
    )


def retry_delivery(
    context: typer.Context,
    target: Annotated[str, typer.Argument(metavar="TARGET", help="如 webhook:county。")],
    key: Annotated[str, typer.Argument(metavar="KEY", help="编号。 As `list` shows it.")],
) -> None:
    """已放弃的重新投递。 Try one that was given up again, from the start."""
    with store_of(site_of(context)) as store, store.begin() as uow:
        if not uow.deliveries.revive(target, key, SystemClock().now()):
            bad_input(f"{target} {key}: none such was given up, `patrol deliveries list` has them")
        uow.commit()
    console().print(f"重新投递 tried again: {target} {key}")
