"""The end of a demonstration, as a person enjoys reading it. Pure: numbers in, rich out."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from patrol.domain import category as categories
from patrol.domain.case import Case, CaseEvent, CaseState
from patrol.domain.finding import Finding, Origin
from patrol.domain.statistics import judged
from patrol.report import words
from patrol.store import UnitOfWork

MOST_ROWS = 14
RECEIPTS = frozenset({"received", "opened"})  # the telephone's, not the person's


def render_demo(result: Mapping[str, Any]) -> RenderableType:
    """Cases from dispatch to their end, and whether the books are equal."""
    cases = result["case_list"]
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("案件 case", "类别 category", "级别", "状态 state", "经过 steps"):
        table.add_column(heading, overflow="fold")
    for case in cases[:MOST_ROWS]:
        table.add_row(*_row(case))
    if len(cases) > MOST_ROWS:
        table.add_row("…", f"还有 {len(cases) - MOST_ROWS} 件 more")
    problems = result["store_problems"]
    sound = Text("账目平衡,无一丢失 the books are equal, nothing is lost", style="green")
    if problems:
        sound = Text("\n".join(problems), style="red")
    counts = "  ".join(f"{_state(s)} {s} {n}" for s, n in sorted(result["cases"].items()))
    sample = result["blind_sample"]
    drawn = Text(
        f"盲抽 blind sample: 判 judged {sample['judged']} · 漏检 missed {sample['missed']}",
        style="dim",
    )
    title = f" 发现 → 预警 → 上报 → 处理 → 反馈   {len(cases)} 件案件 cases "
    return Panel(
        Group(table, Text(), Text(counts), drawn, sound),
        title=title,
        title_align="left",
        border_style="green" if not problems else "red",
        padding=(1, 2),
        expand=False,
    )


def outcome_of(uow: UnitOfWork) -> dict[str, Any]:
    """What came of the demonstration so far, counted in the store."""
    cases = uow.cases.list()
    rounds = uow.rounds.of_plan("morning")
    leads = [lead for one in rounds for lead in uow.findings.of_round(one.id)]
    return {
        "cases": dict(Counter(str(case.state) for case in cases)),
        "case_list": [_case_row(case) for case in cases],
        "findings_waiting": len(uow.findings.queue()),
        "messages_waiting": uow.outbox.unsent(),
        "blind_sample": _sample_row(leads),
    }


def _case_row(case: Case) -> dict[str, object]:
    """One case of the demonstration's document."""
    return {
        "id": case.id,
        "camera": case.camera,
        "grid": case.grid,
        "category": case.category,
        "level": str(case.level),
        "state": str(case.state),
        "steps": [str(entry.what) for entry in case.entries],
    }


def _sample_row(leads: Iterable[Finding]) -> dict[str, object]:
    """What the blind sample said of the machine."""
    found = judged(leads, Origin.SAMPLE)
    low, high = found.interval
    return {
        "judged": found.decided,
        "missed": found.real,
        "interval": [round(low, 4), round(high, 4)],
    }


def _row(case: Mapping[str, Any]) -> tuple[RenderableType, ...]:
    category = categories.BY_ID.get(case["category"], categories.BY_ID["other"])
    done = case["state"] in ("closed", "voided")
    state = Text(_state(case["state"]), style="green" if done else "yellow")
    steps = " → ".join(
        words.CASE_EVENTS[CaseEvent(step)][0] for step in case["steps"] if step not in RECEIPTS
    )
    return case["id"], f"{category.zh} {category.en}", case["level"], state, steps


def _state(state: str) -> str:
    return words.CASE_STATES[CaseState(state)][0]
