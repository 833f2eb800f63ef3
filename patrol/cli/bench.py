"""`patrol bench …`: measured against what a user would otherwise do, in the same run.

Each bench is a module of `patrol.bench` with `run(report=…)`, which answers with plain data.
"""

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

import typer

from patrol.cli.output import AsJson, Failure, console, print_err, print_json

BENCHES: Final = {
    "capture": "取一帧的代价,与其他做法同场比较。 One key frame, beside the alternatives.",
    "round": "60/600/3000 路整轮。 Whole rounds at three sizes.",
    "mqtt": "发件箱 10,000 条排空。 Draining the outbox.",
    "alerts": "确认到网格长收到的时延。 From confirm to the leader's callback.",
    "console": "控制台各页,在真实浏览器中。 The console's pages, in a real browser.",
    "vision": "每个检测器的单张代价。 Each gauge's cost per picture.",
}


def register(cli: typer.Typer) -> None:
    """Add the verbs."""
    group = typer.Typer(no_args_is_help=True, help="性能测量。 Measurements.")
    for name, help_text in BENCHES.items():
        if find_spec(f"patrol.bench.{name}") is not None:
            group.command(name, help=help_text)(_bench_command(name))
    cli.add_typer(group, name="bench")


def _bench_command(name: str) -> Callable[..., None]:
    def run(*, as_json: AsJson = False) -> None:
        module = import_module(f"patrol.bench.{name}")
        try:
            result: dict[str, Any] = module.run(report=print_err)
        except RuntimeError as exc:
            raise Failure(f"bench {name}: {exc}") from exc
        if as_json:
            print_json(result)
            return
        from patrol.cli.output import render_document  # noqa: PLC0415  rich

        console().print(render_document(result))

    return run
