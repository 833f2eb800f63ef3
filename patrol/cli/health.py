"""`patrol health [CAMERA]` and `patrol troubles`: rates, a camera's story, the queue."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from patrol.cli.common import (
    AsJson,
    By,
    bad_input,
    console,
    operator,
    print_json,
    site_of,
    store_of,
)

if TYPE_CHECKING:
    from datetime import datetime

    from patrol.domain.camera import Camera
    from patrol.domain.fleet import Fleet
    from patrol.domain.ids import CameraId
    from patrol.domain.trouble import Trouble
    from patrol.settings import Site
    from patrol.store import UnitOfWork


def register(cli: typer.Typer) -> None:
    """Add the verbs."""
    cli.command("health")(health)
    cli.command("troubles")(troubles)


def health(
    context: typer.Context,
    camera: Annotated[str, typer.Argument(metavar="[CAMERA]", help="只看一路。 One camera.")] = "",
    *,
    as_json: AsJson = False,
) -> None:
    """在线率、完好率,或一路的来龙去脉。 The fleet's rates, or one camera's story."""
    from patrol.clock import SystemClock  # noqa: PLC0415  with the rooms

    site, now = site_of(context), SystemClock().now()
    with store_of(site) as store, store.begin_read() as uow:
        document = _story(uow, site, camera) if camera else _fleet(uow, site, now)
    if as_json:
        print_json(document)
        return
    from patrol.cli.tables import render_document  # noqa: PLC0415  rich

    console().print(render_document(document))


def troubles(
    context: typer.Context,
    *,
    take: Annotated[int, typer.Option("--take", metavar="NUMBER", help="认领。 See to it.")] = 0,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """运维队列(IV 级时限)。 The maintenance queue, on the clock of level IV."""
    from patrol.clock import SystemClock  # noqa: PLC0415  with the rooms

    now = SystemClock().now()
    with store_of(site_of(context)) as store:
        if take:
            with store.begin() as uow:
                try:
                    uow.troubles.put(uow.troubles.get(take).take(by=operator(by), now=now))
                except KeyError:
                    bad_input(f"{take}: there is no such trouble, `patrol troubles` lists them")
                uow.commit()
        with store.begin_read() as uow:
            queue = [_trouble(one, now) for one in uow.troubles.standing()]
    if as_json:
        print_json(queue)
        return
    from patrol.cli.tables import render_document  # noqa: PLC0415  rich

    console().print(render_document({"运维队列 troubles": queue}) if queue else "无 none")


def _story(uow: "UnitOfWork", site: "Site", camera: str) -> dict[str, Any]:
    known = [c for c in site.registry.cameras if c == camera or c.endswith(camera)]
    if len(known) != 1:
        bad_input(f"camera {camera!r}: {len(known)} cameras end so, give its 20 digits")
    story, history = uow.health.story(known[0]), uow.health.history(known[0])
    if story is None:
        return {"camera": known[0], "state": None, "history": []}
    return {
        "camera": known[0],
        "state": story.state,
        "since": _text(story.since),
        "why": story.why,
        "failures": story.failures,
        "failing_since": _text(story.failing_since),
        "connection": story.grade or None,
        "history": [{"since": _text(at), "state": s, "why": why} for s, at, why in history],
    }


def _fleet(uow: "UnitOfWork", site: "Site", now: "datetime") -> dict[str, Any]:
    from patrol.domain.fleet import (  # noqa: PLC0415  with the rooms
        TARGET,
        TARGET_KEY,
        fleet_of,
        key_and_rest,
    )

    cameras, stories = site.registry.cameras, uow.health.stories()
    left_out = _left_out(uow, site, now)
    key, rest = key_and_rest(cameras.values())
    return {
        **_rates(fleet_of(cameras.values(), stories, left_out)),
        "retired": sum(ident not in cameras for ident in stories),
        "key": {**_rates(fleet_of(key, stories, left_out)), "target": TARGET_KEY},
        "rest": {**_rates(fleet_of(rest, stories, left_out)), "target": TARGET},
        "outages": [_trouble(one, now) for one in uow.troubles.standing() if one.kind != "camera"],
    }


def _left_out(uow: "UnitOfWork", site: "Site", now: "datetime") -> "dict[CameraId, str]":
    from patrol.domain.stoppage import IN_MAINTENANCE, upkeep_of  # noqa: PLC0415  with the rooms
    from patrol.rounds.plan import why_refused  # noqa: PLC0415  with the rooms

    today = now.astimezone(site.settings.site.tz).date()
    withdrawn = uow.consents.withdrawn()
    said = [*site.settings.calendar.maintenance, *uow.stoppages.standing(now)]

    def why(camera: "Camera") -> str | None:
        refusal = why_refused(camera, today, withdrawn)
        if refusal is None and upkeep_of(camera, said, site.registry.tree, now) is not None:
            return IN_MAINTENANCE
        return None if refusal is None else str(refusal)

    reasons = {camera.id: why(camera) for camera in site.registry.cameras.values()}
    return {ident: reason for ident, reason in reasons.items() if reason is not None}


def _rates(fleet: "Fleet") -> dict[str, Any]:
    return {
        "registered": fleet.registered,
        "counted": fleet.counted,
        "left_out": dict(fleet.left_out),
        "online": fleet.online,
        "faulty": fleet.faulty,
        "offline": fleet.offline,
        "suspect": fleet.suspect,
        "online_rate": _share(fleet.online_rate),
        "intact_rate": _share(fleet.intact_rate),
        "connection": dict(fleet.grades),
    }


def _trouble(one: "Trouble", now: "datetime") -> dict[str, Any]:
    return {
        "number": one.number,
        "kind": str(one.kind),
        "subject": one.subject,
        "state": one.state,
        "since": _text(one.since),
        "due": _text(one.due_at),
        "light": str(one.light(now)),
        "cameras": len(one.cameras),
        "taken_by": one.taken_by or None,
        "why": one.why,
    }


def _share(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _text(at: "datetime | None") -> str | None:
    return None if at is None else f"{at:%Y-%m-%dT%H:%M:%SZ}"
