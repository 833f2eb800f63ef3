"""Rounds: `patrol run` is the resident service, with the web console where its extra is there.

`patrol round` is one round now, of a plan or over what is named, its progress on stderr.
"""

import logging
import math
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import tzinfo
from typing import Annotated, Final

import typer

from patrol.app import Application
from patrol.app.detectors import missing_models
from patrol.app.service import ServiceFailed, run_service
from patrol.cli.options import AsJson
from patrol.cli.output import (
    FAILED,
    bad_input,
    console,
    console_err,
    logs_to_stderr,
    print_err,
    print_json,
    report_failure,
)
from patrol.cli.site import app_of, camera_named, site_of, until_signalled
from patrol.clock import SystemClock
from patrol.domain.labels import plan_label, refusal_label
from patrol.domain.reader_language import translate
from patrol.reports.terminal import progress_display, render_round
from patrol.rounds.adhoc import AdhocSelection
from patrol.settings import Site


def run(context: typer.Context) -> None:
    """常驻服务：按时巡查、推送、收反馈、升级。 The service: rounds by the clock."""
    logs_to_stderr(logging.INFO, as_lines_of_json=True)
    with until_signalled() as stop, _leadership(site_of(context), stop) as is_leader:
        if is_leader:
            _serve(context, stop)
    print_err(translate("已停止", "stopped"))


@contextmanager
def _leadership(site: Site, stop: threading.Event) -> Iterator[bool]:
    """Of a cluster: wait until this service leads; one whose lead is lost ends its process."""
    if site.settings.cluster is None:
        yield True
        return
    from patrol.cluster.leader import Leadership  # noqa: PLC0415  of a cluster alone

    def on_lost(why: str) -> None:
        # No thread of it may write another row; the store resumes all.
        os._exit(report_failure(ServiceFailed(f"the lead is lost: {why}")))

    def on_standby(why: str) -> None:
        print_err(translate(f"待命：{why}", f"standing by: {why}"))

    leadership = Leadership(site.settings.database, site.settings.site.id, SystemClock(), on_lost)
    with leadership.hold(stop, on_standby=on_standby) as is_leader:
        if is_leader:
            print_err(translate("本机主持", "this service leads"))
        yield is_leader


def _serve(context: typer.Context, stop: threading.Event) -> None:
    """Run the service until `stop`."""
    with app_of(context, wait_s=math.inf, stop=stop, create_store=True) as app:
        settings = app.site.settings
        site, zone = settings.site, settings.site.tz
        plans = translate("、", ", ").join(
            f"{plan_label(p.name)} {p.start:%H:%M}–{p.finish_by:%H:%M}"
            for p in settings.plans.values()
        )
        print_err(
            translate(f"{site.name}（{site.id}）：{plans}", f"{site.name} ({site.id}): {plans}")
        )
        for lack in filter(None, (*app.detectors.without, missing_models(settings))):
            print_err(lack)

        def ready() -> None:
            print_err(translate("已就绪，Ctrl-C 停止", "ready, Ctrl-C stops"))

        with _web_console(app), progress_display(console_err(), zone, as_log=True) as show:
            try:
                run_service(app, stop, on_progress=show, ready=ready)
            except ServiceFailed as exc:
                if not exc.is_frozen:
                    raise
                # A thread that hangs would keep the process from ending; the store resumes all.
                os._exit(report_failure(exc))


@contextmanager
def _web_console(app: Application) -> Iterator[None]:
    """Serve the console where site.yaml wants it and its extra is installed."""
    if not app.site.settings.console.enabled:
        yield
        return
    try:
        from patrol.web.server import serve  # noqa: PLC0415  an optional extra
    except ModuleNotFoundError as exc:
        print_err(
            translate(
                f"不开控制台：缺 {exc.name}，请 pip install 'patrol[console]'",
                f"no console: {exc.name} is not installed, pip install 'patrol[console]'",
            )
        )
        yield
        return
    with serve(app) as address:
        print_err(translate(f"控制台：{address.url}", f"console: {address.url}"))
        yield


DATABASE_WITHIN_S: Final = 60.0  # a person waits; the service waits for ever


def run_round(
    context: typer.Context,
    plan: Annotated[
        str, typer.Argument(metavar="[PLAN]", help="方案名，如 morning。 Name of a plan.")
    ] = "",
    *,
    grids: Annotated[
        list[str] | None,
        typer.Option("--grid", metavar="CODE", help="只巡某村或某组。 Ad hoc, over this grid."),
    ] = None,
    links: Annotated[
        list[str] | None,
        typer.Option("--link", metavar="NAME", help="只巡某条链路。 Ad hoc, over this link."),
    ] = None,
    cameras: Annotated[
        list[str] | None,
        typer.Option("--camera", metavar="ID", help="只巡这些点位。 Ad hoc, these cameras."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """立即巡查一轮；给出网格、链路或点位即为专项巡查。 One round now; ad hoc where named."""
    if not (plan or grids or links or cameras):
        bad_input("patrol: Missing argument 'PLAN', or --grid, --link, --camera for one ad hoc")
    logs_to_stderr(logging.WARNING)
    with (
        until_signalled() as stop,
        app_of(context, wait_s=DATABASE_WITHIN_S, stop=stop, create_store=True) as app,
    ):
        zone = app.site.settings.site.tz
        if plan:
            app.plan(plan)  # raises UnknownPlan before anything is opened
        selection = _adhoc_selection(app.site, grids or (), links or (), cameras or ())
        for lack in app.detectors.without:
            print_err(lack)
        with progress_display(console_err(), zone) as show:
            summary = app.run_round(plan, adhoc=selection, on_progress=show, stop=stop)
    _print_summary(summary, zone, as_json=as_json)
    if summary.get("state", "finished") != "finished":
        reason = summary.get("reason") or "stopped"
        again = f"`patrol round {plan}`" if selection is None else "the same command"
        print_err(f"{summary['round']}: {reason}; {again} takes it up again")
        raise typer.Exit(FAILED)


def _print_summary(summary: Mapping[str, object], zone: tzinfo, *, as_json: bool) -> None:
    """Print the round; on stderr that it visited nothing, and what keeps its cameras from it."""
    if as_json:
        print_json(summary)
    else:
        console().print(render_round(summary, zone=zone))
    refusals = summary.get("refusals")
    if summary.get("planned") == 0 and isinstance(refusals, Mapping):
        named = (f"{refusal_label(kind)} {count}" for kind, count in refusals.items())
        reasons = translate("、", ", ").join(named) or translate("一个也没有", "there is none")
        print_err(
            translate(f"没有可以巡查的点位：{reasons}", f"no camera may be visited: {reasons}")
        )


def _adhoc_selection(
    site: Site, grids: Sequence[str], links: Sequence[str], cameras: Sequence[str]
) -> AdhocSelection | None:
    if not (grids or links or cameras):
        return None
    named = [camera_named(site, text).id for text in cameras]
    return AdhocSelection.resolve(site.registry, grids=grids, links=links, cameras=named)
