"""`patrol run`: the resident service, with the web console beside it where its extra is there."""

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from patrol.app import Application
from patrol.app.detectors import missing_models
from patrol.app.service import run_service
from patrol.cli.application import app_of, until_signalled
from patrol.cli.output import console_err, print_err
from patrol.cli.stderr_logging import logs_to_stderr
from patrol.reports.progress_bar import progress_display


def run(context: typer.Context) -> None:
    """常驻服务:按时巡查、推送、收反馈、升级。 The service: rounds by the clock."""
    logs_to_stderr(logging.INFO, as_lines_of_json=True)
    with until_signalled() as stop, app_of(context, wait_s=math.inf, stop=stop) as app:
        settings = app.site.settings
        site, zone = settings.site, settings.site.tz
        plans = "、".join(
            f"{p.name} {p.start:%H:%M}–{p.finish_by:%H:%M}" for p in settings.plans.values()
        )
        print_err(f"{site.name} ({site.id}): {plans}")
        for lack in filter(None, (*app.detectors.without, missing_models(settings))):
            print_err(lack)

        def ready() -> None:
            print_err("已就绪,Ctrl-C 停止 ready, Ctrl-C stops")

        with _web_console(app), progress_display(console_err(), zone, as_log=True) as show:
            run_service(app, stop, on_progress=show, ready=ready)
    print_err("已停止 stopped")


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
            f"不开控制台 no console: {exc.name} is not installed, pip install 'patrol[console]'"
        )
        yield
        return
    with serve(app) as address:
        print_err(f"控制台 console: {address.url}")
        yield
