"""One timer for all viewers: eight slots per frame, each viewer in the slot of its camera."""

import asyncio
from dataclasses import dataclass, field
from typing import Final

from simulators.farm.play import Playback
from simulators.farm.timeline import TICKS_PER_FRAME, TICKS_PER_S, Timeline

MOST_BEHIND: Final = 2 * TICKS_PER_S  # after a longer stall time is skipped, as in a reboot


@dataclass(slots=True)
class Wheel:
    """Turns until cancelled."""

    timeline: Timeline
    skipped: int = 0
    _slots: list[dict[Playback, None]] = field(
        default_factory=lambda: [{} for _ in range(TICKS_PER_FRAME)]
    )

    def add(self, playback: Playback) -> None:
        """From now on it is ticked."""
        self._slots[playback.camera.slot][playback] = None

    def remove(self, playback: Playback) -> None:
        """It may have gone already."""
        self._slots[playback.camera.slot].pop(playback, None)

    def playing(self) -> int:
        """How many viewers there are."""
        return sum(len(slot) for slot in self._slots)

    async def turn(self) -> None:
        """Never misses a frame of a viewer, however late the event loop wakes it."""
        loop = asyncio.get_running_loop()
        last = self.timeline.tick_at(loop.time())
        while True:
            await asyncio.sleep(max(0.0, self.timeline.due_s(last + 1) - loop.time()))
            now = self.timeline.tick_at(loop.time())
            if now - last > MOST_BEHIND:
                self.skipped += now - last
                last = now - 1
            for tick in range(last + 1, now + 1):
                self._run(tick)
            last = max(last, now)

    def _run(self, tick: int) -> None:
        frame, slot = divmod(tick, TICKS_PER_FRAME)
        for playback in tuple(self._slots[slot]):
            playback.tick(frame)
