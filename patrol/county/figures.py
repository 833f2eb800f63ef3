"""Adds up the days that towns told to the figures of a period, of one town or of the county. Pure.

Shares are added by part and whole, medians are taken over the minutes of all cases, so that a month
says what the town's own report of that month says. The longest spans are those of the last day that
had a round. docs/county.md names what is added how.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from patrol.domain.county_labels import COUNTY_FIGURES
from patrol.domain.statistics import wilson_interval
from patrol.reports.figures import quantile
from patrol.web.api.county_documents import CountyDay, CountyFigure

LAST_DAY_FIGURES: Final = frozenset({"longest_unseen", "longest_unwatched"})
INTERVAL_FIGURES: Final = frozenset({"miss_rate", "machine_missed"})
_RANKS: Final = (("median", 0.5), ("p90", 0.9))


@dataclass(frozen=True, slots=True, kw_only=True)
class CountyTotal:
    """A figure of a period: a share (part of n), a count or measure (n None), or minutes of n."""

    id: str
    part: float | None
    n: int | None = None
    is_minutes: bool = False

    @property
    def value(self) -> float | None:
        """A share 0..1, a count, a measure, or minutes; None of nothing."""
        if self.n is None or self.is_minutes:
            return self.part
        return self.part / self.n if self.n and self.part is not None else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Wilson's interval (95 %) of a share that stands for more than was judged."""
        if self.id not in INTERVAL_FIGURES or not self.n or self.part is None:
            return None
        return wilson_interval(int(self.part), self.n)


@dataclass(slots=True)
class FigureSums:
    """Sums over days; `add` them, of one town or of several, then read `totals`."""

    parts: dict[str, float] = field(default_factory=dict)
    wholes: dict[str, int] = field(default_factory=dict)
    longest: dict[str, float | None] = field(default_factory=dict)
    minutes: dict[str, list[float]] = field(default_factory=lambda: {"ack": [], "close": []})
    day_count: int = 0

    def add_town(self, days: Sequence[CountyDay]) -> None:
        """Add the days of one town, in order."""
        longest: dict[str, float | None] = {}
        for day in days:
            self.day_count += 1
            planned = {figure.id: figure.part for figure in day.figures}.get("planned")
            for figure in day.figures:
                if figure.id not in LAST_DAY_FIGURES:
                    self._add(figure)
                elif planned:
                    longest[figure.id] = figure.part
            self.minutes["ack"] += day.minutes.ack
            self.minutes["close"] += day.minutes.close
        for name, part in longest.items():
            known = self.longest.get(name)
            self.longest[name] = part if known is None else max(known, part or 0.0)

    def _add(self, figure: CountyFigure) -> None:
        self.parts[figure.id] = self.parts.get(figure.id, 0.0) + (figure.part or 0.0)
        if figure.n is not None:
            self.wholes[figure.id] = self.wholes.get(figure.id, 0) + figure.n

    def totals(self) -> Mapping[str, CountyTotal]:
        """The figures of COUNTY_FIGURES that the days reported of, in its order."""
        found = {
            name: CountyTotal(id=name, part=part, n=self.wholes.get(name))
            for name, part in self.parts.items()
        }
        found |= {name: CountyTotal(id=name, part=part) for name, part in self.longest.items()}
        if self.day_count:
            found |= {one.id: one for one in self._durations()}
        return {name: found[name] for name in COUNTY_FIGURES if name in found}

    def _durations(self) -> Iterable[CountyTotal]:
        for step, minutes in self.minutes.items():
            ordered = sorted(minutes)
            for suffix, share in _RANKS:
                yield CountyTotal(
                    id=f"{step}_{suffix}",
                    part=quantile(ordered, share),
                    n=len(ordered),
                    is_minutes=True,
                )


def town_totals(days: Sequence[CountyDay]) -> Mapping[str, CountyTotal]:
    """The figures of one town's days."""
    sums = FigureSums()
    sums.add_town(days)
    return sums.totals()


def county_totals(towns: Iterable[Sequence[CountyDay]]) -> Mapping[str, CountyTotal]:
    """The figures of all towns' days together."""
    sums = FigureSums()
    for days in towns:
        sums.add_town(days)
    return sums.totals()


def total_text(total: CountyTotal | None, *, minutes: str) -> str:
    """For people: `95.2 % (571/600)`, `14`, `8.0 min (n=11)`; a dash where there is nothing."""
    if total is None or total.value is None or total.part is None:
        return "—"
    if total.is_minutes:
        return f"{total.part:.1f} {minutes} (n={total.n})"
    if total.n is None:
        return f"{total.part:g}"
    share = f"{100 * total.part / total.n:.1f} % ({total.part:g}/{total.n})"
    if total.interval is None:
        return share
    low, high = total.interval
    return f"{share} [{100 * low:.1f}–{100 * high:.1f} %]"
