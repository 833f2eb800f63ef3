"""Rows in memory that know how to take back what an uncommitted transaction did."""

from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from typing_extensions import override

K = TypeVar("K")
V = TypeVar("V")


class Journal:
    """What to do, newest first, to undo the transaction; refuses writers that only read."""

    def __init__(self) -> None:
        self.writable = True
        self._undo: list[Callable[[], Any]] = []
        self._references: list[tuple[Rows[Any, Any], Any]] = []

    def note(self, undo: Callable[[], Any]) -> None:
        """Called before each change."""
        if not self.writable:
            raise RuntimeError("this unit of work only reads")
        self._undo.append(undo)

    def refer(self, rows: "Rows[Any, Any]", key: Any) -> None:
        """What this transaction wrote refers to that row, which must be there in the end."""
        if key is not None:
            self._references.append((rows, key))

    def keep(self) -> None:
        """The transaction is committed. Raises ValueError when a row referred to is missing."""
        for rows, key in self._references:
            if key not in rows:
                raise ValueError(f"the books would not hold: there is no {key}")
        self._references.clear()
        self._undo.clear()

    def take_back(self) -> None:
        """The transaction is not."""
        self._references.clear()
        while self._undo:
            self._undo.pop()()


class Rows(Generic[K, V]):
    """A dictionary whose every change is journalled; order is that of insertion."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._rows: dict[K, V] = {}

    def __setitem__(self, key: K, value: V) -> None:
        if key in self._rows:
            before = self._rows[key]
            self._journal.note(lambda: self._rows.__setitem__(key, before))
        else:
            self._journal.note(lambda: self._rows.pop(key))
        self._rows[key] = value

    def pop(self, key: K) -> None:
        """Drop a row, if there."""
        if key in self._rows:
            before = self._rows[key]
            self._journal.note(lambda: self._rows.__setitem__(key, before))
            del self._rows[key]

    def __getitem__(self, key: K) -> V:
        return self._rows[key]

    def get(self, key: K) -> V | None:
        """The row, or None."""
        return self._rows.get(key)

    def __contains__(self, key: object) -> bool:
        return key in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[K]:
        return iter(self._rows)

    def values(self) -> list[V]:
        """All rows, oldest first."""
        return list(self._rows.values())

    def items(self) -> list[tuple[K, V]]:
        """All, with their keys."""
        return list(self._rows.items())

    @override
    def __repr__(self) -> str:
        return f"Rows({len(self._rows)})"
