"""`patrol bench …`: measured against what a user would otherwise do, in the same run.

Each bench is a module of `patrol.bench` with `run(report=…)`, which answers with plain data. It is
imported when it runs: some want packages that only a development installation has.
"""

from importlib import import_module
from typing import Any

from patrol.cli.options import AsJson
from patrol.cli.output import console, print_err, print_json, render_document
from patrol.domain.errors import Failed


def bench_capture(*, as_json: AsJson = False) -> None:
    """取一帧的代价,与其他做法同场比较。 One key frame, beside the alternatives."""
    _run_bench("capture", as_json=as_json)


def bench_round(*, as_json: AsJson = False) -> None:
    """60/600/3000 路整轮。 Whole rounds at three sizes."""
    _run_bench("round", as_json=as_json)


def bench_mqtt(*, as_json: AsJson = False) -> None:
    """发件箱 10,000 条排空。 Draining the outbox."""
    _run_bench("mqtt", as_json=as_json)


def bench_alerts(*, as_json: AsJson = False) -> None:
    """确认到网格长收到的时延。 From confirm to the leader's callback."""
    _run_bench("alerts", as_json=as_json)


def bench_console(*, as_json: AsJson = False) -> None:
    """控制台各页,在真实浏览器中。 The console's pages, in a real browser."""
    _run_bench("console", as_json=as_json)


def bench_vision(*, as_json: AsJson = False) -> None:
    """每个检测器的单张代价。 Each gauge's cost per picture."""
    _run_bench("vision", as_json=as_json)


def _run_bench(name: str, *, as_json: bool) -> None:
    module = import_module(f"patrol.bench.{name}")
    try:
        result: dict[str, Any] = module.run(report=print_err)
    except RuntimeError as exc:
        raise Failed(f"bench {name}: {exc}") from exc
    if as_json:
        print_json(result)
    else:
        console().print(render_document(result))
