"""cameras.csv out to Excel and back: nothing secret leaves, nothing is half taken over."""

import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from patrol.administration.camera_table import COLUMNS
from patrol.settings import load_site
from patrol.settings.cameras_csv import CAMERA_OPTIONAL, CAMERA_REQUIRED
from patrol.settings.zones_editor import camera_areas

LogIn = Callable[[str], httpx.Client]
SECRET = "rtsp://viewer:s3cr3t@127.0.0.1:9/none"


@pytest.fixture(autouse=True)
def registry(town: Any) -> Iterator[Path]:
    """The files, with a password in one address and a name in another; as before afterwards."""
    folder = Path(town.config_dir)
    before = {name: (folder / name).read_bytes() for name in ("cameras.csv", "zones.yaml")}
    first, second, *rest = rows(before["cameras.csv"])
    first["url"], second["url"] = SECRET, "rtsp://viewer:${PATROL_CAM_TEST_PW}@127.0.0.1:9/none"
    (folder / "cameras.csv").write_bytes(as_csv([first, second, *rest]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATROL_CAM_TEST_PW", "from-the-environment")
        town.app.registry_watcher.refresh()
        yield folder
    for name, data in before.items():
        (folder / name).write_bytes(data)
    town.app.registry_watcher.refresh()


def rows(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))


def as_csv(lines: list[dict[str, str]], encoding: str = "utf-8-sig") -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(lines[0]))
    writer.writeheader()
    writer.writerows(lines)
    return out.getvalue().encode(encoding)


def check(client: httpx.Client, data: bytes) -> httpx.Response:
    return client.post("/api/cameras/import/check", files={"file": ("cameras.csv", data)})


def take(client: httpx.Client, data: bytes, mark: str) -> httpx.Response:
    form = {"mark": mark, "why": "新装点位"}
    return client.post("/api/cameras/import", files={"file": ("cameras.csv", data)}, data=form)


def exported(log_in: LogIn) -> list[dict[str, str]]:
    return rows(log_in("admin").get("/cameras.csv").content)


def test_the_columns_are_the_contracts() -> None:
    assert sorted(COLUMNS) == sorted((*CAMERA_REQUIRED, *CAMERA_OPTIONAL))


def test_the_file_opens_in_excel_and_tells_no_password(log_in: LogIn, town: Any) -> None:
    answer = log_in("admin").get("/cameras.csv")
    assert answer.content.startswith(b"\xef\xbb\xbfcamera_id,")
    assert answer.headers["content-disposition"].startswith("attachment; filename=")
    assert b"s3cr3t" not in answer.content
    first, second, *_ = rows(answer.content)
    assert first["url"] == "rtsp://viewer:***@127.0.0.1:9/none"
    assert second["url"] == "rtsp://viewer:${PATROL_CAM_TEST_PW}@127.0.0.1:9/none"
    with town.store.begin_read() as uow:
        entry = uow.access.entries(limit=1, what="export_cameras")[0]
    assert entry.who == "admin"


def test_what_went_out_and_came_back_is_no_change(log_in: LogIn, registry: Path) -> None:
    client = log_in("admin")
    plan = check(client, client.get("/cameras.csv").content).json()
    assert plan["counts"] == {"added": 0, "changed": 0, "retired": 0}
    assert plan["unchanged"] == len(rows((registry / "cameras.csv").read_bytes()))


def test_added_changed_retired_are_shown_and_then_taken_over(
    log_in: LogIn, town: Any, registry: Path
) -> None:
    client, lines = log_in("admin"), exported(log_in)
    zones = registry / "zones.yaml"
    drawn = next(
        n for n, one in enumerate(lines) if n > 1 and camera_areas(zones, one["camera_id"])
    )
    gone = lines.pop(drawn)["camera_id"]
    lines[0]["url"] = lines[0]["url"].replace("/none", "/101")
    lines[1]["name"] = "改了名"
    new = {**lines[2], "camera_id": "62090204011327999999", "name": "新装", "lon": "", "lat": ""}
    data = as_csv([*lines, new])
    plan = check(client, data).json()
    assert plan["counts"] == {"added": 1, "changed": 2, "retired": 1}
    changed = {one["camera"]: one["cells"] for one in plan["changes"] if one["kind"] == "changed"}
    (cell,) = changed[lines[0]["camera_id"]]
    assert cell["after"] == "rtsp://viewer:***@127.0.0.1:9/101"
    assert "s3cr3t" not in str(plan)
    assert gone in town.app.registry.cameras  # nothing yet
    taken = take(client, data, plan["mark"])
    assert taken.status_code == 200, taken.text
    cameras = town.app.registry.cameras
    assert gone not in cameras
    assert cameras[new["camera_id"]].name == "新装"
    assert (
        cameras[lines[0]["camera_id"]].main_stream.with_credentials
        == "rtsp://viewer:s3cr3t@127.0.0.1:9/101"
    )
    assert camera_areas(registry / "zones.yaml", gone) == {}
    assert load_site(registry).registry.cameras.keys() == cameras.keys()
    assert "${PATROL_CAM_TEST_PW}" in (registry / "cameras.csv").read_text("utf-8-sig")
    with town.store.begin_read() as uow:
        logged = {e.what: e.camera for e in uow.access.entries(limit=10) if "import" in e.what}
    assert logged["import_retired"] == gone
    assert logged["import_added"] == new["camera_id"]


@pytest.mark.parametrize("column", ["url", "sub_url"])
@pytest.mark.parametrize("kept", ["***", "${PATROL_CAM_TEST_PW}"])
def test_no_kept_password_follows_to_another_server(
    log_in: LogIn, registry: Path, town: Any, column: str, kept: str
) -> None:
    before = rows((registry / "cameras.csv").read_bytes())
    before[0]["sub_url"], before[1]["sub_url"] = before[0]["url"], before[1]["url"]
    (registry / "cameras.csv").write_bytes(as_csv(before))
    town.app.registry_watcher.refresh()
    client, lines = log_in("admin"), exported(log_in)
    row = lines[0 if kept == "***" else 1]
    assert kept in row[column]
    row[column] = row[column].replace("127.0.0.1:9", "198.51.100.9:9")
    data = as_csv(lines)
    answer = check(client, data)
    assert answer.status_code == 422, answer.text
    assert [one["field"] for one in answer.json()["problems"]] == [column]
    assert take(client, data, "0123456789abcdef").status_code == 422
    assert rows((registry / "cameras.csv").read_bytes()) == before


@pytest.mark.parametrize("name", ["HOME", "PATROL_DB_PASSWORD", "CAM0_PW", "patrol_cam_x"])
def test_no_other_value_of_the_environment_is_read(
    log_in: LogIn, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "s3cr3t-of-the-service")
    client, lines = log_in("admin"), exported(log_in)
    lines[0]["url"] = f"rtsp://viewer:${{{name}}}@198.51.100.9/live"
    answer = check(client, as_csv(lines))
    assert answer.status_code == 422
    assert "PATROL_CAM_" in answer.text
    assert "s3cr3t" not in answer.text


def test_every_problem_is_listed_with_its_line_and_nothing_is_changed(
    log_in: LogIn, registry: Path
) -> None:
    client, lines = log_in("admin"), exported(log_in)
    before = (registry / "cameras.csv").read_bytes()
    lines[1]["camera_id"] = "6.20902E+19"
    lines[2]["grid_code"] = "620902104299999"
    lines[3]["consent_until"] = "next year"
    lines[4]["url"] = "rtsp://somebody:***@127.0.0.1/1"
    answer = check(client, as_csv(lines))
    assert answer.status_code == 422
    found = {(one["line"], one["field"]) for one in answer.json()["problems"]}
    assert {(3, "camera_id"), (4, "grid_code"), (5, "consent_until"), (6, "url")} <= found
    assert (registry / "cameras.csv").read_bytes() == before


@pytest.mark.parametrize(
    ("data", "text"),
    [
        pytest.param(b"PK\x03\x04 a workbook", "无法读取", id="xlsx"),
        pytest.param("点位,名称\n1,上坝".encode("gbk"), "没有任何一列", id="gbk"),
        pytest.param(b"", "为空", id="empty"),
        pytest.param(b"camera_id|name\n1|2\n", "分隔", id="bars"),
    ],
)
def test_a_file_that_is_no_camera_table_is_refused(log_in: LogIn, data: bytes, text: str) -> None:
    answer = check(log_in("admin"), data)
    assert answer.status_code == 422
    assert any(text in one["text"] for one in answer.json()["problems"])


def test_a_registry_that_moved_meanwhile_is_compared_again(log_in: LogIn, registry: Path) -> None:
    client, lines = log_in("admin"), exported(log_in)
    lines[2]["name"] = "甲"
    data = as_csv(lines)
    mark = check(client, data).json()["mark"]
    with (registry / "cameras.csv").open("a", encoding="utf-8") as file:
        file.write("\n")
    assert take(client, data, mark).status_code == 409
    lines[2]["name"] = "乙"
    assert take(client, as_csv(lines), check(client, data).json()["mark"]).status_code == 409


@pytest.mark.parametrize("who", ["operator", "duty_lead", "maintainer", "auditor", "leader"])
def test_only_the_administrator_takes_it_along_or_brings_it_back(log_in: LogIn, who: str) -> None:
    client = log_in(who)
    assert client.get("/cameras.csv").status_code == 403
    assert client.get("/camera-import").status_code == 403
    assert check(client, b"x").status_code == 403
    assert take(client, b"x", "x").status_code == 403


def test_a_failed_log_leaves_the_files_as_they_were(
    log_in: LogIn, town: Any, registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = exported(log_in)
    lines[2]["name"] = "甲"
    data, table = as_csv(lines), town.app.camera_table
    mark = table.plan_import(data).version
    before = (registry / "cameras.csv").read_bytes()
    begin = town.store.begin

    class Full(Exception):
        pass

    def full_disk() -> Any:
        uow = begin()
        entered = uow.__enter__

        def enter() -> Any:
            inside = entered()
            monkeypatch.setattr(inside, "commit", lambda: (_ for _ in ()).throw(Full))
            return inside

        class Wrapped:
            __enter__ = staticmethod(enter)
            __exit__ = staticmethod(uow.__exit__)

        return Wrapped()

    monkeypatch.setattr(table.context.store, "begin", full_disk, raising=False)
    with pytest.raises(Full):
        table.apply_import(data, version=mark, by="admin", why="x")
    assert (registry / "cameras.csv").read_bytes() == before


def test_the_workbook_goes_out_and_comes_back_as_text(log_in: LogIn) -> None:
    calamine = pytest.importorskip("python_calamine", reason="pip install 'patrol[reports]'")
    client = log_in("admin")
    answer = client.get("/cameras.xlsx")
    assert answer.headers["content-disposition"].endswith('.xlsx"')
    book = calamine.CalamineWorkbook.from_filelike(io.BytesIO(answer.content))
    header, *cells = book.get_sheet_by_index(0).to_python()
    assert [row[0] for row in cells] == [one["camera_id"] for one in exported(log_in)]
    assert all(isinstance(cell, str) for row in cells for cell in row)
    assert "s3cr3t" not in str(cells)
    assert (check(client, answer.content).json()["changes"], header[0]) == ([], "camera_id")


def test_what_excel_rewrote_is_no_change(log_in: LogIn) -> None:
    lines = exported(log_in)
    for line in lines:
        line["outdoor"] = {"yes": "是", "no": "否"}.get(line["outdoor"], line["outdoor"])
        line["consent_until"] = line["consent_until"].replace("-0", "-").replace("-", "/")
    data = as_csv(lines).decode("utf-8-sig").replace(",", "\t").encode("utf-16")
    assert check(log_in("admin"), data).json()["changes"] == []


def test_a_file_of_mistakes_is_cut_at_200_with_the_count(log_in: LogIn) -> None:
    data = ",".join(COLUMNS).encode() + b"\n" + (b"a," * 40 + b"b\n") * 3000
    files = {"file": ("cameras.csv", data, "text/csv")}
    answer = log_in("admin").post("/api/cameras/import/check", files=files)
    body = answer.json()
    assert answer.status_code == 422
    assert (len(body["problems"]), body["count"]) == (200, 3000)
    assert body["words"] == "有 3000 处问题，未作任何更改；列出前 200 处"
    assert len(answer.content) < 100_000
