"""What every store promises of the smaller books."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from threading import Thread
from typing import Any

import pytest

from patrol.domain.camera import Camera, Consent, ConsentState, Placement
from patrol.domain.ids import CameraId, GridCode, LinkId
from patrol.domain.observation import Light
from patrol.domain.outbox import DeadLetter
from patrol.domain.registry import Grid, GridLevel, GridTree, Registry
from patrol.domain.round import SPACE_NEEDED
from patrol.store import Store
from streams.address import StreamAddress
from tests.support.health import put_health

HOUR = timedelta(hours=1)


def test_a_key_comes_in_once(store: Store, make: Any) -> None:
    with store.begin() as unit:
        assert unit.inbox.remember_key("k", make.now) is True
        assert unit.inbox.remember_key("k", make.now) is False
        unit.commit()
    with store.begin() as unit:
        assert unit.inbox.remember_key("k", make.now + HOUR) is False
        assert unit.inbox.remember_key("other", make.now) is True
    with store.begin() as unit:
        assert unit.inbox.remember_key("other", make.now) is True


def test_refused_messages_newest_first_and_cut(store: Store, make: Any) -> None:
    letter = DeadLetter(
        at=make.now, topic="p/v1/x", reason="不是 JSON", payload=b"\x00" * 10_000, size_bytes=10_000
    )
    with store.begin() as unit:
        unit.inbox.add_dead_letter(letter)
        unit.inbox.add_dead_letter(replace(letter, reason="too late", payload=b"{}", size_bytes=2))
        unit.commit()
    with store.begin_read() as unit:
        assert [one.reason for one in unit.inbox.dead_letters()] == ["too late", "不是 JSON"]
        (newest,) = unit.inbox.dead_letters(limit=1)
        assert newest == replace(letter, reason="too late", payload=b"{}", size_bytes=2)
        assert unit.inbox.dead_letters()[1] == replace(letter, payload=b"\x00" * 4096)


def test_old_keys_and_letters_are_forgotten_in_small_parts(store: Store, make: Any) -> None:
    letter = DeadLetter(at=make.now, topic="t", reason="empty", payload=b"", size_bytes=0)
    with store.begin() as unit:
        for number in range(3):
            unit.inbox.remember_key(f"k{number}", make.now + number * HOUR)
            unit.inbox.add_dead_letter(replace(letter, at=make.now + number * HOUR))
        unit.commit()
    with store.begin() as unit:
        assert unit.inbox.prune(make.now + 2 * HOUR, limit=1) == 2
        assert unit.inbox.prune(make.now + 2 * HOUR, limit=9) == 2
        assert unit.inbox.prune(make.now + 2 * HOUR, limit=9) == 0
        unit.commit()
    with store.begin() as unit:
        assert unit.inbox.remember_key("k2", make.now) is False
        assert unit.inbox.remember_key("k0", make.now) is True
        assert [one.at for one in unit.inbox.dead_letters()] == [make.now + 2 * HOUR]
        unit.inbox.add_dead_letter(letter)
        assert len(unit.inbox.dead_letters()) == 2


def test_health_is_the_last_that_was_said(store: Store, make: Any) -> None:
    with store.begin() as unit:
        assert unit.health.get(make.camera()) is None
        put_health(unit, make.camera(), "offline", make.now, "unreachable")
        put_health(unit, make.camera(), "online", make.now + HOUR, "")
        put_health(unit, make.camera(2), "offline", make.now, "refused_us")
        unit.commit()
    with store.begin_read() as unit:
        assert unit.health.get(make.camera()) == ("online", make.now + HOUR, "")
        assert unit.health.all() == {
            make.camera(1): ("online", make.now + HOUR, ""),
            make.camera(2): ("offline", make.now, "refused_us"),
        }


def test_withdrawals_stand_until_restored(store: Store, make: Any) -> None:
    with store.begin() as unit:
        unit.consents.withdraw(make.camera(), by="household", now=make.now)
        unit.consents.withdraw(make.camera(), by="household", now=make.now + HOUR)
        unit.consents.withdraw(make.camera(2), by="household", now=make.now)
        unit.consents.restore(make.camera(3), by="household", now=make.now)
        unit.commit()
    with store.begin() as unit:
        assert unit.consents.withdrawn() == {make.camera(1), make.camera(2)}
        unit.consents.restore(make.camera(), by="household", now=make.now + HOUR)
        unit.commit()
    with store.begin() as unit:
        assert unit.consents.withdrawn() == {make.camera(2)}
        unit.consents.withdraw(make.camera(), by="household", now=make.now + 2 * HOUR)
        assert unit.consents.withdrawn() == {make.camera(1), make.camera(2)}


def test_the_access_log_is_a_chain_that_anyone_can_follow(store: Store, make: Any) -> None:
    with store.begin() as unit:
        assert unit.access.first_broken() is None
        for number in range(1, 4):
            unit.access.append(
                at=make.now,
                who="值班员",
                what="view_picture",
                camera=make.camera(number % 2),
                why="线索 F000123",
            )
        unit.access.append(at=make.now, who="system", what="export", camera=None, why="")
        unit.commit()
    with store.begin_read() as unit:
        assert unit.access.first_broken() is None
        newest = unit.access.entries(limit=10)
        of_camera = unit.access.entries(camera=make.camera(1))
    assert [entry.number for entry in newest] == [4, 3, 2, 1]
    assert [entry.number for entry in of_camera] == [3, 1]
    assert all(entry.hash == entry.expected_hash() for entry in newest)
    assert newest[0].previous == newest[1].hash


def test_looks_by_people_and_visits_by_the_machine_are_told_apart(store: Store, make: Any) -> None:
    mine, other = make.camera(1), make.camera(2)
    lines = (
        ("patrol", "visit", mine), ("a", "view", mine), ("rules", "visit", mine),
        ("a", "view", other), ("root", "back_up", None), ("a", "back_up", mine),
        ("root", "log_in", None), ("patrol", "visit", other), ("root", "back_up", None),
    )  # fmt: skip
    with store.begin() as unit:
        for who, what, camera in lines:
            unit.access.append(at=make.now, who=who, what=what, camera=camera, why="")
        unit.commit()
    with store.begin_read() as unit:
        log = unit.access
        assert [one.number for one in log.entries(camera=mine, by_people=True)] == [6, 2]
        assert [one.number for one in log.entries(camera=mine, by_people=False)] == [3, 1]
        assert [one.number for one in log.entries(by_people=False, limit=1)] == [8]
        assert (log.count(mine, by_people=True), log.count(mine, by_people=False)) == (2, 2)
        assert [one.number for one in log.of_no_camera("back_up", limit=9)] == [9, 5]
        assert [one.number for one in log.of_no_camera("back_up", limit=1)] == [9]


def test_the_access_log_is_leafed_through_by_who_and_what(store: Store, make: Any) -> None:
    with store.begin() as unit:
        for number in range(1, 10):
            who, what = ("a", "b")[number % 2], ("view", "log_in", "visit")[number % 3]
            unit.access.append(at=make.now, who=who, what=what, camera=None, why="")
        unit.commit()
    with store.begin_read() as unit:
        entries = unit.access.entries
        assert [e.number for e in entries(who="b")] == [9, 7, 5, 3, 1]
        assert [e.number for e in entries(who="b", what="view")] == [9, 3]
        assert [e.number for e in entries(who="b", before=7, limit=2)] == [5, 3]
        assert entries(who="nobody") == []


def test_two_writers_of_the_access_log_make_one_chain(store: Store, make: Any) -> None:
    def look(who: str) -> None:
        for _ in range(15):
            with store.begin() as unit:
                unit.access.append(at=make.now, who=who, what="view", camera=None, why="round")
                unit.commit()

    threads = [Thread(target=look, args=(who,)) for who in ("a", "b", "c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.begin_read() as unit:
        assert unit.access.first_broken() is None
        assert len(unit.access.entries(limit=100)) == 45


def test_the_same_content_twice_lives_the_longer(store: Store, make: Any) -> None:
    short, long = make.now + HOUR, make.now + 9 * HOUR
    with store.begin() as unit:
        unit.pictures.add(make.picture(delete_after=long))
        unit.pictures.add(make.picture(delete_after=short, purpose="evidence"))
        unit.rounds.record_visit(
            make.visit(pictures=(make.picture("b", delete_after=short), make.picture("b")))
        )
        unit.commit()
    with store.begin_read() as unit:
        assert unit.pictures.get(make.picture().id) == make.picture(delete_after=long)
        assert unit.pictures.get(make.picture("b").id) == make.picture("b")
        assert unit.pictures.get(make.picture("c").id) is None


def test_evidence_outlives_the_sample_that_it_was(store: Store, make: Any) -> None:
    picture, until = make.picture().id, make.now + timedelta(days=365)
    with store.begin() as unit:
        unit.pictures.add(make.picture())
        assert unit.pictures.keep(picture, purpose="evidence", until=until) is True
        assert unit.pictures.keep(picture, purpose="before", until=make.now) is True
        assert unit.pictures.keep("0" * 64, purpose="evidence", until=until) is False
        unit.commit()
    with store.begin_read() as unit:
        assert unit.pictures.get(picture) == make.picture(purpose="before", delete_after=until)


def test_deletion_drops_the_index_and_keeps_the_facts(store: Store, make: Any) -> None:
    a_round = make.round()
    taken = tuple(make.picture(name, delete_after=make.now + HOUR) for name in "abc")
    with store.begin() as unit:
        unit.rounds.add(a_round, make.planned(a_round))
        unit.rounds.record_visit(make.visit(a_round.id, pictures=taken))
        unit.commit()
    with store.begin() as unit:
        assert unit.pictures.expired(make.now) == []
        due = unit.pictures.expired(make.now + HOUR)
        assert {picture.sha256 for picture in due} == {picture.sha256 for picture in taken}
        assert len(unit.pictures.expired(make.now + HOUR, limit=2)) == 2
        for picture in due:
            unit.pictures.record_deletion(picture.id, make.now + HOUR)
            unit.pictures.record_deletion(picture.id, make.now + HOUR)
        unit.commit()
    with store.begin() as unit:
        assert unit.pictures.expired(make.now + 9 * HOUR) == []
        assert unit.pictures.get(taken[0].id) is None
        assert unit.rounds.totals(a_round.id).pictures == 3
        (visit,) = unit.rounds.visits(a_round.id)
        assert visit.pictures == taken


def test_room_is_made_by_the_oldest_samples_alone(store: Store, make: Any) -> None:
    old, new = make.picture("old", taken_at=make.now - HOUR), make.picture("new")
    kept = make.picture("kept", taken_at=make.now - 9 * HOUR, purpose="evidence")
    with store.begin() as unit:
        for picture in (old, new, kept):
            unit.pictures.add(picture)
        assert unit.pictures.expire_oldest_samples(most_bytes=120_000, now=make.now) == 0
        assert unit.pictures.expire_oldest_samples(most_bytes=119_999, now=make.now) == 1
        (due,) = unit.pictures.expired(make.now)
        assert (due.id, due.purpose) == (old.id, SPACE_NEEDED)
        unit.pictures.record_deletion(due.id, make.now)
        assert unit.pictures.expire_oldest_samples(most_bytes=0, now=make.now) == 1
        assert unit.pictures.get(kept.id) == kept
        unit.commit()


def test_memories_per_camera_and_light(store: Store, make: Any) -> None:
    with store.begin() as unit:
        assert unit.memories.get(make.camera(), Light.DAY) is None
        unit.memories.put(make.camera(), Light.DAY, b"\x00day", make.now)
        unit.memories.put(make.camera(), Light.DAY, b"\x00later", make.now)
        unit.memories.put(make.camera(), Light.INFRARED, b"ir", make.now)
        unit.memories.put(make.camera(2), Light.DAY, b"two", make.now)
        unit.commit()
    with store.begin() as unit:
        assert unit.memories.get(make.camera(), Light.DAY) == b"\x00later"
        unit.memories.delete(make.camera())
        assert unit.memories.get(make.camera(), Light.DAY) is None
        assert unit.memories.get(make.camera(), Light.INFRARED) is None
        assert unit.memories.get(make.camera(2), Light.DAY) == b"two"


def test_numbers_have_no_gaps(store: Store, make: Any) -> None:
    with store.begin() as unit:
        assert [unit.next_number("case") for _ in range(3)] == [1, 2, 3]
        assert unit.next_number("finding") == 1
        unit.commit()
    with store.begin() as unit:
        assert unit.next_number("case") == 4  # and is not committed
    with store.begin() as unit:
        assert unit.next_number("case") == 4


def test_numbers_are_given_once_to_many_threads(store: Store, make: Any) -> None:
    given: list[int] = []

    def take() -> None:
        for _ in range(20):
            with store.begin() as unit:
                number = unit.next_number("case")
                unit.commit()
            given.append(number)

    threads = [Thread(target=take) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(given) == list(range(1, 61))


def registry(*cameras: Camera) -> Registry:
    town = GridCode("620902104000000")
    grids = {town: Grid(code=town, name="上坝镇", level=GridLevel.TOWN, parent=None)}
    by_id = {camera.id: camera for camera in cameras}
    return Registry(cameras=by_id, tree=GridTree(grids=grids), people={})


def test_the_registry_is_a_snapshot_with_a_history(store: Store, make: Any) -> None:
    camera = Camera(
        id=make.camera(),
        name="东口",
        grid=GridCode("620902104000000"),
        place="一组东口",
        main_stream=StreamAddress.parse("rtsp://admin:s3cret@10.0.0.1/1"),
        link=LinkId("link-1"),
        consent=Consent(state=ConsentState.GRANTED, until=date(2027, 1, 1)),
        placement=Placement.OUTDOOR,
        tags=frozenset({"railway", "gate"}),
    )
    withdrawn = replace(camera, consent=Consent(state=ConsentState.WITHDRAWN))
    other = replace(camera, id=CameraId("6" * 20))

    def sync(now: datetime, *cameras: Camera) -> int:
        with store.begin() as unit:
            changed = unit.registry.sync(registry(*cameras), now)
            unit.commit()
        return changed

    assert sync(make.now, camera, other) == 2
    assert sync(make.now, camera, other) == 0
    assert (
        sync(make.now, replace(camera, main_stream=StreamAddress.parse("rtsp://elsewhere/")), other)
        == 0
    )
    assert sync(make.now + HOUR, withdrawn, other) == 2  # consent and its end
    assert sync(make.now + HOUR, withdrawn) == 1  # the other one left
    assert sync(make.now + HOUR, withdrawn) == 0
    assert sync(make.now + HOUR, withdrawn, other) == 1  # and came back


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 11, 22, 9, 0, 0, 1, tzinfo=timezone(timedelta(hours=8))),
        datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    ],
)
def test_moments_keep_their_microsecond_and_come_back_in_utc(
    store: Store, make: Any, moment: datetime
) -> None:
    with store.begin() as unit:
        unit.findings.add(make.finding(found_at=moment))
        unit.commit()
    with store.begin_read() as unit:
        found_at = unit.findings.get(make.finding().id).found_at
    assert found_at == moment
    assert found_at.utcoffset() == timedelta(0)
