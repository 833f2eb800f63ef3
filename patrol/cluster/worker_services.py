"""What all shards of a worker share: its clock, consent guard, references, pictures, threads.

`WorkerServices` gathers them for worker.py. Times are the database's, so that a wrong clock of the
worker's machine dates nothing.
"""

import random
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

from typing_extensions import override

from patrol.cluster.exchange import (
    BlobMissing,
    BlobOwner,
    Exchange,
    ExchangeRefused,
    Folder,
    visit_owner,
)
from patrol.cluster.shards import References, Shard
from patrol.domain.camera import Camera
from patrol.domain.ids import CameraId, RoundId, Sha256
from patrol.domain.observation import Light
from patrol.domain.sampling import SamplingPolicy
from patrol.ports import Clock
from patrol.rounds.guarded_visit import ConsentGuard
from patrol.rounds.limiter import ConnectionLimits
from patrol.rounds.stream_limits import StreamLimits
from patrol.rounds.visit_judge import EvidenceMissing, JudgedVisit, VisitStart
from patrol.store import Store
from patrol.store.cluster import WorkerRecord
from streams.model import Sample, VisitOptions


class DatabaseClock:
    """A ports.Clock that goes by the database's clock and this machine's monotonic one."""

    def __init__(self, machine: Clock) -> None:
        self._machine = machine
        self._base = machine.now(), machine.monotonic_s()
        self.skew_s = 0.0  # this machine's wall clock less the database's, when last set

    def set(self, database_now: datetime) -> None:
        """Go by this time of the database from now on."""
        self._base = database_now.astimezone(UTC), self._machine.monotonic_s()
        self.skew_s = (self._machine.now() - database_now).total_seconds()

    def now(self) -> datetime:
        """The database's time, carried on by the monotonic clock."""
        at, since_s = self._base
        return at + timedelta(seconds=self._machine.monotonic_s() - since_s)

    def monotonic_s(self) -> float:
        """Seconds that never step."""
        return self._machine.monotonic_s()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        self._machine.sleep(seconds)


class ExchangePictures:
    """A ports.PictureStore that puts pictures into the exchange, for the recorder to fetch.

    Whose they are, `of_visit` says for the thread that judges the visit.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._owner = threading.local()

    @contextmanager
    def of_visit(self, round_id: RoundId | None, camera: CameraId) -> Iterator[None]:
        """Within the block this thread's pictures belong to this visit."""
        self._owner.name = visit_owner(str(round_id), camera)
        yield

    def put(self, jpeg: bytes, *, until: datetime | None = None) -> Sha256:  # noqa: ARG002  how long is the recorder's to say
        """Send it. Raises ExchangeRefused."""
        return self._exchange.put(Folder.RESULTS, jpeg, self._owner.name)

    def get(self, sha256: Sha256) -> bytes:
        """What was sent. Raises KeyError, ExchangeRefused."""
        return self._exchange.get(Folder.RESULTS, sha256, self._owner.name)

    def delete(self, sha256: Sha256) -> bool:
        """A worker deletes nothing."""
        raise KeyError(sha256)


class ShardReferences:
    """The references of the shards that run, fetched from the exchange when a visit is judged."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._versions: dict[CameraId, References] = {}

    def hold(self, shard: Shard) -> None:
        """Know the versions of a shard's references."""
        for camera in shard.cameras:
            self._versions[camera] = shard.references.get(camera, {})

    def drop(self, shard: Shard) -> None:
        """Forget them."""
        for camera in shard.cameras:
            self._versions.pop(camera, None)

    def versions(self, camera: CameraId) -> References:
        """The versions that this camera's visit is judged against."""
        return self._versions.get(camera, {})

    def load(self, camera: CameraId) -> Mapping[Light, bytes]:
        """The references themselves (VisitJudge.load_memories). Raises ExchangeRefused."""
        try:
            return {
                light: self._exchange.get(Folder.REFERENCES, version, BlobOwner(camera))
                for light, version in self.versions(camera).items()
            }
        except BlobMissing as exc:  # without it a visit would teach it anew
            raise ExchangeRefused(f"reference of {camera}: {exc.args[0]}") from None


class SharedConsentGuard(ConsentGuard):
    """One guard for all shards of a worker: `ensure` opens it, `close` ends its polling."""

    _is_open = False

    async def ensure(self) -> None:
        """Open it, or again after the store was away. Raises what the store raises."""
        if not self._is_open or self._polling.done():
            await ConsentGuard.__aenter__(self)
            self._is_open = True

    async def close(self) -> None:
        """End its polling."""
        if self._is_open:
            await ConsentGuard.__aexit__(self)
            self._is_open = False

    @override
    async def __aenter__(self) -> Self:
        return self

    @override
    async def __aexit__(self, *_exc_info: object) -> None:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerServices:
    """What a worker visits and judges with."""

    record: WorkerRecord
    store: Store
    database: str  # its URL, for the queue
    clock: DatabaseClock
    cameras: Callable[[], Mapping[CameraId, Camera]]
    guard: SharedConsentGuard
    exchange: Exchange
    references: ShardReferences
    pictures: ExchangePictures  # where `judge` and `add_evidence` put them
    judge: Callable[[Camera, VisitStart, Sample], JudgedVisit]
    add_evidence: Callable[[Camera, JudgedVisit, Sample | EvidenceMissing], JudgedVisit]
    limits: ConnectionLimits  # of one shard
    options: VisitOptions
    sampling: SamplingPolicy
    stream_limits: StreamLimits
    judges: ThreadPoolExecutor
    writer: ThreadPoolExecutor
    rng: random.Random  # spreads the first connections
