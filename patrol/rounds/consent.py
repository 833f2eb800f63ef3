"""The consent gate: asked before every connection, and often while visits are under way."""

from collections.abc import Callable
from datetime import date

from patrol.domain.camera import Camera, Refusal
from patrol.domain.ids import CameraId
from patrol.ports import Store
from patrol.rounds.plan import why_refused


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

    def refresh(self) -> None:
        """Read the withdrawals again."""
        with self._store.begin_read() as uow:
            self._withdrawn = uow.consents.withdrawn()

    def why_refused(self, camera: Camera) -> Refusal | None:
        """The reason not to connect just now, or None."""
        current = self._current(camera.id)
        if current is None:
            return Refusal.CONSENT_WITHDRAWN  # it left the registry while the round was walked
        return why_refused(current, self._today(), self._withdrawn)
