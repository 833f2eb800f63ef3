"""`patrol health [CAMERA]`, `troubles`: rates of the fleet, one camera, the maintenance queue."""

from datetime import datetime
from typing import Annotated, Any

import typer

from patrol.cli.failures import bad_input
from patrol.cli.options import AsJson, By, operator
from patrol.cli.output import console, print_json, render_document
from patrol.cli.site import site_of, store_of
from patrol.clock import SystemClock
from patrol.domain.camera import Camera, visit_refusal
from patrol.domain.health import (
    INTACT_RATE_TARGET,
    INTACT_RATE_TARGET_KEY,
    FleetHealth,
    Trouble,
    fleet_health,
    split_by_priority,
)
from patrol.domain.ids import CameraId
from patrol.domain.schedule import IN_MAINTENANCE, maintenance_of
from patrol.domain.timestamps import rfc3339_or_none
from patrol.messaging.refused_messages import read_refused
from patrol.settings import Site
from patrol.store import UnitOfWork


def show_health(
    context: typer.Context,
    camera: Annotated[str, typer.Argument(metavar="[CAMERA]", help="只看一路。 One camera.")] = "",
    *,
    as_json: AsJson = False,
) -> None:
    """在线率、完好率,或一路的来龙去脉。 The fleet's rates, or one camera's history."""
    site, now = site_of(context), SystemClock().now()
    with store_of(site) as store, store.begin_read() as uow:
        document = _camera_health(uow, site, camera) if camera else _fleet_document(uow, site, now)
    if as_json:
        print_json(document)
        return
    console().print(render_document(document))


def list_troubles(
    context: typer.Context,
    *,
    take: Annotated[int, typer.Option("--take", metavar="NUMBER", help="认领。 See to it.")] = 0,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """运维队列(IV 级时限)。 The maintenance queue, on the clock of level IV."""
    now = SystemClock().now()
    with store_of(site_of(context)) as store:
        if take:
            with store.begin() as uow:
                try:
                    uow.troubles.put(uow.troubles.get(take).take_over(by=operator(by), now=now))
                except KeyError:
                    bad_input(f"{take}: there is no such trouble, `patrol troubles` lists them")
                uow.commit()
        with store.begin_read() as uow:
            queue = [_trouble_document(one, now) for one in uow.troubles.list_open()]
    if as_json:
        print_json(queue)
        return
    console().print(render_document({"运维队列 troubles": queue}) if queue else "无 none")


def _camera_health(uow: UnitOfWork, site: Site, camera: str) -> dict[str, Any]:
    known = [c for c in site.registry.cameras if c == camera or c.endswith(camera)]
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
        "history": [
            {"since": rfc3339_or_none(at), "state": s, "why": why} for s, at, why in history
        ],
    }


def _fleet_document(uow: UnitOfWork, site: Site, now: datetime) -> dict[str, Any]:
    cameras, health_by_id = site.registry.cameras, uow.health.current_by_camera()
    left_out = _left_out_reasons(uow, site, now)
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
            _trouble_document(one, now) for one in uow.troubles.list_open() if one.kind != "camera"
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


def _left_out_reasons(uow: UnitOfWork, site: Site, now: datetime) -> dict[CameraId, str]:
    today = now.astimezone(site.settings.site.tz).date()
    withdrawn = uow.consents.withdrawn()
    stoppages = [*site.settings.calendar.maintenance, *uow.stoppages.active(now)]

    def reason_for(camera: Camera) -> str | None:
        refusal = visit_refusal(camera, today, withdrawn)
        if (
            refusal is None
            and maintenance_of(camera, stoppages, site.registry.tree, now) is not None
        ):
            return IN_MAINTENANCE
        return None if refusal is None else str(refusal)

    reasons = {camera.id: reason_for(camera) for camera in site.registry.cameras.values()}
    return {ident: reason for ident, reason in reasons.items() if reason is not None}


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


def _trouble_document(one: Trouble, now: datetime) -> dict[str, Any]:
    return {
        "number": one.number,
        "kind": str(one.kind),
        "subject": one.subject,
        "state": one.state,
        "since": rfc3339_or_none(one.since),
        "due": rfc3339_or_none(one.due_at),
        "light": str(one.due_light(now)),
        "cameras": len(one.cameras),
        "taken_by": one.taken_by or None,
        "why": one.why,
    }


def _rounded_share(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
