"""The adapter of the job queue and its plain data, without a database."""

import ast
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

import patrol
from patrol.cluster.queue import pending_migrations, queue_conninfo
from patrol.cluster.shards import KEY_PRIORITY, NotAShard, Shard, cut_into_shards
from patrol.domain.ids import CameraId, LinkId, RoundId
from patrol.domain.observation import Light
from patrol.domain.round import PlannedVisit
from tests.support.cluster import make_town

ROUND = RoundId("20261122-morning-1")
FINISH_BY = datetime(2026, 11, 22, 2, 30, tzinfo=UTC)
SOURCES = Path(patrol.__file__).parent
ENGINE = {"patrol/cluster/queue.py"}


def test_only_the_adapter_imports_the_engine_and_only_when_it_is_used() -> None:
    """A site without `cluster:` imports nothing of it."""
    found = set()
    for path in SOURCES.rglob("*.py"):
        text = path.read_text("utf-8")
        if "procrastinate" not in text:
            continue
        tree = ast.parse(text)
        for node in ast.walk(tree):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [one.name for one in node.names] if isinstance(node, ast.Import) else []
            if any(name.split(".")[0] == "procrastinate" for name in names):
                found.add(str(path.relative_to(SOURCES.parent)))
        top = {type(node) for node in tree.body if "procrastinate" in ast.unparse(node)}
        assert not top & {ast.Import, ast.ImportFrom}, path
    assert found == ENGINE


def shards_of(cameras: int, links: int, *, most: int, key_every: int = 0) -> list[Shard]:
    town = make_town(cameras, links, key_every=key_every)
    visits = [PlannedVisit(round=ROUND, camera=one, order=i) for i, one in enumerate(town)]
    return cut_into_shards(
        visits, town, site="shangba", plan="morning", finish_by=FINISH_BY, most_cameras=most
    )


@pytest.mark.parametrize(
    ("cameras", "links", "most"), [(1, 1, 100), (101, 1, 100), (624, 9, 100), (7, 7, 1)]
)
def test_each_visit_is_in_one_shard_of_its_link(cameras: int, links: int, most: int) -> None:
    town = make_town(cameras, links)
    shards = shards_of(cameras, links, most=most)
    assert sorted(one for shard in shards for one in shard.cameras) == sorted(town)
    assert all(town[one].link == shard.link for shard in shards for one in shard.cameras)
    sizes = [len(shard.cameras) for shard in shards]
    assert max(sizes) <= most
    assert max(sizes) - min(sizes) <= max(2, most // 2)


def test_key_sites_are_shards_of_their_own_and_first() -> None:
    shards = shards_of(100, 2, most=100, key_every=10)
    town = make_town(100, 2, key_every=10)
    priorities = [shard.priority for shard in shards]
    assert priorities == sorted(priorities, reverse=True)
    for shard in shards:
        assert {town[one].priority.value == "key" for one in shard.cameras} == {
            shard.priority == KEY_PRIORITY
        }


def test_a_shard_is_plain_data_without_an_address() -> None:
    shard = Shard(
        site="shangba", round=ROUND, plan="morning", link=LinkId("nvr-7"),
        cameras=(CameraId("1" * 20),), finish_by=FINISH_BY,
        references={CameraId("1" * 20): {Light.DAY: "a" * 64}},
    )  # fmt: skip
    data = shard.to_data()
    assert Shard.from_data(data) == shard
    assert Shard.from_data({**data, "of_a_newer_version": 1}) == shard
    assert "rtsp" not in str(data)


@pytest.mark.parametrize(
    "wrong", [{}, {"finish_by": "soon"}, {"cameras": 7}, {"references": ["x"]}, {"round": None}]
)
def test_what_is_no_shard_is_refused(wrong: dict[str, object]) -> None:
    (good,) = shards_of(1, 1, most=1)
    data = {**good.to_data(), **wrong} if wrong else {}
    if wrong == {"round": None}:
        del data["round"]
    with pytest.raises(NotAShard):
        Shard.from_data(data)


def test_a_deadline_keeps_its_moment_whatever_its_zone() -> None:
    (shard,) = shards_of(1, 1, most=1)
    east = FINISH_BY.astimezone(datetime.now().astimezone().tzinfo)  # noqa: TID251  any zone
    data = {**shard.to_data(), "finish_by": east.isoformat()}
    assert Shard.from_data(data).finish_by - FINISH_BY == timedelta()


def test_the_engines_migrations_begin_after_the_installed_release() -> None:
    everything = pending_migrations("")
    assert len(everything) > len(pending_migrations("3.0.0")) > len(pending_migrations("3.3.0"))
    assert pending_migrations("99.0.0") == []


def test_the_connection_string_keeps_what_the_site_wrote() -> None:
    url = (
        "postgresql+psycopg://a%40b:p%2Fw@db.example:6000/town?sslmode=verify-full"
        "&connect_timeout=3&options=-c%20lock_timeout%3D1s"
    )
    found = conninfo_to_dict(queue_conninfo(url))
    assert (found["user"], found["password"], found["host"]) == ("a@b", "p/w", "db.example")
    assert (found["sslmode"], found["connect_timeout"]) == ("verify-full", "3")
    assert str(found["options"]).startswith("-c lock_timeout=1s -c search_path=patrol_queue")
    assert found["keepalives_idle"] == "10"
