"""The gate: consent before every connection and after, and a pause of all rounds."""

from collections.abc import Callable
from datetime import date, datetime

from patrol.domain.camera import Camera, Refusal
from patrol.domain.ids import CameraId
from patrol.domain.stoppage import Stoppage, pause_at
from patrol.rounds.plan import why_refused
from patrol.store import Store


class ConsentGate:
    """Keeps the set of withdrawn cameras fresh; answers without touching the store."""

    def __init__(
        self,
        store: Store,
        today: Callable[[], date],
        current: Callable[[CameraId], Camera | None],
    ) -> None:
        self._store = store
        self._today = today
        self._current = current  # the registry as it stands on disk now
        self._withdrawn: frozenset[CameraId] = frozenset()
        self.pause: Stoppage | None = None  # as last read

    def refresh(self, now: datetime) -> None:
        """Read the withdrawals and pauses again."""
        with self._store.begin_read() as uow:
            self._withdrawn = uow.consents.withdrawn()
            self.pause = pause_at(uow.stoppages.standing(now), now)

    def why_refused(self, camera: Camera) -> Refusal | None:
        """The reason not to connect just now, or None."""
        current = self._current(camera.id)
        if current is None:
            return Refusal.CONSENT_WITHDRAWN  # it left the registry while the round was walked
        return why_refused(current, self._today(), self._withdrawn)
