"""`patrol check`: every file, every chain from a camera to the town's desk, everything reachable.

Problems of the files and gaps in a chain that a camera hangs on: exit code 2. Broker or database
not reachable: 1. What is legal and worth a look is a notice and changes no exit code.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from patrol.cli.common import (
    BAD_INPUT,
    FAILED,
    AsJson,
    console,
    options,
    print_json,
    say_err,
    site_of,
)

if TYPE_CHECKING:
    from patrol.cli.reach import Reached
    from patrol.settings import Problem, Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """All that `check` found."""

    problems: "tuple[Problem, ...]" = ()
    notices: "tuple[Problem, ...]" = ()
    reached: "tuple[Reached, ...]" = ()
    counts: dict[str, int] | None = None

    @property
    def code(self) -> int:
        """The exit code."""
        if self.problems:
            return BAD_INPUT
        return FAILED if any(not r.ok and r.needed for r in self.reached) else 0

    def document(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "ok": self.code == 0,
            "problems": [problem.as_json() for problem in self.problems],
            "notices": [notice.as_json() for notice in self.notices],
            "checks": [r.as_json() for r in self.reached],
            "counts": self.counts or {},
        }


def register(cli: typer.Typer) -> None:
    """Add the verb."""
    cli.command("check")(check)


def check(context: typer.Context, *, as_json: AsJson = False) -> None:
    """检查全部配置、责任链、数据库与消息代理。 Every file, every chain, database and broker."""
    from patrol.settings import ConfigProblems  # noqa: PLC0415  pydantic

    try:
        site = site_of(context)
    except ConfigProblems as exc:
        verdict = Verdict(problems=exc.problems)
    else:
        verdict = _judge(context, site)
    _tell(verdict)
    if as_json:
        print_json(verdict.document())
    else:
        _tell_good(verdict)
    if verdict.code:
        raise typer.Exit(verdict.code)


def _judge(context: typer.Context, site: "Site") -> Verdict:
    from patrol.cli.brokerfiles import broker_files  # noqa: PLC0415  with the rooms
    from patrol.cli.chains import chains, consents, posts  # noqa: PLC0415  with the rooms
    from patrol.cli.reach import reach_all  # noqa: PLC0415  sqlalchemy, paho
    from patrol.clock import SystemClock  # noqa: PLC0415  with the rooms

    today = SystemClock().now().astimezone(site.settings.site.tz).date()
    config = options(context).config
    found = [look(site, config) for look in (chains, posts, broker_files)]
    gaps = [gap for problems, _ in found for gap in problems]
    notes = [note for _, notices in found for note in notices]
    notes.extend(consents(site, today, config))
    cameras = site.registry.cameras.values()
    return Verdict(
        problems=tuple(sorted(gaps)),
        notices=(*site.notices, *sorted(notes)),
        reached=tuple(reach_all(site.settings)),
        counts={
            "cameras": len(cameras),
            "patrolled": sum(camera.why_not(today) is None for camera in cameras),
            "grids": len(site.registry.tree.grids),
            "people": len(site.registry.people),
        },
    )


def _tell(verdict: Verdict) -> None:
    for problem in verdict.problems:
        say_err(str(problem))
    for notice in verdict.notices:
        say_err(f"{notice} (提示 notice)")
    for reached in verdict.reached:
        if not reached.ok:
            say_err(f"{reached.name}: {reached.text}")


def _tell_good(verdict: Verdict) -> None:
    out = console()
    for reached in verdict.reached:
        if reached.ok:
            out.print(f"[green]✓[/] {reached.name}: {reached.text}", soft_wrap=True)
    if counts := verdict.counts:
        out.print(
            f"摄像头 cameras {counts['cameras']}(可巡 may be patrolled {counts['patrolled']})"
            f" · 网格 grids {counts['grids']} · 人员 people {counts['people']}"
        )
    if verdict.problems:
        say_err(f"{len(verdict.problems)} 个问题待改 problems to put right")
    elif verdict.code == 0:
        out.print("[green]配置可用 ready[/]")
