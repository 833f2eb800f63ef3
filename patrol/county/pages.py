"""What the county's pages show, as text in the reader's language, from the documents.

The templates only place it. Towns stand in the order of county.yaml.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from patrol.county.month_files import figure_texts
from patrol.county.overview import CountyReader, JsonObject
from patrol.domain.county_labels import (
    COUNTY_FIGURES,
    ROUND_REASONS,
    TOWN_CONTACT,
    TOWN_PROBLEMS,
)
from patrol.domain.finding import category_named
from patrol.domain.labels import LEVELS, ROUND_STATES, label_of
from patrol.domain.priority import Level
from patrol.domain.round import RoundState
from patrol.domain.town_labels import OVERDUE_STEPS
from patrol.web.i18n import Translator, plan_label

PAGE_FIGURES: Final = (
    "coverage", "completion", "online", "intact", "human_review", "reviewed", "ack_in_time",
    "feedback_in_time", "closure_on_time",
)  # fmt: skip
MARKS: Final = {"current": "ok", "failing": "warn", "silent": "bad", "never": "bad"}
CLOCK_SHOWN_FROM: Final = timedelta(minutes=2)
MONTHS_LISTED: Final = 12


def page_content(overview: JsonObject, reader: CountyReader, t: Translator) -> dict[str, Any]:
    """Of the page with all towns."""
    return {
        "at": t.full_datetime(_moment(overview["at"])),
        "towns": [_town(town, t) for town in overview["towns"]],
        "without_contact": [
            town["name"] for town in overview["towns"] if town["contact"] == "silent"
        ],
        "never": [town["name"] for town in overview["towns"] if town["contact"] == "never"],
        "figure_names": _names(PAGE_FIGURES, t),
        "county_figures": figure_texts(overview["figures"], t, PAGE_FIGURES),
        "figures_from": overview["figures_from"],
        "figures_until": overview["figures_until"],
        "months": _months(reader),
    }


def _months(reader: CountyReader) -> list[str]:
    """The present month and those before, the newest first."""
    first, months = reader.today.replace(day=1), []
    for _ in range(MONTHS_LISTED):
        months.append(f"{first:%Y-%m}")
        first = (first - timedelta(days=1)).replace(day=1)
    return months


def town_content(town: JsonObject, t: Translator) -> dict[str, Any]:
    """Of one town's page."""
    now = town["now"]
    overdue = now["overdue"]["cases"] if now else []
    figures = zip(_names(tuple(COUNTY_FIGURES), t), figure_texts(town["figures"], t), strict=True)
    return {
        "town": {**_town(town, t), "version": town["version"] or "—"},
        "rounds": [_round(one, t) for one in town["rounds"]],
        "overdue": [_overdue(one, t) for one in overdue],
        "figures": list(figures),
        "before": town["from_before_restore"],
        "restarted_at": town["restarted_at"] and t.full_datetime(_moment(town["restarted_at"])),
    }


def _names(figures: tuple[str, ...], t: Translator) -> list[str]:
    return [t.pair(COUNTY_FIGURES[name]) for name in figures]


def _town(town: JsonObject, t: Translator) -> dict[str, Any]:
    now = town["now"]
    return {
        "id": town["id"],
        "name": town["name"],
        "mark": MARKS[town["contact"]],
        "contact": t.pair(TOWN_CONTACT[town["contact"]]),
        "contacted": _contacted(town, t),
        "problem": _problem(town, t),
        "clock": _clock(town, t),
        "catching_up": town["catching_up"],
        "rounds": [_round(one, t) for one in town["last_rounds"]],
        "overdue": _overdue_counts(now, t),
        "cameras": _cameras(now, t),
        "figures": figure_texts(town["figures"], t, PAGE_FIGURES),
    }


def _contacted(town: JsonObject, t: Translator) -> str:
    if town["contacted_at"] is None:
        return "—"
    ago = t.duration(timedelta(seconds=town["contacted_ago_s"]))
    return t(f"{ago}前", f"{ago} ago")


def _problem(town: JsonObject, t: Translator) -> str:
    return t.pair(label_of(TOWN_PROBLEMS, town["problem"])) if town["problem"] else ""


def _clock(town: JsonObject, t: Translator) -> str:
    """That the town's clock is off; empty while it is nearly right."""
    off = timedelta(seconds=town["clock_off_s"] or 0)
    if abs(off) < CLOCK_SHOWN_FROM:
        return ""
    span = t.duration(off)
    if off > timedelta():
        return t(f"镇端时钟快 {span}", f"the town's clock is {span} ahead")
    return t(f"镇端时钟慢 {span}", f"the town's clock is {span} behind")


def _round(one: Mapping[str, Any], t: Translator) -> dict[str, Any]:
    state = RoundState(one["state"])
    reason = t.pair(label_of(ROUND_REASONS, one["reason"])) if one["reason"] else ""
    return {
        "id": one["round"],
        "day": one["day"],
        "plan": plan_label(one["plan"], t),
        "state": t.pair(ROUND_STATES[state]),
        "bad": state in (RoundState.MISSED, RoundState.INTERRUPTED),
        "reason": reason,
        "planned": one["planned"],
        "seen": one["seen"],
        "not_viewable": one["not_viewable"],
        "missed": one["missed"],
        "pending": one["pending"],
        "refused": one["refused"],
    }


def _overdue(one: Mapping[str, Any], t: Translator) -> dict[str, Any]:
    category = category_named(one["category"])
    return {
        "case": one["case"],
        "level": f"{one['level']} {t.pair(LEVELS[Level(one['level'])])}",
        "what": t(category.zh, category.en),
        "step": t.pair(label_of(OVERDUE_STEPS, one["step"])),
        "over": t.duration(timedelta(minutes=one["overdue_min"])),
        "since": t.short_datetime(_moment(one["since"])),
        "supervised": one["supervised"],
    }


def _overdue_counts(now: JsonObject | None, t: Translator) -> str:
    """`3 (I 1 · II 2)`."""
    if now is None:
        return "—"
    overdue = now["overdue"]
    levels = " · ".join(f"{level} {count}" for level, count in overdue["by_level"].items())
    open_text = t(f"未结 {now['cases']['open']}", f"{now['cases']['open']} open")
    return f"{overdue['count']}" + (f" ({levels})" if levels else "") + f" / {open_text}"


def _cameras(now: JsonObject | None, t: Translator) -> str:
    """`572 在线 · 13 有故障 · 39 离线`."""
    if now is None:
        return "—"
    health = now["health"]
    return " · ".join(
        (
            t(f"正常 {health['online']}", f"{health['online']} sound"),
            t(f"故障 {health['faulty']}", f"{health['faulty']} faulty"),
            t(f"离线 {health['offline']}", f"{health['offline']} offline"),
        )
    )


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
