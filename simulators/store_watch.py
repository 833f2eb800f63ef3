"""Marks that differ when a topic's rows do, from the books in memory."""

from collections.abc import Mapping

from simulators.store_books import MemoryCases, MemoryRounds
from simulators.store_duty import (
    MemoryHandovers,
    MemoryHealth,
    MemoryStoppages,
    MemoryTroubles,
)
from simulators.store_messages import MemoryOutbox


class MemoryWatch:
    """Fulfils ports.Watch."""

    def __init__(
        self,
        rounds: MemoryRounds,
        cases: MemoryCases,
        outbox: MemoryOutbox,
        health: MemoryHealth,
        duty: tuple[MemoryStoppages, MemoryTroubles, MemoryHandovers],
    ) -> None:
        self._rounds = rounds
        self._cases = cases
        self._outbox = outbox
        self._health = health
        self._duty = duty

    def marks(self) -> Mapping[str, str]:
        """See the port."""
        stops, troubles, handovers = self._duty
        walked = [len(self._rounds.pending(round_id)) for round_id in self._rounds.rounds]
        states = [(one.id, one.state) for one in self._rounds.rounds.values()]
        return {
            "rounds": str((states, walked)),
            "queue": str([(one.id, one.state) for one in self._rounds.findings.values()]),
            "cases": str(
                [
                    (one.id, one.revision, one.looks, len(one.entries))
                    for one in self._cases.rows.values()
                ]
            ),
            "health": str(sorted(self._health.all().items())),
            "messages": str([(one.key, one.state) for one in self._outbox.rows.values()]),
            "shift": str((stops.list(), troubles.list(), handovers.entries())),
        }
