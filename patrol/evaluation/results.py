"""The figures as one plain document, and the document as tables for a terminal."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table

from patrol.evaluation.metrics import rate_document
from patrol.evaluation.score import Scores
from patrol.vision.fire import FireKind

FORMAT = 1
COUNTS = ("tp", "fp", "fn")
SHARES = ("precision", "recall", "f1")
GROUPS = {"fault": "画面故障 picture faults", "scene": "场景 scene", "object": "目标 objects"}


def macro_f1(scores: Scores) -> float | None:
    """Mean F1 over the fault kinds that truly occur."""
    kinds = [
        tally.f1 or 0.0
        for kind, tally in scores.tallies.items()
        if scores.groups[kind] == "fault" and tally.tp + tally.fn
    ]
    return sum(kinds) / len(kinds) if kinds else None


def document(scores: Scores, name: str, notes: tuple[str, ...] = ()) -> dict[str, Any]:
    """What `--json` prints."""
    macro = macro_f1(scores)
    return {
        "format": FORMAT,
        "set": name,
        "visits": scores.visits,
        "cameras": len(scores.cameras),
        "kinds": {
            kind: {"group": scores.groups[kind], **scores.tallies[kind].as_document()}
            for kind in sorted(scores.tallies, key=lambda k: (scores.groups[k], k))
        },
        "summary": {
            "fault_macro_f1": None if macro is None else round(macro, 4),
            "ok_visits_flagged": rate_document(scores.ok_flagged, scores.ok_visits),
            "false_regions_per_100_clean_visits": _per_hundred(scores),
            **{
                f"{name}_proposed_where_none": rate_document(*scores.fireless[kind])
                for name, kind in (("flames", FireKind.OPEN_FLAME), ("smoke", FireKind.SMOKE))
            },
        },
        "clips": {
            kind: {
                clip: rate_document(found, of)
                for (of_kind, clip), (found, of) in sorted(scores.clips.items())
                if of_kind == kind
            }
            for kind in sorted({kind for kind, _ in scores.clips})
        },
        "confusion": _confusion(scores),
        "mistakes": len(scores.mistakes),
        "notes": list(notes),
    }


def _per_hundred(scores: Scores) -> Mapping[str, Any]:
    """Regions, not visits: one visit can have several; no interval is claimed for it."""
    of = scores.clean_visits
    return {
        "count": scores.false_regions,
        "of": of,
        "rate": round(100 * scores.false_regions / of, 4) if of else None,
    }


def _confusion(scores: Scores) -> dict[str, dict[str, int]]:
    table: dict[str, dict[str, int]] = defaultdict(dict)
    for (truth, proposed), number in sorted(scores.confusion.items()):
        table[truth][proposed] = number
    return dict(table)


def render(found: Mapping[str, Any]) -> RenderableType:
    """A document as tables for a terminal; several sets one after the other."""
    if "sets" in found:
        return Group(*(render(one) for one in found["sets"].values()))
    parts: list[RenderableType] = []
    for group, title in GROUPS.items():
        kinds = {kind: row for kind, row in found["kinds"].items() if row["group"] == group}
        if kinds:
            parts.append(_table(f"{title} — {found['set']}", kinds))
    if found.get("clips"):
        parts.append(_clips(found["clips"]))
    if found.get("seeded"):
        parts.append(_seeded(found["seeded"]))
    if found.get("severities"):
        parts.append(_severities(found["severities"]))
    if found.get("rows"):
        parts.append(_asked(found["rows"]))
    return Group(*parts, *_summary(found), *found["notes"])


def _clips(kinds: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Table:
    """How many visits with a flame or smoke were found, clip by clip."""
    table = Table(title="按片段 by clip", title_justify="left")
    for column in ("kind", "clip", "found", "95 %"):
        table.add_column(column)
    for kind, clips in kinds.items():
        for clip, row in clips.items():
            table.add_row(kind, clip, f"{row['count']}/{row['of']}", span(row["interval"]))
    return table


def _seeded(rows: Sequence[Mapping[str, Any]]) -> Table:
    """What was put into the simulated town, and what was proposed of it."""
    table = Table(title="布设的问题 seeded problems", title_justify="left")
    for column in rows[0]:
        table.add_column(column)
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    return table


def _severities(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Kinds by severity and history, beside the simple alternative on the same pictures."""
    table = Table(title="按程度 by severity", title_justify="left")
    for column in ("history", "kind", "severity"):
        table.add_column(column)
    for column in ("named", "95 %", "reported", "own median"):
        table.add_column(column, justify="right")
    for row in rows:
        named = row["named"]
        table.add_row(
            row["history"], row["kind"], row["severity"], f"{named['count']}/{named['of']}",
            span(named["interval"]), str(row["reported"]["count"]), str(row["own_median"]["count"]),
        )  # fmt: skip
    return table


def _asked(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Every demand beside what is reached; `!` marks what is not."""
    table = Table(title="要求与实测 asked and reached", title_justify="left")
    table.add_column("what")
    for column in ("reached", "95 %", "asked", "", "own median"):
        table.add_column(column, justify="right")
    table.add_column("note")
    marks = {True: "=", False: "!", None: "?"}
    for row in rows:
        reached, simple = row["reached"], row["own_median"]
        least, most = row["at_least"], row["at_most"]
        asked = f"≤ {most:.3f}" if least is None else f"≥ {least:.2f}"
        table.add_row(
            row["what"], _of(reached), span(reached["interval"]), asked, marks[row["met"]],
            "—" if simple is None else _of(simple), row["note"],
        )  # fmt: skip
    return table


def _of(rate: Mapping[str, Any]) -> str:
    return f"{rate['count']}/{rate['of']}"


def _table(title: str, kinds: Mapping[str, Mapping[str, Any]]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("kind")
    for column in (*COUNTS, *(name for share in SHARES for name in (share, "95 %"))):
        table.add_column(column, justify="right")
    for kind, row in kinds.items():
        shares = (
            text for name in SHARES for text in (share(row[name]), span(row[f"{name}_interval"]))
        )
        table.add_row(kind, *(str(row[name]) for name in COUNTS), *shares)
    return table


def _summary(found: Mapping[str, Any]) -> list[str]:
    lines = [f"{found['visits']} visits, {found['cameras']} cameras"]
    for name, value in found["summary"].items():
        if isinstance(value, Mapping) and value["of"]:
            near = span(value["interval"]) if "interval" in value else ""
            lines.append(f"{name}: {value['count']}/{value['of']} {near}".rstrip())
        elif isinstance(value, float):
            lines.append(f"{name}: {value:.3f}")
    return lines


def share(value: float | None) -> str:
    """A number between 0 and 1, or a dash."""
    return "—" if value is None else f"{value:.3f}"


def span(interval: Sequence[float] | None) -> str:
    """An interval, or a dash."""
    return "—" if interval is None else f"{interval[0]:.3f}–{interval[1]:.3f}"
