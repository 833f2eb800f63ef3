"""A household's consent: `patrol consent withdraw|restore|pause|resume|hours|list`; `who-looked`.

A change of consent has effect within a second. `who-looked CAMERA|HOUSEHOLD` shows the access log.
"""

from typing import TYPE_CHECKING, Annotated, Final

import typer

from patrol.cli.exchange import end_in_exchange
from patrol.cli.options import AsJson, By, CameraArgument, operator
from patrol.cli.output import bad_input, colon, console, print_json
from patrol.cli.site import camera_named, site_of, store_of, trusted_now_of
from patrol.domain.consent import (
    TermsAction,
    TermsChange,
    parse_hours,
    parse_until,
)
from patrol.domain.reader_language import translate
from patrol.households.documents import terms_document
from patrol.households.terms import change_terms
from patrol.pictures import FilePictureStore

if TYPE_CHECKING:
    pass

WITHDRAWN_HERE: Final = "withdrawn_here"
ANY_HOUR: Final = "any"
DONE: Final = {
    TermsAction.WITHDRAW: (
        "已撤回，不再连接，所存画面已删除",
        "consent withdrawn, its pictures deleted",
    ),
    TermsAction.RESTORE: ("已恢复以登记册为准", "consent restored"),
    TermsAction.PAUSE: ("已暂停", "consent paused"),
    TermsAction.RESUME: ("已结束暂停", "pause ended"),
    TermsAction.HOURS: ("已设定时段", "hours of consent set"),
}
Until = Annotated[
    str,
    typer.Option(
        "--until",
        metavar="TIME",
        help="到，如 2026-11-22T18:00 或 2026-11-22（含当日）。 Until when.",
    ),
]
Hours = Annotated[
    str,
    typer.Argument(
        metavar="HOURS", help="如 08:00-12:00,14:00-18:00;any 为不限。 Local time, or any."
    ),
]
Why = Annotated[str, typer.Option("--why", help="原因。 The reason.")]


def withdraw_consent(
    context: typer.Context, camera: CameraArgument, *, why: Why = "", by: By = "",
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """农户撤回同意：一秒内不再连接。 Withdraw: not connected to from now on."""
    change = TermsChange(action=TermsAction.WITHDRAW, why=why)
    _change_terms(context, camera, change, by, as_json=as_json)


def restore_consent(
    context: typer.Context, camera: CameraArgument, *, why: Why = "", by: By = "",
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """取消撤回，以登记册为准。 Take a withdrawal back; the registry's own consent counts again."""
    change = TermsChange(action=TermsAction.RESTORE, why=why)
    _change_terms(context, camera, change, by, as_json=as_json)


def pause_consent(
    context: typer.Context, camera: CameraArgument, *, until: Until, why: Why = "", by: By = "",
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """农户暂停：到时自动恢复。 Not connected to until then; goes on by itself."""
    zone = site_of(context).settings.site.tz
    change = TermsChange(action=TermsAction.PAUSE, until=parse_until(until, zone), why=why)
    _change_terms(context, camera, change, by, as_json=as_json)


def resume_consent(
    context: typer.Context, camera: CameraArgument, *, by: By = "", as_json: AsJson = False
) -> None:
    """提前结束暂停。 End a household's pause before its time."""
    _change_terms(context, camera, TermsChange(action=TermsAction.RESUME), by, as_json=as_json)


def set_consent_hours(
    context: typer.Context, camera: CameraArgument, hours: Hours, *, why: Why = "", by: By = "",
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """只在农户同意的时段巡查。 Connected to at these hours alone; `any`: at every hour again."""
    windows = parse_hours("" if hours == ANY_HOUR else hours)
    if hours != ANY_HOUR and not windows:
        bad_input(f"HOURS: {hours!r} names no hours, give 08:00-18:00, or {ANY_HOUR}")
    change = TermsChange(action=TermsAction.HOURS, hours=windows, why=why)
    _change_terms(context, camera, change, by, as_json=as_json)


def _change_terms(
    context: typer.Context, text: str, change: TermsChange, by: str, *, as_json: bool
) -> None:
    site = site_of(context)
    camera, who = camera_named(site, text), operator(by)
    with store_of(site) as store:
        evidence = FilePictureStore(site.settings.evidence)  # makes its directory: after the store
        now = trusted_now_of(store)
        stands = change_terms(
            store, evidence, camera.id, change, by=who, channel="patrol consent", now=now
        )
        if change.action is TermsAction.WITHDRAW:
            end_in_exchange(site, store)
    if as_json:
        print_json({"camera": camera.id, **terms_document(stands), "by": who})
        return
    done = translate(*DONE[change.action])
    console().print(f"{camera.id} {camera.name}{colon()}{done}", markup=False)
