"""`patrol bench …`: what the product costs; `patrol eval`: how well its detectors detect.

Each bench is a module of `patrol.bench` with `run(report=…)`, which answers with plain data; it is
measured against what a user would otherwise do, in the same run. It is imported when it runs: some
want packages that only a development installation has. `eval` measures against labelled pictures.
"""

from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from patrol import evaluation
from patrol.cli.models import models_directory, own_models
from patrol.cli.options import AsJson
from patrol.cli.output import bad_input, console, print_err, print_json, render_document
from patrol.cli.site import cleaning_up_on_signals
from patrol.domain.errors import Failed

MOST_CAMERAS: Final = 20_000  # of a simulated county on one machine


def bench_capture(*, as_json: AsJson = False) -> None:
    """取一帧的代价，与其他做法同场比较。 One key frame, beside the alternatives."""
    _run_bench("capture", as_json=as_json)


def bench_round(
    *,
    cameras: Annotated[
        str,
        typer.Option("--cameras", metavar="N,N", help="各轮路数。 Cameras of each round."),
    ] = "",
    mixed: Annotated[
        int | None,
        typer.Option(
            "--mixed",
            min=0,
            max=MOST_CAMERAS,
            metavar="N",
            help="再加一轮 1080p H.264 与 1440p H.265 混合的路数；给出 --cameras 时默认 0。"
            " A round of both codecs more; 0 where --cameras is given.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """整轮的代价，默认 60/600/3000 路。 Whole rounds of so many cameras."""
    chosen: dict[str, object] = {}
    if cameras:
        chosen = {"sizes": _sizes(cameras, least=1, example="60,600"), "mixed_cameras": 0}
    if mixed is not None:
        chosen["mixed_cameras"] = mixed
    _run_bench("round", as_json=as_json, **chosen)


def bench_mqtt(*, as_json: AsJson = False) -> None:
    """发件箱 10,000 条排空。 Draining the outbox."""
    _run_bench("mqtt", as_json=as_json)


def bench_alerts(*, as_json: AsJson = False) -> None:
    """确认到网格长收到的时延。 From confirm to the leader's callback."""
    _run_bench("alerts", as_json=as_json)


def bench_console(*, as_json: AsJson = False) -> None:
    """控制台各页，在真实浏览器中。 The console's pages, in a real browser."""
    _run_bench("console", as_json=as_json)


def bench_vision(*, as_json: AsJson = False) -> None:
    """每个检测器的单张代价。 Each gauge's cost per picture."""
    _run_bench("vision", as_json=as_json)


def bench_gb28181(*, as_json: AsJson = False) -> None:
    """国标接入的代价，与 RTSP 同场比较。 Cameras over GB/T 28181, beside RTSP."""
    _run_bench("gb28181", as_json=as_json)


def bench_cluster(
    *,
    cameras: Annotated[
        str,
        typer.Option("--cameras", metavar="N,N", help="各轮路数，0 为只测队列。 0: queue alone."),
    ] = "600,15000",
    workers: Annotated[
        int, typer.Option("--workers", min=1, max=32, help="工作机进程数。 Worker processes.")
    ] = 4,
    as_json: AsJson = False,
) -> None:
    """任务队列与多机整轮的代价。 The job queue, and whole rounds on workers."""
    sizes = _sizes(cameras, least=0, example="600,15000")
    _run_bench("cluster", as_json=as_json, sizes=[one for one in sizes if one], workers=workers)


def bench_lists(*, as_json: AsJson = False) -> None:
    """一万条线索时各列表的代价。 The lists of the command line, at 10,000 findings."""
    _run_bench("lists", as_json=as_json)


def _sizes(text: str, *, least: int, example: str) -> list[int]:
    sizes = [int(one) if one.strip().isdecimal() else -1 for one in text.split(",")]
    if min(sizes) < least or max(sizes) > MOST_CAMERAS or sizes != sorted(sizes):
        bad_input(
            f"--cameras: give numbers from {least} to {MOST_CAMERAS}, the smallest first: {example}"
        )
    return sizes


def _run_bench(name: str, *, as_json: bool, **more: object) -> None:
    module = import_module(f"patrol.bench.{name}")
    try:
        with cleaning_up_on_signals():
            result: dict[str, Any] = module.run(report=print_err, **more)
    except RuntimeError as exc:
        raise Failed(f"bench {name}: {exc}") from exc
    if as_json:
        print_json(result)
    else:
        console().print(render_document(result))


def evaluate(
    context: typer.Context,
    what: Annotated[
        str,
        typer.Argument(
            metavar="[SET|DIR]", help="自带集名，或含 visits.csv 的目录。 A set's name or a folder."
        ),
    ] = "all",
    *,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="图文报告 HTML。 A page with pictures."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """评测检出率与误报率。 Precision, recall and F1 per kind, with intervals."""
    if out is not None and not out.parent.is_dir():
        bad_input(f"--out: {out.parent}: no such directory, make it first")
    found = evaluation.run(
        what,
        out=out,
        report=print_err,
        models=models_directory(context, None),
        own=own_models(context),
    )
    if as_json:
        print_json(found)
    else:
        console().print(evaluation.render(found))
