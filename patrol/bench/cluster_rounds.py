"""Whole rounds of a cluster against a live simulated county, beside the same round in one process.

Cameras speak RTSP and send small pictures; a hundred of them hang on a link, so that 15,000 are 150
shards. Coordinator and workers are the product's own processes on one PostgreSQL, the workers from
the slices that `patrol cluster slice` writes, under their own database role. CPU time is of rounds
alone: what a process needs to start is counted in neither. Pictures go through a directory.
"""

import csv
import json
import os
import secrets
import subprocess  # nosec B404
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from patrol.administration.worker_slice import PASSWORD_VARIABLE, write_slice
from patrol.bench.child_process import ReportProgress, json_from_process
from patrol.clock import SystemClock
from patrol.cluster.exchange import cluster_key
from patrol.cluster.grants import grants_sql
from patrol.cluster.leader import Leadership
from patrol.cluster.queue import SCHEMA, install, queue_conninfo
from patrol.settings import load_site
from patrol.settings.site_keys import make_site_key
from patrol.store import open_store, upgrade
from patrol.store.cluster import ResultOutcome
from simulators.rtsp_farm.process import running_farm
from simulators.town.config_files import SITE_ID

SIZES: Final = (600, 15_000)
ALONE_AT_MOST: Final = 3_000  # one process's cost per camera does not grow (`patrol bench round`)
WORKERS: Final = 4
CAMERAS_A_LINK: Final = 100
ROLE: Final = "patrol_bench_worker"
PLAN: Final = "day"
READY_WITHIN_S: Final = 120.0
ROUND_TIMEOUT_S: Final = 3_600.0
CPU_CEILING: Final = 1.10  # of one process's cost per camera
MEMORY_CEILING: Final = 1.20  # of the coordinator, largest over smallest town
_LONG: Final = {"start": "00:00", "finish_by": "23:59"}
_WRITTEN: Final = """
SELECT coalesce(sum(n_tup_ins), 0), pg_database_size(current_database()),
    pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') FROM pg_stat_user_tables
WHERE schemaname = 'public'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundFigures:
    """One round as its processes and the database counted it."""

    cameras: int
    recorded: int  # visits of different cameras in the store
    seen: int
    shards: int
    workers: int  # 0: one process
    wall_s: float
    worker_cpu_s: float
    coordinator_cpu_s: float
    coordinator_peak_mb: float
    rows: int  # inserted
    database_bytes: int
    wal_bytes: int
    results: Mapping[str, int]

    @property
    def cpu_ms_per_camera(self) -> float:
        """CPU time of all processes of the product."""
        return 1000.0 * (self.worker_cpu_s + self.coordinator_cpu_s) / self.cameras

    @property
    def all_recorded_once(self) -> bool:
        """Every camera recorded once, as seen; of a cluster each from one result."""
        recorded = self.results.get(ResultOutcome.RECORDED, 0) if self.workers else self.cameras
        return self.recorded == self.seen == recorded == self.cameras

    def row(self) -> dict[str, object]:
        """Plain data for JSON and tables."""
        return {
            "cameras": self.cameras,
            "recorded": self.recorded,
            "seen": self.seen,
            "shards": self.shards,
            "workers": self.workers,
            "all_recorded_once": self.all_recorded_once,
            "wall_s": round(self.wall_s, 1),
            "cpu_ms_per_camera": round(self.cpu_ms_per_camera, 2),
            "coordinator_cpu_ms_per_camera": round(
                1000.0 * self.coordinator_cpu_s / self.cameras, 2
            ),
            "coordinator_peak_mb": round(self.coordinator_peak_mb, 1),
            "rows_per_visit": round(self.rows / self.cameras, 1),
            "database_bytes_per_visit": round(self.database_bytes / self.cameras),
            "wal_bytes_per_visit": round(self.wal_bytes / self.cameras),
            "results": dict(self.results),
        }


def run(
    url: str,
    *,
    sizes: Sequence[int] = SIZES,
    workers: int = WORKERS,
    report: ReportProgress = lambda _: None,
) -> dict[str, Any]:
    """Measure every size, in a database that is emptied. Raises RuntimeError, StoreUnavailable."""
    alone, together = list[RoundFigures](), list[RoundFigures]()
    for size in sizes:
        report(f"{size} cameras: starting the county")
        with (
            tempfile.TemporaryDirectory(prefix="patrol-bench-") as folder,
            running_farm(Path(folder) / "town", cameras=size, profile="tiny"),
        ):
            town = Path(folder) / "town"
            links = _spread_over_links(town)
            if size <= ALONE_AT_MOST:
                report(f"{size} cameras: a round of one process")
                alone.append(_measure_alone(town, url))
                report(json.dumps(alone[-1].row()))
            report(f"{size} cameras: a round on {workers} workers")
            together.append(_measure_together(town, url, links, workers))
            report(json.dumps(together[-1].row()))
    _empty_database(url)
    return rounds_document(alone, together)


def rounds_document(
    alone: Sequence[RoundFigures], together: Sequence[RoundFigures]
) -> dict[str, Any]:
    """All rounds, and the ratios that the ceilings are for."""
    smallest, largest = together[0], together[-1]
    document: dict[str, Any] = {
        "one_process": [one.row() for one in alone],
        "cluster": [one.row() for one in together],
        "ceilings": {"cpu": CPU_CEILING, "coordinator_memory": MEMORY_CEILING},
    }
    if alone:
        base = alone[-1].cpu_ms_per_camera
        ratios = {str(one.cameras): round(one.cpu_ms_per_camera / base, 3) for one in together}
        document["cpu_to_one_process"] = ratios
    if largest.cameras > smallest.cameras:
        ratio = largest.coordinator_peak_mb / smallest.coordinator_peak_mb
        document["coordinator_memory_ratio"] = round(ratio, 3)
    return document


# -- the town ------------------------------------------------------------------------------------


def _spread_over_links(town: Path) -> list[str]:
    """A hundred cameras a link, none a key site, all allowed; the links."""
    path = town / "cameras.csv"
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    for number, row in enumerate(rows):
        row |= {"link": f"link-{number // CAMERAS_A_LINK:03}", "priority": "normal",
                "outdoor": "yes", "consent": "granted", "consent_until": "2099-12-31"}  # fmt: skip
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    (town / "zones.yaml").unlink(missing_ok=True)  # nothing looks for objects here
    return sorted({row["link"] for row in rows})


def _write_settings(town: Path, url: str, *, clustered: bool) -> None:
    path = town / "site.yaml"
    plain = yaml.safe_load(path.read_text("utf-8"))
    plain |= {
        "database": url,
        "objects": False,
        "plans": {PLAN: _LONG},
        "sampling": {"pictures": 2, "spacing_s": 1.0, "stream": "main"},
        "limits": {"connections": 100, "per_link": 25, "visit_s": 60, "mbit_s": 10_000},
        "evidence": str(town / ("evidence-cluster" if clustered else "evidence")),
    }
    plain.pop("cluster", None)
    if clustered:
        plain["cluster"] = {
            "exchange": str(town / "exchange"), "worker_role": ROLE,
            "shard_cameras": CAMERAS_A_LINK,
        }  # fmt: skip
    path.write_text(yaml.safe_dump(plain, allow_unicode=True), "utf-8")


# -- rounds --------------------------------------------------------------------------------------


def _measure_alone(town: Path, url: str) -> RoundFigures:
    _empty_database(url)
    _write_settings(town, url, clustered=False)
    upgrade(url)
    return _figures(url, _round(town, url), workers=0, worker_cpu_s=0.0, shards=0)


def _measure_together(town: Path, url: str, links: Sequence[str], workers: int) -> RoundFigures:
    _empty_database(url)
    _write_settings(town, url, clustered=True)
    upgrade(url)
    install(url)
    password = _make_role(url)
    with ExitStack() as stack:
        leadership = Leadership(url, SITE_ID, SystemClock(), lambda _why: None)
        stack.enter_context(leadership.hold(threading.Event()))
        running = [
            stack.enter_context(_running_worker(town, number, links[number::workers], password))
            for number in range(min(workers, len(links)))
        ]
        _wait_until_served(url, links)
        before = [_cpu_s(one) for one in running]
        measured = _round(town, url)
        spent_s = sum(_cpu_s(one) - was for one, was in zip(running, before, strict=True))
    return _figures(url, measured, workers=len(running), worker_cpu_s=spent_s, shards=len(links))


def _round(town: Path, url: str) -> dict[str, Any]:
    before = _ask(url, _WRITTEN)
    summary = json_from_process(
        [sys.executable, "-m", "patrol.bench.round_ours"],
        name="the round",
        timeout_s=ROUND_TIMEOUT_S,
        request={"config": str(town), "plan": PLAN},
        quote_stderr=True,
    )
    after = _ask(url, _WRITTEN)
    summary["written"] = [int(b) - int(a) for a, b in zip(before, after, strict=True)]
    return summary


def _figures(url: str, summary: Mapping[str, Any], **more: Any) -> RoundFigures:
    with open_store(url) as store, store.begin_read() as uow:
        (a_round,) = uow.rounds.of_plan(PLAN, limit=2)
        recorded = len({visit.camera for visit in uow.rounds.visits(a_round.id)})
        results = {str(outcome): count for outcome, count in uow.cluster.counts().items()}
    rows, size, wal = summary["written"]
    return RoundFigures(
        cameras=summary["planned"],
        recorded=recorded,
        seen=summary["seen"],
        wall_s=summary["wall_s"],
        coordinator_cpu_s=summary["cpu_s"],
        coordinator_peak_mb=summary["peak_rss_mb"],
        rows=rows,
        database_bytes=size,
        wal_bytes=wal,
        results=results,
        **more,
    )


@contextmanager
def _running_worker(
    town: Path, number: int, links: Sequence[str], password: str
) -> Iterator["subprocess.Popen[bytes]"]:
    """`patrol worker` from its slice, until the block ends. Raises RuntimeError."""
    site, target = load_site(town), town.parent / f"worker-{number}"
    site_key = make_site_key(site.settings, os.environ)
    write_slice(
        site, links, target, key=cluster_key(site_key), passwords={},
        pictures=(town / "exchange").as_uri(),
    )  # fmt: skip
    command = [
        sys.executable, "-m", "patrol", "-c", str(target), "worker", "--links", ",".join(links),
        "--name", f"bench-{number}",
    ]  # fmt: skip
    with (target / "log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603  our own program  # nosec B603
            command, stdout=log, stderr=log, env={**os.environ, PASSWORD_VARIABLE: password}
        )
    try:
        yield process
        if process.poll() is not None:
            raise RuntimeError(f"a worker ended by itself: {(target / 'log').read_text()[-300:]}")
    finally:
        process.terminate()
        process.wait()


def _wait_until_served(url: str, links: Sequence[str]) -> None:
    clock = SystemClock()
    until_s = clock.monotonic_s() + READY_WITHIN_S
    with open_store(url) as store:
        while clock.monotonic_s() < until_s:
            with store.begin_read() as uow:
                if uow.cluster.served_links() >= set(links):
                    return
            clock.sleep(0.5)
    raise RuntimeError(f"the workers do not serve their links within {READY_WITHIN_S:g} s")


def _cpu_s(process: "subprocess.Popen[bytes]") -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# -- the database --------------------------------------------------------------------------------


def _connect(url: str) -> Any:
    import psycopg  # noqa: PLC0415  of the extra `postgres`

    return psycopg.connect(queue_conninfo(url), autocommit=True)


def _ask(url: str, question: str) -> Any:
    with _connect(url) as connection:
        return connection.execute(question).fetchone()


def _empty_database(url: str) -> None:
    with _connect(url) as connection:
        for schema in ("public", SCHEMA):
            connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
        connection.execute("CREATE SCHEMA public")


def _make_role(url: str) -> str:
    """The workers' role with a password of this run; the password."""
    from psycopg import sql  # noqa: PLC0415  of the extra `postgres`

    password = secrets.token_urlsafe()
    with _connect(url) as connection:
        connection.execute(grants_sql(url, ROLE))
        role, literal = sql.Identifier(ROLE), sql.Literal(password)
        connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(role, literal))
    return password
