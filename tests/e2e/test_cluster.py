"""A site on a cluster, of real processes: two services, a worker from its slice, kill -9."""

import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from patrol.mqtt.embedded_broker import free_port
from patrol.store import open_store
from simulators.rtsp_farm.process import RunningFarm
from tests.e2e.site import PatrolSite, wait_for
from tests.support.cluster import PASSWORD, ROLE

# Some ten starts of the whole program.
pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]
ALL_DAY = {"day": {"start": "00:00", "finish_by": "23:59"}}


@dataclass
class ClusterSite:
    """The service's directory and its worker's."""

    service: PatrolSite
    worker: PatrolSite
    links: list[str]
    database: str

    def status(self) -> Any:
        return self.service.json("cluster", "status")

    def log_of(self, site: PatrolSite, verb: str) -> str:
        return (site.folder / f"{verb}.log").read_text("utf-8")

    def unfinished(self) -> int:
        with open_store(self.database) as store, store.begin_read() as uow:
            rounds = uow.rounds.of_plan("day", limit=5)
            return uow.rounds.totals(rounds[0].id).pending if rounds else -1


@pytest.fixture
def cluster_site(
    patrol_site: PatrolSite,
    farm: RunningFarm,
    new_postgres_database: Callable[[], str],
    tmp_path: Path,
) -> Iterator[ClusterSite]:
    """A service that leads, the role, and a worker's directory written by the product itself."""
    database, port = new_postgres_database(), free_port()
    patrol_site.edit(
        database=database,
        cluster={},
        console={"port": port},
        metrics={"port": free_port()},
        plans=ALL_DAY,
        limits={"connections": 8, "per_link": 2, "visit_s": 10},
        sampling={"pictures": 2, "spacing_s": 0.5},
    )
    patrol_site.start("run")
    log = patrol_site.folder / "run.log"
    wait_for("the first service is ready", lambda: "已就绪" in log.read_text("utf-8"), within_s=240)
    grants = patrol_site.patrol("cluster", "grants").stdout
    with psycopg.connect(database.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(grants.encode())
        connection.execute(f"ALTER ROLE {ROLE} PASSWORD '{PASSWORD}'".encode())
    links = patrol_site.json("cluster", "status")["unserved_links"]
    console = f"http://127.0.0.1:{port}"
    there = tmp_path / "worker"
    patrol_site.patrol(
        "cluster", "slice", "--links", ",".join(links), "--out", str(there), "--pictures", console
    )
    worker = PatrolSite(there, environment={"PATROL_WORKER_PASSWORD": PASSWORD})
    yield ClusterSite(patrol_site, worker, links, database)
    worker.end()


def test_a_standby_takes_over_and_the_round_is_walked_once(cluster_site: ClusterSite) -> None:
    service, worker = cluster_site.service, cluster_site.worker
    assert worker.patrol("check").returncode == 0
    (leader,) = service.children
    standby = service.start("run")
    log = service.folder / "run.log"
    wait_for("the second stands by", lambda: "待命" in log.read_text("utf-8"), 240)
    worker.start("worker", "--links", ",".join(cluster_site.links), "--name", "edge-1")
    wait_for("the round is under way", lambda: 0 < cluster_site.unfinished() < 25, 240)
    leader.send_signal(signal.SIGKILL)
    wait_for(
        "the standby is ready", lambda: log.read_text("utf-8").count("已就绪") == 2, within_s=240
    )
    wait_for("the round is finished", lambda: cluster_site.unfinished() == 0, 240)
    with open_store(cluster_site.database) as store, store.begin_read() as uow:
        (a_round,) = uow.rounds.of_plan("day", limit=5)
        visits, totals = uow.rounds.visits(a_round.id), uow.rounds.totals(a_round.id)
    assert len({visit.camera for visit in visits}) == len(visits) == a_round.planned
    assert (totals.pending, totals.missed) == (0, 0), log.read_text("utf-8")
    assert not cluster_site.status()["unserved_links"]
    assert cluster_site.status()["results"]["refused"] == 0
    worker.children[0].send_signal(signal.SIGTERM)
    assert worker.children[0].wait(30) == 0
    wait_for(
        "its links count as not served",
        lambda: cluster_site.status()["unserved_links"] == cluster_site.links,
    )
    standby.send_signal(signal.SIGTERM)
    assert standby.wait(30) == 0


def test_bad_input_is_one_line(cluster_site: ClusterSite, tmp_path: Path) -> None:
    service, worker, links = cluster_site.service, cluster_site.worker, cluster_site.links

    def refused(site: PatrolSite, *arguments: str) -> str:
        site.environment = {**site.environment, "PATROL_LANGUAGE": "en"}
        done = site.patrol(*arguments, check=False)
        assert done.returncode in (1, 2), done.stderr
        assert "Traceback" not in done.stderr
        lines = [line for line in done.stderr.splitlines() if not line.startswith("{")]
        assert len(lines) == 1, done.stderr
        return lines[0]

    assert "no camera of cameras.csv has the link nvr-9" in refused(
        worker, "worker", "--links", f"{links[0]},nvr-9"
    )
    assert "--links" in refused(worker, "worker", "--links", " , ")
    running = worker.start("worker", "--links", links[0], "--name", "edge-1")
    wait_for("it lives", lambda: any(one["lives"] for one in cluster_site.status()["workers"]))
    assert "a worker named 'edge-1' works already" in refused(
        worker, "worker", "--links", links[0], "--name", "edge-1"
    )
    running.send_signal(signal.SIGTERM)
    running.wait(30)
    site = (worker.folder / "site.yaml").read_text("utf-8")
    worker.edit(site=_other_site(site))
    assert "is the database of site" in refused(worker, "worker", "--links", links[0])
    assert "is the database of site" in refused(worker, "check")
    service.edit(database="sqlite:///var/patrol.db")
    assert "this site's database is SQLite" in refused(service, "cluster", "status")


def _other_site(text: str) -> dict[str, Any]:
    return {**yaml.safe_load(text)["site"], "id": "elsewhere"}
