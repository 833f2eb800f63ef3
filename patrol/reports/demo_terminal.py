"""The demonstration on a terminal: its cases with their steps, repeats folded, and the totals.

`render_demo` takes the document of `demo_outcome`, which alone reads the store; 80 columns suffice.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from patrol.domain import labels
from patrol.domain.case import Case, CaseEvent, CaseState
from patrol.domain.finding import CATEGORY_BY_ID, Finding, Origin
from patrol.domain.reader_language import translate
from patrol.domain.statistics import decided_share
from patrol.store import UnitOfWork

MAX_DEMO_ROWS = 14
RECEIPT_EVENTS = frozenset({"received", "opened"})  # sent by the telephone, not by the person


def render_demo(result: Mapping[str, Any]) -> RenderableType:
    """Cases from dispatch to their end, and whether the store is consistent."""
    cases = result["case_list"]
    return Panel(
        Group(_cases_table(cases), Text(), *_totals(result)),
        title=translate(
            f" 发现 → 预警 → 上报 → 处理 → 反馈   {len(cases)} 件案件 ",
            f" found → warned → reported → handled → fed back   {len(cases)} cases ",
        ),
        title_align="left",
        border_style="red" if result["store_problems"] else "green",
        padding=(1, 2),
        expand=False,
    )


def _cases_table(cases: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in (
        translate("案件", "case"),
        translate("类别", "category"),
        translate("级别", "level"),
        translate("状态", "state"),
        translate("经过", "steps"),
    ):
        table.add_column(heading, overflow="fold")
    for case in cases[:MAX_DEMO_ROWS]:
        table.add_row(*_case_cells(case))
    if len(cases) > MAX_DEMO_ROWS:
        table.add_row(
            "…",
            translate(
                f"还有 {len(cases) - MAX_DEMO_ROWS} 件", f"{len(cases) - MAX_DEMO_ROWS} more"
            ),
        )
    return table


def _totals(result: Mapping[str, Any]) -> tuple[Text, Text, Text]:
    """The cases by state, the blind sample, and whether the store is consistent."""
    problems = result["store_problems"]
    verdict = Text(
        translate("账目平衡，无一丢失", "the totals agree, nothing is lost"), style="green"
    )
    if problems:
        verdict = Text("\n".join(problems), style="red")
    counts = " · ".join(f"{_state_label(s)} {n}" for s, n in sorted(result["cases"].items()))
    sample = result["blind_sample"]
    drawn = Text(
        translate(
            f"盲抽：判 {sample['judged']} · 漏检 {sample['missed']}",
            f"blind sample: judged {sample['judged']} · missed {sample['missed']}",
        ),
        style="dim",
    )
    return Text(counts), drawn, verdict


def demo_outcome(uow: UnitOfWork) -> dict[str, Any]:
    """The state of the demonstration: its cases, findings, messages and blind sample."""
    cases = uow.cases.list()
    rounds = uow.rounds.of_plan("morning")
    findings = [finding for one in rounds for finding in uow.findings.of_round(one.id)]
    return {
        "cases": dict(Counter(str(case.state) for case in cases)),
        "case_list": [_case_document(case) for case in cases],
        "findings_waiting": sum(one.count for one in uow.findings.waiting_totals()),
        "messages_waiting": uow.outbox.unsent(),
        "blind_sample": _blind_sample_document(findings),
    }


def _case_document(case: Case) -> dict[str, object]:
    """One case of the document of `demo_outcome`."""
    return {
        "id": case.id,
        "camera": case.camera,
        "grid": case.grid,
        "category": case.category,
        "level": str(case.level),
        "state": str(case.state),
        "steps": [str(entry.what) for entry in case.entries],
    }


def _blind_sample_document(findings: Iterable[Finding]) -> dict[str, object]:
    """The blind sample: judged, missed, and the interval of the miss rate."""
    found = decided_share(findings, Origin.SAMPLE)
    low, high = found.interval
    return {
        "judged": found.decided,
        "missed": found.real,
        "interval": [round(low, 4), round(high, 4)],
    }


def _case_cells(case: Mapping[str, Any]) -> tuple[RenderableType, ...]:
    category = CATEGORY_BY_ID.get(case["category"], CATEGORY_BY_ID["other"])
    done = case["state"] in ("closed", "voided")
    state = Text(_state_label(case["state"]), style="green" if done else "yellow")
    steps = [
        labels.label_text(labels.CASE_EVENTS[CaseEvent(step)])
        for step in case["steps"]
        if step not in RECEIPT_EVENTS
    ]
    what = translate(category.zh, category.en)
    return case["id"], what, case["level"], state, " → ".join(fold_repeats(steps))


def fold_repeats(steps: Sequence[str]) -> list[str]:
    """The steps with what repeats told once: `退回重办 ×3`, `(签收 → 反馈 → 退回重办) ×12`.

    The longest stretch of repeats first found from the left is folded; what is left over follows.
    """
    folded: list[str] = []
    at = 0
    while at < len(steps):
        length, times = _best_repeat(steps, at)
        if times < 2:  # noqa: PLR2004  told once
            folded.append(steps[at])
            at += 1
            continue
        block = " → ".join(steps[at : at + length])
        opened, closed = translate("（", "("), translate("）", ")")
        name = block if length == 1 else f"{opened}{block}{closed}"
        folded.append(f"{name} ×{times}")
        at += length * times
    return folded


def _best_repeat(steps: Sequence[str], at: int) -> tuple[int, int]:
    """(length, times) of the block that begins here and repeats over the longest stretch."""
    best = (1, 1)
    for length in range(1, (len(steps) - at) // 2 + 1):
        block, times = steps[at : at + length], 1
        while steps[at + times * length : at + (times + 1) * length] == block:
            times += 1
        if times > 1 and times * length > best[0] * best[1]:
            best = (length, times)
    return best


def _state_label(state: str) -> str:
    return labels.label_text(labels.CASE_STATES[CaseState(state)])
