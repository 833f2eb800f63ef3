"""`patrol deliveries list|retry|drop`: what is held, unsent, refused or given up, and why."""

from typing import Annotated, Any, Final

import typer

from patrol.cli.failures import bad_input
from patrol.cli.options import AsJson, By, operator
from patrol.cli.output import console, print_json
from patrol.cli.site import site_of, store_of
from patrol.clock import SystemClock
from patrol.domain.case import Case
from patrol.domain.ids import MessageKey
from patrol.domain.outbox import Delivery, DeliveryState, OutboxMessage
from patrol.domain.timestamps import rfc3339_or_none
from patrol.messaging.refused_messages import drop_refused, retry_problem, retry_refused
from patrol.settings import Site
from patrol.store import UnitOfWork

MQTT: Final = "mqtt"  # the target that stands for the broker
MAX_REFUSED: Final = 100_000  # retried by one command
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
        quarantined = uow.outbox.quarantined(limit=limit)
        refused = [*quarantined, *uow.outbox.refused(limit=limit)]
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
                "refused": [_refused_document(one) for one in refused],
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
        out.print(f"{target}: 待送 waiting {count}, since {since:%Y-%m-%d %H:%M} UTC")
    for message in refused:
        _print_refused(message, site)
    for one in dead:
        out.print(f"{one.target} {one.key}: 已放弃 given up: {one.problem}", soft_wrap=True)
    if not (waiting or dead or held or unsent or refused):
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


def _refused_document(one: OutboxMessage) -> dict[str, Any]:
    return {
        "target": MQTT,
        "key": one.key,
        "topic": one.topic,
        "case": one.case,
        "given_up": one.state is DeliveryState.QUARANTINED,
        "tries": one.tries,
        "reason": one.problem,
        "queued_at": rfc3339_or_none(one.queued_at),
        "next_try_at": rfc3339_or_none(one.due_at),
    }


def _print_refused(one: OutboxMessage, site: Site) -> None:
    if one.state is DeliveryState.QUARANTINED or one.due_at is None:
        what = "代理拒收,已放弃 refused and given up"
    else:
        at = one.due_at.astimezone(site.settings.site.tz)
        what = f"代理拒收,{at:%m-%d %H:%M} 再试 refused, tried again then"
    console().print(
        f"{MQTT} {one.key}: {what}: {one.problem} ({one.topic[:120]})",
        soft_wrap=True, markup=False,
    )  # fmt: skip


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
    target: Annotated[
        str, typer.Argument(metavar="TARGET", help="如 webhook:county;消息代理为 mqtt。")
    ],
    key: Annotated[str, typer.Argument(metavar="[KEY]", help="编号。 As `list` shows it.")] = "",
    *,
    every: Annotated[
        bool, typer.Option("--all", help="mqtt 的全部。 All that the broker refused.")
    ] = False,
) -> None:
    """已放弃的重新投递。 Try one that was given up again, from the start."""
    if every == bool(key) or (every and target != MQTT):
        bad_input(f"give a KEY, or --all with {MQTT}: `patrol deliveries list` has them")
    now = SystemClock().now()
    with store_of(site_of(context)) as store, store.begin() as uow:
        if target == MQTT:
            keys = _retryable_keys(uow) if every else [MessageKey(key)]
            for one in keys:
                retry_refused(uow, one, now)
            key = key or str(len(keys))
        elif not uow.deliveries.revive(target, key, now):
            bad_input(f"{target} {key}: none such was given up, `patrol deliveries list` has them")
        uow.commit()
    console().print(f"重新投递 tried again: {target} {key}", markup=False)


def drop_delivery(
    context: typer.Context,
    target: Annotated[str, typer.Argument(metavar="TARGET", help="mqtt。")],
    key: Annotated[str, typer.Argument(metavar="KEY", help="编号。 As `list` shows it.")],
    *,
    why: Annotated[str, typer.Option("--why", help="原因。 Kept with the message.")],
    by: By = "",
) -> None:
    """代理拒收的不再发送。 Give a message that the broker refuses up for good."""
    if target != MQTT:
        bad_input(f"TARGET: {target!r} has none to drop, what it gave up is deleted after a month")
    if not why.strip():
        bad_input("--why: is empty, say why nobody needs this message")
    with store_of(site_of(context)) as store, store.begin() as uow:
        now = SystemClock().now()
        drop_refused(uow, MessageKey(key), by=operator(by), why=why.strip(), now=now)
        uow.commit()
    console().print(f"不再发送 dropped: {target} {key}", markup=False)


def _retryable_keys(uow: UnitOfWork) -> list[MessageKey]:
    """Keys of refused messages that a retry can help."""
    refused = [
        *uow.outbox.quarantined(limit=MAX_REFUSED), *uow.outbox.refused(limit=MAX_REFUSED)
    ]  # fmt: skip
    return [one.key for one in refused if not retry_problem(uow, one)]
