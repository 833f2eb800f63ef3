"""Rounds on a terminal: progress while a round runs, tables after it, an SVG.

`progress_display` is a live bar on a terminal's stderr, and a line or a log event every tenth
otherwise; it is fed with `RoundProgress` by the round's runner from any thread. `render_round`
takes the document of `patrol round --json`. `save_svg` draws renderables as a picture that fetches
no font.
"""

import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any, Final

import structlog
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.table import Table
from rich.text import Text
from typing_extensions import override

from patrol.domain import labels
from patrol.domain.reader_language import translate
from patrol.domain.round import VisitOutcome
from patrol.domain.timestamps import rfc3339, rfc3339_or_none
from patrol.rounds.progress import RoundProgress

log = structlog.get_logger(__name__)

PLAIN_EVERY: Final = 0.1  # of the cameras: eleven lines of a log for a whole round


def progress_line(progress: RoundProgress, zone: tzinfo) -> str:
    """One line: visited, seen, not viewable, left, pace, findings, forecast."""
    left = progress.planned - progress.done
    pace = f"{progress.per_s:.1f}/s" if progress.per_s else "…"
    return translate(
        f"{progress.round}: {progress.done}/{progress.planned} "
        f"· 实巡 {progress.seen} · 无法查看 {progress.not_viewable} "
        f"· 剩余 {left} · {pace} · 线索 {progress.findings} · {_forecast_text(progress, zone)}",
        f"{progress.round}: {progress.done}/{progress.planned} "
        f"· seen {progress.seen} · not viewable {progress.not_viewable} "
        f"· left {left} · {pace} · findings {progress.findings} "
        f"· {_forecast_text(progress, zone)}",
    )


def _forecast_text(progress: RoundProgress, zone: tzinfo) -> str:
    limit = f"{progress.finish_by.astimezone(zone):%H:%M}"
    if progress.forecast is None:
        return translate(f"须在 {limit}", f"finish by {limit}")
    late = translate(" 赶不上", " TOO LATE") if progress.forecast > progress.finish_by else ""
    return translate(
        f"预计 {progress.forecast.astimezone(zone):%H:%M:%S} / {limit}{late}",
        f"forecast {progress.forecast.astimezone(zone):%H:%M:%S} / {limit}{late}",
    )


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
            return Text(translate("准备中", "preparing"), style="dim")
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


SVG_COLUMNS: Final = 100  # characters wide
_WEB_FONTS = re.compile(r"@font-face \{.*?\}", re.DOTALL)


def save_svg(renderables: Sequence[RenderableType], path: Path, *, title: str) -> None:
    """Draw the renderables one below the other. Raises OSError."""
    console = Console(record=True, width=SVG_COLUMNS, file=io.StringIO(), highlight=False)
    for renderable in renderables:
        console.print(renderable)
    svg = console.export_svg(title=title)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_WEB_FONTS.sub("", svg), "utf-8")


BAR_CELLS: Final = 44
SHOWN_OUTCOMES: Final = (
    ("seen", ("实巡", "seen"), "green"),
    ("not_viewable", labels.OUTCOMES[VisitOutcome.NOT_VIEWABLE], "yellow"),
    ("missed", labels.OUTCOMES[VisitOutcome.MISSED], "red"),
    ("pending", labels.OUTCOMES[VisitOutcome.PENDING], "bright_black"),
)


def render_round(summary: Mapping[str, Any], *, zone: tzinfo = UTC) -> RenderableType:
    """The summary of a round: coverage, failures, findings, messages and cost."""
    renderables: list[RenderableType] = [
        coverage_bar(summary),
        Text(),
        _numbers_table(summary),
        Text(),
        _cost_text(summary),
    ]
    state = str(summary.get("state", "finished"))
    colour = {"finished": "green", "interrupted": "yellow", "missed": "red"}.get(state, "cyan")
    if summary.get("reason"):
        named = labels.label_text(labels.label_of(labels.ROUND_STATES, state))
        colon = translate("：", ": ")
        renderables.append(Text(f"{named}{colon}{summary['reason']}", style=colour))
    renderables += [
        Text(str(limitation), style="yellow") for limitation in summary.get("without", ())
    ]
    title = Text.assemble(
        (f" {labels.plan_label(str(summary['plan']))} ", "bold"), (f"· {summary['round']} ", "dim")
    )
    return Panel(
        Group(*renderables),
        title=title,
        title_align="left",
        subtitle=Text(f" {_period_text(summary, zone)} ", style="dim"),
        subtitle_align="right",
        border_style=colour,
        padding=(1, 2),
        expand=False,
    )


def coverage_bar(summary: Mapping[str, Any], cells: int = BAR_CELLS) -> Text:
    """The planned cameras as a line of coloured cells, at least one for each outcome."""
    planned = max(1, int(summary["planned"]))
    counts = [int(summary.get(key, 0)) for key, _, _ in SHOWN_OUTCOMES]
    widths = [max(1, count * cells // planned) if count else 0 for count in counts]
    widths[0] = max(0, cells - sum(widths[1:])) if counts[0] else 0
    text = Text()
    for width, (_, _, colour) in zip(widths, SHOWN_OUTCOMES, strict=True):
        text.append("█" * width, style=colour)
    text.append("░" * max(0, cells - sum(widths)), style="bright_black")
    return text.append(
        f"  {percent_text(summary.get('seen', 0), summary['planned'])}", style="bold"
    )


def percent_text(part: int, whole: int) -> str:
    """`95.2 %`; a dash where there is nothing to divide by."""
    return f"{100 * part / whole:.1f} %" if whole else "—"


def duration_text(seconds: float) -> str:
    """`41.2 s`, `3 min 05 s`, `1 h 12 min`."""
    if seconds < 60:  # noqa: PLR2004  a minute
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def _numbers_table(summary: Mapping[str, Any]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(justify="right", style="bold", no_wrap=True)
    table.add_column(justify="right", style="dim", no_wrap=True)
    table.add_column(style="dim")
    planned = int(summary["planned"])
    table.add_row(translate("应巡", "planned"), str(planned), "", "")
    for key, label, colour in SHOWN_OUTCOMES:
        count = int(summary.get(key, 0))
        if key == "pending" and not count:
            continue
        failures = summary.get("failures", {}) if key == "not_viewable" else {}
        why = _counts_text(failures, labels.failure_label)
        number = Text(str(count), style=colour if count else "")
        table.add_row(labels.label_text(label), number, percent_text(count, planned), why)
    refusals = _counts_text(summary.get("refusals", {}), labels.refusal_label)
    table.add_row(translate("不纳入巡查", "refused"), str(summary.get("refused", 0)), "", refusals)
    _add_result_rows(table, summary)
    return table


def _add_result_rows(table: Table, summary: Mapping[str, Any]) -> None:
    messages = summary.get("messages", {})
    queued, published = messages.get("queued", 0), messages.get("published", 0)
    table.add_row()
    table.add_row(translate("采样", "pictures"), str(summary.get("pictures", 0)))
    table.add_row(translate("观察", "observations"), str(summary.get("observations", 0)))
    findings = int(summary.get("findings", 0))
    table.add_row(
        translate("线索", "findings"), Text(str(findings), style="magenta" if findings else "")
    )
    waiting = (
        ""
        if published >= queued
        else translate(f"待发 {queued - published}", f"waiting {queued - published}")
    )
    table.add_row(translate("消息", "messages"), f"{published}/{queued}", "", waiting)


def _counts_text(counts: Mapping[str, int], name: Callable[[str], str]) -> str:
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    return "\n".join(f"{count} {name(kind)}" for kind, count in ordered if count)


def _cost_text(summary: Mapping[str, Any]) -> Text:
    wall_s = float(summary.get("wall_s", 0.0))
    visited = int(summary.get("seen", 0)) + int(summary.get("not_viewable", 0))
    pace = (
        translate(f"   {visited / wall_s:.1f} 路/s", f"   {visited / wall_s:.1f} cameras/s")
        if wall_s and visited
        else ""
    )
    return Text(
        translate(
            f"用时 {duration_text(wall_s)}   CPU {duration_text(float(summary.get('cpu_s', 0.0)))} "
            f"  内存峰值 {float(summary.get('peak_rss_mb', 0.0)):.0f} "
            f"MB{pace}",
            f"wall {duration_text(wall_s)}   CPU {duration_text(float(summary.get('cpu_s', 0.0)))} "
            f"  peak {float(summary.get('peak_rss_mb', 0.0)):.0f} "
            f"MB{pace}",
        ),
        style="dim",
    )


def _period_text(summary: Mapping[str, Any], zone: tzinfo) -> str:
    started, finished = (_local_time(summary.get(k), zone) for k in ("started_at", "finished_at"))
    if started is None:
        return translate("未开始", "not started")
    until = f" – {finished:%H:%M:%S}" if finished else " – …"
    return f"{started:%Y-%m-%d %H:%M:%S}{until}"


def _local_time(text: object, zone: tzinfo) -> datetime | None:
    if not isinstance(text, str):
        return None
    return datetime.fromisoformat(text).astimezone(zone)
