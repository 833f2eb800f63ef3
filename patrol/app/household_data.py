"""Households' pictures and consent in the running application: swept, removed, withdrawn, paused.

The composed form of patrol/pictures.py (what is deleted) and patrol/households (whose consent
says what); used by the service's jobs, the console, the household's own page and the API.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from patrol.domain.consent import TermsAction, TermsChange
from patrol.domain.ids import CameraId
from patrol.households.terms import change_terms
from patrol.pictures import FilePictureStore, SweepResult, remove_withdrawn, sweep_pictures
from patrol.ports import Clock, PictureStoreFull
from patrol.settings import Settings
from patrol.store import Store
from patrol.store.consents import CameraTerms
from patrol.store.pixels import HeldPixels

if TYPE_CHECKING:
    from patrol.cluster.exchange_pixels import ExchangePixels


@dataclass
class HouseholdData:
    """Deletes what is due, and changes consents; every method from any thread."""

    store: Store
    evidence: FilePictureStore
    clock: Clock
    settings: Settings
    picture_caches: list[Callable[[], None]] = field(default_factory=list)  # forget deleted ones
    # Forget what is old at this time.
    expiring_caches: list[Callable[[datetime], None]] = field(default_factory=list)
    exchange: "ExchangePixels | None" = None  # of a cluster
    _deletions_known: int = -1
    _deletions_erased: int = -1

    def sweep(self) -> SweepResult:
        """Delete what is due in every place where pixels lie (store/pixel_places.py)."""
        most_mb = self.settings.retention.evidence_mb
        return sweep_pictures(
            self.store, self.evidence, self.clock.now(),
            most_bytes=most_mb << 20 if most_mb else None,
            reference_kept=timedelta(days=self.settings.retention.reference_days),
        )  # fmt: skip

    def remove_withdrawn(self) -> SweepResult:
        """Delete what is left of households that withdrew; forget copies of deleted pictures.

        The ledger's length tells of what another process deleted.
        """
        removed = remove_withdrawn(self.store, self.evidence, self.clock.now())
        if self.exchange is not None:
            self.exchange.follow_departures(self.clock.now())
        with self.store.begin_read() as uow:
            recorded = uow.pictures.deletions_recorded()
        if recorded != self._deletions_known:
            self._deletions_known = recorded
            for forget in self.picture_caches:
                forget()
        for forget_old in self.expiring_caches:
            forget_old(self.clock.now())
        if recorded != self._deletions_erased and self.store.erase_free_space():
            self._deletions_erased = recorded  # else a reader was in the way: at the next turn
        return removed

    def exchanged(self, camera: CameraId) -> Sequence[HeldPixels]:
        """What a cluster's exchange holds of the camera; nothing where it cannot be reached."""
        if self.exchange is None:
            return ()
        try:
            return self.exchange.held(camera)
        except PictureStoreFull:  # as it calls itself when it cannot be reached
            return ()

    def change_consent(
        self, camera: CameraId, change: TermsChange, *, by: str, channel: str
    ) -> CameraTerms:
        """Withdraw, pause, resume, set hours or restore; in force within a second.

        What a withdrawal ends is deleted before this returns. `channel`: how it came, for the
        access log. Raises BadTerms.
        """
        terms = change_terms(
            self.store, self.evidence, camera, change, by=by, channel=channel,
            now=self.clock.now(),
        )  # fmt: skip
        if change.action is TermsAction.WITHDRAW:
            self.remove_withdrawn()
        return terms
