"""Assemble a catalogue out of messages that come in any order, twice, or not at all. Pure.

Parts of one query share its number. It is complete once as many items are there as it says; after
a silence it is partial. Nothing is ever deleted by what is missing: `merge` counts in how many
whole catalogues in a row an item was missing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from streams.gb28181.codes import CodeKind
from streams.gb28181.manscdp import CatalogItem, CatalogPart

MAX_ITEMS: Final = 50_000
GONE_AFTER: Final = 3  # whole catalogues without it
MAX_PARENTS: Final = 32


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
    _items: dict[str, CatalogItem] = field(default_factory=dict)
    _seen: int = 0  # different codes, those not kept included

    def add(self, part: CatalogPart, now_s: float) -> Catalog | None:
        """Take a part; the catalogue when it is complete."""
        self.last_at_s = now_s
        self.parts += 1
        self.bad += part.bad_items
        if part.total is not None:
            self.expected = max(part.total, self.expected or 0)
        for item in part.items:
            self._add_item(item)
        if self.expected is not None and self._seen + self.bad >= self.expected:
            return self._catalog(complete=self.expected > 0)
        return None

    def due(self, now_s: float) -> Catalog | None:
        """The partial catalogue, once nothing came for `idle_s`."""
        return self._catalog(complete=False) if now_s - self.last_at_s >= self.idle_s else None

    def _add_item(self, item: CatalogItem) -> None:
        if item.code in self._items:
            self.repeated += 1
            self._items[item.code] = item
            return
        self._seen += 1
        if self._is_foreign(item):
            self.foreign += 1
        elif len(self._items) >= MAX_ITEMS:
            self.dropped += 1
        else:
            self._items[item.code] = item

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
