"""The progress of a round on stderr: a live bar on a terminal, a line every tenth otherwise.

Fed with `RoundProgress` by the round's runner from any thread; stdout stays free for a document.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import tzinfo
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text
from typing_extensions import override

from patrol.domain import labels
from patrol.rounds.progress import RoundProgress

PLAIN_EVERY: Final = 0.1  # of the cameras: eleven lines of a log for a whole round


def progress_line(progress: RoundProgress, zone: tzinfo) -> str:
    """One line: visited, seen, not viewable, left, pace, findings, forecast."""
    left = progress.planned - progress.done
    pace = f"{progress.per_s:.1f}/s" if progress.per_s else "…"
    return (
        f"{progress.round}: {progress.done}/{progress.planned} · 实巡 seen {progress.seen}"
        f" · 无法查看 not viewable {progress.not_viewable} · 剩余 left {left} · {pace}"
        f" · 线索 findings {progress.findings} · {_forecast_text(progress, zone)}"
    )


def _forecast_text(progress: RoundProgress, zone: tzinfo) -> str:
    limit = f"{progress.finish_by.astimezone(zone):%H:%M}"
    if progress.forecast is None:
        return f"须在 finish by {limit}"
    late = " 赶不上 TOO LATE" if progress.forecast > progress.finish_by else ""
    return f"预计 forecast {progress.forecast.astimezone(zone):%H:%M:%S} / {limit}{late}"


@contextmanager
def progress_display(console: Console, zone: tzinfo) -> Iterator[Callable[[RoundProgress], None]]:
    """Give a function that takes each RoundProgress; a bar is removed at the end."""
    if not console.is_terminal:
        yield _PlainLines(console, zone)
        return
    columns = (
        TextColumn("[bold]{task.fields[title]}"),
        BarColumn(36),
        _CountsColumn(),
        _ForecastColumn(),
    )
    with Progress(*columns, console=console, transient=True, refresh_per_second=8) as progress:
        task = progress.add_task("", total=None, title="…", state=None, zone=zone)

        def show(state: RoundProgress) -> None:
            title = labels.plan_label(state.plan)
            progress.update(
                task, total=max(1, state.planned), completed=state.done, title=title, state=state
            )

        yield show


class _PlainLines:
    """Prints a line each tenth of the planned cameras, and the last one."""

    def __init__(self, console: Console, zone: tzinfo) -> None:
        self._console = console
        self._zone = zone
        self._next = 0

    def __call__(self, progress: RoundProgress) -> None:
        if progress.done < self._next and progress.done != progress.planned:
            return
        if progress.done == progress.planned and self._next > progress.planned:
            return  # the last line is printed
        self._next = progress.done + max(1, round(progress.planned * PLAIN_EVERY))
        if progress.done == progress.planned:
            self._next = progress.planned + 1
        self._console.print(progress_line(progress, self._zone), highlight=False, soft_wrap=True)


class _CountsColumn(ProgressColumn):
    """Visited of planned, then seen, not viewable and findings."""

    @override
    def render(self, task: Task) -> Text:
        progress: RoundProgress | None = task.fields["state"]
        if progress is None:
            return Text("准备中 preparing", style="dim")
        return Text.assemble(
            (f"{progress.done}/{progress.planned} ", "bold"),
            (f"✓{progress.seen} ", "green"),
            (f"✗{progress.not_viewable} ", "yellow"),
            (f"◆{progress.findings} ", "magenta"),
        )


class _ForecastColumn(ProgressColumn):
    """The pace, and the forecast against finish-by; red when too late."""

    @override
    def render(self, task: Task) -> Text:
        progress: RoundProgress | None = task.fields["state"]
        if progress is None:
            return Text()
        pace = f"{progress.per_s:.1f}/s  " if progress.per_s else ""
        late = progress.forecast is not None and progress.forecast > progress.finish_by
        return Text(
            f"{pace}{_forecast_text(progress, task.fields['zone'])}", style="red" if late else "dim"
        )
