"""The broker's generated files follow the people: new ones in, leavers out, the rest untouched."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from patrol.domain.ids import PersonId
from patrol.domain.leave import Leave
from patrol.domain.registry import Person, Registry, Role
from patrol.mqtt.mosquitto_files import (
    ACL,
    HANDOUT,
    PASSWD,
    broker_accounts,
    file_differences,
    handed_out_accounts,
    handed_out_passwords,
    write_mosquitto_files,
)
from patrol.mqtt.mosquitto_update import BrokerFiles, update_mosquitto_files
from simulators import small_site

SITE = "shangba"
NOON = small_site.NOON
GRID = f"patrol/v1/{SITE}/grid"
Edit = Callable[[Registry], Registry]


def leave(person: str, substitute: str) -> Leave:
    return Leave(
        person=PersonId(person), begins=NOON, ends=NOON + timedelta(days=1),
        substitute=PersonId(substitute) if substitute else None,
    )  # fmt: skip


def with_elder(registry: Registry, *, teams: bool = True) -> Registry:
    elder = Person(
        id=PersonId("elder"), name="乡贤", role=Role.RESPECTED_VILLAGER, grid=small_site.GROUP,
        mqtt_user="elder",
    )  # fmt: skip
    return replace(registry, people={**registry.people, elder.id: elder}, teams=teams)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_mosquitto_files(tmp_path / "mosquitto", SITE, small_site.registry())
    return tmp_path / "mosquitto"


def lines(folder: Path) -> dict[str, str]:
    text = (folder / PASSWD).read_text("utf-8")
    return {line.partition(":")[0]: line for line in text.splitlines()}


def test_nothing_is_written_while_nothing_differs(folder: Path) -> None:
    before = {name: (folder / name).stat().st_ino for name in (PASSWD, ACL, HANDOUT)}
    assert update_mosquitto_files(folder, SITE, small_site.registry()).files == ()
    assert {name: (folder / name).stat().st_ino for name in before} == before


def test_a_new_person_gets_a_password_and_nobody_else_another(folder: Path) -> None:
    before, registry = lines(folder), with_elder(small_site.registry(), teams=False)
    updated = update_mosquitto_files(folder, SITE, registry)
    assert (updated.new, updated.gone) == (("elder",), ())
    after = lines(folder)
    assert {user: after[user] for user in before} == before
    assert handed_out_passwords(folder / HANDOUT)["elder"]
    assert file_differences(folder, SITE, registry) == []
    assert all((folder / name).stat().st_mode & 0o077 == 0 for name in (PASSWD, ACL, HANDOUT))


def test_who_left_has_no_account_any_more(folder: Path) -> None:
    updated = update_mosquitto_files(folder, SITE, small_site.registry("party"))
    assert updated.gone == ("party",)
    assert "party" not in lines(folder)
    assert "user party\n" not in (folder / ACL).read_text("utf-8")
    assert "party" not in handed_out_passwords(folder / HANDOUT)


def succeeded(registry: Registry, *, user: str) -> Registry:
    """The leader has left people.csv; another person leads the group under this account."""
    left = registry.people[PersonId("leader")]
    people = {key: who for key, who in registry.people.items() if key != left.id}
    successor = replace(left, id=PersonId("next"), name="新任", mqtt_user=user)
    return replace(registry, people={**people, successor.id: successor})


@pytest.mark.parametrize("user", ["next", "leader"])
@pytest.mark.parametrize("how", ["followed", "written anew"])
def test_a_successor_has_a_password_and_topics_that_the_departed_has_not(
    user: str, how: str, folder: Path
) -> None:
    known, before = handed_out_passwords(folder / HANDOUT)["leader"], lines(folder)
    registry = succeeded(small_site.registry(), user=user)
    assert all(a.password != known for a in handed_out_accounts(folder, SITE, registry))
    if how == "followed":
        new = update_mosquitto_files(folder, SITE, registry).new
        assert {u: line for u, line in lines(folder).items() if u != user} == {
            u: line for u, line in before.items() if u != "leader"
        }
    else:
        new = write_mosquitto_files(folder, SITE, registry).new
    assert new == (user,)
    given = handed_out_passwords(folder / HANDOUT)
    assert given[user] not in ("", known)
    assert known not in given.values()
    assert ("leader" in lines(folder)) == (user == "leader")
    assert lines(folder)[user] != before["leader"]
    acl = (folder / ACL).read_text("utf-8")
    assert "/person/leader/" not in acl
    assert f"{GRID}/{small_site.GROUP}/person/next/reply/+" in acl
    assert file_differences(folder, SITE, registry) == []
    again = update_mosquitto_files(folder, SITE, registry)
    assert (again.files, again.new) == ((), ()), "once is enough"


@pytest.mark.parametrize(("name", "is_successor"), [("新任", True), (" {} ", False)])
def test_another_name_under_the_same_id_gets_another_password(
    name: str, folder: Path, *, is_successor: bool
) -> None:
    registry = small_site.registry()
    left = registry.people[PersonId("leader")]
    renamed = replace(left, name=name.format(left.name))
    registry = replace(registry, people={**registry.people, left.id: renamed})
    known = handed_out_passwords(folder / HANDOUT)[left.mqtt_user or "leader"]
    given = {one.person: one.password for one in handed_out_accounts(folder, SITE, registry)}
    assert (given.get(left.id) == known) != is_successor
    update_mosquitto_files(folder, SITE, registry)
    now = handed_out_passwords(folder / HANDOUT)["leader"]
    assert (now != known) == is_successor
    assert update_mosquitto_files(folder, SITE, registry).new == (), "once is enough"


def test_a_struck_out_password_of_an_account_that_passed_on_is_renewed(folder: Path) -> None:
    known = handed_out_passwords(folder / HANDOUT)["leader"]
    text = (folder / HANDOUT).read_text("utf-8").replace(known, "")
    (folder / HANDOUT).write_text(text, "utf-8")
    before = lines(folder)["leader"]
    update_mosquitto_files(folder, SITE, succeeded(small_site.registry(), user="leader"))
    assert lines(folder)["leader"] != before
    assert handed_out_passwords(folder / HANDOUT)["leader"]


def test_a_password_that_was_struck_out_of_the_hand_out_stays_as_it_is(folder: Path) -> None:
    known = handed_out_passwords(folder / HANDOUT)["leader"]
    text = (folder / HANDOUT).read_text("utf-8").replace(known, "")
    (folder / HANDOUT).write_text(text, "utf-8")
    before = lines(folder)["leader"]
    updated = update_mosquitto_files(folder, SITE, with_elder(small_site.registry()))
    assert updated.new == ("elder",)
    assert lines(folder)["leader"] == before


def test_files_without_a_hand_out_are_somebody_else_s(folder: Path) -> None:
    (folder / HANDOUT).unlink()
    before = (folder / PASSWD).read_bytes()
    assert update_mosquitto_files(folder, SITE, small_site.registry("party")).files == ()
    assert (folder / PASSWD).read_bytes() == before


def test_the_files_follow_leave_there_and_back(folder: Path) -> None:
    files, away = BrokerFiles(SITE, folder), (leave("leader", "leader2"),)
    plain = replace(small_site.registry(), leaves=away)
    at_work = (folder / ACL).read_text("utf-8")
    files.follow(plain.at(NOON))
    assert (folder / ACL).read_text("utf-8") != at_work
    files.follow(plain.at(NOON + timedelta(days=1)))
    assert (folder / ACL).read_text("utf-8") == at_work


def test_a_problem_is_logged_and_leaves_the_files(folder: Path) -> None:
    plain = small_site.registry()
    twice = replace(plain.people[PersonId("party")], mqtt_user="leader")
    before = (folder / ACL).read_bytes()
    BrokerFiles(SITE, folder).follow(replace(plain, people={**plain.people, twice.id: twice}))
    assert (folder / ACL).read_bytes() == before


def rights(registry: Registry, user: str) -> tuple[set[str], set[str]]:
    account = next(a for a in broker_accounts(SITE, registry) if a.user == user)
    strip = f"{GRID}/"
    grids = [{t.removeprefix(strip) for t in part if t.startswith(strip)} for part in
             (account.reads, account.writes)]  # fmt: skip
    return grids[0], grids[1]


def test_on_leave_one_reads_and_writes_nothing_and_who_stands_in_both() -> None:
    registry = replace(small_site.registry(), leaves=(leave("leader", "leader2"),)).at(NOON)
    group, second = small_site.GROUP, small_site.SECOND_GROUP
    assert rights(registry, "leader") == (set(), set())
    reads, writes = rights(registry, "leader2")
    assert reads == {f"{g}/{part}" for g in (group, second) for part in ("case/+", "overdue")}
    assert {f"{group}/person/leader2/reply/+", f"{second}/person/leader2/report"} <= writes
    assert not any("/person/leader/" in topic for topic in writes)


def test_a_maintainer_on_leave_reads_no_health() -> None:
    registry = replace(small_site.registry(), leaves=(leave("fixer", ""),)).at(NOON)
    account = next(a for a in broker_accounts(SITE, registry) if a.user == "fixer")
    assert not any("health" in topic or "equipment" in topic for topic in account.reads)
    assert account.writes == ()


def test_each_of_a_team_has_the_right_reach() -> None:
    registry = with_elder(small_site.registry())
    group = small_site.GROUP
    assert rights(registry, "elder")[0] == {f"{group}/team/case/+"}
    assert not any("reply" in topic for topic in rights(registry, "elder")[1])
    for who in ("leader", "party", "worker", "cadre"):
        reads, writes = rights(registry, who)
        assert f"{group}/case/+" in reads
        assert f"{group}/person/{who}/reply/+" in writes
    assert not any(topic.startswith(group) for topic in rights(registry, "leader2")[0])


def test_without_the_setting_the_team_reads_what_it_read_before() -> None:
    registry = with_elder(small_site.registry(), teams=False)
    assert rights(registry, "elder")[0] == set()
    assert f"{small_site.GROUP}/case/+" not in rights(registry, "party")[0]


def test_a_maintainer_may_answer_where_faults_are_told_and_nowhere_else() -> None:
    reads, writes = rights(small_site.registry(), "fixer")
    town = small_site.TOWN
    assert {f"{town}/equipment/reply/+", f"{town}/equipment/person/fixer/reply/+"} == writes
    assert f"{town}/equipment/case/+" in reads
    assert not any(topic.endswith("/case/+") and "equipment" not in topic for topic in reads)
