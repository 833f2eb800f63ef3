"""Assemble a catalogue out of messages that come in any order, twice, or not at all. Pure.

Parts of one query share its number. It is complete when as many items are there as it says, and
nothing comes behind them: sums are wrong in both directions, so more than it says is partial, as
is less after a longer silence. Nothing is ever deleted by what is missing: `merge` counts in how
many whole catalogues in a row an item was missing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from streams.gb28181.codes import CodeKind
from streams.gb28181.manscdp import CatalogItem, CatalogPart

MAX_ITEMS: Final = 50_000
GONE_AFTER: Final = 3  # whole catalogues without it
MAX_PARENTS: Final = 32
LONGEST_S: Final = 280.0  # of one query, whatever still comes
ODDITIES: Final = ("foreign", "bad", "dropped", "cyclic", "repeated")
SETTLE_S: Final = 0.5  # of silence behind the last item, for those that the sum forgot


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """What came of one query."""

    items: Mapping[str, CatalogItem]
    expected: int | None
    complete: bool
    repeated: int = 0
    foreign: int = 0  # of a region that is not the peer's
    bad: int = 0  # without a usable code
    dropped: int = 0  # beyond MAX_ITEMS
    cyclic: int = 0  # whose parents lead back to them

    def oddities(self) -> Mapping[str, int]:
        """How many items were odd, by what was odd in them, where there were any."""
        counts = {name: getattr(self, name) for name in ODDITIES}
        return {name: count for name, count in counts.items() if count}


@dataclass(slots=True)
class CatalogAssembler:
    """Collects the parts of one query."""

    number: int
    regions: tuple[str, ...]  # first digits that codes of cameras may have; empty: any
    idle_s: float
    last_at_s: float
    expected: int | None = None
    parts: int = 0
    repeated: int = 0
    foreign: int = 0
    bad: int = 0
    dropped: int = 0
    unread: int = 0  # pieces of long messages that came and wait
    _items: dict[str, CatalogItem] = field(default_factory=dict)
    _not_kept: set[str] = field(
        default_factory=set
    )  # codes of another region, and beyond the limit
    _began_s: float = field(init=False)

    def __post_init__(self) -> None:
        self._began_s = self.last_at_s

    def add(self, part: CatalogPart, now_s: float) -> None:
        """Take a part."""
        self.last_at_s = now_s
        self.parts += 1
        self.bad += part.bad_items
        if part.total is not None:
            self.expected = max(part.total, self.expected or 0)
        for item in part.items:
            self._add_item(item)

    def due(self, now_s: float) -> Catalog | None:
        """The catalogue, once nothing came for so long that nothing will, or it has no end."""
        if self.unread and now_s - self._began_s < LONGEST_S:
            return None
        found, expected = len(self._items) + len(self._not_kept) + self.bad, self.expected
        enough = expected is not None and found >= expected
        wait_s = min(SETTLE_S, self.idle_s / 4) if enough else self.idle_s
        if now_s - self.last_at_s < wait_s and now_s - self._began_s < LONGEST_S:
            return None
        return self._catalog(complete=found == expected and found > 0)

    def _add_item(self, item: CatalogItem) -> None:
        if item.code in self._items:
            self.repeated += 1
            self._items[item.code] = item
        elif item.code in self._not_kept:
            self.repeated += 1
        elif self._is_foreign(item):
            self.foreign += 1
            self._pass_over(item)
        elif len(self._items) >= MAX_ITEMS:
            self.dropped += 1
            self._pass_over(item)
        else:
            self._items[item.code] = item

    def _pass_over(self, item: CatalogItem) -> None:
        if len(self._not_kept) < MAX_ITEMS:
            self._not_kept.add(item.code)

    def _is_foreign(self, item: CatalogItem) -> bool:
        is_camera = item.kind in {CodeKind.CAMERA, CodeKind.DEVICE}
        return bool(self.regions) and is_camera and not item.code.startswith(self.regions)

    def _catalog(self, *, complete: bool) -> Catalog:
        return Catalog(
            items=self._items,
            expected=self.expected,
            complete=complete,
            repeated=self.repeated,
            foreign=self.foreign,
            bad=self.bad,
            dropped=self.dropped,
            cyclic=count_cyclic(self._items),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownChannel:
    """An item of a peer's catalogue as it is kept between queries."""

    item: CatalogItem
    missing: int = 0  # whole catalogues in a row without it

    @property
    def gone(self) -> bool:
        """Whether it was missing often enough."""
        return self.missing >= GONE_AFTER


def merge(known: Mapping[str, KnownChannel], catalog: Catalog) -> dict[str, KnownChannel]:
    """The items after a query; only a whole catalogue counts those that it lacks as missing."""
    merged = {code: KnownChannel(item=item) for code, item in catalog.items.items()}
    for code, channel in known.items():
        if code not in merged:
            missing = channel.missing + catalog.complete
            merged[code] = replace(channel, missing=missing)
    return merged


def apply_notice(
    known: Mapping[str, KnownChannel], items: Iterable[CatalogItem]
) -> dict[str, KnownChannel]:
    """The changed items after a NOTIFY; one that names only a code keeps what is known of it."""
    changed: dict[str, KnownChannel] = {}
    for item in items:
        before = changed.get(item.code) or known.get(item.code)
        if item.event == "DEL":
            if before is not None:
                changed[item.code] = replace(before, missing=GONE_AFTER)
        elif before is None or item.name:
            changed[item.code] = KnownChannel(item=item)
        else:
            online = before.item.online if item.online is None else item.online
            changed[item.code] = KnownChannel(item=replace(before.item, online=online))
    return changed


def count_cyclic(items: Mapping[str, CatalogItem]) -> int:
    """How many items are their own ancestors; each is looked at once."""
    reached_from: dict[str, str] = {}  # the item from which it was reached first
    found = 0
    for code in items:
        at, path = code, []
        while at in items and at not in reached_from:
            reached_from[at] = code
            path.append(at)
            at = items[at].parent
        if reached_from.get(at) == code and at in items:
            found += len(path) - path.index(at)
    return found


def path_of(code: str, items: Mapping[str, CatalogItem]) -> tuple[str, ...]:
    """The names of an item's parents, the outermost first; a cycle ends where it closes."""
    names: list[str] = []
    seen = {code}
    parent = items[code].parent if code in items else ""
    while parent in items and parent not in seen and len(names) < MAX_PARENTS:
        seen.add(parent)
        names.append(items[parent].name or parent)
        parent = items[parent].parent
    return tuple(reversed(names))
