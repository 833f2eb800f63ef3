"""A town on a cluster for tests: sleeping cameras, a judge without pixels, workers, the recorder.

The database, the job queue, the exchange, the executor, the recorder are the real ones. A camera
answers after `delay_s`; the judge stores one picture for each visit, named by camera and round, and
teaches the camera's reference to count its visits: a lost or doubled one shows.

Parts also run as processes (`start_part`), so that they can be killed and frozen.
"""

import asyncio
import multiprocessing
import os
import random
import secrets
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import psycopg
from typing_extensions import override

from patrol.app.cluster import SiteCluster
from patrol.cases.save_and_send import SEND_AT_ONCE
from patrol.clock import SystemClock
from patrol.cluster import leader, queue
from patrol.cluster import worker as worker_module
from patrol.cluster.exchange import (
    DirectoryExchange,
    Exchange,
    ExchangeRefused,
    Folder,
    cluster_key,
)
from patrol.cluster.grants import grants_sql
from patrol.cluster.leader import Leadership, advisory_lock
from patrol.cluster.queue import ShardQueue
from patrol.cluster.results import VisitResult, result_to_data
from patrol.cluster.round_execution import ClusterServices
from patrol.cluster.worker import Worker
from patrol.cluster.worker_services import (
    DatabaseClock,
    ExchangePictures,
    ShardReferences,
    SharedConsentGuard,
    WorkerServices,
)
from patrol.domain.camera import Camera, Consent, ConsentState, Placement, Priority
from patrol.domain.ids import CameraId, LinkId, RoundId
from patrol.domain.observation import Light
from patrol.domain.registry import GridTree
from patrol.domain.round import Round, StoredPicture, Visit, VisitOutcome
from patrol.domain.sampling import SamplingPolicy
from patrol.encryption import SiteKey
from patrol.files import ProcessBusy
from patrol.pictures import FilePictureStore
from patrol.ports import Clock, PictureStore
from patrol.rounds.executor import NewExecution
from patrol.rounds.guarded_visit import ConsentGate
from patrol.rounds.limiter import ConnectionLimits
from patrol.rounds.recorder import HealthNotifier, RecorderPolicy
from patrol.rounds.runner import RoundRunner, RunnerServices
from patrol.rounds.stream_limits import StreamLimits
from patrol.rounds.visit_judge import JudgedVisit, MemoryBlobs, VisitStart
from patrol.settings import Settings
from patrol.store import Store, StoreUnavailable, open_store, upgrade
from patrol.store.cluster import WorkerRecord
from patrol.store.engine import make_engine, parse_url
from simulators import small_site
from streams.address import StreamAddress
from streams.model import Codec, Freshness, KeyFrame, Sample, StreamFacts, VisitOptions
from tests.support.cluster_messages import (
    RULES,
    SITE,
    auto_confirm,
    make_payloads,
    observations,
    serving_messages,
)

LEADING: Final = "leads"
LOST: Final = "lost"
SILENT_POLL_S: Final = 0.02
ROLE: Final = "patrol_worker"
PASSWORD: Final = "worker-secret"
HURRIED: Final = {
    "STALLED_AFTER_S": 6.0, "HEARTBEAT_S": 1.0, "REAP_EVERY_S": 1.0, "BEAT_EVERY_S": 0.5,
    "FENCE_S": 3.0, "STALE_S": 5.0, "TRY_EVERY_S": 0.3, "SAME_NAME_WAIT_S": 2.0,
    "MAX_WAIT_S": 2.0, "DRAIN_S": 5.0,
}  # fmt: skip
SHANGHAI: Final = ZoneInfo("Asia/Shanghai")
SITE_KEY: Final = SiteKey(bytes(range(32)), "test")
KEY: Final = cluster_key(SITE_KEY)


def make_town(cameras: int, links: int, *, key_every: int = 0) -> dict[CameraId, Camera]:
    """Cameras spread over links; every `key_every`-th is a key site."""
    town = {}
    for number in range(cameras):
        ident = CameraId(f"{number:020}")
        town[ident] = Camera(
            id=ident,
            name=f"camera {number}",
            grid=small_site.GROUP,
            place="村口",
            main_stream=StreamAddress.parse(f"rtsp://127.0.0.1/{number}"),
            link=LinkId(f"link-{number % links}"),
            consent=Consent(state=ConsentState.GRANTED, until=date(2100, 1, 1)),
            placement=Placement.OUTDOOR,
            priority=Priority.KEY if key_every and number % key_every == 0 else Priority.NORMAL,
        )
    return town


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterPlace:
    """Where a cluster's parts meet; plain data, so that another process can be given it."""

    database: str  # of the owner
    worker_database: str  # of the worker's role
    exchange: str
    evidence: str
    cameras: int
    links: int
    key_every: int = 0
    delay_s: float = 0.0
    shard_cameras: int = 10
    hurried: bool = False  # in a process: heartbeats and time limits at a fifth of their length

    @property
    def town(self) -> dict[CameraId, Camera]:
        """Its cameras."""
        return make_town(self.cameras, self.links, key_every=self.key_every)

    @property
    def link_names(self) -> list[LinkId]:
        """Its links."""
        return sorted({camera.link for camera in self.town.values()})

    def open_exchange(self) -> Exchange:
        """Its exchange."""
        return DirectoryExchange(KEY, Path(self.exchange))


def prepare_database(url: str) -> None:
    """Tables, queue, role and grants in an empty database."""
    upgrade(url)
    queue.install(url)
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(grants_sql(url, ROLE).encode())
        connection.execute(f"ALTER ROLE {ROLE} PASSWORD '{PASSWORD}'".encode())
    be_led(url)


def be_led(url: str) -> None:
    """Let the site have had a leader, so that workers know whose database it is."""
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(
            "INSERT INTO cluster_leaders VALUES (%s, 'test', 'test', '0', 0, now(), now())"
            " ON CONFLICT DO NOTHING",
            (SITE,),
        )


def prepare_place(url: str, folder: Path, *, cameras: int, links: int, **more: Any) -> ClusterPlace:
    """A town of so many cameras in a prepared database."""
    return ClusterPlace(
        database=url,
        worker_database=_as_worker(url),
        exchange=str(folder / "exchange"),
        evidence=str(folder / "evidence"),
        cameras=cameras,
        links=links,
        **more,
    )


def _as_worker(url: str) -> str:
    parsed = parse_url(url).set(username=ROLE, password=PASSWORD)
    return parsed.render_as_string(hide_password=False)


@dataclass
class SleepingCameras:
    """A camera client whose cameras answer after a while; after `silent_after` calls, none does.

    It can be set back to None from another thread: those who wait are answered then.
    """

    delay_s: float = 0.0
    silent_after: int | None = None
    calls: list[str] = field(default_factory=list)

    async def __call__(self, address: StreamAddress, options: VisitOptions) -> Sample:
        """Make one visit."""
        self.calls.append(address.path)
        number = len(self.calls)
        await asyncio.sleep(self.delay_s)
        while self.silent_after is not None and number > self.silent_after:  # noqa: ASYNC110
            await asyncio.sleep(SILENT_POLL_S)  # another thread ends it
        now = datetime.now(UTC)  # noqa: TID251  a camera has its own clock
        key_frame = KeyFrame(
            codec=Codec.H264, data=b"", taken_at=now, media_time_s=0.0, sha256="0" * 64
        )
        facts = StreamFacts(transport="rtsp+tcp", codec="h264", bytes_received=1000, visit_s=1.0)
        return Sample(key_frames=(key_frame,), facts=facts, freshness=Freshness.SINGLE)


def counting_judge(
    pictures: PictureStore, load: Callable[[CameraId], MemoryBlobs]
) -> Callable[[Camera, VisitStart, Sample], JudgedVisit]:
    """A judge that stores a picture and teaches the reference how often it was taught."""

    def judge(camera: Camera, start: VisitStart, sample: Sample) -> JudgedVisit:
        taught = int(load(camera.id).get(Light.DAY, b"0:0").split(b":")[1])
        jpeg = f"picture of {camera.id} in {start.round}".encode()
        taken_at = sample.key_frames[0].taken_at
        picture = StoredPicture(
            sha256=pictures.put(jpeg, until=taken_at + timedelta(days=7)),
            camera=camera.id, taken_at=taken_at, width_px=4, height_px=4, bytes=len(jpeg),
            purpose="sample", delete_after=taken_at + timedelta(days=7),
        )  # fmt: skip
        return JudgedVisit(
            visit=Visit(
                round=start.round, camera=camera.id, outcome=VisitOutcome.NORMAL,
                started_at=start.at, finished_at=taken_at, tries=start.tries, usable_pictures=1,
                facts={"bytes_received": 1000}, readings={"luma": 0.5}, pictures=(picture,),
            ),
            observations=observations(camera.id, start, picture.id, taken_at),
            memories={Light.DAY: f"{camera.id}:{taught + 1}".encode()},
            sampled_at=taken_at,
        )  # fmt: skip

    return judge


def _no_evidence(_camera: Camera, visited: JudgedVisit, _fetched: object) -> JudgedVisit:
    return visited


def stored_memories(store: Store) -> Callable[[CameraId], MemoryBlobs]:
    """The references of the store, as one process judges against them."""

    def load(camera: CameraId) -> Mapping[Light, bytes]:
        with store.begin_read() as uow:
            blobs = {light: uow.memories.get(camera, light) for light in Light}
        return {light: blob for light, blob in blobs.items() if blob is not None}

    return load


def make_runner(
    place: ClusterPlace,
    store: Store,
    *,
    clustered: bool,
    clock: Clock | None = None,
    cameras: SleepingCameras | None = None,
) -> RoundRunner:
    """The runner of the town's rounds, on the cluster or in this process."""
    town, machine = place.town, clock or SystemClock()
    evidence = FilePictureStore(place.evidence)
    new_execution: NewExecution | None = None
    if clustered:
        new_execution = ClusterServices(
            site=SITE,
            store=store,
            new_queue=lambda: ShardQueue(place.database),
            exchange=place.open_exchange(),
            evidence=evidence,
            keep_for=timedelta(days=7),
            shard_cameras=place.shard_cameras,
        ).new_execution
    payloads = make_payloads(town)
    return RoundRunner(
        RunnerServices(
            store=store,
            clock=machine,
            zone=SHANGHAI,
            cameras=lambda: town,
            refresh_cameras=lambda: None,
            client=cameras or SleepingCameras(place.delay_s),
            judge=counting_judge(evidence, stored_memories(store)),
            add_evidence=_no_evidence,
            policy=RecorderPolicy(
                rules=RULES,
                health=HealthNotifier(payloads=payloads),
                auto_confirm=auto_confirm(town, payloads),
                keep_evidence=timedelta(days=1),
                send_gate=SEND_AT_ONCE,
            ),
            payloads=payloads,
            tree=GridTree(grids={}),
            limits=ConnectionLimits(ramp_s=0.0, retry_after_s=0.01, connections=8),
            options=VisitOptions(),
            sampling=SamplingPolicy(),
            rng=random.Random(1),
            new_execution=new_execution,
        )
    )


def open_site_cluster(place: ClusterPlace, store: Store) -> SiteCluster:
    """The cluster as the service's upkeep uses it."""
    settings = Settings.model_validate(
        {
            "site": {"id": SITE, "name": "上坝镇", "latitude": 39.6, "longitude": 98.75},
            "database": place.database,
            "cluster": {"exchange": place.exchange},
        }
    )
    assert settings.cluster is not None
    return SiteCluster(settings, settings.cluster, store, SITE_KEY, lambda: place.town)


@contextmanager
def a_worker(
    place: ClusterPlace,
    links: Sequence[LinkId],
    name: str,
    *,
    exchange: Exchange | None = None,
    slots: int = 8,
    at_once: int = 8,
    client: SleepingCameras | None = None,
    site: str = SITE,
    skew_s: float = 0.0,
) -> Iterator[Worker]:
    """A worker of this process under the worker's role, not started."""
    with ExitStack() as stack:
        engine = make_engine(parse_url(place.worker_database))
        stack.callback(engine.dispose)
        machine = WrongClock(skew_s) if skew_s else SystemClock()
        store, clock, town = Store(engine), DatabaseClock(machine), place.town
        sent = exchange or place.open_exchange()
        references, pictures = ShardReferences(sent), ExchangePictures(sent)
        pools = [
            stack.enter_context(ThreadPoolExecutor(count, thread_name_prefix=what))
            for what, count in (("judge", 4), ("writer", 1), ("consent", 1))
        ]
        gate = ConsentGate(
            store=store, clock=clock, zone=SHANGHAI, cameras=lambda: town,
            refresh_cameras=lambda: None,
        )  # fmt: skip
        yield Worker(
            WorkerServices(
                record=WorkerRecord(
                    name=name, site=site, instance=secrets.token_hex(4), host="test",
                    version="0", links=tuple(links), slots=slots,
                ),
                store=store,
                database=place.worker_database,
                clock=clock,
                cameras=lambda: town,
                guard=SharedConsentGuard(
                    gate, client or SleepingCameras(place.delay_s), SamplingPolicy(),
                    executor=pools[2],
                ),
                exchange=sent,
                references=references,
                pictures=pictures,
                judge=counting_judge(pictures, references.load),
                add_evidence=_no_evidence,
                limits=ConnectionLimits(ramp_s=0.0, retry_after_s=0.01, connections=at_once),
                options=VisitOptions(),
                sampling=SamplingPolicy(),
                stream_limits=StreamLimits(),
                judges=pools[0],
                writer=pools[1],
                rng=random.Random(1),
            )
        )  # fmt: skip


@contextmanager
def running_worker(
    place: ClusterPlace, links: Sequence[LinkId], name: str, **more: Any
) -> Iterator[Worker]:
    """A worker that works in a thread while the block does."""
    stop, ready = threading.Event(), threading.Event()
    with a_worker(place, links, name, **more) as worker:
        thread = threading.Thread(target=worker.run, args=(stop,), kwargs={"ready": ready.set})
        thread.start()
        assert ready.wait(30)
        try:
            yield worker
        finally:
            stop.set()
            thread.join(60)
            assert not thread.is_alive()


def round_problems(
    place: ClusterPlace, store: Store, rounds: Sequence[RoundId], *, complete: bool = True
) -> list[str]:
    """Every (round, camera) once, each with its picture; each reference taught once a round.

    `complete`: False where cameras may have been missed.
    """
    problems = [one for round_id in rounds for one in _problems_of_round(place, store, round_id)]
    for round_id in rounds if complete else ():
        with store.begin_read() as uow:
            visits = uow.rounds.visits(round_id)
        seen = {visit.camera for visit in visits if visit.outcome is VisitOutcome.NORMAL}
        problems += [f"{round_id}: {camera} not seen" for camera in set(place.town) - seen]
    load = stored_memories(store)
    for camera in place.town if complete else ():
        taught = load(camera).get(Light.DAY, b"")
        if taught != f"{camera}:{len(rounds)}".encode():
            problems.append(f"{camera}: reference {taught!r} after {len(rounds)} rounds")
    return problems


def _problems_of_round(place: ClusterPlace, store: Store, round_id: RoundId) -> Iterator[str]:
    evidence = FilePictureStore(place.evidence)
    with store.begin_read() as uow:
        visits, left = uow.rounds.visits(round_id), uow.rounds.pending(round_id)
    cameras = [visit.camera for visit in visits]
    if len(set(cameras)) != len(cameras) or {*cameras, *(one.camera for one in left)} != set(
        place.town
    ):
        yield f"{round_id}: {len(cameras)} visits of {len(set(cameras))} cameras"
    if left:
        yield f"{round_id}: {len(left)} pending"
    for visit in visits:
        wanted = f"picture of {visit.camera} in {round_id}".encode()
        if any(evidence.get(picture.sha256) != wanted for picture in visit.pictures):
            yield f"{round_id}: {visit.camera} has another picture"


def print_line(*parts: object) -> None:
    """A line on stdout, for the test that started this process."""
    sys.stdout.write(" ".join(map(str, parts)) + "\n")
    sys.stdout.flush()


def run_a_round(runner: RoundRunner, *, within_s: float = 120.0, **more: Any) -> Round:
    """Begin a round and run it to its end."""
    finish_by = SystemClock().now() + timedelta(seconds=within_s)
    return runner.run(runner.begin_round("morning", finish_by, at_any_hour=True), **more)


# -- as a process --------------------------------------------------------------------------------

_forkserver = multiprocessing.get_context("forkserver")


def start_part(kind: str, place: ClusterPlace, log: Path, **more: Any) -> BaseProcess:
    """A part of the cluster in a process of its own, forked from one that has imported it all."""
    _forkserver.set_forkserver_preload(["tests.support.cluster"])
    process = _forkserver.Process(target=_run_part, args=(kind, place, log, more), daemon=True)
    process.start()
    return process


def logged_at_s(log: Path, event: str) -> list[float]:
    """When a part's process logged an event (LEADING, LOST), monotonic seconds."""
    lines = log.read_text("utf-8", "replace").splitlines() if log.exists() else []
    return [float(line.split()[1]) for line in lines if line.startswith(f"{event} ")]


def _run_part(kind: str, place: ClusterPlace, log: Path, arguments: dict[str, Any]) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    if place.hurried:
        _hurry()
    if kind == "worker":
        _worker_main(place, **arguments)
    else:
        _service_main(place, **arguments)


class CutExchange(DirectoryExchange):
    """An exchange that is cut off while there is a file `cut` in its directory."""

    def __init__(self, root: Path) -> None:
        super().__init__(KEY, root)
        self._cut = root / "cut"

    @override
    def write(self, folder: Folder, name: str, sealed: bytes) -> None:
        self._check()
        super().write(folder, name, sealed)

    @override
    def read(self, folder: Folder, name: str) -> bytes:
        self._check()
        return super().read(folder, name)

    def _check(self) -> None:
        if self._cut.exists():
            raise ExchangeRefused(f"{self.place}: cut off")


@dataclass
class WrongClock:
    """A machine's clock that is wrong by some seconds, and steps the other way half-way."""

    skew_s: float
    step_after_s: float = 2.0

    def __post_init__(self) -> None:
        self._machine = SystemClock()
        self._step_at_s = self._machine.monotonic_s() + self.step_after_s

    def now(self) -> datetime:
        """The wrong time."""
        later = self._machine.monotonic_s() > self._step_at_s
        return self._machine.now() + timedelta(seconds=-self.skew_s if later else self.skew_s)

    def monotonic_s(self) -> float:
        """Seconds that never step."""
        return self._machine.monotonic_s()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        self._machine.sleep(seconds)


def _of_the_version_before(result: VisitResult) -> dict[str, Any]:
    """The result as a worker one version behind sends it: a field less, and one that went."""
    data = result_to_data(result)
    del data["sampled_at"]
    return {**data, "of_an_older_version": True}


def _worker_main(
    place: ClusterPlace, links: Sequence[str], name: str, *, is_old: bool = False, **more: Any
) -> None:
    if is_old:
        worker_module.result_to_data = _of_the_version_before  # type: ignore[attr-defined]
    served = [LinkId(link) for link in links]
    with a_worker(
        place, served, name, exchange=CutExchange(Path(place.exchange)), **more
    ) as worker:
        worker.run(threading.Event(), ready=lambda: print_line("ready"))


def _service_main(
    place: ClusterPlace, *, within_s: float, broker_port: int, rounds: int = 1
) -> None:
    """Lead: send, receive, run rounds until `rounds` are finished; another may take over."""

    def lost(why: str) -> None:
        print_line(LOST, SystemClock().monotonic_s(), why)
        os._exit(75)

    leadership = Leadership(place.database, SITE, SystemClock(), lost)
    with leadership.hold(threading.Event()) as is_leader:
        assert is_leader
        print_line(LEADING, SystemClock().monotonic_s())
        with (
            open_store(place.database) as store,
            serving_messages(store, place.town, broker_port) as wake,
        ):
            runner = make_runner(place, store, clustered=True)
            while not _are_finished(store, rounds):
                try:
                    with advisory_lock(place.database, f"round {SITE}"):
                        ended = run_a_round(runner, within_s=within_s)
                    print_line("round", ended.id, ended.state)
                except (StoreUnavailable, ProcessBusy) as exc:
                    print_line("waits", exc)
                    SystemClock().sleep(0.3)
                wake()
            print_line("done")
            threading.Event().wait()  # messages go on until the process is ended


def _are_finished(store: Store, rounds: int) -> bool:
    try:
        with store.begin_read() as uow:
            known = uow.rounds.of_plan("morning", limit=100)
    except StoreUnavailable:
        return False
    return sum(not one.is_open for one in known) >= rounds


def _hurry() -> None:
    for module in (queue, leader, worker_module):
        for name, seconds in HURRIED.items():
            if hasattr(module, name):
                setattr(module, name, seconds)
