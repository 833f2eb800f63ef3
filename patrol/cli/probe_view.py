"""What a probe found, for a person at a terminal: one look tells good from bad."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table
from rich.text import Text

from patrol.cli.advice import ADVICE, FRESHNESS, LIGHT, UNKNOWN
from patrol.cli.common import console, console_err
from patrol.domain.words import FAULTS

if TYPE_CHECKING:
    from streams.errors import StreamError

SLOW_KEY_FRAME_S: Final = 8.0  # the gauges' own idea of slow
CLOCK_OFF_S: Final = 60.0


def show(facts: Mapping[str, Any]) -> None:
    """A visit that brought pictures home."""
    good = facts["usable"] and not facts["faults"]
    mark, colour = ("✓ 正常 good", "green") if good else ("! 有问题 look at it", "yellow")
    out = console()
    out.print(Text.assemble((mark, f"bold {colour}"), "  ", facts["address"]))
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for label, value in _rows(facts):
        table.add_row(f"  {label}", value)
    out.print(table)


def show_failure(address: str, exc: "StreamError") -> None:
    """A visit that did not: what was seen, whose move it is, what to try."""
    advice = ADVICE.get(exc.kind, UNKNOWN)
    out = console_err()
    line = Text.assemble((f"✗ {advice.name_zh} {advice.name_en} ({exc.kind})", "bold red"))
    out.print(line.append(f"  {address}", style="default") if address else line, soft_wrap=True)
    for label, words in (
        ("看到 seen", exc.seen),
        ("该谁处理 whose move", f"{advice.whose_zh} · {advice.whose_en}"),
        ("下一步 next", advice.next_zh),
        ("", advice.next_en),
    ):
        out.print(Text.assemble((f"  {label}  ", "dim"), words), soft_wrap=True)


def _rows(facts: Mapping[str, Any]) -> list[tuple[str, Text]]:
    size = f"{facts['width']}×{facts['height']}" if facts["width"] else "?"
    rate = f" · {facts['frames_per_s']:g} fps" if facts["frames_per_s"] else ""
    rows = [
        ("编码 codec", Text(f"{facts['codec']} {size}{rate} · {facts['transport']}")),
        ("I 帧间隔 key frames", _interval(facts["key_frame_interval_s"])),
        ("首帧用时 first picture", _first(facts)),
        ("新鲜度 freshness", _freshness(facts["freshness"])),
        ("时钟偏差 clock", _clock(facts["clock_offset_s"])),
        ("光线 light", Text(" ".join(LIGHT.get(facts["light"], (facts["light"],))))),
        ("画面 picture", _faults(facts)),
        ("服务端 server", Text(facts["server"] or "—")),
    ]
    if facts["saved"]:
        rows.append(("已存 saved", Text(facts["saved"])))
    return rows


def _interval(seconds: float | None) -> Text:
    if seconds is None:
        return Text("— 只有一帧 one picture only")
    slow = seconds > SLOW_KEY_FRAME_S
    hint = " 过长 too long, set 2–4 s" if slow else ""
    return Text(f"{seconds:.2f} s{hint}", style="yellow" if slow else "")


def _first(facts: Mapping[str, Any]) -> Text:
    return Text(
        f"{facts['first_key_frame_s']:.2f} s"
        f"(连接 connect {facts['connect_s'] * 1000:.0f} ms,"
        f" 描述 describe {facts['describe_s'] * 1000:.0f} ms)"
    )


def _freshness(word: str) -> Text:
    zh, en = FRESHNESS.get(word, (word, ""))
    fine = word in ("live", "single", "still")
    return Text(f"{zh} {en}", style="green" if word == "live" else "" if fine else "red")


def _clock(offset_s: float | None) -> Text:
    if offset_s is None:
        return Text("— 未报时 it sent no time")
    off = abs(offset_s) > CLOCK_OFF_S
    return Text(
        f"{round(offset_s, 1) + 0.0:+.1f} s{' 需校时 set its clock' if off else ''}",
        "yellow" if off else "",
    )


def _faults(facts: Mapping[str, Any]) -> Text:
    if not facts["faults"]:
        return Text("合格 no fault", style="green")
    words = [" ".join(FAULTS.get(kind, (kind,))) for kind in facts["faults"]]
    unusable = "" if facts["usable"] else "  无法查看 not viewable"
    return Text("、".join(words) + unusable, style="yellow")
