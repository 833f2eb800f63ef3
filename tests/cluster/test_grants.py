"""A worker's database role: it does a worker's work; each thing beyond is tried and refused."""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql

from patrol.app.worker import open_worker_store
from patrol.cli.check_cluster import check_role
from patrol.cluster.grants import grants_sql, role_problems
from patrol.cluster.worker import WorkerRefused
from patrol.settings import Settings
from patrol.store import StoreUnavailable, open_store
from patrol.store.engine import connect, make_engine, parse_url
from patrol.store.schema import metadata
from tests.support.cluster import PASSWORD, ROLE, ClusterPlace
from tests.support.cluster_messages import SITE

# What a worker needs; each test of a round on workers runs under this role, too.
ALLOWED = (
    "SELECT camera, outcome, tries FROM visits",
    "UPDATE visits SET tries = tries + 1 WHERE outcome = 'pending'",
    "SELECT camera FROM withdrawals WHERE restored_at IS NULL",
    "INSERT INTO cluster_results (round, camera, worker, body) VALUES ('r', 'c', 'w', '{}')",
    "UPDATE patrol_queue.procrastinate_jobs SET status = 'doing' WHERE status = 'todo'",
)
DEFER = """SELECT patrol_queue.procrastinate_defer_jobs_v1(ARRAY[
    ROW('q', 't', 0, NULL, NULL, '{}', NULL)::patrol_queue.procrastinate_job_to_defer_v1])"""
FORBIDDEN = (
    "UPDATE visits SET outcome = 'normal'",
    "UPDATE visits SET seen = 'x'",
    "SELECT seen FROM visits",
    "DELETE FROM visits",
    "INSERT INTO visits (round, camera) VALUES ('r', 'c')",
    "SELECT withdrawn_by FROM withdrawals",
    "UPDATE withdrawals SET restored_at = now()",
    "INSERT INTO consent_terms (camera) VALUES ('c')",
    "UPDATE stoppages SET until = now()",
    "SELECT body FROM cluster_results",
    "DELETE FROM cluster_results",
    "UPDATE cluster_results SET camera = 'x'",
    "UPDATE cluster_leaders SET holder = 'me'",
    "DELETE FROM cluster_workers",
    "INSERT INTO patrol_queue.procrastinate_jobs (queue_name, task_name) VALUES ('q', 't')",
    DEFER,
    "TRUNCATE patrol_queue.procrastinate_jobs",
    "CREATE TABLE public.mine (a int)",
    "CREATE TABLE patrol_queue.mine (a int)",
    "CREATE ROLE another SUPERUSER",
    "COPY (SELECT 1) TO PROGRAM 'true'",
)
READABLE = {"stoppages", "cluster_workers"}


@pytest.fixture
def session(place: ClusterPlace) -> Iterator[psycopg.Connection[Any]]:
    url = place.worker_database.replace("+psycopg", "")
    options = "-c search_path=public,patrol_queue"
    with psycopg.connect(url, autocommit=True, options=options) as connection:
        yield connection


@pytest.mark.parametrize("statement", ALLOWED)
def test_a_worker_may(session: psycopg.Connection[Any], statement: str) -> None:
    session.execute(statement.encode())


@pytest.mark.parametrize("statement", FORBIDDEN)
def test_a_worker_may_not(session: psycopg.Connection[Any], statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        session.execute(statement.encode())


def test_of_all_our_tables_a_worker_reads_two_whole(session: psycopg.Connection[Any]) -> None:
    readable = set()
    for table in metadata.tables:
        try:
            session.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table)))
        except psycopg.errors.InsufficientPrivilege:
            continue
        readable.add(table)
    assert readable == READABLE


def problems(place: ClusterPlace, role: str = ROLE) -> list[tuple[bool, str]]:
    engine = make_engine(parse_url(place.database))
    connection = connect(engine, read_only=True)
    try:
        return [(one.is_too_strong, one.text) for one in role_problems(connection, role)]
    finally:
        connection.close()
        engine.dispose()


@pytest.fixture
def owner(place: ClusterPlace) -> Iterator[Callable[[str], None]]:
    url = place.database.replace("+psycopg", "")
    with psycopg.connect(url, autocommit=True) as connection:

        def execute(statement: str) -> None:
            connection.execute(statement.encode())

        yield execute
        connection.execute(b"ALTER ROLE patrol_worker NOSUPERUSER")
        connection.execute(grants_sql(place.database, ROLE).encode())


def test_what_the_grants_make_is_neither_weak_nor_strong(place: ClusterPlace) -> None:
    assert problems(place) == []


@pytest.mark.parametrize(
    ("statement", "is_too_strong", "said"),
    [
        ("GRANT SELECT ON cases TO patrol_worker", True, "too strong (SELECT on public.cases)"),
        ("GRANT DELETE ON visits TO patrol_worker", True, "DELETE on public.visits"),
        ("GRANT UPDATE ON visits TO patrol_worker", True, "UPDATE on public.visits"),
        ("ALTER ROLE patrol_worker SUPERUSER", True, "is super"),
        ("REVOKE SELECT ON stoppages FROM patrol_worker", False, "too weak (SELECT on"),
        ("REVOKE INSERT (body) ON cluster_results FROM patrol_worker", False, "cluster_results"),
        (
            "REVOKE DELETE ON patrol_queue.procrastinate_jobs FROM patrol_worker",
            False,
            "DELETE on patrol_queue.procrastinate_jobs",
        ),
    ],
)
def test_too_weak_and_too_strong_are_said(
    place: ClusterPlace, owner: Callable[[str], None], statement: str, *,
    is_too_strong: bool, said: str,
) -> None:  # fmt: skip
    owner(statement)
    ((strong, text),) = problems(place)
    assert strong is is_too_strong
    assert said in text
    assert "\n" not in text


def test_a_role_that_is_not_there_is_said(place: ClusterPlace) -> None:
    assert problems(place, "nobody") == [
        (False, "there is no role 'nobody'; run `patrol cluster grants`")
    ]


def test_a_worker_whose_role_is_too_weak_does_not_begin(
    place: ClusterPlace, owner: Callable[[str], None]
) -> None:
    owner("REVOKE SELECT ON stoppages FROM patrol_worker")
    with (
        pytest.raises(WorkerRefused, match=r"too weak .*patrol cluster grants"),
        open_worker_store(place.worker_database),
    ):
        pass


@pytest.mark.parametrize(("site", "ok"), [(SITE, True), ("elsewhere", False)])
def test_check_says_that_a_worker_is_of_another_site(
    place: ClusterPlace, site: str, *, ok: bool
) -> None:
    settings = Settings.model_validate(
        {
            "site": {"id": site, "name": "上坝镇", "latitude": 39.6, "longitude": 98.75},
            "database": place.worker_database,
            "cluster": {},
        }
    )
    found = check_role(settings)
    assert (found.ok, f"this worker is of {site}" in found.text) == (ok, not ok)


def test_what_the_role_may_not_do_is_told_in_a_line_that_names_the_login(
    place: ClusterPlace,
) -> None:
    with (
        pytest.raises(StoreUnavailable, match="permission denied for table schema_version") as told,
        open_store(place.worker_database),
    ):
        pass
    assert ROLE in str(told.value)
    assert "`database:`" in str(told.value)
    assert PASSWORD not in str(told.value)
