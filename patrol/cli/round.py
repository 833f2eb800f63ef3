"""`patrol round`: one round now, of a plan or over what is named, its progress on stderr."""

import logging
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from patrol.cli.consent import camera_named
from patrol.cli.output import (
    FAILED,
    AsJson,
    app_of,
    bad_input,
    console,
    console_err,
    logs_to_stderr,
    print_err,
    print_json,
)

if TYPE_CHECKING:
    from patrol.rounds.planner import AdhocSelection
    from patrol.settings import Site

DATABASE_WITHIN_S = 60.0  # a person waits; the service waits for ever


def register(cli: typer.Typer) -> None:
    """Add the verb."""
    cli.command("round")(run_round)


def run_round(
    context: typer.Context,
    plan: Annotated[
        str, typer.Argument(metavar="[PLAN]", help="方案名,如 morning。 Name of a plan.")
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
    """立即巡查一轮;给出网格、链路或点位即为专项巡查。 One round now; ad hoc over what is named."""
    from patrol.reports.progress_bar import progress_display  # noqa: PLC0415  rich
    from patrol.reports.terminal import render_round  # noqa: PLC0415  rich

    if not (plan or grids or links or cameras):
        bad_input("patrol: Missing argument 'PLAN', or --grid, --link, --camera for one ad hoc")
    logs_to_stderr(logging.WARNING)
    with until_signalled() as stop, app_of(context, wait_s=DATABASE_WITHIN_S, stop=stop) as app:
        zone = app.site.settings.site.tz
        if plan:
            app.plan(plan)  # said before anything else
        selection = _adhoc_selection(app.site, grids or (), links or (), cameras or ())
        for lack in app.detectors.without:
            print_err(lack)
        with progress_display(console_err(), zone) as show:
            summary = app.run_round(plan, adhoc=selection, on_progress=show, stop=stop)
    if as_json:
        print_json(summary)
    else:
        console().print(render_round(summary, zone=zone))
    if summary.get("state", "finished") != "finished":
        reason = summary.get("reason") or "stopped"
        again = f"`patrol round {plan}`" if selection is None else "the same command"
        print_err(f"{summary['round']}: {reason}; {again} takes it up again")
        raise typer.Exit(FAILED)


def _adhoc_selection(
    site: "Site", grids: Sequence[str], links: Sequence[str], cameras: Sequence[str]
) -> "AdhocSelection | None":
    from patrol.rounds.planner import AdhocSelection, NoCameraSelected  # noqa: PLC0415  with the rooms

    if not (grids or links or cameras):
        return None
    named = [camera_named(site, text).id for text in cameras]
    try:
        return AdhocSelection.resolve(site.registry, grids=grids, links=links, cameras=named)
    except NoCameraSelected as exc:
        bad_input(f"round: {exc}")


@contextmanager
def until_signalled() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set; a second Ctrl-C ends the process at once."""
    stop = threading.Event()

    def on_signal(number: int, _frame: FrameType | None) -> None:
        if stop.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.set()

    if threading.current_thread() is not threading.main_thread():
        yield stop  # a test's runner: only the main thread may take signals
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, on_signal) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
