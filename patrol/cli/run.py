"""`patrol run` (the service) and `patrol demo` (everything embedded, nothing to set up).

`patrol simulate cameras|leaders`: the simulators on their own, until stopped.
"""

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from patrol.cli.output import (
    AsJson,
    app_of,
    bad_input,
    console_err,
    logs_to_stderr,
    options,
    print_err,
    print_json,
    site_of,
)
from patrol.cli.round import until_signalled

if TYPE_CHECKING:
    from patrol.app import Application


def register(cli: typer.Typer) -> None:
    """Add the verbs."""
    cli.command("demo")(demo)
    cli.command("run")(run)


def run(context: typer.Context) -> None:
    """常驻服务:按时巡查、推送、收反馈、升级。 The service: rounds by the clock."""
    from patrol.app.detectors import missing_models  # noqa: PLC0415  numpy
    from patrol.app.service import run_service  # noqa: PLC0415  everything concrete
    from patrol.reports.progress_bar import progress_display  # noqa: PLC0415  rich

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

        with _web_console(app), progress_display(console_err(), zone) as show:
            run_service(app, stop, on_progress=show, ready=ready)
    print_err("已停止 stopped")


@contextmanager
def _web_console(app: "Application") -> Iterator[None]:
    """The console beside the service, where site.yaml wants it and its extra is installed."""
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
    from patrol.demo import run_demo as demonstrate  # noqa: PLC0415  simulators, encoders

    with until_signalled() as stop:
        summary = demonstrate(
            cameras=cameras, once=once, port=port, quiet=as_json, stop=stop, picture=picture
        )
    if as_json:
        print_json(summary)


def register_simulate(cli: typer.Typer) -> None:
    """Add the verbs."""
    group = typer.Typer(no_args_is_help=True, help="模拟器。 The simulators on their own.")
    group.command("cameras")(run_cameras)
    group.command("leaders")(run_leaders)
    cli.add_typer(group, name="simulate")


def run_cameras(
    *,
    count: Annotated[
        int, typer.Option("--count", min=1, max=20_000, help="路数。 How many.")
    ] = 624,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="RTSP 端口,0 任选。")] = 0,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="写出的配置目录。 Config to write.")
    ],
    seed: Annotated[int, typer.Option("--seed", help="随机种子。 Same seed, same town.")] = 7,
    faults: Annotated[
        str,
        typer.Option("--faults", metavar="NAME", help="none, town, storm, power_cut 或故障名。"),
    ] = "town",
) -> None:
    """模拟摄像头:真实 RTSP,并写出配置目录。 Cameras on real RTSP, and a config for them."""
    from patrol.demo import simulate_cameras  # noqa: PLC0415  encoders
    from simulators.faults import mixture_problem  # noqa: PLC0415  simulators

    if (problem := mixture_problem(faults)) is not None:
        bad_input(f"--faults: {problem}")
    with until_signalled() as stop:
        simulate_cameras(count=count, port=port, out=out, seed=seed, faults=faults, stop=stop)


def run_leaders(
    context: typer.Context,
    *,
    seed: Annotated[int, typer.Option("--seed", help="随机种子。 Same seed, same habits.")] = 7,
) -> None:
    """模拟网格长:在配置的消息代理上应答案件。 Leaders who answer on the configured broker."""
    from patrol.demo import simulate_leaders  # noqa: PLC0415  simulators

    site_of(context)  # every problem of the files, before anything connects
    with until_signalled() as stop:
        simulate_leaders(options(context).config, seed=seed, stop=stop)
