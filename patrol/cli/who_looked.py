"""`patrol who-looked CAMERA|HOUSEHOLD` and `patrol consent list`: lists of what stands.

Which cameras may not be looked through and why, and who looked, from the access log.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

from patrol.cli.options import AsJson
from patrol.cli.output import bad_input, console, print_json
from patrol.cli.site import camera_named, camera_names, site_for_lists, store_of, trusted_now
from patrol.domain.access_labels import ACCESS_ACTIONS
from patrol.domain.access_log import AccessEntry
from patrol.domain.camera import Camera
from patrol.domain.consent import ConsentTerms, hours_text, visit_refusal
from patrol.domain.ids import CameraId, camera_id_problem
from patrol.domain.labels import label_text, refusal_label
from patrol.domain.reader_language import translate
from patrol.domain.timestamps import rfc3339, rfc3339_or_none

if TYPE_CHECKING:
    from patrol.settings import Site

WITHDRAWN_HERE: Final = "withdrawn_here"


def show_consents(context: typer.Context, *, as_json: AsJson = False) -> None:
    """哪些摄像头不能看，为什么。 Which cameras may not be looked through, and why."""
    site, registry = camera_names(context)
    zone = site.settings.site.tz
    with store_of(site) as store, store.begin_read() as uow:
        now = trusted_now(uow)
        terms = uow.consents.terms(now)
    cameras = registry.cameras.values()
    closed = [(c, why) for c in cameras if (why := _closed_reason(c, now.astimezone(zone), terms))]
    if as_json:
        print_json(
            [
                {"camera": c.id, "name": c.name, "why": why, **_terms_of(terms, c.id)}
                for c, why in closed
            ]
        )
        return
    for camera, why in closed:
        reason = (
            translate("农户已撤回", "withdrawn by the household")
            if why == WITHDRAWN_HERE
            else refusal_label(why)
        )
        console().print(f"{camera.id}  {reason}  {camera.name}", markup=False)
    open_count = len(cameras) - len(closed)
    console().print(
        translate(
            f"可巡 {open_count} / {len(cameras)}", f"{open_count} / {len(cameras)} may be patrolled"
        )
    )


def _closed_reason(camera: Camera, local: datetime, terms: ConsentTerms) -> str | None:
    if camera.id in terms.withdrawn:
        return WITHDRAWN_HERE
    refusal = visit_refusal(camera, local, terms)
    return None if refusal is None else str(refusal)


def _terms_of(terms: ConsentTerms, camera: CameraId) -> dict[str, object]:
    """What the household set of its own, where it did."""
    until, hours = terms.paused.get(camera), terms.hours.get(camera)
    document: dict[str, object] = {}
    if until is not None:
        document["paused_until"] = rfc3339(until)
    if hours:
        document["hours"] = hours_text(hours)
    return document


CameraOrHousehold = Annotated[
    str,
    typer.Argument(
        metavar="CAMERA|HOUSEHOLD",
        help="点位编码（或后 6 位）或农户编号。 A camera, or a household.",
    ),
]
PeopleOnly = Annotated[
    bool,
    typer.Option("--people", help="只列人，不列机器巡查。 People only, not the patrol's visits."),
]
Limit = Annotated[int, typer.Option("--limit", min=1, max=100_000, help="最多行数。 At most.")]


def who_looked(
    context: typer.Context,
    whose: CameraOrHousehold,
    *,
    people: PeopleOnly = False,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """谁看过：某点位（或某农户全部点位）的调阅登记，新的在前。 Who looked at its cameras."""
    site = site_for_lists(context)
    cameras = _cameras_meant(site, whose)
    with store_of(site) as store, store.begin_read() as uow:
        lines: list[AccessEntry] = []
        for camera in cameras:
            lines += uow.access.entries(camera=camera, by_people=people or None, limit=limit)
    lines = sorted(lines, key=lambda entry: -entry.number)[:limit]
    if as_json:
        print_json([_access_document(entry) for entry in lines])
        return
    zone = site.settings.site.tz
    for entry in lines:
        action = (
            label_text(ACCESS_ACTIONS[entry.what]) if entry.what in ACCESS_ACTIONS else entry.what
        )
        console().print(
            f"{entry.at.astimezone(zone):%Y-%m-%d %H:%M:%S}  {entry.camera}"
            f"  {entry.who}  {action}  {entry.why}  #{entry.number} {entry.hash[:12]}",
            markup=False, soft_wrap=True,
        )  # fmt: skip
    names = "、".join(cameras)
    summary = translate(
        f"{len(lines)} 条 · {names} · 链由 `patrol db check` 核验",
        f"{len(lines)} lines · {names} · `patrol db check` proves the chain",
    )
    console().print(summary, markup=False, soft_wrap=True)


def _cameras_meant(site: "Site", whose: str) -> Sequence[CameraId]:
    """The cameras of a household, or the one camera named; also one that left cameras.csv."""
    registry = site.registry.cameras
    of_household = [c.id for c in registry.values() if whose and c.household_ref == whose]
    if of_household:
        return sorted(of_household)
    if camera_id_problem(whose) is None:
        return [CameraId(whose)]
    if not whose.isdecimal():
        bad_input(f"{whose!r}: no household of cameras.csv, and no camera; give its 20 digits")
    return [camera_named(site, whose).id]


def _access_document(entry: AccessEntry) -> dict[str, object]:
    return {
        "number": entry.number,
        "at": rfc3339_or_none(entry.at),
        "who": entry.who,
        "what": entry.what,
        "camera": entry.camera,
        "why": entry.why,
        "previous": entry.previous,
        "hash": entry.hash,
    }
