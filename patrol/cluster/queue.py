"""The job queue: procrastinate in a PostgreSQL schema of its own, as shards need it.

The only importer of procrastinate. What it leaves to its users is done here: stalled jobs are given
back by a reaper in every worker, in one statement that two reapers share without doubling; a worker
that lost the database is started anew; two partial indexes keep fetching fast at a long backlog;
its own schema is installed and migrated. One shard of a link runs at a time, over all workers (the
job's lock), so that the caps of a link hold.

A frozen worker that wakes finishes its shard again: nothing here fences it, the unique (round,
camera) of the recorder absorbs it.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from importlib import resources
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

import structlog
from typing_extensions import override

from patrol.cluster.shards import NotAShard, Shard
from patrol.domain.backoff import backoff
from patrol.domain.errors import Failed
from patrol.domain.ids import LinkId, RoundId
from patrol.store import StoreUnavailable
from patrol.store.connection_problems import connection_problem
from patrol.store.engine import parse_url

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from procrastinate import App

log = structlog.get_logger(__name__)

SCHEMA: Final = "patrol_queue"
TASK: Final = "patrol.visit_shard"
HEARTBEAT_S: Final = 5.0
STALLED_AFTER_S: Final = 30.0  # without a heartbeat of its worker a shard is given to another
REAP_EVERY_S: Final = 10.0
# A new shard, or one whose link was busy, is looked for so often. Not notified: psycopg waits for a
# notification by waking ten times a second, a third of what an idle worker used.
POLL_S: Final = 0.5
ABORT_POLL_S: Final = 1.0
MAX_ATTEMPTS: Final = 20
RETRY_WAIT_S: Final = 3
# 20 s for running shards, then they are given back: SIGTERM to exit stays below 30 s.
DRAIN_S: Final = 20.0
FIRST_WAIT_S: Final = 0.5
MAX_WAIT_S: Final = 10.0
CONNECT_WITHIN_S: Final = 10.0
_ACROSS_THE_NETWORK: Final[Mapping[str, str]] = {
    "connect_timeout": "5", "keepalives": "1", "keepalives_idle": "10", "keepalives_interval": "5",
    "keepalives_count": "3", "tcp_user_timeout": "20000",
}  # fmt: skip
_INSTALL_LOCK: Final = 0x7061_7472_7175
_MIGRATION: Final = re.compile(r"(\d\d)\.(\d\d)\.(\d\d)_.*\.sql", re.ASCII)
_INDEXES: Final = """
CREATE INDEX IF NOT EXISTS patrol_jobs_waiting ON procrastinate_jobs
    (queue_name, priority DESC, id) WHERE status = 'todo';
CREATE INDEX IF NOT EXISTS patrol_jobs_lock ON procrastinate_jobs
    (lock, priority DESC, id) WHERE status IN ('todo', 'doing');
"""
_REAP: Final = """
WITH lost AS (
    SELECT job.id FROM procrastinate_jobs AS job
    LEFT JOIN procrastinate_workers AS worker ON worker.id = job.worker_id
    WHERE job.status = 'doing' AND (worker.id IS NULL
        OR worker.last_heartbeat < now() - make_interval(secs => %(stalled_after_s)s))
    FOR UPDATE OF job SKIP LOCKED
)
SELECT id, procrastinate_retry_job_v2(id, now(), NULL::integer, NULL::varchar, NULL::varchar)
FROM lost
"""
_LIVE: Final = """
SELECT id, status::text AS status, args FROM procrastinate_jobs
WHERE status IN ('todo', 'doing') AND args->>'round' = %(round)s
"""
_FIGURES: Final = """
SELECT job.queue_name, job.status::text, count(*),
    count(*) FILTER (WHERE job.status = 'doing' AND (worker.id IS NULL
        OR worker.last_heartbeat < now() - make_interval(secs => %(stalled_after_s)s))),
    coalesce(max(extract(epoch FROM now() - (
        SELECT min(at) FROM procrastinate_events AS event WHERE event.job_id = job.id))), 0)
FROM procrastinate_jobs AS job
LEFT JOIN procrastinate_workers AS worker ON worker.id = job.worker_id
WHERE job.status IN ('todo', 'doing') GROUP BY job.queue_name, job.status
"""
_FORGET: Final = """
DELETE FROM procrastinate_jobs WHERE status NOT IN ('todo', 'doing') AND NOT EXISTS (
    SELECT 1 FROM procrastinate_events AS event
    WHERE event.job_id = procrastinate_jobs.id AND event.at > now() - interval '7 days')
"""
_FETCH: Final = "SELECT * FROM patrol_fetch_shard_v1(%(queues)s::varchar[], %(worker_id)s)"
_INSTALLED: Final = """
SELECT to_regclass('procrastinate_jobs'), obj_description(to_regnamespace(%s), 'pg_namespace')
"""
HandleShard = Callable[[Shard], Awaitable[None]]


class QueueUnavailable(StoreUnavailable):
    """The job queue cannot be reached; its database is the store's."""


class ClusterMissing(Failed):
    """The extra is not installed."""


class ShardInterrupted(Exception):
    """A worker could not finish its shard now; it goes back to the queue, to be tried again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveShard:
    """A shard that waits or runs."""

    job: int
    is_running: bool
    shard: Shard


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkFigures:
    """What waits and runs of one link."""

    link: LinkId
    waiting: int = 0
    running: int = 0
    stalled: int = 0  # their worker's heartbeat stopped; the reaper gives them back
    oldest_s: float = 0.0


class ShardQueue:
    """The service's side: submits, looks, cancels. An async context; used in one event loop."""

    def __init__(self, url: str) -> None:
        """`url`: the store's database."""
        self._url = url

    async def __aenter__(self) -> Self:
        self._app = new_app(self._url)
        async with _errors_as_ours(self._url):
            await self._app.open_async()
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _exc: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:  # fmt: skip
        await self._app.close_async()

    async def submit(self, shards: Iterable[Shard]) -> int:
        """Put shards into the queue; how many. Raises QueueUnavailable."""
        count = 0
        async with _errors_as_ours(self._url):
            for shard in shards:
                task = self._app.configure_task(
                    TASK,
                    queue=queue_name(shard.site, shard.link),
                    lock=queue_name(shard.site, shard.link),
                    priority=shard.priority,
                )
                await task.defer_async(**shard.to_data())
                count += 1
        return count

    async def live(self, round_id: RoundId) -> list[LiveShard]:
        """The round's shards that wait or run. Raises QueueUnavailable."""
        rows = await self._ask(_LIVE, round=round_id)
        found = []
        for row in rows:
            with suppress(NotAShard):
                running = row["status"] == "doing"
                shard = Shard.from_data(row["args"])
                found.append(LiveShard(job=row["id"], is_running=running, shard=shard))
        return found

    async def cancel(self, round_id: RoundId) -> int:
        """Take the round's shards back, those that run too; how many. Raises QueueUnavailable."""
        live = await self.live(round_id)
        async with _errors_as_ours(self._url):
            for one in live:
                await self._app.job_manager.cancel_job_by_id_async(one.job, abort=True)
        return len(live)

    async def _ask(self, query: str, **values: Any) -> Sequence[Mapping[str, Any]]:
        async with _errors_as_ours(self._url):
            answer: Sequence[Mapping[str, Any]] = await self._app.connector.execute_query_all_async(
                query, **values
            )
        return answer


class ShardWorker:
    """The worker's side: fetches shards of its links and hands each to `handle`, several at once.

    Ends when it is cancelled: what runs has `DRAIN_S` to end, then it goes back to the queue.
    """

    def __init__(
        self, url: str, *, site: str, links: Sequence[LinkId], slots: int, name: str,
        handle: HandleShard,
    ) -> None:  # fmt: skip
        self._url, self._handle = url, handle
        self._queues = [queue_name(site, link) for link in links]
        self._slots, self._name = slots, name

    async def run(self) -> None:
        """Work until cancelled; a database that goes away is waited for."""
        failures = 0
        while True:
            loop = asyncio.get_running_loop()
            began_s = loop.time()
            try:
                await self._run_once()
                why = "the queue's worker ended"
            except (QueueUnavailable, OSError) as exc:
                why = str(exc)
            failures = 1 if loop.time() - began_s > MAX_WAIT_S else failures + 1
            log.warning("the job queue is tried again", reason=why)
            await asyncio.sleep(backoff(failures, FIRST_WAIT_S, MAX_WAIT_S))

    async def _run_once(self) -> None:
        app = new_app(self._url)
        self._declare_task(app)
        async with _errors_as_ours(self._url):
            await app.open_async()
            reaping = asyncio.create_task(_reap_forever(app), name="give back stalled shards")
            try:
                await app.run_worker_async(
                    queues=self._queues,
                    name=self._name,
                    concurrency=self._slots,
                    fetch_job_polling_interval=POLL_S,
                    abort_job_polling_interval=ABORT_POLL_S,
                    shutdown_graceful_timeout=DRAIN_S,
                    update_heartbeat_interval=HEARTBEAT_S,
                    stalled_worker_timeout=STALLED_AFTER_S,
                    delete_jobs="successful",
                    install_signal_handlers=False,
                    listen_notify=False,
                )
            finally:
                reaping.cancel()
                await asyncio.gather(reaping, return_exceptions=True)
                await app.close_async()

    def _declare_task(self, app: "App") -> None:
        from procrastinate import RetryStrategy  # noqa: PLC0415  of the extra `cluster`

        again = RetryStrategy(
            max_attempts=MAX_ATTEMPTS,
            wait=RETRY_WAIT_S,
            # Cancelled: this worker ends; a round that was called off is marked in the job itself.
            retry_exceptions={ShardInterrupted, asyncio.CancelledError},  # type: ignore[arg-type]  # isinstance is all it asks
        )

        @app.task(name=TASK, retry=again)
        async def visit_shard(**data: Any) -> None:
            await self._handle(Shard.from_data(data))


def queue_name(site: str, link: LinkId) -> str:
    """The queue of a link's shards, and the lock that lets one of them run at a time."""
    return f"{site}/{link}"


def new_app(url: str) -> "App":
    """Procrastinate on the store's database; not open yet. Raises ClusterMissing."""
    try:
        from procrastinate import App, PsycopgConnector  # noqa: PLC0415  of the extra `cluster`
    except ImportError as exc:
        raise ClusterMissing(f"{exc.name} is not installed: pip install 'patrol[cluster]'") from exc
    logging.getLogger("procrastinate").setLevel(logging.WARNING)
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)  # its failures come out as ours
    connector = PsycopgConnector(
        conninfo=queue_conninfo(url), min_size=1, max_size=4, timeout=CONNECT_WITHIN_S
    )
    app = App(connector=connector)
    app.job_manager = _shard_manager(connector)
    return app


def _shard_manager(connector: Any) -> Any:
    """Procrastinate's job manager, which fetches with our own function (fetch_shard.sql)."""
    from procrastinate.jobs import Job  # noqa: PLC0415  see new_app
    from procrastinate.manager import JobManager  # noqa: PLC0415  see new_app

    class ShardManager(JobManager):
        @override
        async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> Job | None:
            rows = await self.connector.execute_query_all_async(
                _FETCH, queues=list(queues or ()), worker_id=worker_id
            )
            return Job.from_row(rows[0]) if rows else None

    return ShardManager(connector)


def queue_conninfo(url: str, **more: str) -> str:
    """Libpq's connection string of the store's URL, its search path in the queue's schema."""
    from psycopg.conninfo import make_conninfo  # noqa: PLC0415  of the extra `postgres`

    parsed = parse_url(url).set(drivername="postgresql")
    written = parsed.query.get("options", "")
    options = (str(written), f"-c search_path={SCHEMA} -c timezone=UTC", more.pop("options", ""))
    known = {**_ACROSS_THE_NETWORK, **more}
    kept = {name: value for name, value in known.items() if name not in parsed.query}
    kept["options"] = " ".join(filter(None, options))  # of one setting the last counts
    return make_conninfo(parsed.render_as_string(hide_password=False), **kept)


def read_figures(url: str, site: str) -> list[LinkFigures]:
    """What waits and runs, by link. Raises QueueUnavailable."""
    import psycopg  # noqa: PLC0415  of the extra `postgres`

    values = {"stalled_after_s": STALLED_AFTER_S}
    try:
        with psycopg.connect(queue_conninfo(url), autocommit=True) as connection:
            rows = connection.execute(_FIGURES, values).fetchall()
    except psycopg.Error as exc:
        raise _unavailable(url, exc) from exc
    by_link: dict[LinkId, dict[str, Any]] = {}
    for name, status, jobs, stalled, oldest_s in rows:
        of_site, _, link = name.partition("/")
        if of_site == site:
            known = by_link.setdefault(LinkId(link), {"stalled": 0, "oldest_s": 0.0})
            known["running" if status == "doing" else "waiting"] = int(jobs)
            known["stalled"] += int(stalled)
            known["oldest_s"] = max(known["oldest_s"], float(oldest_s))
    return [LinkFigures(link=link, **known) for link, known in sorted(by_link.items())]


def forget_old(url: str) -> None:
    """Delete jobs that ended over a week ago. Raises QueueUnavailable."""
    import psycopg  # noqa: PLC0415  of the extra `postgres`

    try:
        with psycopg.connect(queue_conninfo(url), autocommit=True) as connection:
            connection.execute(_FORGET)
    except psycopg.Error as exc:
        raise _unavailable(url, exc) from exc


def install(url: str) -> None:
    """Make the queue's schema, or bring it to the installed release. Raises QueueUnavailable."""
    import psycopg  # noqa: PLC0415  of the extra `postgres`

    new_app(url)  # the extra is there
    from procrastinate import __version__ as release  # noqa: PLC0415  of the extra `cluster`

    try:
        with psycopg.connect(queue_conninfo(url)) as connection:
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_INSTALL_LOCK,))
            _install(connection, release)
    except psycopg.Error as exc:
        raise _unavailable(url, exc) from exc


def _install(connection: Any, release: str) -> None:
    from psycopg import sql  # noqa: PLC0415  see install

    name = sql.Identifier(SCHEMA)
    found = connection.execute(_INSTALLED, (SCHEMA,)).fetchone()
    has_tables, installed = found[0] is not None, str(found[1] or "")
    if not has_tables:
        connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(name))
        schema = resources.files("procrastinate.sql").joinpath("schema.sql").read_text("utf-8")
        connection.execute(schema)
    elif installed != release:
        for script in pending_migrations(installed):
            connection.execute(script)
    connection.execute(_INDEXES)
    own = resources.files("patrol.cluster").joinpath("fetch_shard.sql").read_text("utf-8")
    connection.execute(own)
    comment = sql.SQL("COMMENT ON SCHEMA {} IS {}")
    connection.execute(comment.format(name, sql.Literal(release)))


def pending_migrations(installed: str) -> list[str]:
    """Procrastinate's migrations since the release that a schema was installed with, in order."""
    folder = resources.files("procrastinate.sql").joinpath("migrations")
    before = _release_number(installed)
    names = sorted(file.name for file in folder.iterdir() if _MIGRATION.fullmatch(file.name))
    later = [name for name in names if tuple(map(int, name.split("_")[0].split("."))) > before]
    return [folder.joinpath(name).read_text("utf-8") for name in later]


def _release_number(text: str) -> tuple[int, ...]:
    numbers = [int(part) for part in re.findall(r"\d+", text)[:3]]
    return (*numbers, 0, 0, 0)[:3]


async def reap(app: "App") -> int:
    """Give the shards of silent workers back to the queue; how many."""
    rows = await app.connector.execute_query_all_async(_REAP, stalled_after_s=STALLED_AFTER_S)
    return len(rows)


async def _reap_forever(app: "App") -> None:
    while True:
        try:
            async with _errors_as_ours(""):
                if count := await reap(app):
                    log.warning("shards of a silent worker are given back", shards=count)
        except QueueUnavailable as exc:
            log.info("stalled shards were not looked for", reason=str(exc))
        await asyncio.sleep(REAP_EVERY_S)


@asynccontextmanager
async def _errors_as_ours(url: str) -> "AsyncIterator[None]":
    """What procrastinate and psycopg raise about the connection, as QueueUnavailable."""
    from procrastinate.exceptions import ConnectorException  # noqa: PLC0415  see new_app
    from psycopg import Error  # noqa: PLC0415  of the extra `postgres`
    from psycopg_pool import PoolClosed, PoolTimeout  # noqa: PLC0415  see new_app

    try:
        yield
    except (ConnectorException, Error, PoolTimeout, PoolClosed) as exc:
        raise _unavailable(url, exc.__cause__ or exc) from exc


def _unavailable(url: str, exc: BaseException) -> QueueUnavailable:
    line = " ".join(str(exc).split()) or type(exc).__name__
    password = parse_url(url).password if url else None
    if password:
        line = line.replace(str(password), "…")
    return QueueUnavailable(f"the job queue: {connection_problem(line)}")
