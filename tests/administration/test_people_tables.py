"""People, grids and leave edited: whole or not at all, in force at once, with their history."""

import threading
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from patrol.administration.people_tables import BadRow, NoSuchRow, PeopleTables
from patrol.administration.registry_files import (
    ChangedMeanwhile,
    RegistryEditRefused,
    RegistryWatcher,
    RegistryWriteContext,
)
from patrol.domain.account import Account, AccountRole, LoginSession
from patrol.domain.ids import GridCode, PersonId
from patrol.domain.observation import Subject
from patrol.domain.registry_change import RegistryTable, RowChange, mask_digits
from patrol.domain.routing import route
from patrol.settings import ConfigProblems, load_site
from patrol.store import Store
from simulators import small_site
from tests.support.clock import ManualClock
from tests.support.store import new_store

PEOPLE, GRIDS, LEAVE = RegistryTable.PEOPLE, RegistryTable.GRIDS, RegistryTable.LEAVE
NOON = small_site.NOON
GROUP = GridCode("620902104203001")
FILES = {
    "site.yaml": """\
site: {id: small, name: 小镇, code: "620902104", latitude: 39.6, longitude: 98.75}
plans:
  morning: {start: "09:00", finish_by: "10:30"}
""",
    "grids.csv": """\
grid_code,name,level,parent
620902104000000,小镇,town,
620902104203000,一村,village,620902104000000
620902104203001,一村一组,group,620902104203000
""",
    "people.csv": """\
person_id,name,role,grid_code,mqtt_user,phone,substitute_for
T1,镇值班,town_duty,620902104000000,T1,,
V1,村班子,village_cadre,620902104203000,V1,,
L1,张网格长,grid_leader,620902104203001,L1,0937-1234567,
L2,党小组长,party_group_leader,620902104203001,L2,,
""",
    "cameras.csv": """\
camera_id,name,grid_code,place,url,outdoor,consent,consent_until
62090204011327000001,东路口,620902104203001,村东,rtsp://192.0.2.1/live,yes,granted,2027-06-30
""",
    "rules.yaml": "{}\n",
}  # fmt: skip


@dataclass
class Editing:
    """A small site on disk, and the tables on it."""

    folder: Path
    store: Store
    clock: ManualClock
    tables: PeopleTables
    watcher: RegistryWatcher

    def told(self) -> list[str]:
        self.watcher.refresh()
        recipients = route(self.watcher.registry(), GROUP, Subject.SCENE).recipients
        return [stop.person.id for stop in recipients]

    def text(self, name: str) -> str:
        return (self.folder / name).read_text("utf-8")

    def history(self) -> list[tuple[str, str, str, str]]:
        return [(str(c.table), c.row, str(c.what), c.by) for c in self.tables.history()]


@pytest.fixture
def editing(tmp_path: Path) -> Editing:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, "utf-8")
    clock, store = ManualClock(NOON), new_store()
    watcher = RegistryWatcher(load_site(tmp_path), tmp_path, load_site, clock.now)
    context = RegistryWriteContext(store=store, clock=clock, watcher=watcher)
    return Editing(tmp_path, store, clock, PeopleTables(context), watcher)


def test_a_new_leader_is_told_at_once_and_the_file_says_so(editing: Editing) -> None:
    row = {"person_id": "L0", "name": "李", "role": "网格长", "grid_code": GROUP, "mqtt_user": "L0"}
    editing.tables.remove_row(PEOPLE, "L1", by="admin")
    change = editing.tables.put_row(PEOPLE, row, by="admin", why="接任")
    assert editing.told() == ["L0", "L2", "V1", "T1"]
    assert "L0,李,网格长" in editing.text("people.csv")
    assert [(one.row, one.what) for one in change.changes] == [("L0", RowChange.ADDED)]
    assert editing.history()[:2] == [
        ("people", "L0", "added", "admin"), ("people", "L1", "removed", "admin"),
    ]  # fmt: skip
    newest = editing.tables.history(PEOPLE, "L0")[0]
    assert (newest.why, newest.at) == ("接任", NOON)


def test_only_the_given_cells_change(editing: Editing) -> None:
    editing.tables.put_row(PEOPLE, {"person_id": "L1", "name": "王网格长"}, by="admin")
    assert "L1,王网格长,grid_leader,620902104203001,L1,0937-1234567" in editing.text("people.csv")
    (change,) = editing.tables.history()
    assert [(c.column, c.before, c.after) for c in change.cells] == [
        ("name", "张网格长", "王网格长")
    ]


def test_a_telephone_is_masked_in_the_history(editing: Editing) -> None:
    editing.tables.put_row(PEOPLE, {"person_id": "L1", "phone": "13912345678"}, by="admin")
    (change,) = editing.tables.history()
    assert [(c.before, c.after) for c in change.cells] == [("****-***4567", "*******5678")]
    assert mask_digits("12") == "12"


def test_the_same_again_is_no_change(editing: Editing) -> None:
    row = {"person_id": "L1", "name": "王"}
    editing.tables.put_row(PEOPLE, row, by="admin")
    stamp = (editing.folder / "people.csv").stat().st_ino
    assert editing.tables.put_row(PEOPLE, row, by="admin").changes == ()
    assert (editing.folder / "people.csv").stat().st_ino == stamp
    assert len(editing.history()) == 1


@pytest.mark.parametrize(
    ("table", "row", "said"),
    [
        (PEOPLE, {"person_id": "L1", "role": "king"}, "'king' is unknown"),
        (PEOPLE, {"person_id": "L1", "grid_code": "620902104203009"}, "not in grids.csv"),
        (PEOPLE, {"person_id": "L1", "kind": "grid_leader"}, "'grid_leader' is unknown"),
        (PEOPLE, {"person_id": "L9"}, "is empty"),
        (GRIDS, {"grid_code": GROUP, "parent": "620902104000000"}, "stands under a village"),
        (LEAVE, {"person_id": "L1", "from": "2026-11-20", "until": "2026-11-19"}, "not after from"),
        (LEAVE, {"person_id": "L1", "from": "2026-11-20", "until": "2026-11-21",
                 "substitute": "X"}, "not in people.csv"),
    ],
)  # fmt: skip
def test_what_no_reader_takes_changes_nothing(
    editing: Editing, table: RegistryTable, row: dict[str, str], said: str
) -> None:
    before = {name: editing.text(name) for name in FILES}
    with pytest.raises(ConfigProblems) as refused:
        editing.tables.put_row(table, row, by="admin")
    assert said in refused.value.problems[0].text
    assert {name: editing.text(name) for name in FILES} == before
    assert not (editing.folder / "leave.csv").exists()
    assert editing.history() == []


@pytest.mark.parametrize(
    ("table", "row", "said"),
    [
        (PEOPLE, {"person_id": "L1", "password": "x"}, "'password' is unknown"),
        (PEOPLE, {"name": "x"}, "person_id is empty"),
        (LEAVE, {"person_id": "L1"}, "from is empty"),
    ],
)
def test_a_row_names_its_key_and_known_columns(
    editing: Editing, table: RegistryTable, row: dict[str, str], said: str
) -> None:
    with pytest.raises(BadRow, match=said):
        editing.tables.put_row(table, row, by="admin")


def test_one_broker_account_for_two_people_is_refused(editing: Editing) -> None:
    with pytest.raises(RegistryEditRefused, match="is used by L1 and L2"):
        editing.tables.put_row(PEOPLE, {"person_id": "L2", "mqtt_user": "L1"}, by="admin")


def test_there_is_no_such_row(editing: Editing) -> None:
    with pytest.raises(NoSuchRow, match="there is no row 'L9'"):
        editing.tables.remove_row(PEOPLE, "L9", by="admin")


def test_somebody_whom_others_stand_in_for_cannot_go_before_them(editing: Editing) -> None:
    editing.tables.put_row(PEOPLE, {"person_id": "L2", "substitute_for": "L1"}, by="admin")
    with pytest.raises(ConfigProblems, match=r"substitute_for: person 'L1' is not in this file"):
        editing.tables.remove_row(PEOPLE, "L1", by="admin")


def test_a_leave_routes_around_the_person_from_its_first_moment_to_its_last(
    editing: Editing,
) -> None:
    row = {"person_id": "L1", "from": "2026-11-23", "until": "2026-11-23", "substitute": "V1"}
    editing.tables.put_row(LEAVE, row, by="lead")
    assert editing.told() == ["L1", "L2", "V1", "T1"]
    version = editing.watcher.version
    editing.clock.sleep(timedelta(hours=12).total_seconds())  # midnight in the town
    assert editing.told() == ["V1", "L2", "T1"]
    assert editing.watcher.version == version + 1, "accounts and pages follow"
    assert dict(editing.watcher.followed.absent) == {"L1": "V1"}
    editing.clock.sleep(timedelta(hours=24).total_seconds())
    assert editing.told() == ["L1", "L2", "V1", "T1"]


def test_a_leave_that_leaves_a_grid_with_nobody_is_said_when_it_is_entered(
    editing: Editing,
) -> None:
    first = {"person_id": "L1", "from": "2026-11-25", "until": "2026-11-28"}
    second = {"person_id": "L2", "from": "2026-11-26", "until": "2026-11-27"}
    assert editing.tables.put_row(LEAVE, first, by="lead").unstaffed == ()
    (said,) = editing.tables.put_row(LEAVE, second, by="lead").unstaffed
    assert (said.grid, set(said.away)) == (GROUP, {"L1", "L2"})
    assert said.since is not None
    assert said.since > NOON
    assert editing.tables.put_row(LEAVE, {**first, "substitute": "V1"}, by="lead").unstaffed == ()


def test_who_leaves_takes_leave_and_login_along(editing: Editing) -> None:
    row = {"person_id": "L1", "from": "2026-11-25", "until": "2026-11-28"}
    editing.tables.put_row(LEAVE, row, by="lead")
    editing.tables.put_row(
        LEAVE, {"person_id": "V1", "from": "2026-12-01", "until": "2026-12-02", "substitute": "L1"},
        by="lead",
    )  # fmt: skip
    log_in_as_leader(editing)
    change = editing.tables.remove_row(PEOPLE, "L1", by="admin", why="调离")
    assert change.logins_ended == ("zhang",)
    assert {(str(c.table), c.row, str(c.what)) for c in change.changes} == {
        ("people", "L1", "removed"), ("leave", "L1 2026-11-25", "removed"),
        ("leave", "V1 2026-12-01", "changed"),
    }  # fmt: skip
    assert "L1" not in editing.text("leave.csv")
    with editing.store.begin_read() as uow:
        assert uow.accounts.get("zhang").disabled_at == NOON
        assert uow.sessions.get("s" * 64, NOON) is None


def log_in_as_leader(editing: Editing) -> None:
    account = Account(
        name="zhang", duty=AccountRole.GRID_LEADER, shown_as="张", password="x", grid=GROUP,
        person=PersonId("L1"), created_at=NOON,
    )  # fmt: skip
    session = LoginSession(
        id="s" * 64, account="zhang", begun_at=NOON, ends_at=NOON + timedelta(days=1)
    )
    with editing.store.begin() as uow:
        uow.accounts.put(account)
        uow.sessions.add(session)
        uow.commit()


@pytest.mark.parametrize(
    ("name", "is_successor"),
    [("李网格长", True), ("张", True), ("张 网格长", False), ("张网格长", False)],
)
@pytest.mark.parametrize("how", ["form", "import", "file"])
def test_another_name_under_the_same_id_is_a_successor(
    editing: Editing, name: str, how: str, *, is_successor: bool
) -> None:
    editing.tables.note_outside_changes()
    log_in_as_leader(editing)
    row, file = {"person_id": "L1", "name": name, "phone": "0937-7654321"}, FILES["people.csv"]
    changed = file.replace("张网格长", name).replace("0937-1234567", "0937-7654321")
    if how == "form":
        editing.tables.put_row(PEOPLE, row, by="admin")
    elif how == "import":
        version = editing.tables.plan_import(PEOPLE, changed.encode()).version
        editing.tables.apply_import(PEOPLE, changed.encode(), version=version, by="admin")
    else:
        (editing.folder / "people.csv").write_text(changed, "utf-8")
        assert editing.tables.note_outside_changes() == 1
    with editing.store.begin_read() as uow:
        account, session = uow.accounts.get("zhang"), uow.sessions.get("s" * 64, NOON)
        said = [one.why for one in uow.access.entries(what="disable_account")]
    assert (account.disabled_at is not None) == is_successor
    assert (session is None) == is_successor
    assert said == (["zhang: L1 has a successor"] if is_successor else [])


def test_who_was_struck_out_of_the_file_itself_has_no_login(editing: Editing) -> None:
    editing.tables.note_outside_changes()
    log_in_as_leader(editing)
    path = editing.folder / "people.csv"
    lines = path.read_text("utf-8").splitlines(keepends=True)
    path.write_text("".join(line for line in lines if not line.startswith("L1")), "utf-8")
    assert editing.tables.note_outside_changes() == 1
    with editing.store.begin_read() as uow:
        assert uow.accounts.get("zhang").disabled_at == NOON
        assert uow.sessions.get("s" * 64, NOON) is None


def test_what_was_changed_in_the_file_itself_is_in_the_history(editing: Editing) -> None:
    assert editing.tables.note_outside_changes() == 0, "the first look makes it known"
    path = editing.folder / "people.csv"
    path.write_text(path.read_text("utf-8").replace("张网格长", "赵网格长"), "utf-8")
    assert editing.tables.note_outside_changes() == 1
    assert editing.tables.note_outside_changes() == 0
    path.write_text(path.read_text("utf-8").replace("赵网格长", "孙网格长"), "utf-8")
    editing.tables.put_row(PEOPLE, {"person_id": "L2", "name": "钱"}, by="admin")
    assert editing.history() == [
        ("people", "L2", "changed", "admin"), ("people", "L1", "changed", "file"),
        ("people", "L1", "changed", "file"),
    ]  # fmt: skip


def test_an_import_is_compared_first_and_taken_over_once(editing: Editing) -> None:
    uploaded = FILES["people.csv"].replace("张网格长", "周网格长").encode("gb18030")
    plan = editing.tables.plan_import(PEOPLE, uploaded)
    assert ([one.row for one in plan.changes], plan.unchanged) == (["L1"], 3)
    assert "张网格长" in editing.text("people.csv")
    done = editing.tables.apply_import(PEOPLE, uploaded, version=plan.version, by="admin", why="x")
    assert done.changes == plan.changes
    assert "周网格长" in editing.text("people.csv")
    with pytest.raises(ChangedMeanwhile):
        editing.tables.apply_import(PEOPLE, uploaded, version=plan.version, by="admin")


def test_an_import_names_the_lines_of_the_upload(editing: Editing) -> None:
    uploaded = FILES["people.csv"].replace("party_group_leader", "nobody")
    with pytest.raises(ConfigProblems) as refused:
        editing.tables.plan_import(PEOPLE, uploaded.encode())
    assert (refused.value.problems[0].file, refused.value.problems[0].line) == ("people.csv", 5)


def test_an_import_that_names_somebody_twice_is_refused(editing: Editing) -> None:
    uploaded = FILES["people.csv"] + "L1,双,grid_leader,620902104203001,L9,,\n"
    with pytest.raises(ConfigProblems, match="each only once"):
        editing.tables.plan_import(PEOPLE, uploaded.encode())


def test_an_export_comes_back_as_it_was(editing: Editing) -> None:
    exported = editing.tables.export_csv(PEOPLE, by="admin")
    assert exported.startswith(b"\xef\xbb\xbf")
    assert editing.tables.plan_import(PEOPLE, exported).changes == ()


def test_a_grid_is_added_and_one_with_people_stays(editing: Editing) -> None:
    second = {
        "grid_code": "620902104203002", "name": "一村二组", "level": "group",
        "parent": "620902104203000",
    }  # fmt: skip
    change = editing.tables.put_row(GRIDS, second, by="admin")
    assert [one.grid for one in change.unstaffed] == ["620902104203002"]
    editing.tables.remove_row(GRIDS, "620902104203002", by="admin")
    with pytest.raises(ConfigProblems, match=r"is not in grids\.csv"):
        editing.tables.remove_row(GRIDS, GROUP, by="admin")


def test_every_change_is_in_the_access_log_without_its_values(editing: Editing) -> None:
    editing.tables.put_row(
        PEOPLE, {"person_id": "L1", "phone": "13912345678"}, by="admin", why="换号"
    )
    editing.tables.export_csv(PEOPLE, by="admin")
    with editing.store.begin_read() as uow:
        changed = uow.access.of_no_camera("change_people", limit=5)
        exported = uow.access.of_no_camera("export_people", limit=5)
    assert [(e.who, e.why) for e in changed] == [("admin", "L1: changed phone; 换号")]
    assert [(e.who, e.why) for e in exported] == [("admin", "4 rows")]


def test_a_full_disk_leaves_file_and_history_as_they_were(
    editing: Editing, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: object, **_more: object) -> None:
        raise OSError(28, "No space left on device")

    before = editing.text("people.csv")
    monkeypatch.setattr("patrol.administration.registry_files.write_atomically", full)
    with pytest.raises(OSError, match="No space"):
        editing.tables.put_row(PEOPLE, {"person_id": "L1", "name": "王"}, by="admin")
    monkeypatch.undo()
    assert editing.text("people.csv") == before
    assert editing.history() == []


def test_two_editors_at_once_lose_nothing(editing: Editing) -> None:
    def enter(number: int) -> None:
        day = f"2026-12-{number:02}"
        row = {"person_id": "L1", "from": day, "until": day, "substitute": "V1"}
        editing.tables.put_row(LEAVE, row, by=f"lead{number}")

    threads = [threading.Thread(target=enter, args=(n,)) for n in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(editing.tables.rows(LEAVE)) == len(editing.history()) == 8


def test_a_service_without_a_directory_changes_nothing(editing: Editing) -> None:
    watcher = RegistryWatcher(load_site(editing.folder), None, load_site, editing.clock.now)
    context = RegistryWriteContext(store=editing.store, clock=editing.clock, watcher=watcher)
    tables = PeopleTables(context)
    assert tables.note_outside_changes() == 0
    with pytest.raises(RegistryEditRefused, match="no_folder"):
        tables.put_row(PEOPLE, {"person_id": "L1", "name": "x"}, by="admin")
