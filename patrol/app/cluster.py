"""The cluster of a site, from its settings: exchange, round execution, locks, upkeep.

Nothing here is imported on a site without `cluster:` in site.yaml.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Final

import structlog

from patrol.app.clock_monitor import ClockMonitor
from patrol.cluster.exchange import (
    DirectoryExchange,
    Exchange,
    ExchangeRefused,
    Folder,
    cluster_key,
    open_exchange,
    visit_owner,
)
from patrol.cluster.exchange_pixels import ExchangePixels
from patrol.cluster.leader import advisory_lock
from patrol.cluster.queue import ShardQueue, forget_old
from patrol.cluster.results import ResultUnreadable, result_from_data
from patrol.cluster.round_execution import ClusterServices, unserved_links
from patrol.cluster.status import ClusterStatus, read_status
from patrol.domain.camera import Camera
from patrol.domain.ids import CameraId, LinkId, RoundId
from patrol.encryption import SiteKey
from patrol.ports import PictureStore
from patrol.settings import Settings
from patrol.settings.site_cluster import ClusterSection
from patrol.store import Store, UnitOfWork
from patrol.store.cluster import DeliveredResult, ResultOutcome

log = structlog.get_logger(__name__)

SETTLE_BATCH: Final = 200


class SiteCluster:
    """One site's cluster as its service uses it; safe to call from any thread."""

    def __init__(
        self,
        settings: Settings,
        section: ClusterSection,
        store: Store,
        site_key: SiteKey,
        cameras: Callable[[], Mapping[CameraId, Camera]],
    ) -> None:
        """`cameras`: the registry as it stands now."""
        self._settings, self._store, self._cameras = settings, store, cameras
        self.section = section
        self.key = cluster_key(site_key)
        self.exchange: Exchange = open_exchange(section.pictures, self.key, section.exchange)
        self.pixels = ExchangePixels(self.exchange, store)

    @property
    def served_exchange(self) -> DirectoryExchange | None:
        """The directory that the console serves to workers; None: they reach a store themselves."""
        return self.exchange if isinstance(self.exchange, DirectoryExchange) else None

    def services(self, evidence: PictureStore, monitor: ClockMonitor) -> ClusterServices:
        """What rounds of this cluster use."""
        settings = self._settings
        return ClusterServices(
            site=settings.site.id,
            store=self._store,
            new_queue=lambda: ShardQueue(settings.database),
            exchange=self.exchange,
            evidence=evidence,
            keep_for=timedelta(days=settings.retention.sample_days),
            shard_cameras=self.section.shard_cameras,
            clock_unconfirmed=lambda: monitor.clock_unconfirmed,
        )

    @contextmanager
    def round_lock(self) -> Iterator[None]:
        """The lock of a round over all machines. Raises ProcessBusy, StoreUnavailable."""
        with advisory_lock(self._settings.database, f"round {self._settings.site.id}"):
            yield

    def unserved(self, uow: UnitOfWork) -> list[LinkId]:
        """The links of the site's cameras that no living worker serves."""
        return unserved_links(self._cameras().values(), uow.cluster.served_links())

    def workers_reach(self, link: LinkId) -> bool:
        """Whether a living worker serves the link. Raises StoreUnavailable."""
        with self._store.begin_read() as uow:
            return link in uow.cluster.served_links()

    def status(self) -> ClusterStatus:
        """As `patrol cluster status` shows it. Raises StoreUnavailable."""
        settings, cameras = self._settings, self._cameras().values()
        return read_status(self._store, settings.database, settings.site.id, cameras)

    # -- upkeep ---------------------------------------------------------------------------------

    def settle_late(self) -> int:
        """Count and drop results of rounds that are over; how many. Raises StoreUnavailable."""
        after, settled = 0, 0
        while True:
            with self._store.begin_read() as uow:
                waiting = uow.cluster.results(limit=SETTLE_BATCH, after=after)
                late = [one for one in waiting if not _is_open(uow, one.round)]
            for one in late:
                self._drop(one)
            settled += len(late)
            if len(waiting) < SETTLE_BATCH:
                return settled
            after = waiting[-1].number

    def sweep(self, now: datetime) -> None:
        """Delete blobs and jobs that are nobody's any more. Raises what store and queue raise."""
        try:
            self.pixels.sweep(now)
        except ExchangeRefused as exc:
            log.warning("the exchange of pictures cannot be swept", reason=str(exc))
        forget_old(self._settings.database)

    def _drop(self, late: DeliveredResult) -> None:
        with self._store.begin() as uow:
            uow.cluster.settle(late.round, {late.number: [ResultOutcome.LATE]})
            uow.commit()
        with suppress(ResultUnreadable):
            result = result_from_data(late.body, late.round, late.camera)
            owner = visit_owner(late.round, late.camera)
            self.exchange.discard(Folder.RESULTS, result.blobs, owner)


def _is_open(uow: UnitOfWork, round_id: RoundId) -> bool:
    try:
        return uow.rounds.get(round_id).is_open
    except KeyError:
        return False
