"""What a cluster costs: the job queue at a long backlog, the engine's share of a shard, rounds.

In an empty PostgreSQL database that `PATROL_BENCH_POSTGRES` names, which is emptied before and
after. Our fetch (patrol/cluster/fetch_shard.sql) beside procrastinate's own, and whole rounds on
workers (cluster_rounds.py) beside those of one process, in one run.
"""

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy.engine import make_url

from patrol.bench import cluster_rounds
from patrol.cluster.grants import quoted
from patrol.cluster.queue import TASK, ShardQueue, ShardWorker, install, queue_conninfo, queue_name
from patrol.cluster.shards import Shard
from patrol.domain.ids import CameraId, LinkId, RoundId

DATABASE_VARIABLE: Final = "PATROL_BENCH_POSTGRES"
BACKLOG, LINKS, CONNECTIONS = 50_000, 500, 4
SECONDS: Final = 5.0
SHARDS: Final = 150
SITE: Final = "bench"
ROUND: Final = RoundId("20261122-morning-1")
OURS: Final = "patrol bench"
_WHOSE: Final = """
SELECT (SELECT count(*) FROM pg_class AS class
        JOIN pg_namespace AS space ON space.oid = class.relnamespace
        WHERE class.relkind = 'r' AND space.nspname NOT LIKE 'pg\\_%'
            AND space.nspname <> 'information_schema'),
    shobj_description((SELECT oid FROM pg_database WHERE datname = current_database()),
        'pg_database')
"""
_FILL: Final = """
INSERT INTO procrastinate_jobs (queue_name, task_name, lock, priority, args)
SELECT %(site)s || '/link-' || (n %% %(links)s), %(task)s, %(site)s || '/link-' || (n %% %(links)s),
    CASE WHEN n %% 10 = 0 THEN 100 ELSE 0 END, '{}'
FROM generate_series(1, %(jobs)s) AS n
"""
_OURS: Final = "SELECT id FROM patrol_fetch_shard_v1(%s::varchar[], %s)"
_THEIRS: Final = "SELECT id FROM procrastinate_fetch_job_v2(%s::varchar[], %s)"


def run(
    report: Callable[[str], None],
    *,
    sizes: Sequence[int] = cluster_rounds.SIZES,
    workers: int = cluster_rounds.WORKERS,
) -> dict[str, Any]:
    """Measure the queue, then a round of each size. Raises RuntimeError, StoreUnavailable."""
    url = os.environ.get(DATABASE_VARIABLE, "")
    if not url:
        raise RuntimeError(f"{DATABASE_VARIABLE}: name an empty database, postgresql+psycopg://…")
    _claim(url)
    result = _measure_queue(url, report)
    if sizes:
        result["rounds"] = cluster_rounds.run(url, sizes=sizes, workers=workers, report=report)
    return result


def _claim(url: str) -> None:
    """Take the database for benches. Raises RuntimeError where somebody else's tables are in it."""
    with _connect(url) as connection:
        tables, about = connection.execute(_WHOSE).fetchone()
        if tables and about != OURS:
            raise RuntimeError(f"{DATABASE_VARIABLE}: is not empty ({tables} tables); name another")
        database = make_url(url).database or ""
        connection.execute(f"COMMENT ON DATABASE {quoted(database)} IS '{OURS}'")


def _measure_queue(url: str, report: Callable[[str], None]) -> dict[str, Any]:
    install(url)
    queues = [queue_name(SITE, LinkId(f"link-{number}")) for number in range(LINKS)]
    shares = [queues[start::CONNECTIONS] for start in range(CONNECTIONS)]
    result: dict[str, Any] = {"backlog": BACKLOG, "links": LINKS, "connections": CONNECTIONS}
    for name, statement in (("procrastinate", _THEIRS), ("ours", _OURS)):
        _fill(url)
        report(f"fetch and finish, {name}")
        result[f"{name}_per_s"] = round(_measure(url, statement, shares), 1)
    _empty(url)
    report("engine overhead")
    result |= asyncio.run(_engine_overhead(url))
    _empty(url)
    return result


def _connect(url: str) -> Any:
    import psycopg  # noqa: PLC0415  of the extra `postgres`

    return psycopg.connect(queue_conninfo(url), autocommit=True)


def _empty(url: str) -> None:
    with _connect(url) as connection:
        connection.execute("TRUNCATE procrastinate_jobs CASCADE")


def _fill(url: str) -> None:
    _empty(url)
    with _connect(url) as connection:
        values = {"site": SITE, "task": TASK, "links": LINKS, "jobs": BACKLOG}
        connection.execute(_FILL, values)
        connection.execute("ANALYZE procrastinate_jobs")


def _measure(url: str, statement: str, shares: list[list[str]]) -> float:
    """Jobs a second over all connections."""
    with ThreadPoolExecutor(len(shares)) as pool:
        counts = pool.map(lambda queues: _fetch_and_finish(url, statement, queues), shares)
        return sum(counts) / SECONDS


def _fetch_and_finish(url: str, statement: str, queues: list[str]) -> int:
    count, until_s = 0, time.monotonic() + SECONDS
    with _connect(url) as connection:
        (worker,) = connection.execute(
            "SELECT worker_id FROM procrastinate_register_worker_v1()"
        ).fetchone()
        while time.monotonic() < until_s:
            row = connection.execute(statement, (queues, worker)).fetchone()
            if row is None or row[0] is None:
                break
            connection.execute(
                "SELECT procrastinate_finish_job_v1(%s, 'succeeded', true)", (row[0],)
            )
            count += 1
    return count


async def _engine_overhead(url: str) -> dict[str, Any]:
    """What submitting, fetching and finishing a shard costs, where visiting costs nothing."""
    links = [LinkId(f"link-{number}") for number in range(SHARDS)]
    finish_by = datetime.now(UTC) + timedelta(hours=1)  # noqa: TID251  no time of the product's
    shards = [
        Shard(
            site=SITE, round=ROUND, plan="morning", link=link, finish_by=finish_by,
            cameras=tuple(CameraId(f"{number:020}") for number in range(100)),
        )
        for link in links
    ]  # fmt: skip
    done, all_done = 0, asyncio.Event()

    async def handle(_shard: Shard) -> None:
        nonlocal done
        done += 1
        if done == SHARDS:
            all_done.set()

    cpu_s, wall_s = time.process_time(), time.monotonic()
    async with ShardQueue(url) as queue:
        await queue.submit(shards)
    worker = ShardWorker(url, site=SITE, links=links, slots=8, name="bench", handle=handle)
    working = asyncio.create_task(worker.run())
    await all_done.wait()
    cpu_s, wall_s = time.process_time() - cpu_s, time.monotonic() - wall_s
    working.cancel()
    with suppress(asyncio.CancelledError):
        await working
    return {
        "shards": SHARDS,
        "engine_cpu_ms_per_shard": round(1000 * cpu_s / SHARDS, 2),
        "engine_wall_ms_per_shard": round(1000 * wall_s / SHARDS, 2),
    }
