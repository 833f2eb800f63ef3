"""The progress of rounds on stderr: a live bar on a terminal, a line every tenth otherwise.

Fed with `RoundProgress` by the round's runner from any thread; stdout stays free for a document.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import tzinfo
from typing import Final

import structlog
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text
from typing_extensions import override

from patrol.domain import labels
from patrol.domain.timestamps import rfc3339, rfc3339_or_none
from patrol.rounds.progress import RoundProgress

log = structlog.get_logger(__name__)

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
def progress_display(
    console: Console, zone: tzinfo, *, as_log: bool = False
) -> Iterator[Callable[[RoundProgress], None]]:
    """Give a function that takes each RoundProgress; a bar is removed at the end.

    `as_log`: where there is no terminal, log events in place of lines for people.
    """
    if as_log and not console.is_terminal:
        yield EveryTenth(_log_line)
        return
    if not console.is_terminal:
        yield EveryTenth(
            lambda state: console.print(progress_line(state, zone), highlight=False, soft_wrap=True)
        )
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


class EveryTenth:
    """Passes a round's progress on at its start, each tenth of its cameras and its end.

    For any number of rounds, one after the other; of a round that is resumed, too.
    """

    def __init__(self, show: Callable[[RoundProgress], None]) -> None:
        self._show = show
        self._round: str | None = None
        self._shown = -1  # cameras of that round that were done when it was last passed on

    def __call__(self, progress: RoundProgress) -> None:
        """Take the progress of the round under way."""
        if progress.round != self._round or progress.done < self._shown:
            self._round, self._shown = progress.round, -1
        step = max(1, round(progress.planned * PLAIN_EVERY))
        is_last = progress.done == progress.planned
        due = self._shown < 0 or progress.done >= self._shown + step or is_last
        if due and progress.done != self._shown:
            self._shown = progress.done
            self._show(progress)


def _log_line(progress: RoundProgress) -> None:
    log.info(
        "round progress",
        round=progress.round,
        plan=progress.plan,
        planned=progress.planned,
        done=progress.done,
        seen=progress.seen,
        not_viewable=progress.not_viewable,
        findings=progress.findings,
        per_s=None if progress.per_s is None else round(progress.per_s, 2),
        forecast=rfc3339_or_none(progress.forecast),
        finish_by=rfc3339(progress.finish_by),
    )


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
