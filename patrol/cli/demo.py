"""`patrol demo`: the product and a simulated town in one process, with nothing to set up.

`patrol simulate cameras|leaders`: the simulators on their own, until they are stopped.
"""

from pathlib import Path
from typing import Annotated

import typer

from patrol.cli.options import AsJson, config_directory
from patrol.cli.output import bad_input, print_json
from patrol.cli.site import site_of, until_signalled
from patrol.demo import run_demo, simulate_cameras, simulate_leaders


def demo(
    *,
    cameras: Annotated[
        int, typer.Option("--cameras", min=1, max=20_000, help="摄像头路数。 How many cameras.")
    ] = 624,
    once: Annotated[
        bool, typer.Option("--once", help="案件办结即退出。 End when the round's cases are closed.")
    ] = False,
    port: Annotated[
        int | None,
        typer.Option(
            "--port",
            min=0,
            max=65535,
            help="控制台端口；不写：8080，被占用则任选。 The console's; none: 8080 or a free one.",
        ),
    ] = None,
    picture: Annotated[
        Path | None, typer.Option("--picture", help="另存为 SVG 图。 Draw the summary as an SVG.")
    ] = None,
    sources: Annotated[
        str,
        typer.Option(
            "--sources", metavar="NAME", help="rtsp，或 gb：经国标接入。 Over GB/T 28181."
        ),
    ] = "rtsp",
    as_json: AsJson = False,
) -> None:
    """一键演示：模拟全镇、真实 RTSP、内置代理、值班员与网格长。 A simulated town on real RTSP."""
    if sources not in {"rtsp", "gb"}:
        bad_input(f"--sources: {sources!r} is neither rtsp nor gb")
    with until_signalled() as stop:
        summary = run_demo(
            cameras=cameras,
            once=once,
            port=port,
            quiet=as_json,
            stop=stop,
            picture=picture,
            sources="" if sources == "rtsp" else sources,
        )
    if as_json and summary is not None:
        print_json(summary)


def run_cameras(
    *,
    count: Annotated[
        int, typer.Option("--count", min=1, max=20_000, help="路数。 How many.")
    ] = 624,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="RTSP 端口，0 任选。 Its port; 0: any.")
    ] = 0,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="写出的配置目录。 Config to write.")
    ],
    seed: Annotated[int, typer.Option("--seed", help="随机种子。 Same seed, same town.")] = 7,
    faults: Annotated[
        str,
        typer.Option(
            "--faults", metavar="NAME", help="none、town、storm、power_cut 或故障名。 Which faults."
        ),
    ] = "town",
) -> None:
    """模拟摄像头：真实 RTSP，并写出配置目录。 Cameras on real RTSP, and a config for them."""
    with until_signalled() as stop:
        simulate_cameras(count=count, port=port, out=out, seed=seed, faults=faults, stop=stop)


def run_leaders(
    context: typer.Context,
    *,
    seed: Annotated[int, typer.Option("--seed", help="随机种子。 Same seed, same habits.")] = 7,
) -> None:
    """模拟网格长：在配置的消息代理上应答案件。 Leaders who answer on the configured broker."""
    site_of(context)  # every problem of the files, before anything connects
    with until_signalled() as stop:
        simulate_leaders(config_directory(context), seed=seed, stop=stop)
