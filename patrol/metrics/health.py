"""Health: which child of the house was last heard of when, and who is stuck."""

import threading
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One question of /healthz and its answer."""

    name: str
    ok: bool
    words: str
    ago_s: float | None = None  # when it was last heard of; None: never, or nobody counts


@dataclass(slots=True)
class _Child:
    within_s: float
    last_s: float


class Heartbeats:
    """Children say that they go on; whoever has not for longer than agreed is stuck."""

    def __init__(self, monotonic_s: Callable[[], float]) -> None:
        self._now_s = monotonic_s
        self._children: dict[str, _Child] = {}
        self._lock = threading.Lock()

    def expect(self, name: str, within_s: float) -> Callable[[], None]:
        """From now on; what the child calls."""
        with self._lock:
            self._children[name] = _Child(within_s, self._now_s())
        return lambda: self.beat(name)

    def beat(self, name: str) -> None:
        """It goes on."""
        with self._lock:
            self._children[name].last_s = self._now_s()

    def checks(self) -> list[Check]:
        """One per child."""
        now_s = self._now_s()
        with self._lock:
            return [
                Check(
                    name=name,
                    ok=now_s - child.last_s <= child.within_s,
                    words=f"{now_s - child.last_s:.0f} s ago, {child.within_s:.0f} s are allowed",
                    ago_s=now_s - child.last_s,
                )
                for name, child in self._children.items()
            ]
