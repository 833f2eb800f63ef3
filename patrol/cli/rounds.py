"""`patrol round PLAN`: one round now, to its end, with its progress on stderr."""

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Annotated

import typer

from patrol.cli.common import (
    FAILED,
    AsJson,
    app_of,
    console,
    console_err,
    logs_to_stderr,
    print_json,
    say_err,
)

DATABASE_WITHIN_S = 60.0  # a person waits; the service waits for ever


def register(cli: typer.Typer) -> None:
    """Add the verb."""
    cli.command("round")(walk_now)


def walk_now(
    context: typer.Context,
    plan: Annotated[
        str, typer.Argument(metavar="PLAN", help="方案名,如 morning。 Name of a plan.")
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """立即巡查一轮。 Walk one round now; an unfinished one is taken up where it stopped."""
    from patrol.report.live import watch  # noqa: PLC0415  rich
    from patrol.report.terminal import render_round  # noqa: PLC0415  rich

    logs_to_stderr(logging.WARNING)
    with until_signalled() as stop, app_of(context, wait_s=DATABASE_WITHIN_S, stop=stop) as app:
        zone = app.site.settings.site.tz
        with watch(console_err(), zone) as show:
            summary = app.run_round(plan, on_progress=show, stop=stop)
    if as_json:
        print_json(summary)
    else:
        console().print(render_round(summary, zone=zone))
    if summary.get("state", "finished") != "finished":
        reason = summary.get("reason") or "stopped"
        say_err(f"{summary['round']}: {reason}; `patrol round {plan}` takes it up again")
        raise typer.Exit(FAILED)


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
