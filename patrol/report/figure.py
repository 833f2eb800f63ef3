"""One number of a report: its part, its whole, what the whole leaves out, and how it changed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A rate (part of whole), a count or a measure (whole None), or minutes (a median)."""

    id: str
    zh: str
    en: str
    part: float | None
    whole: int | None = None
    minutes: bool = False
    unit: str = ""  # of a measure
    interval: tuple[float, float] | None = None  # of a rate that stands for more than was judged
    note: str = ""  # what the whole leaves out, or what is counted

    @property
    def value(self) -> float | None:
        """A share 0..1, a count, or minutes; None where there is nothing to divide by."""
        if self.whole is None or self.minutes:
            return self.part
        return self.part / self.whole if self.whole and self.part is not None else None

    @property
    def words(self) -> str:
        """For people: `95.2 %(571/600)`; a dash on a zero base."""
        if self.part is None or (self.whole == 0):
            return "—(n=0)"
        if self.minutes:
            return f"{self.part:.1f} 分钟(n={self.whole})"
        if self.whole is None:
            return f"{self.part:g}{self.unit and ' '}{self.unit}"
        share = f"{100 * self.part / self.whole:.1f} %({self.part:g}/{self.whole})"
        if self.interval is None:
            return share
        low, high = self.interval
        return f"{share},95 % 区间 {100 * low:.1f}–{100 * high:.1f} %"


def change(new: Figure, old: Figure | None) -> str:
    """Against an earlier period: percentage points for a rate, per cent for a count."""
    if old is None or new.value is None or old.value is None:
        return "—"
    if new.whole is not None and not new.minutes:
        return f"{100 * (new.value - old.value):+.1f} 个百分点"
    return f"{100 * (new.value - old.value) / old.value:+.1f} %" if old.value else "—"


def quantile(ordered: Sequence[float], share: float) -> float | None:
    """By linear interpolation between the neighbours; None of nothing."""
    if not ordered:
        return None
    place = share * (len(ordered) - 1)
    low, high = math.floor(place), math.ceil(place)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)
