"""What the maintainer looks after: `patrol health`, `troubles`, `deliveries list|retry|drop`.

Rates of the fleet, or one camera's history; the maintenance queue; and which messages to people and
other programs are held, unsent, refused or were given up, with the reason.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from patrol.cli.clock import clock_document
from patrol.cli.options import AsJson, By, operator
from patrol.cli.output import (
    bad_input,
    code_text,
    colon,
    console,
    print_json,
    render_document,
)
from patrol.cli.site import (
    RELAY_WITHIN_S,
    app_of,
    camera_names,
    maintenance_windows,
    site_names,
    store_of,
    trusted_now,
)
from patrol.clock import SystemClock
from patrol.domain.camera import Camera
from patrol.domain.case import Case
from patrol.domain.health import (
    INTACT_RATE_TARGET,
    INTACT_RATE_TARGET_KEY,
    FleetHealth,
    fleet_health,
    split_by_priority,
)
from patrol.domain.ids import CameraId, MessageKey
from patrol.domain.outbox import Delivery, DeliveryState, OutboxMessage
from patrol.domain.problem_texts import problem_text
from patrol.domain.reader_language import reader_language, translate
from patrol.domain.registry import Registry
from patrol.domain.round import MEMORY_DISCARDED_FACT
from patrol.domain.timestamps import rfc3339, rfc3339_or_none
from patrol.messaging.refused_messages import (
    drop_refused,
    read_refused,
    retry_problem,
    retry_refused,
)
from patrol.reports.fleet import left_out_reasons
from patrol.reports.waiting_documents import trouble_document
from patrol.store import UnitOfWork

if TYPE_CHECKING:
    from patrol.settings.site_names import SiteNames


def show_health(
    context: typer.Context,
    camera: Annotated[str, typer.Argument(metavar="[CAMERA]", help="只看一路。 One camera.")] = "",
    *,
    as_json: AsJson = False,
) -> None:
    """在线率、完好率，或一路的来龙去脉。 The fleet's rates, or one camera's history."""
    site, registry = camera_names(context)
    windows = maintenance_windows(context)[1]
    with store_of(site) as store, store.begin_read() as uow:
        if camera:
            document = _camera_health(uow, registry, camera)
        else:
            now, zone = trusted_now(uow), site.settings.site.tz
            left_out = left_out_reasons(uow, registry, windows, zone, now)
            document = {
                **_fleet_document(uow, registry.cameras, left_out, now),
                "clock": clock_document(uow, SystemClock().now()),  # beside what is believed
            }
    if as_json:
        print_json(document)
        return
    console().print(render_document(document, site.settings.site.tz))


def list_troubles(
    context: typer.Context,
    *,
    take: Annotated[int, typer.Option("--take", metavar="NUMBER", help="认领。 See to it.")] = 0,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """运维队列（IV 级时限）。 The maintenance queue, on the clock of level IV."""
    if take:
        _take_trouble(context, take, operator(by))
    site = site_names(context)
    with store_of(site) as store, store.begin_read() as uow:
        now = trusted_now(uow)
        queue = [trouble_document(one, now) for one in uow.troubles.list_open()]
    if as_json:
        print_json(queue)
        return
    zone = site.settings.site.tz
    console().print(
        render_document({translate("运维队列", "troubles"): queue}, zone)
        if queue
        else translate("无", "none")
    )


def _take_trouble(context: typer.Context, number: int, by: str) -> None:
    """Take it, with its case; the case's messages go out if the broker answers soon."""
    from patrol.cases.equipment import take_trouble  # noqa: PLC0415  not for the list alone

    with app_of(context) as app:
        with app.store.begin() as uow:
            now = app.clock.now()
            try:
                take_trouble(uow, number, by=by, now=now, payloads=app.payloads)
            except KeyError:
                bad_input(f"{number}: there is no such trouble, `patrol troubles` lists them")
            uow.commit()
        app.send_now(RELAY_WITHIN_S)


def _camera_health(uow: UnitOfWork, registry: Registry, camera: str) -> dict[str, Any]:
    known = [c for c in registry.cameras if c == camera or c.endswith(camera)]
    if len(known) != 1:
        bad_input(f"camera {camera!r}: {len(known)} cameras end so, give its 20 digits")
    health, history = uow.health.current(known[0]), uow.health.history(known[0])
    if health is None:
        return {"camera": known[0], "state": None, "history": []}
    return {
        "camera": known[0],
        "state": health.state,
        "since": rfc3339_or_none(health.since),
        "why": health.why,
        "failures": health.failures,
        "failing_since": rfc3339_or_none(health.failing_since),
        "connection": health.grade or None,
        "memory_discarded": _discarded_memory(uow, known[0]),
        "history": [
            {"since": rfc3339_or_none(at), "state": s, "why": why} for s, at, why in history
        ],
    }


def _discarded_memory(uow: UnitOfWork, camera: CameraId) -> str | None:
    """Of its last visits, why what was learnt of it was dropped; it is learnt anew since."""
    for visit in uow.rounds.latest_visits(camera):
        if reason := (visit.facts or {}).get(MEMORY_DISCARDED_FACT):
            return f"{rfc3339(visit.finished_at)} {visit.light}: {reason}"
    return None


def _fleet_document(
    uow: UnitOfWork,
    cameras: Mapping[CameraId, Camera],
    left_out: Mapping[CameraId, str],
    now: datetime,
) -> dict[str, Any]:
    health_by_id = uow.health.current_by_camera()
    key, rest = split_by_priority(cameras.values())
    return {
        **_rates_document(fleet_health(cameras.values(), health_by_id, left_out)),
        "retired": sum(ident not in cameras for ident in health_by_id),
        "key": {
            **_rates_document(fleet_health(key, health_by_id, left_out)),
            "target": INTACT_RATE_TARGET_KEY,
        },
        "rest": {
            **_rates_document(fleet_health(rest, health_by_id, left_out)),
            "target": INTACT_RATE_TARGET,
        },
        "outages": [
            trouble_document(one, now) for one in uow.troubles.list_open() if one.kind != "camera"
        ],
        "messages": _messages_document(uow),
    }


def _messages_document(uow: UnitOfWork) -> dict[str, Any]:
    """What waits for the broker and what it refuses; `patrol deliveries list` has each."""
    refused = read_refused(uow)
    return {
        "waiting": uow.outbox.unsent(),
        "refused": refused.retrying,
        "given_up": refused.quarantined,
        "first": [{"key": m.key, "topic": m.topic, "reason": m.problem} for m in refused.first],
    }


def _rates_document(fleet: FleetHealth) -> dict[str, Any]:
    return {
        "registered": fleet.registered,
        "counted": fleet.counted,
        "left_out": dict(fleet.left_out),
        "online": fleet.online,
        "faulty": fleet.faulty,
        "offline": fleet.offline,
        "suspect": fleet.suspect,
        "online_rate": _rounded_share(fleet.online_rate),
        "intact_rate": _rounded_share(fleet.intact_rate),
        "connection": dict(fleet.grades),
    }


def _rounded_share(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


MQTT: Final = "mqtt"  # the target that stands for the broker
MAX_REFUSED: Final = 100_000  # retried by one command
MAX_OPEN_CASES: Final = 10_000  # that are read: far more than a town can have open


def show_deliveries(
    context: typer.Context,
    *,
    limit: Annotated[int, typer.Option("--limit", min=1, help="最多几条。 At most.")] = 100,
    as_json: AsJson = False,
) -> None:
    """暂缓、待送与已放弃的，附原因。 What is held, waits, or was given up, with the reason."""
    site = site_names(context)
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
        out.print(translate(f"MQTT：待发 {unsent}", f"MQTT: unsent {unsent}"))
    _print_waiting(waiting, site)
    for message in refused:
        _print_refused(message, site)
    _print_dead(dead)
    if not (waiting or dead or held or unsent or refused):
        out.print(translate("没有待送或放弃的通知。", "Nothing waits, nothing was given up."))


def _print_waiting(waiting: Mapping[str, tuple[int, datetime]], site: "SiteNames") -> None:
    for target, (count, since) in waiting.items():
        local = since.astimezone(site.settings.site.tz)
        console().print(
            translate(
                f"{target}：待送 {count}，自 {local:%Y-%m-%d %H:%M}",
                f"{target}: waiting {count}, since {local:%Y-%m-%d %H:%M}",
            ),
            soft_wrap=True,
        )


def _print_dead(dead: Sequence[Delivery]) -> None:
    for one in dead:
        console().print(
            translate(
                f"{one.target} {one.key}：已放弃：{_problem(one.problem)}",
                f"{one.target} {one.key}: given up: {one.problem}",
            ),
            soft_wrap=True,
        )


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


def _print_refused(one: OutboxMessage, site: "SiteNames") -> None:
    if one.state is DeliveryState.QUARANTINED or one.due_at is None:
        what = translate("代理拒收，已放弃", "refused and given up")
    else:
        at = one.due_at.astimezone(site.settings.site.tz)
        what = translate(
            f"代理拒收，{at:%m-%d %H:%M} 再试", f"refused, tried again {at:%m-%d %H:%M}"
        )
    console().print(
        f"{MQTT} {one.key}{colon()}{what}{colon()}{_problem(one.problem)} ({one.topic[:120]})",
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


def _problem(text: str) -> str:
    return problem_text(text, reader_language())


def _print_held(case: Case, site: "SiteNames") -> None:
    if case.hold is None:
        return
    until = case.hold.until.astimezone(site.settings.site.tz)
    why = code_text(case.hold.why)
    what = (
        translate("首次推送", "first word")
        if case.is_unannounced
        else translate("并案更新", "repeat")
    )
    console().print(
        translate(
            f"{case.id} {case.grid}：{what} 暂缓：{why}，至 {until:%m-%d %H:%M}",
            f"{case.id} {case.grid}: {what} held: {why}, until {until:%m-%d %H:%M}",
        ),
        soft_wrap=True,
    )


def retry_delivery(
    context: typer.Context,
    target: Annotated[
        str,
        typer.Argument(metavar="TARGET", help="如 webhook:county；消息代理为 mqtt。 As listed."),
    ],
    key: Annotated[str, typer.Argument(metavar="KEY", help="编号。 As `list` shows it.")] = "",
    *,
    every: Annotated[
        bool, typer.Option("--all", help="mqtt 的全部。 All that the broker refused.")
    ] = False,
) -> None:
    """已放弃的重新投递。 Try one that was given up again, from the start."""
    if every == bool(key) or (every and target != MQTT):
        bad_input(f"give a KEY, or --all with {MQTT}: `patrol deliveries list` has them")
    with store_of(site_names(context)) as store, store.begin() as uow:
        now = trusted_now(uow)
        if target == MQTT:
            keys = _retryable_keys(uow) if every else [MessageKey(key)]
            for one in keys:
                retry_refused(uow, one, now)
            key = key or str(len(keys))
        elif not uow.deliveries.revive(target, key, now):
            bad_input(f"{target} {key}: none such was given up, `patrol deliveries list` has them")
        uow.commit()
    console().print(
        translate(f"重新投递：{target} {key}", f"tried again: {target} {key}"), markup=False
    )


def drop_delivery(
    context: typer.Context,
    target: Annotated[str, typer.Argument(metavar="TARGET", help="只能是 mqtt。 Only mqtt.")],
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
    with store_of(site_names(context)) as store, store.begin() as uow:
        now = trusted_now(uow)
        drop_refused(uow, MessageKey(key), by=operator(by), why=why.strip(), now=now)
        uow.commit()
    console().print(
        translate(f"不再发送：{target} {key}", f"dropped: {target} {key}"), markup=False
    )


def _retryable_keys(uow: UnitOfWork) -> list[MessageKey]:
    """Keys of refused messages that a retry can help."""
    refused = [
        *uow.outbox.quarantined(limit=MAX_REFUSED), *uow.outbox.refused(limit=MAX_REFUSED)
    ]  # fmt: skip
    return [one.key for one in refused if not retry_problem(uow, one)]
