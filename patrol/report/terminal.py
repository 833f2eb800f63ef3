"""A round as a person likes to read it in a terminal. Pure: numbers in, rich renderables out.

`render_round` takes the document of `patrol round --json`; nothing here reads a store or a clock.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from patrol.report import words

BAR_CELLS: Final = 44
OUTCOMES: Final = (
    ("seen", "实巡 seen", "green"),
    ("not_viewable", "无法查看 not viewable", "yellow"),
    ("missed", "漏巡 missed", "red"),
    ("pending", "待查 pending", "bright_black"),
)


def render_round(summary: Mapping[str, Any], *, zone: tzinfo = UTC) -> RenderableType:
    """The summary of a round: who was looked at, who could not be, and what came of it."""
    parts: list[RenderableType] = [bar(summary), Text(), _numbers(summary), Text(), _cost(summary)]
    state = str(summary.get("state", "finished"))
    colour = {"finished": "green", "interrupted": "yellow", "missed": "red"}.get(state, "cyan")
    if summary.get("reason"):
        parts.append(Text(f"{state}: {summary['reason']}", style=colour))
    parts += [Text(str(lack), style="yellow") for lack in summary.get("without", ())]
    title = Text.assemble(
        (f" {words.plan(str(summary['plan']))} ", "bold"), (f"· {summary['round']} ", "dim")
    )
    return Panel(
        Group(*parts),
        title=title,
        title_align="left",
        subtitle=Text(f" {_when(summary, zone)} ", style="dim"),
        subtitle_align="right",
        border_style=colour,
        padding=(1, 2),
        expand=False,
    )


def bar(summary: Mapping[str, Any], cells: int = BAR_CELLS) -> Text:
    """The planned cameras as one line of coloured cells; what happened once still shows."""
    planned = max(1, int(summary["planned"]))
    counts = [int(summary.get(key, 0)) for key, _, _ in OUTCOMES]
    widths = [max(1, count * cells // planned) if count else 0 for count in counts]
    widths[0] = max(0, cells - sum(widths[1:])) if counts[0] else 0
    text = Text()
    for width, (_, _, colour) in zip(widths, OUTCOMES, strict=True):
        text.append("█" * width, style=colour)
    text.append("░" * max(0, cells - sum(widths)), style="bright_black")
    return text.append(f"  {percent(summary.get('seen', 0), summary['planned'])}", style="bold")


def percent(part: int, whole: int) -> str:
    """`95.2 %`; a dash where there is nothing to divide by."""
    return f"{100 * part / whole:.1f} %" if whole else "—"


def duration(seconds: float) -> str:
    """`41.2 s`, `3 min 05 s`, `1 h 12 min`."""
    if seconds < 60:  # noqa: PLR2004  a minute
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def _numbers(summary: Mapping[str, Any]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(justify="right", style="bold", no_wrap=True)
    table.add_column(justify="right", style="dim", no_wrap=True)
    table.add_column(style="dim")
    planned = int(summary["planned"])
    table.add_row("应巡 planned", str(planned), "", "")
    for key, label, colour in OUTCOMES:
        count = int(summary.get(key, 0))
        if key == "pending" and not count:
            continue
        why = _counts(summary.get("failures", {}), words.failure) if key == "not_viewable" else ""
        number = Text(str(count), style=colour if count else "")
        table.add_row(label, number, percent(count, planned), why)
    refusals = _counts(summary.get("refusals", {}), words.refusal)
    table.add_row("不巡 refused", str(summary.get("refused", 0)), "", refusals)
    _add_yield(table, summary)
    return table


def _add_yield(table: Table, summary: Mapping[str, Any]) -> None:
    messages = summary.get("messages", {})
    queued, published = messages.get("queued", 0), messages.get("published", 0)
    table.add_row()
    table.add_row("采样 pictures", str(summary.get("pictures", 0)))
    table.add_row("观察 observations", str(summary.get("observations", 0)))
    findings = int(summary.get("findings", 0))
    table.add_row("线索 findings", Text(str(findings), style="magenta" if findings else ""))
    waiting = "" if published >= queued else f"待发 waiting {queued - published}"
    table.add_row("消息 messages", f"{published}/{queued}", "", waiting)


def _counts(counts: Mapping[str, int], name: Any) -> str:
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    return "\n".join(f"{count} {name(kind)}" for kind, count in ordered if count)


def _cost(summary: Mapping[str, Any]) -> Text:
    wall_s = float(summary.get("wall_s", 0.0))
    visited = int(summary.get("seen", 0)) + int(summary.get("not_viewable", 0))
    pace = f"   {visited / wall_s:.1f} 路/s cameras/s" if wall_s and visited else ""
    return Text(
        f"用时 wall {duration(wall_s)}   CPU {duration(float(summary.get('cpu_s', 0.0)))}"
        f"   内存峰值 peak {float(summary.get('peak_rss_mb', 0.0)):.0f} MB{pace}",
        style="dim",
    )


def _when(summary: Mapping[str, Any], zone: tzinfo) -> str:
    started, finished = (_local(summary.get(k), zone) for k in ("started_at", "finished_at"))
    if started is None:
        return "not started"
    until = f" – {finished:%H:%M:%S}" if finished else " – …"
    return f"{started:%Y-%m-%d %H:%M:%S}{until}"


def _local(text: object, zone: tzinfo) -> datetime | None:
    if not isinstance(text, str):
        return None
    return datetime.fromisoformat(text).astimezone(zone)
