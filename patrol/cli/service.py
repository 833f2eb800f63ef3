"""`patrol run` (the service) and `patrol demo` (everything embedded, nothing to set up)."""

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from patrol.cli.common import (
    AsJson,
    app_of,
    console_err,
    logs_to_stderr,
    print_json,
    say_err,
)
from patrol.cli.rounds import until_signalled

if TYPE_CHECKING:
    from patrol.app import App


def register(cli: typer.Typer) -> None:
    """Add the verbs."""
    cli.command("demo")(demo)
    cli.command("run")(run)


def run(context: typer.Context) -> None:
    """常驻服务:按时巡查、推送、收反馈、升级。 The service: rounds by the clock."""
    from patrol.app.redaction import lacking  # noqa: PLC0415  numpy
    from patrol.app.service import serve  # noqa: PLC0415  everything concrete
    from patrol.report.live import watch  # noqa: PLC0415  rich

    logs_to_stderr(logging.INFO, as_lines_of_json=True)
    with until_signalled() as stop, app_of(context, wait_s=math.inf, stop=stop) as app:
        settings = app.site.settings
        site, zone = settings.site, settings.site.tz
        plans = "、".join(
            f"{p.name} {p.start:%H:%M}–{p.finish_by:%H:%M}" for p in settings.plans.values()
        )
        say_err(f"{site.name} ({site.id}): {plans}")
        for lack in filter(None, (*app.eyes.without, lacking(settings))):
            say_err(lack)

        def ready() -> None:
            say_err("已就绪,Ctrl-C 停止 ready, Ctrl-C stops")

        with _console(app), watch(console_err(), zone) as show:
            serve(app, stop, on_progress=show, ready=ready)
    say_err("已停止 stopped")


@contextmanager
def _console(app: "App") -> Iterator[None]:
    """The console beside the service, where site.yaml wants it and its extra is installed."""
    if not app.site.settings.console.enabled:
        yield
        return
    try:
        from patrol.app.console import serve_console  # noqa: PLC0415  an optional extra
    except ModuleNotFoundError as exc:
        say_err(
            f"不开控制台 no console: {exc.name} is not installed, pip install 'patrol[console]'"
        )
        yield
        return
    with serve_console(app) as address:
        say_err(f"控制台 console: {address.url}")
        yield


def demo(
    *,
    cameras: Annotated[
        int, typer.Option("--cameras", min=1, max=20_000, help="摄像头路数。 How many cameras.")
    ] = 624,
    once: Annotated[
        bool, typer.Option("--once", help="案件办结即退出。 End when the round's cases are closed.")
    ] = False,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="控制台端口。 The console's port.")
    ] = 8080,
    picture: Annotated[
        Path | None, typer.Option("--picture", help="另存为 SVG 图。 Draw the summary as an SVG.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """一键演示:模拟全镇、真实 RTSP、内置代理、值班员与网格长。 A simulated town on real RTSP."""
    from patrol.demo import run as demonstrate  # noqa: PLC0415  simulators, encoders

    with until_signalled() as stop:
        summary = demonstrate(
            cameras=cameras, once=once, port=port, quiet=as_json, stop=stop, picture=picture
        )
    if as_json:
        print_json(summary)
