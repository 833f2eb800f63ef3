"""The bench of cluster rounds: what its figures say, and what it refuses."""

from collections.abc import Callable
from dataclasses import replace

import psycopg
import pytest

from patrol.bench import cluster, cluster_rounds
from patrol.bench.cluster_rounds import RoundFigures, rounds_document

ALONE = RoundFigures(
    cameras=600, recorded=600, seen=600, shards=0, workers=0, wall_s=30.0, worker_cpu_s=0.0,
    coordinator_cpu_s=18.0, coordinator_peak_mb=200.0, rows=6000, database_bytes=9_600_000,
    wal_bytes=9_000_000, results={},
)  # fmt: skip
TOGETHER = replace(
    ALONE, shards=6, workers=4, worker_cpu_s=15.0, coordinator_cpu_s=4.5,
    coordinator_peak_mb=150.0, results={"recorded": 600, "repeated": 2},
)  # fmt: skip


def test_cost_is_of_all_processes_of_the_product() -> None:
    assert ALONE.cpu_ms_per_camera == pytest.approx(30.0)
    assert TOGETHER.cpu_ms_per_camera == pytest.approx(32.5)


def test_the_all_recorded_once_where_every_camera_is_recorded_once() -> None:
    assert TOGETHER.all_recorded_once
    assert ALONE.all_recorded_once
    unequal = (
        replace(TOGETHER, recorded=599),
        replace(TOGETHER, seen=599),
        replace(TOGETHER, results={"recorded": 599, "late": 1}),
        replace(ALONE, recorded=599),
    )
    assert not any(figures.all_recorded_once for figures in unequal)


def test_ratios_are_to_one_process_and_to_the_smallest_county() -> None:
    large = replace(TOGETHER, cameras=15_000, worker_cpu_s=375.0, coordinator_cpu_s=90.0,
                    coordinator_peak_mb=165.0)  # fmt: skip
    document = rounds_document([ALONE], [TOGETHER, large])
    assert document["cpu_to_one_process"] == {"600": 1.083, "15000": 1.033}
    assert document["coordinator_memory_ratio"] == 1.1
    assert rounds_document([], [large])["cluster"][0]["database_bytes_per_visit"] == 640


def test_a_database_that_is_somebody_elses_is_not_emptied(
    new_postgres_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = new_postgres_database()
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("CREATE TABLE theirs (id integer)")
        monkeypatch.setenv(cluster.DATABASE_VARIABLE, url)
        with pytest.raises(RuntimeError, match="is not empty"):
            cluster.run(lambda _: None, sizes=())
        assert connection.execute("SELECT count(*) FROM theirs").fetchone() == (0,)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_a_small_county_on_two_workers(new_postgres_database: Callable[[], str]) -> None:
    found = cluster_rounds.run(new_postgres_database(), sizes=(250,), workers=2)
    (alone,), (together,) = found["one_process"], found["cluster"]
    assert alone["all_recorded_once"]
    assert together["all_recorded_once"]
    assert (together["shards"], together["workers"]) == (3, 2)
    assert together["recorded"] == alone["recorded"] == 250
