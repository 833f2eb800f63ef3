"""`patrol simulate cameras|leaders`: the simulators on their own, until stopped."""

from pathlib import Path
from typing import Annotated

import typer

from patrol.cli.common import bad_input, options, site_of
from patrol.cli.rounds import until_signalled


def register(cli: typer.Typer) -> None:
    """Add the verbs."""
    group = typer.Typer(no_args_is_help=True, help="模拟器。 The simulators on their own.")
    group.command("cameras")(cameras)
    group.command("leaders")(leaders)
    cli.add_typer(group, name="simulate")


def cameras(
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
    from patrol.demo import mixture_problem, simulate_cameras  # noqa: PLC0415  encoders

    if (problem := mixture_problem(faults)) is not None:
        bad_input(f"--faults: {problem}")
    with until_signalled() as stop:
        simulate_cameras(count=count, port=port, out=out, seed=seed, faults=faults, stop=stop)


def leaders(
    context: typer.Context,
    *,
    seed: Annotated[int, typer.Option("--seed", help="随机种子。 Same seed, same habits.")] = 7,
) -> None:
    """模拟网格长:在配置的消息代理上应答案件。 Leaders who answer on the configured broker."""
    from patrol.demo import simulate_leaders  # noqa: PLC0415  simulators

    site_of(context)  # every problem of the files, before anything connects
    with until_signalled() as stop:
        simulate_leaders(options(context).config, seed=seed, stop=stop)
