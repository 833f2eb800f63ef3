"""A walk while it goes: a live bar where there is a terminal, plain lines where there is none.

Fed with the runner's progress from any thread; draws on stderr only, so stdout stays a document.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import tzinfo
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text
from typing_extensions import override

from patrol.report import words
from patrol.rounds.progress import RoundProgress

PLAIN_EVERY: Final = 0.1  # of the cameras: eleven lines tell a whole round in a log


def in_words(walk: RoundProgress, zone: tzinfo) -> str:
    """One line: where the walk is."""
    left = walk.planned - walk.done
    pace = f"{walk.per_s:.1f}/s" if walk.per_s else "…"
    return (
        f"{walk.round}: {walk.done}/{walk.planned} · 实巡 seen {walk.seen}"
        f" · 无法查看 not viewable {walk.not_viewable} · 剩余 left {left} · {pace}"
        f" · 线索 findings {walk.findings} · {_forecast(walk, zone)}"
    )


def _forecast(walk: RoundProgress, zone: tzinfo) -> str:
    limit = f"{walk.finish_by.astimezone(zone):%H:%M}"
    if walk.forecast is None:
        return f"须在 finish by {limit}"
    late = " 赶不上 TOO LATE" if walk.forecast > walk.finish_by else ""
    return f"预计 forecast {walk.forecast.astimezone(zone):%H:%M:%S} / {limit}{late}"


@contextmanager
def watch(console: Console, zone: tzinfo) -> Iterator[Callable[[RoundProgress], None]]:
    """Give a function to feed with progress; whatever it draws is gone or done at the end."""
    if not console.is_terminal:
        yield _Lines(console, zone)
        return
    columns = (TextColumn("[bold]{task.fields[title]}"), BarColumn(36), _Counts(), _Outlook())
    with Progress(*columns, console=console, transient=True, refresh_per_second=8) as progress:
        task = progress.add_task("", total=None, title="…", walk=None, zone=zone)

        def show(walk: RoundProgress) -> None:
            title = words.plan(walk.plan)
            progress.update(
                task, total=max(1, walk.planned), completed=walk.done, title=title, walk=walk
            )

        yield show


class _Lines:
    """A line each tenth of the way."""

    def __init__(self, console: Console, zone: tzinfo) -> None:
        self._console = console
        self._zone = zone
        self._next = 0

    def __call__(self, walk: RoundProgress) -> None:
        if walk.done < self._next and walk.done != walk.planned:
            return
        if walk.done == walk.planned and self._next > walk.planned:
            return  # the last one was told
        self._next = walk.done + max(1, round(walk.planned * PLAIN_EVERY))
        if walk.done == walk.planned:
            self._next = walk.planned + 1
        self._console.print(in_words(walk, self._zone), highlight=False, soft_wrap=True)


class _Counts(ProgressColumn):
    @override
    def render(self, task: Task) -> Text:
        """Three outcomes and what is left."""
        walk: RoundProgress | None = task.fields["walk"]
        if walk is None:
            return Text("准备中 preparing", style="dim")
        return Text.assemble(
            (f"{walk.done}/{walk.planned} ", "bold"),
            (f"✓{walk.seen} ", "green"),
            (f"✗{walk.not_viewable} ", "yellow"),
            (f"◆{walk.findings} ", "magenta"),
        )


class _Outlook(ProgressColumn):
    @override
    def render(self, task: Task) -> Text:
        """The pace, and the forecast against finish-by."""
        walk: RoundProgress | None = task.fields["walk"]
        if walk is None:
            return Text()
        pace = f"{walk.per_s:.1f}/s  " if walk.per_s else ""
        late = walk.forecast is not None and walk.forecast > walk.finish_by
        return Text(f"{pace}{_forecast(walk, task.fields['zone'])}", style="red" if late else "dim")
